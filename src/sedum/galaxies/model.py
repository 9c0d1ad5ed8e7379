"""The assembled forward model.

A galaxy's spectrum is a weighted sum over the grid of ages, metallicities and ionisation
parameters, attenuated by dust and the intergalactic medium, and averaged over the filters.
Galaxies are sorted by the grid cell (metallicity, ionisation parameter) they fall in, so that
the sum is one matrix product for each of a few dozen cells, and each product, small enough
for the processor's cache, is carried through to photometry before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.axis import LYMAN_LIMIT, WavelengthAxis
from sedum.galaxies.bands import BandProjection
from sedum.galaxies.cosmology import MAX_REDSHIFT, CosmologyTable
from sedum.galaxies.derived import DERIVED, derive
from sedum.galaxies.dust import attenuation_curve
from sedum.galaxies.grid import GRID_AXIS, StellarGrid, load_grid
from sedum.galaxies.histories import make_history
from sedum.galaxies.igm import TABLE_STEP, transmission_table
from sedum.galaxies.parameters import prior_of
from sedum.photometry.filters import FilterSet
from sedum.storage import digest

__all__ = ["GalaxyModel"]

_SOLAR_LUMINOSITY = 3.828e33  # erg / s, IAU 2015
_MICROJANSKY = 1e29  # per erg / (s cm² Hz)
_PORTION = 10_000
#: Cells through which less than this passes at every redshift that shows them are left out.
_DARK = 1e-6


class GalaxyModel:
    """Photometry, spectra and derived quantities of galaxies from their parameters.

    Parameters
    ----------
    filters
        The bands.
    model
        The components, from the run file.
    priors
        Priors of the parameters that ``model.parameters()`` lists; defaults where absent. They
        fix the range of redshift.
    grid
        Stellar grid; the one the model names where None.
    device
        Where to compute.

    Attributes
    ----------
    prior : Prior
        The joint prior; ``prior.names`` is the order of the columns of ``theta``.

    Examples
    --------
    >>> from sedum import FilterSet, GalaxyModel
    >>> model = GalaxyModel(FilterSet.from_names(["jwst_f444w"]))      # doctest: +SKIP
    >>> theta = model.prior.sample(1000, np.random.default_rng(1))     # doctest: +SKIP
    >>> model.photometry(theta).shape                                  # doctest: +SKIP
    (1000, 1)
    """

    def __init__(
        self,
        filters: FilterSet,
        model: config.Model | None = None,
        priors: dict[str, config.PriorSpec] | None = None,
        grid: StellarGrid | None = None,
        device: str | torch.device = "cpu",
    ):
        self.filters = filters
        self.config = model or config.Model()
        self.device = torch.device(device)
        self.cosmology = CosmologyTable(self.config.cosmology)
        self.prior = prior_of(self.config, priors or {})
        self.history = make_history(self.config.history, self.prior.quantiles)
        self.grid = grid or load_grid(self.config.stellar)
        self.redshift_range = self._find_redshift_range()
        #: The range of each parameter that the model is not defined everywhere for.
        self._bounds = {
            "redshift": self.redshift_range,
            "log_z": (self.grid.log_z[0], self.grid.log_z[-1]),
            "log_u": (self.grid.log_u[0], self.grid.log_u[-1]),
            "av": (0.0, np.inf),
        }
        self._check_ranges()
        self._build()

    @classmethod
    def from_run(cls, run: config.RunFile, device: str | torch.device = "cpu") -> GalaxyModel:
        """Build the model of a run file."""
        return cls(FilterSet.from_run(run), run.model, dict(run.priors), device=device)

    # --- construction --------------------------------------------------------------------

    def _find_redshift_range(self) -> tuple[float, float]:
        low, high = self.prior.support("redshift")
        if not (0 < low < MAX_REDSHIFT and high <= MAX_REDSHIFT):
            raise SedumError(
                f"priors.redshift: runs from {low:g} to {high:g}; allowed: above 0, up to "
                f"{MAX_REDSHIFT:g}"
            )
        return low, high

    def _check_ranges(self) -> None:
        for name in self.prior.names:
            if name in self._bounds:
                low, high = self.prior.support(name)
                least, most = self._bounds[name]
                if low < least - 1e-9 or high > most + 1e-9:
                    raise SedumError(
                        f"priors.{name}: runs from {low:g} to {high:g}; the grid "
                        f"{self.grid.name!r} covers {least:g} to {most:g}"
                    )
        low, high = self.redshift_range
        edges = GRID_AXIS.edges
        for band in self.filters:
            blue, red = band.limits
            if blue / (1 + low) < edges[0] * 1.02 or red / (1 + low) > edges[-1]:
                raise SedumError(
                    f"filters: band {band.name!r} ({blue:.0f}-{red:.0f} Å) leaves the spectra, "
                    f"which cover {edges[0]:.0f} to {edges[-1]:.0f} Å at rest, at z = {low:g}"
                )

    def _build(self) -> None:
        """Cut the grid to the cells that the bands can see, and arrange it for products."""
        z_low, z_high = self.redshift_range
        blue = min(band.limits[0] for band in self.filters) / (1 + z_high)
        red = max(band.limits[1] for band in self.filters) / (1 + z_low)
        # The ultraviolet is always kept, for the derived quantities measured there.
        low = max(min(blue, LYMAN_LIMIT), GRID_AXIS.edges[1])
        axis = WavelengthAxis.covering(low, min(max(red, 3200.0), GRID_AXIS.edges[-1]))
        self._igm: torch.Tensor | None = None
        if self.config.igm == "inoue14":
            table = transmission_table(GRID_AXIS)
            axis = self._skip_dark(axis, table)
            cut = table[:, axis.first - GRID_AXIS.first :]
            self._igm = torch.from_numpy(np.ascontiguousarray(cut)).to(self.device)
        self.axis = axis
        part = GRID_AXIS.slice_of(axis)
        stellar = self.grid.stellar[:, :, part].copy()
        nebular = self.grid.nebular[:, :, :, part].copy()
        young = self._young_share()
        if self.config.nebular:
            # Gas around young stars absorbs what ionises it and gives back the nebular light.
            ionising = axis.centres < LYMAN_LIMIT
            stellar[:, :, ionising] *= (1 - young)[None, :, None]
            nebular *= young[: nebular.shape[2], None]
        self._stellar = torch.from_numpy(stellar).to(self.device)
        self._nebular = torch.from_numpy(nebular).to(self.device)
        self._blocks: dict[tuple[int, int], torch.Tensor] = {}
        self._age_edges = torch.from_numpy(self.grid.age_edges).to(self.device)
        self._log_z = torch.from_numpy(self.grid.log_z).to(self.device)
        self._log_u = torch.from_numpy(self.grid.log_u).to(self.device)
        self._surviving = torch.from_numpy(self.grid.surviving).double().to(self.device)
        curve = attenuation_curve(self.config.dust, axis.centres)
        self._curve = None
        if curve is not None:
            optical_depth = torch.from_numpy(curve * 0.4 * np.log(10))
            self._curve = optical_depth.float().to(self.device)
        self._bands = BandProjection(self.filters, axis).to(self.device)

    def _skip_dark(self, axis: WavelengthAxis, table: np.ndarray) -> WavelengthAxis:
        """Leave out blue cells that the intergalactic medium hides from every band."""
        bluest = min(band.limits[0] for band in self.filters)
        seen_from = np.maximum(bluest / axis.edges[1:] - 1, self.redshift_range[0])
        count = max(-axis.first, 0)
        offset = axis.first - GRID_AXIS.first
        rows = np.minimum((seen_from[:count] / TABLE_STEP).astype(int), len(table) - 1)
        passed = table[rows, offset + np.arange(count)]
        lit = np.flatnonzero(passed > _DARK)
        skip = int(lit[0]) if len(lit) else 0
        return WavelengthAxis(axis.first + skip, axis.size - skip)

    def _young_share(self) -> np.ndarray:
        """Return the share of each age bin that is still in its birth cloud, [ages]."""
        edges = self.grid.age_edges
        limit = self.config.birth_cloud_age * 1e6
        return np.clip((limit - edges[:-1]) / np.diff(edges), 0, 1)

    def fingerprint(self) -> dict[str, str]:
        """Describe everything that fluxes depend on: equal fingerprints, equal fluxes."""
        return {
            "filters": self.filters.digest(),
            "grid": self.grid.digest,
            "model": digest(self.config.model_dump(mode="json")),
            "priors": digest({k: v.model_dump(mode="json") for k, v in self.prior.specs.items()}),
        }

    # --- evaluation ----------------------------------------------------------------------

    def photometry(self, theta: np.ndarray) -> np.ndarray:
        """Return noiseless flux densities.

        Parameters
        ----------
        theta
            Parameters in the order of ``prior.names``, [n, d].

        Returns
        -------
        ndarray
            µJy, float32, [n, bands].

        Raises
        ------
        SedumError
            If a value is not finite or lies outside the model's range; names row and value.
        """
        theta = self.check(theta)
        out = np.empty((len(theta), len(self.filters)), np.float32)
        with torch.no_grad():
            for start in range(0, len(theta), _PORTION):
                rows = slice(start, start + _PORTION)
                out[rows] = self.flux(torch.from_numpy(theta[rows]).to(self.device)).cpu().numpy()
        return out

    def flux(self, theta: torch.Tensor) -> torch.Tensor:
        """Return fluxes in µJy, [n, bands]; differentiable, and without checks of the input."""
        p = self._columns(theta)
        # index_copy rather than assignment, so that gradients pass.
        out = theta.new_zeros(len(theta), len(self.filters))
        scale = self._scale(p)
        for rows, light in self.luminosity(p):
            light = self._absorb(light, p["redshift"][rows])
            flux = self._bands(light, p["redshift"][rows]).to(out.dtype)
            out = out.index_copy(0, rows, flux * scale[rows, None])
        return out

    def spectrum(self, theta: np.ndarray, wavelength: np.ndarray | None = None) -> np.ndarray:
        """Return observed spectra.

        Parameters
        ----------
        theta
            Parameters, [n, d].
        wavelength
            Observed wavelengths in Angstrom, [m]; those of the rest-frame cells, redshifted
            for each galaxy, where None.

        Returns
        -------
        ndarray
            f_ν in µJy, [n, m]; NaN beyond the model's wavelengths.
        """
        theta = self.check(theta)
        out = np.empty((len(theta), self.axis.size if wavelength is None else len(wavelength)))
        with torch.no_grad():
            full = torch.from_numpy(theta).to(self.device)
            for start in range(0, len(theta), _PORTION):
                p = self._columns(full[start : start + _PORTION])
                for rows, light in self.luminosity(p):
                    light = self._absorb(light, p["redshift"][rows]).double()
                    factor = self._scale(p)[rows, None] / 2.99792458e18
                    z = p["redshift"][rows].cpu().numpy()
                    seen = self.axis.centres * (1 + z[:, None])
                    f_nu = (light * factor).cpu().numpy() * seen**2
                    at = start + rows.cpu().numpy()
                    out[at] = f_nu if wavelength is None else _resample(wavelength, seen, f_nu)
        return out

    def derived(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Return derived quantities, each [n]; see :mod:`sedum.galaxies.derived`."""
        theta = self.check(theta)
        parts = []
        with torch.no_grad():
            for start in range(0, len(theta), _PORTION):
                portion = torch.from_numpy(theta[start : start + _PORTION]).to(self.device)
                parts.append(derive(self, self._columns(portion)))
        return {d.name: np.concatenate([p[d.name] for p in parts]) for d in DERIVED}

    def check(self, theta: np.ndarray) -> np.ndarray:
        """Return the parameters as float64 [n, d], or say which row lies outside the model."""
        theta = np.ascontiguousarray(np.atleast_2d(np.asarray(theta, float)))
        if theta.shape[1] != len(self.prior.names):
            raise SedumError(
                f"parameters have {theta.shape[1]} columns; the model has "
                f"{len(self.prior.names)}: {', '.join(self.prior.names)}"
            )
        for j, name in enumerate(self.prior.names):
            low, high = self._bounds.get(name, (-np.inf, np.inf))
            slack = 1e-9 * (1 + abs(low))
            column = theta[:, j]
            bad = ~((column >= low - slack) & (column <= high + slack) & np.isfinite(column))
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise SedumError(
                    f"parameters, row {row}: {name} = {column[row]:g} is outside the model's "
                    f"range {low:g} to {high:g}"
                )
        return theta

    def _columns(self, theta: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict(zip(self.prior.names, theta.unbind(1), strict=True))

    def _scale(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return what turns Lsun/Hz of one solar mass into µJy of the galaxy, [n]."""
        area = 4 * torch.pi * self.cosmology.luminosity_distance(p["redshift"]) ** 2
        factor = _SOLAR_LUMINOSITY * _MICROJANSKY * 10 ** p["log_mass"]
        return factor / (area * (1 + p["redshift"]))

    def age_weights(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the share of the mass formed that falls in each age bin, [n, ages]."""
        universe = self.cosmology.age(p["redshift"])
        formed = self.history.formed_since(self._age_edges, p, universe)
        return formed[:, 1:] - formed[:, :-1]

    def surviving_fraction(self, p: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return mass in stars and remnants per mass formed, [n]."""
        low, share = _bracket(p["log_z"], self._log_z)
        living = torch.lerp(self._surviving[low], self._surviving[low + 1], share[:, None])
        return (self.age_weights(p) * living).sum(1)

    def luminosity(
        self, p: dict[str, torch.Tensor], cells: slice | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield rows and their attenuated L_λ [rows, cells] per solar mass, by grid cell."""
        ages = self.age_weights(p).float()
        young = ages[:, : self._nebular.shape[2]]
        iz, fz = _bracket(p["log_z"], self._log_z)
        fz = fz.float()[:, None]
        if "log_u" in p:
            iu, fu = _bracket(p["log_u"], self._log_u)
            fu = fu.float()[:, None]
        else:
            iu = torch.zeros_like(iz)
        key = iz * len(self._log_u) + iu
        order = torch.argsort(key, stable=True)
        groups, counts = torch.unique_consecutive(key[order], return_counts=True)
        for group, rows in zip(groups.tolist(), order.split(counts.tolist()), strict=True):
            z_index, u_index = divmod(group, len(self._log_u))
            a, f = ages[rows], fz[rows]
            weights = [(1 - f) * a, f * a]
            if self.config.nebular:
                y, g = young[rows], fu[rows]
                weights += [(1 - f) * (1 - g) * y, (1 - f) * g * y, f * (1 - g) * y, f * g * y]
            block = self._block(z_index, u_index)
            light = torch.cat(weights, dim=1) @ (block if cells is None else block[:, cells])
            if self._curve is not None:
                curve = self._curve if cells is None else self._curve[cells]
                light = light * torch.exp(-p["av"][rows].float()[:, None] * curve)
            yield rows, light

    def _block(self, iz: int, iu: int) -> torch.Tensor:
        """Return the grid's corners around one cell as a matrix [weights, cells]."""
        if (iz, iu) not in self._blocks:
            parts = [self._stellar[iz], self._stellar[iz + 1]]
            if self.config.nebular:
                parts += [self._nebular[z, u] for z in (iz, iz + 1) for u in (iu, iu + 1)]
            self._blocks[iz, iu] = torch.cat(parts)
        return self._blocks[iz, iu]

    def _absorb(self, light: torch.Tensor, redshift: torch.Tensor) -> torch.Tensor:
        """Apply the intergalactic medium to spectra [n, cells]."""
        if self._igm is None:
            return light
        at = redshift / TABLE_STEP
        i = at.detach().floor().long().clamp(max=len(self._igm) - 2)
        passed = torch.lerp(self._igm[i], self._igm[i + 1], (at - i).float()[:, None])
        blue = passed.shape[1]
        return torch.cat([light[:, :blue] * passed, light[:, blue:]], dim=1)


def _bracket(x: torch.Tensor, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the node below each value and the fraction of the way to the next."""
    i = (torch.searchsorted(nodes, x.detach().contiguous(), right=True) - 1).clamp(
        0, len(nodes) - 2
    )
    return i, (x - nodes[i]) / (nodes[i + 1] - nodes[i])


def _resample(wavelength: np.ndarray, seen: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Interpolate spectra on their own axes [n, m] to common wavelengths."""
    return np.stack(
        [
            np.interp(wavelength, s, f, left=np.nan, right=np.nan)
            for s, f in zip(seen, flux, strict=True)
        ]
    )
