"""What a survey does to fluxes: the same object simulates observations and is their likelihood."""

from __future__ import annotations

import numpy as np

from sedum import config
from sedum.errors import SedumError
from sedum.observe.catalogue_errors import BootstrapErrors, LearnedErrors
from sedum.observe.flux_residuals import Residuals
from sedum.observe.missing_bands import MissingBands
from sedum.observe.noise_file import SurveySample
from sedum.observe.reported_errors import DepthErrors, ErrorModel
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.storage import array_digest, digest

__all__ = ["NoiseModel"]

#: Galaxies that share one draw of the zero-points.
_SHARED = 512
_MAGNITUDE = np.log(10) / 2.5


class NoiseModel:
    """Errors, noise, missing bands, upper limits, given redshifts and selection of a survey.

    A galaxy's errors come from an error model (see :mod:`sedum.observe.reported_errors`), which
    never looks at the true flux. The observed flux is distributed about the true flux f with scale
    ``sqrt(σ(f)² + (floor f)² + (T(λ/(1+z)) f)²)``: the reported error, a calibration floor and
    the models' own error, which are not in the reported one. Zero-points multiply the mean by
    1 + N(0, s²), the same for galaxies that are observed together. In bands whose
    non-detections the survey reports as limits, an observed flux below n sigma (the noise of a
    source of no flux) is replaced by that limit.

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        The noise section of the run file.
    pivots
        Pivot wavelengths in Angstrom, [bands]; needed for a template error.
    sample
        What was learned of a catalogue, where ``spec`` is of kind ``learned`` or
        ``bootstrap``; read from ``spec.file`` if None.
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
                    f"noise.limits: the catalogue behind {spec.file} reports upper limits; say so "
                    "with limits: {sigma: 3}"
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

    @classmethod
    def from_run(
        cls,
        run: config.RunFile,
        filters: FilterSet | None = None,
        sample: SurveySample | None = None,
    ) -> NoiseModel:
        """Build from a run file; its filters are read where they are needed and not given.

        ``sample`` stands for the noise section's file where that does not exist.
        """
        pivots = None
        if run.noise.template_error is not None:
            pivots = (filters or FilterSet.from_run(run)).pivots
        file = getattr(run.noise, "file", None)
        instead = sample if file is not None and not file.exists() else None
        return cls(run.band_names(), run.noise, pivots, instead)

    def fingerprint(self) -> str:
        """Return a hash of all that observations depend on; a file counts by its content."""
        said = digest(self.spec.model_dump(mode="json", exclude={"file"}))
        if self.sample is None:
            return said
        return digest([said, array_digest(*self.sample.state().values())])

    def observe(
        self,
        flux: np.ndarray,
        rng: np.random.Generator,
        redshift: np.ndarray | None = None,
    ) -> Photometry:
        """Draw one observation of each galaxy.

        Parameters
        ----------
        flux
            Noiseless flux densities in µJy, [n, bands].
        rng
            Source of randomness.
        redshift
            True redshifts, [n], of which a share is given, with errors, as the run file says.
            Needed for a template error.

        Returns
        -------
        Photometry
            Before any selection; see :meth:`selected`.
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

        latent, present = self.errors.draw(n, rng, measure)
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
        """Give a share of the redshifts, each with an error of its own size."""
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
        """Say which galaxies the survey would keep, [n]: a cut on what is observed alone."""
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
            n observations.
        flux
            True flux densities in µJy, [n, bands] or, for several models of each galaxy,
            [n, models, bands].
        redshift
            True redshifts, [n] or [n, models]; needed for a template error.
        gain
            Factors of the zero-points, [bands]. If None they are marginalised: exactly for
            normal noise in flux, to first order in their error otherwise.

        Returns
        -------
        ndarray
            [n] or [n, models]; missing bands count for nothing, an upper limit for the
            probability below it.
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
        """Return how far observed fluxes lie from models, in sigma of a normal distribution.

        Arguments are those of :meth:`log_likelihood`; the result has the shape of ``flux``, and
        means nothing where a band is not measured.
        """
        return self.residuals.normal_scores(*self._about(photometry, flux, redshift, None))

    def deviance_residuals(
        self, photometry: Photometry, flux: np.ndarray, redshift: np.ndarray | None = None
    ) -> np.ndarray:
        """Return normal scores, of upper limits the root of their deviance, else zero.

        Arguments are those of :meth:`log_likelihood`; the result has the shape of ``flux``. For
        a limit it is -sqrt(-2 ln P(below the limit)): about -(model - limit) in sigma where the
        model is well above it, and near zero where it is below.
        """
        about = self._about(photometry, flux, redshift, None)
        measured, upper = photometry.measured, photometry.upper
        if flux.ndim == 3:
            measured, upper = measured[:, None], upper[:, None]
        found = np.where(measured, self.residuals.normal_scores(*about), 0.0)
        if upper.any():
            root = np.sqrt(-2 * self.residuals.log_below(*about))
            found = np.where(upper, -root, found)
        return found

    def _about(
        self,
        photometry: Photometry,
        flux: np.ndarray,
        redshift: np.ndarray | None,
        gain: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return observed fluxes, and mean and scale of their distribution about the true ones."""
        seen, error = photometry.flux, photometry.error
        # The noise of a limit is that of a source of no flux.
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
        """Return the arrays that the run file does not hold, for storing with an estimator."""
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
