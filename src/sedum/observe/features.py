"""The input of the estimator: features of observed photometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch

from sedum import config
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry

__all__ = ["FeatureLayout", "FeatureTransform"]


@dataclass(frozen=True)
class FeatureLayout:
    """The order of the features of :class:`FeatureTransform`.

    Attributes
    ----------
    bands
        Number of bands.
    colours, limits
        Whether the features include colours and flags of upper limits.

    Examples
    --------
    >>> FeatureLayout(bands=3, colours=True, limits=False).size
    18
    """

    bands: int
    colours: bool
    limits: bool

    @property
    def raw_size(self) -> int:
        """Number of values that are standardised."""
        return sum(self._sizes()) + 2

    def _sizes(self) -> list[int]:
        """Return the number of values of each kind, except the redshift."""
        b = self.bands
        return [b, b, *([b, max(b - 1, 0), max(b - 2, 0)] if self.colours else [])]

    @property
    def size(self) -> int:
        """Number of features."""
        return self.raw_size + self.bands * (2 if self.limits else 1) + 1

    def groups(self) -> list[slice]:
        """Return the values of each kind: magnitudes, errors, and those of colours."""
        ends = np.cumsum([0, *self._sizes()]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    def by_band(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Arrange features [n, size] by band.

        Returns
        -------
        bands, redshift
            For each band: presence, upper limit, magnitude, error and, with colours, the magnitude
            relative to the mean of the galaxy, [n, bands, 4 or 5]. For the redshift: value, error
            and presence, [n, 3].
        """
        b, raw = self.bands, self.raw_size
        present = features[:, raw : raw + b]
        upper = features[:, raw + b : raw + 2 * b] if self.limits else torch.zeros_like(present)
        own = [features[:, g] for g in self.groups()[:3]]
        bands = torch.stack([present, upper, *own], dim=-1)
        return bands, torch.cat([features[:, raw - 2 : raw], features[:, -1:]], dim=-1)


class FeatureTransform:
    """Features of photometry: asinh magnitudes, log errors, presence, and the known redshift.

    For each band, the features contain ``asinh(flux / 2b)``, the asinh magnitude of Lupton, Gunn &
    Szalay (1999) up to sign and zero-point, where the softening b is the 1-sigma error at the
    depth, and ``ln(error / b)``. By default they also contain colours, which would otherwise be
    lost in the range of many magnitudes: asinh magnitudes relative to their mean over the measured
    bands, and first and second differences of neighbouring bands, if all of these are measured. For
    the redshift they contain ln(1 + z) and the log of its error. These values are standardised over
    the training set; missing values are zero afterwards. The last features are 1 or 0: the presence
    of each band, upper limits if the survey reports them, and the presence of the redshift.

    Parameters
    ----------
    depth
        1-sigma error at the nominal depth in µJy, [bands].
    colours
        Whether colours are among the features.
    limits
        Whether the survey reports upper limits.
    pool_bands
        Whether all bands are standardised with the same mean and spread, for estimators that read
        any set of bands.

    Examples
    --------
    >>> from sedum import Photometry
    >>> photometry = Photometry.make(np.array([[1.0, 2.0], [3.0, 1.0]]), np.full((2, 2), 0.1))
    >>> features = FeatureTransform(depth=np.array([0.1, 0.1])).fit(photometry)
    >>> features(photometry).shape
    (2, 12)
    """

    def __init__(
        self,
        depth: np.ndarray,
        colours: bool = True,
        limits: bool = False,
        pool_bands: bool = False,
    ):
        self.depth = np.asarray(depth, float)
        self.colours, self.limits, self.pool_bands = colours, limits, pool_bands
        self.layout = FeatureLayout(len(self.depth), colours, limits)
        width = self.layout.raw_size
        self.centre, self.scale = np.zeros(width), np.ones(width)
        self.low, self.high = np.full(width, -np.inf), np.full(width, np.inf)

    @classmethod
    def of(
        cls, noise: NoiseModel, spec: config.FeatureSettings | None = None, pool_bands: bool = False
    ) -> FeatureTransform:
        """Build the transform for a noise model; call :meth:`fit` before use."""
        spec = spec or config.FeatureSettings()
        return cls(noise.depth, spec.colours, noise.spec.limits is not None, pool_bands)

    @property
    def size(self) -> int:
        """Number of features."""
        return self.layout.size

    def _raw(self, photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
        """Return values and their presence, both [n, values]."""
        known = np.isfinite(photometry.redshift)
        z = np.where(known, photometry.redshift, 0.0)
        dz = np.where(known, photometry.redshift_error, 1.0)
        magnitude = np.arcsinh(photometry.flux / (2 * self.depth))
        values = [magnitude, np.log(photometry.error / self.depth)]
        present = [photometry.observed, photometry.observed]
        if self.colours:
            measured = photometry.measured
            count = np.maximum(measured.sum(axis=1, keepdims=True), 1)
            mean = np.where(measured, magnitude, 0.0).sum(axis=1, keepdims=True) / count
            both = measured[:, 1:] & measured[:, :-1]
            values += [magnitude - mean, np.diff(magnitude, axis=1), np.diff(magnitude, 2, axis=1)]
            present += [measured, both, both[:, 1:] & both[:, :-1]]
        values += [np.log1p(np.maximum(z, -0.99))[:, None], np.log(dz)[:, None]]
        present += [known[:, None], known[:, None]]
        return np.concatenate(values, axis=1), np.concatenate(present, axis=1)

    def fit(self, photometry: Photometry) -> FeatureTransform:
        """Compute means, spreads and ranges from a training sample; return self."""
        values, present = self._raw(photometry)
        self.centre, self.scale = np.empty(values.shape[1]), np.empty(values.shape[1])
        self.low, self.high = np.empty(values.shape[1]), np.empty(values.shape[1])
        groups = self.layout.groups() if self.pool_bands else []
        alone = range(groups[-1].stop if groups else 0, values.shape[1])
        for part in [*groups, *(slice(i, i + 1) for i in alone)]:
            seen = values[:, part][present[:, part]]
            self.centre[part] = seen.mean() if seen.size else 0.0
            spread = seen.std() if seen.size else 0.0
            self.scale[part] = spread if spread > 1e-6 else 1.0
            self.low[part], self.high[part] = (
                (seen.min(), seen.max()) if seen.size else (-np.inf, np.inf)
            )
        return self

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return the features as float32, [n, size]."""
        values, present = self._raw(photometry)
        standard = np.where(present, (values - self.centre) / self.scale, 0.0)
        known = np.isfinite(photometry.redshift)[:, None]
        flags = [photometry.observed, photometry.upper] if self.limits else [photometry.observed]
        return np.concatenate([standard, *flags, known], axis=1).astype(np.float32)

    def inverse(self, features: np.ndarray) -> Photometry:
        """Return the photometry of features [n, size], with the precision of 32 bits."""
        features = np.asarray(features, float)
        bands, width = len(self.depth), self.layout.raw_size
        values = features[:, :width] * self.scale + self.centre
        observed = features[:, width : width + bands] > 0.5
        upper = features[:, width + bands : width + 2 * bands] > 0.5 if self.limits else None
        known = features[:, -1] > 0.5
        flux = 2 * self.depth * np.sinh(np.where(observed, values[:, :bands], 0.0))
        error = self.depth * np.exp(np.where(observed, values[:, bands : 2 * bands], 0.0))
        photometry = Photometry.make(np.where(observed, flux, np.nan), error, upper)
        redshift = np.where(known, np.expm1(np.where(known, values[:, -2], 0.0)), np.nan)
        return photometry.with_redshift(redshift, np.exp(np.where(known, values[:, -1], 0.0)))

    def _beyond(self, photometry: Photometry) -> np.ndarray:
        """Return which values lie outside the range of the training set, [n, values]."""
        values, present = self._raw(photometry)
        # Values that are constant in training must not be refused because of rounding.
        slack = 1e-6 * (1 + np.abs(values))
        return present & ((values < self.low - slack) | (values > self.high + slack))

    def with_errors_raised(self, photometry: Photometry) -> tuple[Photometry, np.ndarray]:
        """Raise errors that are smaller than any in training to the smallest one.

        A larger error loses information and does not mislead, while the estimator would have to
        extrapolate to a smaller one.

        Returns
        -------
        photometry
            The photometry with the errors that the estimator knows.
        raised
            Which errors were raised: those of the bands, and that of a known redshift,
            [n, bands + 1].
        """
        bands = len(self.depth)
        smallest = self.depth * np.exp(self.low[bands : 2 * bands])
        raised = photometry.observed & (photometry.error < smallest * (1 - 1e-6))
        known = np.isfinite(photometry.redshift)
        least = np.exp(self.low[-1])
        sharp = known & (photometry.redshift_error < least * (1 - 1e-6))
        both = np.concatenate([raised, sharp[:, None]], axis=1)
        if not both.any():
            return photometry, both
        factor = np.where(raised, smallest / photometry.error, 1.0)
        # An upper limit is a multiple of its error.
        flux = np.where(photometry.upper, photometry.flux * factor, photometry.flux)
        seen = replace(photometry, flux=flux, error=photometry.error * factor)
        error = np.where(sharp, least, photometry.redshift_error)
        return seen.with_redshift(photometry.redshift, error), both

    def outside(self, photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
        """Return which measurements lie outside the range of the training set.

        Returns
        -------
        flux, error : ndarray of bool
            True if the flux or error of a band lies outside, [n, bands].
        """
        beyond, bands = self._beyond(photometry), len(self.depth)
        return beyond[:, :bands], beyond[:, bands : 2 * bands]

    def outside_redshift_error(self, photometry: Photometry) -> np.ndarray:
        """Return where the error of a known redshift is outside the training set's range, [n]."""
        return self._beyond(photometry)[:, -1]

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that define the transform, for storing."""
        return {
            "depth": self.depth,
            "centre": self.centre,
            "scale": self.scale,
            "low": self.low,
            "high": self.high,
        }

    def for_depths(self, depth: np.ndarray) -> FeatureTransform:
        """Return the same transform for other bands, if all are standardised together."""
        other = FeatureTransform(depth, self.colours, self.limits, pool_bands=True)
        for name in ("centre", "scale", "low", "high"):
            mine, theirs = getattr(self, name), getattr(other, name)
            for one, two in zip(self.layout.groups(), other.layout.groups(), strict=True):
                theirs[two] = mine[one.start]
            theirs[-2:] = mine[-2:]
        return other

    @classmethod
    def from_state(
        cls,
        state: dict[str, np.ndarray],
        colours: bool = True,
        limits: bool = False,
        pool_bands: bool = False,
    ) -> FeatureTransform:
        """Restore from :meth:`state` and the settings.

        Raises
        ------
        ValueError
            If the arrays do not belong to the bands.
        """
        transform = cls(state["depth"], colours, limits, pool_bands)
        for name in ("centre", "scale", "low", "high"):
            array = np.asarray(state[name])
            if array.shape != getattr(transform, name).shape or array.dtype.kind != "f":
                raise ValueError(f"{name} has another shape or type than the bands ask for")
            setattr(transform, name, array)
        return transform
