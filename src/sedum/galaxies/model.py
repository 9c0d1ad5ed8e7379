"""The assembled forward model: from parameters of galaxies to what a telescope sees.

Stars and gas (:mod:`~sedum.galaxies.components.starlight`) are attenuated by dust, which emits
what it absorbs; an active nucleus may be added; then come the intergalactic medium, distance, the
Milky Way and the filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from sedum.photometry.filters import FilterSet
from sedum.storage import digest

__all__ = ["GalaxyModel"]

_MICROJANSKY = 1e29  # per erg / (s cm² Hz)
_TEN_PARSEC = 3.0856775814913674e19  # cm
_PORTION = 10_000


class GalaxyModel(GalaxyLight):
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

    @classmethod
    def from_run(cls, run: config.RunFile, device: str | torch.device = "cpu") -> GalaxyModel:
        """Build the model of a run file."""
        if isinstance(run.model, config.ExternalModelSettings):
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
    ) -> Iterator[tuple[slice, GalaxyBatch]]:
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

    def _flux(self, galaxies: GalaxyBatch) -> torch.Tensor:
        p = galaxies.p
        # index_copy rather than assignment, so that gradients pass.
        out = p["redshift"].new_zeros(len(p["redshift"]), len(self.filters))
        scale = self.flux_scale(galaxies)
        for rows, light in self.emergent.spectra(galaxies, self._seen):
            redshift = p["redshift"][rows]
            light = self.on_the_way(light, galaxies, rows, self._seen)
            out = out.index_copy(0, rows, self._bands(light, redshift).to(out.dtype))
        return out * scale[:, None]
