"""The assembled forward model: from parameters of galaxies to what a telescope sees.

Stars and gas (:mod:`~sedum.galaxies.starlight`) are attenuated by dust, which emits what it
absorbs; an active nucleus may be added; then come the intergalactic medium, distance, the Milky
Way and the filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.agn import ActiveNucleus
from sedum.galaxies.axis import LYMAN_ALPHA, LYMAN_LIMIT, WavelengthAxis, fineness_of
from sedum.galaxies.bands import BandProjection
from sedum.galaxies.bounds import check_parameters
from sedum.galaxies.cosmology import MAX_REDSHIFT, CosmologyTable
from sedum.galaxies.derived import DEFAULTS, Derived, derived_quantities
from sedum.galaxies.dust import Attenuation
from sedum.galaxies.emission import make_emission
from sedum.galaxies.foreground import MilkyWay
from sedum.galaxies.grid import StellarGrid, load_grid
from sedum.galaxies.histories import make_history
from sedum.galaxies.igm import TABLE_STEP, damping_wing, transmission_table
from sedum.galaxies.parameters import prior_of
from sedum.galaxies.spectra import observed_spectrum
from sedum.galaxies.starlight import Light, Mixture, Starlight
from sedum.galaxies.tabulated import TabulatedHistories
from sedum.photometry.filters import Filter, FilterSet
from sedum.storage import digest

__all__ = ["Galaxies", "GalaxyModel"]

_SOLAR_LUMINOSITY = 3.828e33  # erg / s, IAU 2015
_MICROJANSKY = 1e29  # per erg / (s cm² Hz)
_TEN_PARSEC = 3.0856775814913674e19  # cm
_PORTION = 10_000
#: Cells through which less than this passes at every redshift that shows them are left out.
_DARK = 1e-6
#: Without dust emission spectra mean nothing redward of this, in Angstrom.
_STARLIGHT_TO = 3.2e5
#: Dust absorbs next to nothing redward of this, in Angstrom.
_ABSORBED_TO = 5e4


@dataclass(frozen=True)
class Galaxies:
    """Galaxies on their way through the model.

    Attributes
    ----------
    p
        Parameters, each [n].
    universe
        Age of the Universe in yr, [n].
    log_mass
        log10 of the mass formed in Msun, [n].
    mixture
        What they are made of.
    histories
        Their histories, where these are tables rather than given by parameters.
    """

    p: dict[str, torch.Tensor]
    universe: torch.Tensor
    log_mass: torch.Tensor
    mixture: Mixture
    histories: TabulatedHistories | None = None


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
        self.config = spec = model or config.Model()
        self.device = torch.device(device)
        self.cosmology = CosmologyTable(spec.cosmology)
        self.prior = prior_of(spec, priors or {})
        self.history = make_history(spec.history)
        self.grid = grid or load_grid(spec.stellar, fineness_of(spec.resolving_power))
        self.redshift_range = self._find_redshift_range()
        self._bounds = self._find_bounds()
        self._check_grid()
        self.axis = self.grid.axis
        self.starlight = Starlight(self.grid, spec, self.device)
        self._age_edges = torch.from_numpy(self.grid.age_edges).to(self.device)
        centres, widths = self.axis.centres, self.axis.widths
        self._widths = torch.from_numpy(widths.astype(np.float32)).to(self.device)
        self.attenuation = self._attenuation(centres)
        self.line_attenuation = self._attenuation(self.grid.line_wavelengths)
        self._emission = make_emission(spec.dust, self.axis, self.device)
        self._nucleus = ActiveNucleus(self.axis, self.device) if spec.agn else None
        self.foreground = MilkyWay(self.axis, self.device) if spec.milky_way else None
        self._igm: torch.Tensor | None = None
        if spec.igm != "none":
            table = transmission_table(self.axis, spec.igm)
            self._igm = torch.from_numpy(table).to(self.device)
        self._check_bands()
        self._seen = self._seen_cells()
        self._bands = BandProjection(filters, self.axis.cut(self._seen)).to(self.device)

    @classmethod
    def from_run(cls, run: config.RunFile, device: str | torch.device = "cpu") -> GalaxyModel:
        """Build the model of a run file."""
        if isinstance(run.model, config.External):
            raise SedumError(
                f"model: {run.model.name!r} is an external simulator; run it from Python, with "
                "model=... given to simulate and fit"
            )
        derived_quantities(run.output.derived)  # a wrong name is found before any work
        return cls(FilterSet.from_run(run), run.model, dict(run.priors), device=device)

    # --- construction --------------------------------------------------------------------

    def _attenuation(self, wavelength: np.ndarray) -> Attenuation | None:
        spec = self.config.dust
        return None if spec.law == "none" else Attenuation(spec, wavelength, self.device)

    def _find_redshift_range(self) -> tuple[float, float]:
        low, high = self.prior.support("redshift")
        if not (0 <= low <= high <= MAX_REDSHIFT):
            raise SedumError(
                f"priors.redshift: runs from {low:g} to {high:g}; allowed: 0 to {MAX_REDSHIFT:g}"
            )
        return low, high

    def _find_bounds(self) -> dict[str, tuple[float, float]]:
        """Return the range of each parameter: where it has a meaning, and the grid reaches."""
        bounds = {}
        for name in self.prior.names:
            known = config.parameter(name)
            bounds[name] = (known.low, known.high)
        bounds["redshift"] = self.redshift_range
        metals = (float(self.grid.log_z[0]), float(self.grid.log_z[-1]))
        for name in ("log_z", "log_z_gas"):
            bounds[name] = metals
        bounds["log_u"] = (float(self.grid.log_u[0]), float(self.grid.log_u[-1]))
        return bounds

    def _check_grid(self) -> None:
        single = len(self.grid.log_u) == 1
        if self.config.nebular and single and self.config.ionisation == "free":
            raise SedumError(
                f"model.ionisation: the grid {self.grid.name!r} has one ionisation parameter "
                "only; set ionisation: grid"
            )
        if self.config.nebular and not single and self.config.ionisation == "grid":
            raise SedumError(
                f"model.ionisation: the grid {self.grid.name!r} has {len(self.grid.log_u)} "
                "ionisation parameters; set ionisation: free, with a fixed prior for one value"
            )
        for name in self.prior.names:
            low, high = self.prior.support(name)
            least, most = self._bounds[name]
            if low < least - 1e-9 * (1 + abs(least)) or high > most + 1e-9 * (1 + abs(most)):
                raise SedumError(
                    f"priors.{name}: runs from {low:g} to {high:g}; the grid "
                    f"{self.grid.name!r} covers {least:g} to {most:g}"
                )

    def _check_bands(self) -> None:
        z_low, z_high = self.redshift_range
        edges = self.grid.axis.edges
        blue = max(edges[0] * 1.02, self.grid.limits[0])
        red = edges[-1]
        if self.config.dust.emission == "none":
            red = min(red, self.grid.limits[1], _STARLIGHT_TO)
        for band in self.filters:
            if band.limits[1] / (1 + z_low) > red:
                self._refuse_band(band, z_low, blue, red)
            if band.limits[0] / (1 + z_high) < blue and not self._is_dark(band, blue):
                self._refuse_band(band, z_high, blue, red)

    def _is_dark(self, band: Filter, blue: float) -> bool:
        """Say whether the intergalactic medium hides what a band would see below the spectra."""
        if self._igm is None:
            return False
        first = max(band.limits[0] / blue - 1, self.redshift_range[0])
        bluest = self.grid.axis.part(blue, blue * 1.01).start
        return bool(self._igm[int(first / TABLE_STEP), bluest] < 0.01)

    @staticmethod
    def _refuse_band(band: Filter, z: float, blue: float, red: float) -> None:
        raise SedumError(
            f"filters: band {band.name!r} ({band.limits[0]:.0f}-{band.limits[1]:.0f} Å) leaves "
            f"the spectra, which cover {blue:.0f} to {red:.0f} Å at rest, at z = {z:g}; leave the "
            "band out, narrow priors.redshift, or (in the infrared) set model.dust.emission"
        )

    def _seen_cells(self) -> slice:
        """Return the cells that the bands can see, less those that are always dark."""
        z_low, z_high = self.redshift_range
        blue = min(band.limits[0] for band in self.filters) / (1 + z_high)
        red = max(band.limits[1] for band in self.filters) / (1 + z_low)
        seen = self.axis.part(blue, red)
        if self._igm is None:
            return seen
        table = self._igm.cpu().numpy()
        bluest = min(band.limits[0] for band in self.filters)
        count = max(table.shape[1] - seen.start, 0)
        edges = self.axis.edges[seen.start + 1 : seen.start + 1 + count]
        seen_from = np.maximum(bluest / edges - 1, z_low)
        rows = np.minimum((seen_from / TABLE_STEP).astype(int), len(table) - 1)
        lit = np.flatnonzero(table[rows, seen.start + np.arange(count)] > _DARK)
        skip = int(lit[0]) if len(lit) else 0
        return slice(seen.start + skip, seen.stop)

    def fingerprint(self) -> dict[str, str]:
        """Describe everything that fluxes depend on: equal fingerprints, equal fluxes."""
        return {
            "filters": self.filters.digest(),
            "grid": self.grid.digest,
            "model": digest(self.config.model_dump(mode="json", exclude={"stellar"})),
            "priors": digest({k: v.model_dump(mode="json") for k, v in self.prior.specs.items()}),
        }

    # --- evaluation ----------------------------------------------------------------------

    def photometry(
        self, theta: np.ndarray, histories: TabulatedHistories | None = None
    ) -> np.ndarray:
        """Return noiseless flux densities.

        Parameters
        ----------
        theta
            Parameters in the order of ``prior.names``, [n, d]. At redshift 0 exactly, fluxes
            are those at 10 pc: absolute magnitudes.
        histories
            Tabulated histories that take the place of the mass, the history and the
            metallicity of the parameters.

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
            for rows, galaxies in self._portions(theta, histories):
                out[rows] = self._flux(galaxies).cpu().numpy()
        return out

    def flux(self, theta: torch.Tensor) -> torch.Tensor:
        """Return fluxes in µJy, [n, bands]; differentiable, and without checks of the input."""
        return self._flux(self.galaxies(theta))

    def spectrum(
        self,
        theta: np.ndarray,
        wavelength: np.ndarray | None = None,
        *,
        frame: str = "observed",
        resolution: float | None = None,
        histories: TabulatedHistories | None = None,
    ) -> np.ndarray:
        """Return spectra.

        Parameters
        ----------
        theta
            Parameters, [n, d].
        wavelength
            Wavelengths in Angstrom in the frame asked for, [m]; the cells of :attr:`axis`, and
            in the observed frame those redshifted for each galaxy, where None.
        frame
            ``"observed"``, or ``"rest"``: as seen from 10 pc, without the intergalactic medium
            and the Milky Way.
        resolution
            λ/Δλ at half maximum to which a Gaussian smooths the spectrum. Finer than the cells
            (``model.resolving_power``) is refused.
        histories
            As for :meth:`photometry`.

        Returns
        -------
        ndarray
            f_ν in µJy, [n, m]; NaN beyond the model's wavelengths.
        """
        theta = self.check(theta)
        size = self.axis.size if wavelength is None else len(wavelength)
        out = np.empty((len(theta), size))
        with torch.no_grad():
            for rows, galaxies in self._portions(theta, histories, portion=1000):
                out[rows] = observed_spectrum(self, galaxies, wavelength, frame, resolution)
        return out

    def derived(
        self,
        theta: np.ndarray,
        names: Sequence[str] = DEFAULTS,
        histories: TabulatedHistories | None = None,
    ) -> dict[str, np.ndarray]:
        """Return derived quantities, each [n]; see :mod:`sedum.galaxies.derived`."""
        quantities: list[Derived] = derived_quantities(names)
        theta = self.check(theta)
        parts: list[dict[str, np.ndarray]] = []
        with torch.no_grad():
            for _, galaxies in self._portions(theta, histories):
                parts.append(
                    {q.name: q.compute(self, galaxies).double().cpu().numpy() for q in quantities}
                )
        return {
            q.name: np.concatenate([part[q.name] for part in parts]) if parts else np.empty(0)
            for q in quantities
        }

    def star_formation_rate(
        self, theta: np.ndarray, edges: np.ndarray, histories: TabulatedHistories | None = None
    ) -> np.ndarray:
        """Return mean star-formation rates between lookback times.

        Parameters
        ----------
        theta
            Parameters, [n, d].
        edges
            Lookback times in yr, increasing, [k + 1].

        Returns
        -------
        ndarray
            Msun/yr, [n, k]; zero before the Big Bang.
        """
        theta = self.check(theta)
        times = torch.from_numpy(np.asarray(edges, float)).to(self.device)
        out = np.empty((len(theta), len(edges) - 1))
        with torch.no_grad():
            for rows, galaxies in self._portions(theta, histories):
                formed = self.formed_since(galaxies, times)
                rate = 10 ** galaxies.log_mass[:, None] * formed.diff(dim=1) / times.diff()
                out[rows] = rate.cpu().numpy()
        return out

    def check(self, theta: np.ndarray) -> np.ndarray:
        """Return the parameters as float64 [n, d], or say which row lies outside the model."""
        return check_parameters(theta, self.prior.names, self._bounds, self.cosmology)

    def _portions(
        self, theta: np.ndarray, histories: TabulatedHistories | None, portion: int = _PORTION
    ) -> Iterator[tuple[slice, Galaxies]]:
        """Yield galaxies of checked parameters in portions that bound the memory."""
        if histories is not None:
            if len(histories) != len(theta):
                raise SedumError(f"{len(histories)} histories for {len(theta)} rows of parameters")
            redshift = theta[:, self.prior.names.index("redshift")]
            histories.check(self.cosmology.age_gyr(redshift) * 1e9, self.grid.log_z)
        for start in range(0, len(theta), portion):
            rows = slice(start, start + portion)
            part = torch.from_numpy(theta[rows]).to(self.device)
            yield rows, self.galaxies(part, histories[rows] if histories is not None else None)

    def galaxies(
        self, theta: torch.Tensor, histories: TabulatedHistories | None = None
    ) -> Galaxies:
        """Return what galaxies are made of, from parameters [n, d]; without checks."""
        p = dict(zip(self.prior.names, theta.unbind(1), strict=True))
        universe = self.cosmology.age(p["redshift"])
        if histories is not None:
            metals = histories.shares(self._age_edges, self.grid.log_z).to(self.device)
            mixture = self.starlight.mixture(metals.sum(1), p, metals)
            mass = torch.from_numpy(np.log10(histories.mass)).to(self.device)
            return Galaxies(p, universe, mass, mixture, histories)
        formed = self.history.formed_since(self._age_edges, p, universe)
        mixture = self.starlight.mixture(formed[:, 1:] - formed[:, :-1], p)
        return Galaxies(p, universe, p["log_mass"], mixture)

    def formed_since(self, galaxies: Galaxies, lookback: torch.Tensor) -> torch.Tensor:
        """Return the share of the mass formed since lookback times in yr, [n, k]."""
        if galaxies.histories is not None:
            return galaxies.histories.formed_since(lookback)
        return self.history.formed_since(lookback, galaxies.p, galaxies.universe)

    # --- the way of the light ------------------------------------------------------------

    def _flux(self, galaxies: Galaxies) -> torch.Tensor:
        p = galaxies.p
        # index_copy rather than assignment, so that gradients pass.
        out = p["redshift"].new_zeros(len(p["redshift"]), len(self.filters))
        scale = self.flux_scale(galaxies)
        for rows, light in self.emerging(galaxies, self._seen):
            redshift = p["redshift"][rows]
            light = self.absorb(light, galaxies, rows, self._seen)
            if self.foreground is not None:
                light = light * self.foreground.transmission(
                    p["ebv_mw"][rows], redshift, self._seen
                )
            out = out.index_copy(0, rows, self._bands(light, redshift).to(out.dtype))
        return out * scale[:, None]

    def flux_scale(self, galaxies: Galaxies, rest: bool = False) -> torch.Tensor:
        """Return what turns Lsun/Hz of one solar mass into µJy of the galaxy, [n]."""
        redshift = galaxies.p["redshift"]
        if rest:
            redshift = torch.zeros_like(redshift)
        distance = self.cosmology.luminosity_distance(redshift)
        distance = torch.where(redshift == 0, torch.full_like(distance, _TEN_PARSEC), distance)
        factor = _SOLAR_LUMINOSITY * _MICROJANSKY * 10**galaxies.log_mass
        return factor / (4 * torch.pi * distance**2 * (1 + redshift))

    def emerging(
        self, galaxies: Galaxies, cells: slice, dust: bool = True
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield rows and their L_λ [rows, cells] per solar mass, as it leaves the galaxy.

        Parameters
        ----------
        galaxies
            The galaxies.
        cells
            Cells of the axis.
        dust
            Attenuate by dust, and add what it emits.
        """
        p = galaxies.p
        work = cells
        if self._emission is not None and dust:
            absorbed = self.axis.part(LYMAN_LIMIT, _ABSORBED_TO)
            work = slice(min(cells.start, absorbed.start), max(cells.stop, absorbed.stop))
        inner = slice(cells.start - work.start, cells.stop - work.start)
        bolometric = self.starlight.bolometric(galaxies.mixture) if self._nucleus else None
        for rows, light in self.starlight.light(galaxies.mixture, work, p.get("f_esc")):
            own = {name: p[name][rows] for name in self._late}
            out, lost = self._through_dust(light, own, work, dust)
            out = out[:, inner]
            if self._emission is not None and lost is not None:
                out = out + lost[:, None] * self._emission.spectrum(own, cells)
            if self._nucleus is not None and bolometric is not None:
                power = (own["agn_fraction"] * bolometric[rows]).float()[:, None]
                out = out + power * self._nucleus.spectrum(own, cells)
            yield rows, out

    @property
    def _late(self) -> list[str]:
        """Names of the parameters that act on the light of the stars."""
        agn = ["agn_fraction", "agn_torus", "agn_slope", "agn_av"] if self.config.agn else []
        return self.config.dust.parameters() + agn

    def stellar_continuum(self, galaxies: Galaxies, cells: slice) -> torch.Tensor:
        """Return the mean L_λ per solar mass of attenuated starlight without gas, [n]."""
        bare = galaxies.mixture._replace(gas=torch.zeros_like(galaxies.mixture.gas))
        out = torch.empty(len(galaxies.universe), dtype=torch.float64, device=self.device)
        for rows, light in self.starlight.light(bare, cells, galaxies.p.get("f_esc")):
            own = {name: galaxies.p[name][rows] for name in self._late}
            out[rows] = self._through_dust(light, own, cells)[0].mean(1).double()
        return out

    def absorbed(self, galaxies: Galaxies, cells: slice) -> torch.Tensor:
        """Return the luminosity in Lsun/Msun that dust absorbs in some of the cells, [n]."""
        out = torch.empty(len(galaxies.universe), dtype=torch.float32, device=self.device)
        for rows, light in self.starlight.light(galaxies.mixture, cells, galaxies.p.get("f_esc")):
            own = {name: galaxies.p[name][rows] for name in self._late}
            _, lost = self._through_dust(light, own, cells, energy=True)
            assert lost is not None
            out[rows] = lost
        return out

    def _through_dust(
        self,
        light: Light,
        p: dict[str, torch.Tensor],
        cells: slice,
        dust: bool = True,
        energy: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return light after the dust [n, cells], and the luminosity it lost [n] if needed."""
        old, young, bare = light
        if self.attenuation is None or not dust:
            total = old if young is None else old + young
            total = total if bare is None else total + bare
            return total, total.new_zeros(len(total)) if energy else None
        diffuse, clouds = self.attenuation.depths(p, cells)
        passed = torch.exp(-diffuse)
        if young is None:
            before, after = old, old * passed
        else:
            before = old + young
            covered = young if clouds is None else young * torch.exp(-clouds)
            after = (old + covered) * passed
        lost = None
        if self._emission is not None or energy:
            lost = (before - after) @ self._widths[cells]
        # Holes in the clouds are holes in the dust too.
        return (after if bare is None else after + bare), lost

    def absorb(
        self, light: torch.Tensor, galaxies: Galaxies, rows: torch.Tensor, cells: slice
    ) -> torch.Tensor:
        """Apply the intergalactic medium to spectra [rows, cells]."""
        if self._igm is None:
            return light
        redshift = galaxies.p["redshift"][rows]
        table = self._igm[:, cells.start : cells.stop]
        at = redshift / TABLE_STEP
        i = at.detach().floor().long().clamp(max=len(table) - 2)
        passed = torch.lerp(table[i], table[i + 1], (at - i).float()[:, None])
        blue = passed.shape[1]
        red = light[:, blue:]
        if "neutral_fraction" in galaxies.p and red.shape[1]:
            wavelength = torch.from_numpy(self.axis.centres[cells][blue:]).to(self.device)
            near = int((wavelength < 2 * LYMAN_ALPHA).sum())
            neutral = galaxies.p["neutral_fraction"][rows]
            wing = damping_wing(wavelength[:near], redshift, neutral).float()
            red = torch.cat([red[:, :near] * wing, red[:, near:]], dim=1)
        return torch.cat([light[:, :blue] * passed, red], dim=1)

    def rest_axis(self, low: float, high: float) -> tuple[WavelengthAxis, slice]:
        """Return the cells that cover rest wavelengths in Angstrom, and their axis."""
        cells = self.axis.part(low, high)
        return self.axis.cut(cells), cells
