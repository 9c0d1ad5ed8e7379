"""The noise of a survey: one object that simulates observations and gives their likelihood."""

from __future__ import annotations

import numpy as np

from sedum import config
from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced, listed
from sedum.observe.catalogue_errors import BootstrapErrors, LearnedErrors
from sedum.observe.flux_residuals import Residuals
from sedum.observe.missing_bands import MissingBands
from sedum.observe.noise_file import SurveySample
from sedum.observe.reported_errors import DepthErrors, ErrorModel
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.storage import array_digest, digest

__all__ = ["NoiseModel"]

#: Number of galaxies with the same draw of the zero-points.
_SHARED = 512
_MAGNITUDE = np.log(10) / 2.5


class NoiseModel(Introduced):
    """Errors, noise, missing bands, upper limits, known redshifts and selection of a survey.

    A galaxy's errors come from an error model (see :mod:`sedum.observe.reported_errors`), which
    does not depend on the true flux. The observed flux is distributed about the true flux f with
    the scale ``sqrt(σ(f)² + (floor f)² + (T(λ/(1+z)) f)²)``. The terms are the reported error, a
    calibration floor and the error of the models; the last two are not part of the reported error.
    Zero-points multiply the mean by 1 + N(0, s²), the same for galaxies that are observed together.
    In bands whose non-detections the survey reports as limits, an observed flux below n sigma (the
    noise of a source without flux) is replaced by that limit.

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        The ``noise`` section of the run file.
    pivots
        Pivot wavelengths in Angstrom, [bands]; needed for a template error.
    sample
        What :func:`fit_noise` learned from a catalogue, for ``spec`` of kind ``learned`` or
        ``bootstrap``. None reads it from ``spec.file``.

    Raises
    ------
    SedumError
        If ``spec.file`` cannot be read or lacks a band, its catalogue has upper limits that
        ``spec`` does not mention, or a template error lacks ``pivots``.

    Examples
    --------
    >>> from sedum import NoiseModel
    >>> from sedum.config import DepthNoise
    >>> noise = NoiseModel(["sdss_r0"], DepthNoise(depths={"sdss_r0": 25.0}))
    >>> observed = noise.observe(np.full((1000, 1), 3.0), np.random.default_rng(1))
    >>> observed.flux.shape
    (1000, 1)
    >>> truth = np.full((1000, 1), 3.0)
    >>> noise.log_likelihood(observed, truth).shape
    (1000,)
    """

    def __init__(
        self,
        bands: list[str],
        spec: config.AnyNoise,
        pivots: np.ndarray | None = None,
        sample: SurveySample | None = None,
    ):
        self.bands = bands
        self.spec = spec
        self.sample: SurveySample | None = None
        self.errors: ErrorModel
        if isinstance(spec, config.DepthNoise | config.RegionNoise):
            self.errors = DepthErrors(bands, spec)
        else:
            self.sample = (sample or SurveySample.read(spec.file)).of_bands(bands)
            if isinstance(spec, config.LearnedNoise):
                self.errors = LearnedErrors(self.sample, spec.survey_patterns)
            else:
                self.errors = BootstrapErrors(self.sample, spec.neighbours)
            if self.sample.upper.any() and spec.limits is None:
                raise SedumError(
                    f"noise.limits: the catalogue behind {spec.file} has upper limits; add "
                    "limits: {sigma: 3}"
                )
        #: 1-sigma error of a faint source in µJy, [bands].
        self.depth = self.errors.depth
        #: Calibration error as a fraction of the true flux, [bands].
        self.floor = np.array(spec.per_band("floor", bands))
        #: Error of the zero-points as a fraction of the flux, [bands].
        self.gain_error = _MAGNITUDE * np.array(spec.per_band("zeropoint_error", bands))
        self.pivots = None if pivots is None else np.asarray(pivots, float)
        if spec.template_error is not None and pivots is None:
            raise SedumError("noise.template_error needs the bands' wavelengths: pass pivots")
        self.residuals = Residuals(self.depth if spec.space == "asinh" else None, spec.student_dof)
        self.missing = MissingBands(bands, spec.missing_bands)
        limited = spec.limits.bands if spec.limits and spec.limits.bands is not None else bands
        self._limited = np.array([b in limited for b in bands]) & (spec.limits is not None)
        self._cut = bands.index(spec.selection.band) if spec.selection else None

    def _facts(self) -> Facts:
        return self.spec.kind, {"bands": listed(self.bands)}

    @classmethod
    def from_run(
        cls,
        run: config.RunFile,
        filters: FilterSet | None = None,
        sample: SurveySample | None = None,
    ) -> NoiseModel:
        """Build the noise model of a run file.

        Parameters
        ----------
        run
            The run file.
        filters
            Its filters; read if they are needed and not given.
        sample
            Replaces the file of the noise section if that does not exist.
        """
        pivots = None
        if run.noise.template_error is not None:
            pivots = (filters or FilterSet.from_run(run)).pivots
        file = getattr(run.noise, "file", None)
        instead = sample if file is not None and not file.exists() else None
        return cls(run.band_names(), run.noise, pivots, instead)

    def fingerprint(self) -> str:
        """Return a hash of everything that observations depend on; a file counts by its content."""
        settings = digest(self.spec.model_dump(mode="json", exclude={"file"}))
        if self.sample is None:
            return settings
        return digest([settings, array_digest(*self.sample.state().values())])

    def observe(
        self,
        flux: np.ndarray,
        rng: np.random.Generator,
        redshift: np.ndarray | None = None,
        *,
        wider: float = 0.0,
    ) -> Photometry:
        """Draw one observation of each galaxy.

        Parameters
        ----------
        flux
            Noiseless flux densities in µJy, [n, bands].
        rng
            Random number generator.
        redshift
            True redshifts, [n]. A fraction of them becomes known, with errors, as the run file
            says. Needed for a template error.
        wider
            Fraction of galaxies whose errors reach beyond those of the survey at either end, as
            an estimator should know them that is to fit any galaxy of it.

        Returns
        -------
        Photometry
            The observations before any selection; see :meth:`selected`.

        Raises
        ------
        SedumError
            If a template error lacks redshifts.
        """
        n, b = flux.shape
        fraction = self._fraction(redshift, n)
        residual = self.residuals.standard(rng, (n, b))
        gain = 1 + self.gain_error * rng.standard_normal((-(-n // _SHARED), b))
        mean = flux * np.repeat(gain, _SHARED, axis=0)[:n] if self.gain_error.any() else flux

        def measure(band: int, latent: np.ndarray) -> np.ndarray:
            every = np.zeros((n, b))
            every[:, band] = latent
            scale = np.hypot(self.errors.scale(flux, every), fraction * flux)
            return self.residuals.observed(mean[:, band], scale[:, band], residual[:, band], band)

        some = np.asarray(rng.random(n) < wider) if wider else None
        latent, present = self.errors.draw(n, rng, measure, some)
        scale = np.hypot(self.errors.scale(flux, latent), fraction * flux)
        seen = self.residuals.observed(mean, scale, residual)
        error = self.errors.scale(seen, latent)
        seen, error, upper = self._censor(seen, error, latent, rng)
        there = present & self.missing.draw(n, rng)
        if self._cut is not None:
            there[:, self._cut] = True
        photometry = Photometry.make(np.where(there, seen, np.nan), error, upper)
        return self._with_redshifts(photometry, redshift, rng)

    def _fraction(self, redshift: np.ndarray | None, n: int) -> np.ndarray:
        """Return the scale of floor and template error as a fraction of the flux, [n, bands]."""
        spec = self.spec.template_error
        if spec is None:
            return np.broadcast_to(self.floor, (n, len(self.bands)))
        if redshift is None:
            raise SedumError("noise.template_error: it needs the redshift of each galaxy")
        assert self.pivots is not None
        rest = self.pivots / (1 + np.asarray(redshift, float)[:, None])
        template = spec.scale * np.interp(rest, spec.wavelength, spec.fraction)
        return np.hypot(self.floor, template)

    def _censor(
        self, seen: np.ndarray, error: np.ndarray, latent: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Replace non-detections by upper limits, as the survey reports them."""
        limits = self.spec.limits
        if limits is None:
            return seen, error, np.zeros(seen.shape, bool)
        faint = self.errors.scale(np.zeros_like(seen), latent)
        reported = rng.random((len(seen), 1)) < limits.fraction
        upper = reported & self._limited & (seen < limits.sigma * faint)
        return (
            np.where(upper, limits.sigma * faint, seen),
            np.where(upper, faint, error),
            upper,
        )

    def _with_redshifts(
        self, photometry: Photometry, redshift: np.ndarray | None, rng: np.random.Generator
    ) -> Photometry:
        """Make a fraction of the redshifts known, each with its own error."""
        n = len(photometry)
        given = np.full(n, np.nan)
        low, high = self.spec.redshift_error_range
        size = np.full(n, low)
        if redshift is not None:
            known = rng.random(n) < self.spec.redshift_given
            if high > low:
                size = np.exp(rng.uniform(np.log(low), np.log(high), n))
            measured = redshift + size * (1 + redshift) * rng.standard_normal(n)
            given[known] = measured[known]
        return photometry.with_redshift(given, size)

    def selected(self, photometry: Photometry) -> np.ndarray:
        """Return which galaxies the survey selects, [n].

        The selection depends on the observation alone: at least one band, and the minimum
        signal-to-noise ratio of the run file.
        """
        any_band = np.asarray(photometry.observed.any(axis=1))
        if self._cut is None or self.spec.selection is None:
            return any_band
        snr = photometry.flux[:, self._cut] / photometry.error[:, self._cut]
        return any_band & photometry.measured[:, self._cut] & (snr >= self.spec.selection.snr)

    def log_likelihood(
        self,
        photometry: Photometry,
        flux: np.ndarray,
        redshift: np.ndarray | None = None,
        gain: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return log p(observed fluxes and limits | true fluxes, reported errors).

        Parameters
        ----------
        photometry
            Observations of n galaxies.
        flux
            True flux densities in µJy, [n, bands], or [n, models, bands] for several models of each
            galaxy.
        redshift
            True redshifts, [n] or [n, models]; needed for a template error.
        gain
            Factors of the zero-points, [bands]. None marginalises over them: exactly for noise that
            is normal in flux, otherwise to first order in their error.

        Returns
        -------
        ndarray
            [n] or [n, models]. Missing bands do not count; an upper limit contributes the
            probability of a flux below it.
        """
        seen, mean, scale = self._about(photometry, flux, redshift, gain)
        measured, upper = photometry.measured, photometry.upper
        if flux.ndim == 3:
            measured, upper = measured[:, None], upper[:, None]
        terms = np.where(measured, self.residuals.log_density(seen, mean, scale), 0.0)
        if upper.any():
            terms = np.where(upper, self.residuals.log_below(seen, mean, scale), terms)
        return terms.sum(axis=-1)

    def normal_scores(
        self, photometry: Photometry, flux: np.ndarray, redshift: np.ndarray | None = None
    ) -> np.ndarray:
        """Return residuals of the observed fluxes from models, as standard normal scores.

        Arguments are those of :meth:`log_likelihood`. The result has the shape of ``flux`` and is
        meaningless if a band is not measured.
        """
        return self.residuals.normal_scores(*self._about(photometry, flux, redshift, None))

    def deviance_residuals(
        self, photometry: Photometry, flux: np.ndarray, redshift: np.ndarray | None = None
    ) -> np.ndarray:
        """Return normal scores of measured bands, and signed deviance residuals of upper limits.

        Arguments are those of :meth:`log_likelihood`; the result has the shape of ``flux`` and is
        zero for missing bands. The residual of a limit is -sqrt(-2 ln P(below the limit)): about
        -(model - limit) in sigma if the model is well above it, and near zero if the model is
        below.
        """
        about = self._about(photometry, flux, redshift, None)
        measured, upper = photometry.measured, photometry.upper
        if flux.ndim == 3:
            measured, upper = measured[:, None], upper[:, None]
        residuals = np.where(measured, self.residuals.normal_scores(*about), 0.0)
        if upper.any():
            root = np.sqrt(-2 * self.residuals.log_below(*about))
            residuals = np.where(upper, -root, residuals)
        return residuals

    def _about(
        self,
        photometry: Photometry,
        flux: np.ndarray,
        redshift: np.ndarray | None,
        gain: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return observed fluxes, and mean and scale of their distribution."""
        seen, error = photometry.flux, photometry.error
        # The noise of a limit is that of a source without flux.
        latent = self.errors.latent_of(np.where(photometry.upper, 0.0, seen), error)
        if flux.ndim == 3:
            seen, latent = seen[:, None], latent[:, None]
        shape = flux.shape[:-1]
        if redshift is not None:
            per_galaxy = np.ndim(redshift) < len(shape)
            each = redshift[:, None] if per_galaxy else redshift
            redshift = np.broadcast_to(each, shape).ravel()
        fraction = self._fraction(redshift, int(np.prod(shape))).reshape(flux.shape)
        if gain is None:
            fraction = np.hypot(fraction, self.gain_error)
        mean = flux if gain is None else flux * gain
        return seen, mean, np.hypot(self.errors.scale(flux, latent), fraction * flux)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that are not in the run file, for storing with an estimator."""
        arrays = {} if self.sample is None else self.sample.state()
        return arrays if self.pivots is None else {**arrays, "pivots": self.pivots}

    @classmethod
    def from_state(
        cls, bands: list[str], spec: config.AnyNoise, state: dict[str, np.ndarray]
    ) -> NoiseModel:
        """Restore from :meth:`state` and the noise section of the run file."""
        state = dict(state)
        pivots = state.pop("pivots", None)
        sample = SurveySample.from_state(bands, state) if state else None
        return cls(bands, spec, pivots, sample)
