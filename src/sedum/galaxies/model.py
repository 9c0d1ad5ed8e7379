"""The complete forward model: what a telescope observes of galaxies with given parameters.

Dust attenuates the light of stars and gas (:mod:`~sedum.galaxies.components.starlight`) and emits
what it absorbs; an active nucleus may be added. The intergalactic medium, the distance, the Milky
Way and the filters follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.components.starlight import GalaxyBatch
from sedum.galaxies.derived import DEFAULTS, Derived, derived_quantities
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.galaxies.light import GalaxyLight
from sedum.galaxies.parameter_bounds import check_parameters
from sedum.galaxies.spectra import observed_spectrum
from sedum.parallel.threads import in_threads
from sedum.photometry.filters import FilterSet
from sedum.photometry.quantities import angstrom, with_unit, years
from sedum.storage import digest

__all__ = ["GalaxyModel"]

Result = TypeVar("Result")

_MICROJANSKY = 1e29  # per erg / (s cm² Hz)
_TEN_PARSEC = 3.0856775814913674e19  # cm
#: Number of galaxies that a thread computes at a time.
_PORTION = 2_500


class GalaxyModel(GalaxyLight):
    """Photometry, spectra and derived quantities of galaxies from their parameters.

    Parameters
    ----------
    filters
        The bands.
    model
        The components: the ``model`` section of a run file. None uses the defaults.
    priors
        Priors of the parameters in ``model.parameters()``, with defaults for those not given. They
        also set the range of redshifts.
    grid
        Stellar grid. None loads the one that the model names.
    device
        Torch device on which to compute, such as ``"cuda"``.

    Attributes
    ----------
    prior : Prior
        The joint prior. ``prior.names`` gives the order of the columns of ``theta``.

    Raises
    ------
    SedumError
        If a prior leaves the stellar grid, or a band leaves the spectra at some redshift.

    Examples
    --------
    >>> from sedum import FilterSet, GalaxyModel
    >>> model = GalaxyModel(FilterSet.from_names(["sdss_r0"]))
    >>> theta = model.prior.sample(100, np.random.default_rng(1))
    >>> model.photometry(theta).shape
    (100, 1)
    >>> model.prior.names[:3]
    ['redshift', 'log_mass', 'log_z']
    """

    @classmethod
    def from_run(cls, run: config.RunFile, device: str | torch.device = "cpu") -> GalaxyModel:
        """Build the model of a run file.

        Raises
        ------
        SedumError
            If the run file has an external simulator, or names an unknown filter or derived
            quantity.
        """
        if isinstance(run.model, config.ExternalModelSettings):
            raise SedumError(
                f"model: {run.model.name!r} is an external simulator; run it from Python, with "
                "model=... given to simulate and fit"
            )
        derived_quantities(run.output.derived)  # a wrong name is found before any work
        return cls(FilterSet.from_run(run), run.model, dict(run.priors), device=device)

    def fingerprint(self) -> dict[str, str]:
        """Return hashes of everything that fluxes depend on; equal hashes mean equal fluxes."""
        return {
            "filters": self.filters.digest(),
            "grid": self.grid.digest,
            "model": digest(self.config.model_dump(mode="json", exclude={"stellar"})),
            "priors": digest({k: v.model_dump(mode="json") for k, v in self.prior.specs.items()}),
        }

    # --- evaluation ----------------------------------------------------------------------

    def photometry(
        self, theta: np.ndarray, histories: TabulatedHistories | None = None, *, units: bool = False
    ) -> np.ndarray:
        """Return noiseless flux densities.

        Parameters
        ----------
        theta
            Parameters in the order of ``prior.names``, [n, d]. At redshift 0 the fluxes are those
            at 10 pc, so that they correspond to absolute magnitudes.
        histories
            Tabulated histories of the n galaxies. They replace the mass, the star-formation history
            and the metallicity of the parameters.
        units
            Whether to return astropy quantities.

        Returns
        -------
        ndarray
            Flux densities in µJy, float32, [n, bands].

        Raises
        ------
        SedumError
            If a value is not finite or lies outside the range of the model; the message names the
            row and the value.

        Examples
        --------
        >>> from sedum import GalaxyModel
        >>> model = GalaxyModel.from_run(run)
        >>> theta = model.prior.sample(2, np.random.default_rng(1))
        >>> theta[1] = theta[0]
        >>> theta[1, model.prior.names.index("log_mass")] += 1
        >>> flux = model.photometry(theta)
        >>> (flux[1] / flux[0]).round(3)
        array([10., 10., 10.], dtype=float32)
        """
        theta = self.check(theta)
        out = np.empty((len(theta), len(self.filters)), np.float32)
        for rows, flux in self._by_portion(self._flux, theta, histories):
            out[rows] = flux.cpu().numpy()
        return with_unit(out, "uJy", units)

    def flux(self, theta: torch.Tensor) -> torch.Tensor:
        """Return flux densities in µJy, [n, bands], as a differentiable tensor, without checks."""
        return self._flux(self.galaxies(theta))

    def spectrum(
        self,
        theta: np.ndarray,
        wavelength: np.ndarray | None = None,
        *,
        frame: str = "observed",
        resolution: float | None = None,
        histories: TabulatedHistories | None = None,
        units: bool = False,
    ) -> np.ndarray:
        """Return spectra.

        Parameters
        ----------
        theta
            Parameters, [n, d].
        wavelength
            Wavelengths in Angstrom in the requested frame, or an astropy quantity, [m]. None
            returns the cells of :attr:`axis`; in the observed frame they are redshifted for each
            galaxy.
        frame
            ``"observed"``, or ``"rest"``: as seen from 10 pc, without the intergalactic medium and
            the Milky Way.
        resolution
            Resolving power λ/Δλ (full width at half maximum) to which a Gaussian smooths the
            spectrum. It must not exceed that of the cells, ``model.resolving_power``.
        histories
            As for :meth:`photometry`.
        units
            Whether to return astropy quantities.

        Returns
        -------
        ndarray
            Flux densities f_ν in µJy, [n, m]; NaN outside the wavelengths of the model.

        Raises
        ------
        SedumError
            If a parameter is outside the model, or ``wavelength``, ``frame`` or ``resolution`` is
            invalid.

        Examples
        --------
        >>> from sedum import GalaxyModel
        >>> model = GalaxyModel.from_run(run)
        >>> theta = model.prior.sample(2, np.random.default_rng(1))
        >>> wavelength = np.linspace(4000.0, 9000.0, 100)
        >>> model.spectrum(theta, wavelength, resolution=100).shape
        (2, 100)
        """
        theta = self.check(theta)
        wavelength = None if wavelength is None else angstrom(wavelength)
        size = self.axis.size if wavelength is None else len(wavelength)
        out = np.empty((len(theta), size))

        def spectra(galaxies: GalaxyBatch) -> np.ndarray:
            return observed_spectrum(self, galaxies, wavelength, frame, resolution)

        for rows, part in self._by_portion(spectra, theta, histories, portion=1000):
            out[rows] = part
        return with_unit(out, "uJy", units)

    def derived(
        self,
        theta: np.ndarray,
        names: Sequence[str] = DEFAULTS,
        histories: TabulatedHistories | None = None,
        *,
        units: bool = False,
    ) -> dict[str, np.ndarray]:
        """Return derived quantities; :mod:`sedum.galaxies.derived` lists them.

        Parameters
        ----------
        theta
            Parameters, [n, d].
        names
            Names of the quantities.
        histories
            As for :meth:`photometry`.
        units
            Whether to return astropy quantities.

        Returns
        -------
        dict
            Values by name, each [n].

        Raises
        ------
        SedumError
            If a parameter is outside the model or a name is unknown.

        Examples
        --------
        >>> from sedum import GalaxyModel
        >>> model = GalaxyModel.from_run(run)
        >>> theta = model.prior.sample(2, np.random.default_rng(1))
        >>> sorted(model.derived(theta, ["log_sfr_100", "mass_weighted_age"]))
        ['log_sfr_100', 'mass_weighted_age']
        >>> model.derived(theta, ["mass_weighted_age"], units=True)["mass_weighted_age"].unit
        Unit("Gyr")
        """
        quantities: list[Derived] = derived_quantities(names)
        if not quantities:  # without any, the stellar populations are not needed
            return {}
        theta = self.check(theta)

        def values(galaxies: GalaxyBatch) -> dict[str, np.ndarray]:
            return {q.name: q.compute(self, galaxies).double().cpu().numpy() for q in quantities}

        parts = [part for _, part in self._by_portion(values, theta, histories)]
        return {
            q.name: with_unit(
                np.concatenate([np.empty(0), *(part[q.name] for part in parts)]), q.unit, units
            )
            for q in quantities
        }

    def star_formation_rate(
        self,
        theta: np.ndarray,
        edges: np.ndarray,
        histories: TabulatedHistories | None = None,
        *,
        units: bool = False,
    ) -> np.ndarray:
        """Return mean star-formation rates between lookback times.

        Parameters
        ----------
        theta
            Parameters, [n, d].
        edges
            Lookback times in yr, or an astropy quantity, increasing, [k + 1].
        histories
            As for :meth:`photometry`.
        units
            Whether to return astropy quantities.

        Returns
        -------
        ndarray
            Rates in Msun/yr, [n, k]; zero before the Big Bang.

        Raises
        ------
        SedumError
            If a parameter is outside the model.

        Examples
        --------
        >>> from sedum import GalaxyModel
        >>> model = GalaxyModel.from_run(run)
        >>> theta = model.prior.sample(2, np.random.default_rng(1))
        >>> model.star_formation_rate(theta, np.array([0.0, 1e8, 1e9])).shape
        (2, 2)
        """
        theta = self.check(theta)
        times = torch.from_numpy(years(edges, "edges")).to(self.device)
        out = np.empty((len(theta), len(edges) - 1))

        def rates(galaxies: GalaxyBatch) -> torch.Tensor:
            formed = self.formed_since(galaxies, times)
            return 10 ** galaxies.log_mass[:, None] * formed.diff(dim=1) / times.diff()

        for rows, rate in self._by_portion(rates, theta, histories):
            out[rows] = rate.cpu().numpy()
        return with_unit(out, "solMass / yr", units)

    def check(self, theta: np.ndarray) -> np.ndarray:
        """Return the parameters as float64, [n, d]; refuse rows outside the model."""
        return check_parameters(theta, self.prior.names, self._bounds, self.cosmology)

    def _by_portion(
        self,
        function: Callable[[GalaxyBatch], Result],
        theta: np.ndarray,
        histories: TabulatedHistories | None,
        portion: int = _PORTION,
    ) -> Iterator[tuple[slice, Result]]:
        """Apply a function to the galaxies of checked parameters, in portions that limit memory.

        The portions are divided among threads.
        """
        if histories is not None:
            if len(histories) != len(theta):
                raise SedumError(f"{len(histories)} histories for {len(theta)} rows of parameters")
            redshift = theta[:, self.prior.names.index("redshift")]
            histories.check(self.cosmology.age_gyr(redshift) * 1e9, self.grid.log_z)

        def compute(start: int) -> tuple[slice, Result]:
            rows = slice(start, start + portion)
            with torch.no_grad():
                part = torch.from_numpy(theta[rows]).to(self.device)
                own = histories[rows] if histories is not None else None
                return rows, function(self.galaxies(part, own))

        yield from in_threads(compute, range(0, len(theta), portion))

    def _flux(self, galaxies: GalaxyBatch) -> torch.Tensor:
        p = galaxies.p
        # index_copy, unlike assignment, lets gradients pass.
        out = p["redshift"].new_zeros(len(p["redshift"]), len(self.filters))
        scale = self.flux_scale(galaxies)
        for rows, light in self.emergent.spectra(galaxies, self._seen):
            redshift = p["redshift"][rows]
            light = self.on_the_way(light, galaxies, rows, self._seen)
            out = out.index_copy(0, rows, self._bands(light, redshift).to(out.dtype))
        return out * scale[:, None]
