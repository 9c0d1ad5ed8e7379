"""The assembled forward model: from parameters of galaxies to what a telescope sees.

Stars and gas (:mod:`~sedum.galaxies.starlight`) are attenuated by dust, which emits what it
absorbs; an active nucleus may be added; then come the intergalactic medium, distance, the Milky
Way and the filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.axis import WavelengthAxis, fineness_of
from sedum.galaxies.bands import BandProjection
from sedum.galaxies.bounds import check_parameters
from sedum.galaxies.constants import SOLAR_LUMINOSITY
from sedum.galaxies.cosmology import CosmologyTable
from sedum.galaxies.coverage import (
    check_bands,
    check_priors,
    parameter_bounds,
    redshift_range,
    seen_cells,
)
from sedum.galaxies.derived import DEFAULTS, Derived, derived_quantities
from sedum.galaxies.emergent import EmergentLight
from sedum.galaxies.foreground import MilkyWay
from sedum.galaxies.grid import StellarGrid, load_grid
from sedum.galaxies.histories import make_history
from sedum.galaxies.history import mean_age
from sedum.galaxies.igm import Medium
from sedum.galaxies.parameters import prior_of
from sedum.galaxies.spectra import observed_spectrum
from sedum.galaxies.starlight import Galaxies, Starlight
from sedum.galaxies.tabulated import TabulatedHistories
from sedum.photometry.filters import FilterSet
from sedum.storage import digest

__all__ = ["GalaxyModel"]

_MICROJANSKY = 1e29  # per erg / (s cm² Hz)
_TEN_PARSEC = 3.0856775814913674e19  # cm
_PORTION = 10_000


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
        self.redshift_range = redshift_range(self.prior)
        self._bounds = parameter_bounds(self.prior, self.grid)
        check_priors(spec, self.prior, self.grid, self._bounds)
        self.axis = self.grid.axis
        self._age_edges = torch.from_numpy(self.grid.age_edges).to(self.device)
        self.starlight = Starlight(self.grid, spec, self.device)
        self.emergent = EmergentLight(self.starlight, spec, self.device)
        self.medium = None if spec.igm == "none" else Medium(spec.igm, self.axis, self.device)
        self.foreground = MilkyWay(self.axis, self.device) if spec.milky_way else None
        table = self.medium.table if self.medium is not None else None
        check_bands(filters, spec, self.grid, self.redshift_range, table)
        self._seen = seen_cells(filters, self.axis, self.redshift_range, table)
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
        if not quantities:  # nor need any star be mixed
            return {}
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

    def mean_age(self, galaxies: Galaxies) -> torch.Tensor:
        """Return the mean age of the mass formed in yr, [n]."""
        if galaxies.histories is not None:
            return mean_age(galaxies.histories.formed_since, galaxies.universe)
        return self.history.mean_age(galaxies.p, galaxies.universe)

    # --- the way of the light ------------------------------------------------------------

    def _flux(self, galaxies: Galaxies) -> torch.Tensor:
        p = galaxies.p
        # index_copy rather than assignment, so that gradients pass.
        out = p["redshift"].new_zeros(len(p["redshift"]), len(self.filters))
        scale = self.flux_scale(galaxies)
        for rows, light in self.emergent.spectra(galaxies, self._seen):
            redshift = p["redshift"][rows]
            light = self.on_the_way(light, galaxies, rows, self._seen)
            out = out.index_copy(0, rows, self._bands(light, redshift).to(out.dtype))
        return out * scale[:, None]

    def on_the_way(
        self, light: torch.Tensor, galaxies: Galaxies, rows: torch.Tensor, cells: slice
    ) -> torch.Tensor:
        """Return spectra [rows, cells] behind the intergalactic medium and the Milky Way."""
        redshift = galaxies.p["redshift"][rows]
        if self.medium is not None:
            neutral = galaxies.p.get("neutral_fraction")
            neutral = neutral[rows] if neutral is not None else None
            light = self.medium.transmit(light, redshift, cells, neutral)
        if self.foreground is not None:
            ebv = galaxies.p["ebv_mw"][rows]
            light = light * self.foreground.transmission(ebv, redshift, cells)
        return light

    def flux_scale(self, galaxies: Galaxies, rest: bool = False) -> torch.Tensor:
        """Return what turns Lsun/Hz of one solar mass into µJy of the galaxy, [n]."""
        redshift = galaxies.p["redshift"]
        if rest:
            redshift = torch.zeros_like(redshift)
        distance = self.cosmology.luminosity_distance(redshift)
        distance = torch.where(redshift == 0, torch.full_like(distance, _TEN_PARSEC), distance)
        factor = SOLAR_LUMINOSITY * _MICROJANSKY * 10**galaxies.log_mass
        return factor / (4 * torch.pi * distance**2 * (1 + redshift))

    def rest_axis(self, low: float, high: float) -> tuple[WavelengthAxis, slice]:
        """Return the cells that cover rest wavelengths in Angstrom, and their axis."""
        cells = self.axis.part(low, high)
        return self.axis.cut(cells), cells
