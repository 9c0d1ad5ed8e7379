"""What the estimator sees of an observation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from sedum import config
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry

__all__ = ["FeatureLayout", "FeatureTransform"]


@dataclass(frozen=True)
class FeatureLayout:
    """Where the features of :class:`FeatureTransform` stand.

    Attributes
    ----------
    bands
        The number of bands.
    colours, limits
        Whether colours are among the features, and flags of upper limits.
    """

    bands: int
    colours: bool
    limits: bool

    @property
    def raw_size(self) -> int:
        """The number of values that are standardised."""
        return sum(self._sizes()) + 2

    def _sizes(self) -> list[int]:
        """Return how many values there are of each kind but the redshift."""
        b = self.bands
        return [b, b, *([b, max(b - 1, 0), max(b - 2, 0)] if self.colours else [])]

    @property
    def size(self) -> int:
        """The number of features."""
        return self.raw_size + self.bands * (2 if self.limits else 1) + 1

    def groups(self) -> list[slice]:
        """Return which values are of one kind: magnitudes, errors, and those of colours."""
        ends = np.cumsum([0, *self._sizes()]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    def by_band(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sort features [n, size] by band.

        Returns
        -------
        bands, redshift
            Presence, whether a limit, magnitude, error and, with colours, the magnitude about
            the mean of the galaxy, [n, bands, 4 or 5]; of the redshift its value, error and
            presence, [n, 3].
        """
        b, raw = self.bands, self.raw_size
        present = features[:, raw : raw + b]
        upper = features[:, raw + b : raw + 2 * b] if self.limits else torch.zeros_like(present)
        own = [features[:, g] for g in self.groups()[:3]]
        bands = torch.stack([present, upper, *own], dim=-1)
        return bands, torch.cat([features[:, raw - 2 : raw], features[:, -1:]], dim=-1)


class FeatureTransform:
    """Features of photometry: asinh magnitudes, log errors, presence, and the given redshift.

    For each band: ``asinh(flux / 2b)``, the asinh magnitude of Lupton, Gunn & Szalay (1999)
    up to sign and zero-point, with the softening b equal to the depth's 1-sigma error; and
    ``ln(error / b)``. Unless told otherwise, also the shape of the spectrum, which standardised
    magnitudes bury in their range of many magnitudes: the asinh magnitudes about their mean
    over the measured bands, and first and second differences of neighbouring bands, where all
    that they need is measured. Then, of the redshift: ln(1 + z) and the log of its error. These
    values are standardised over the training set; those that are missing are zero after that.
    Last come 1 or 0 for the presence of each band, where the survey reports upper limits 1 for
    those, and for the presence of the redshift.

    Parameters
    ----------
    depth
        1-sigma error at the nominal depth in µJy, [bands].
    colours
        Whether the shape of the spectrum is among the features.
    limits
        Whether the survey reports upper limits.
    alike
        Standardise all bands alike, for estimators that read any set of bands.
    """

    def __init__(
        self,
        depth: np.ndarray,
        colours: bool = True,
        limits: bool = False,
        alike: bool = False,
    ):
        self.depth = np.asarray(depth, float)
        self.colours, self.limits, self.alike = colours, limits, alike
        self.layout = FeatureLayout(len(self.depth), colours, limits)
        width = self.layout.raw_size
        self.centre, self.scale = np.zeros(width), np.ones(width)
        self.low, self.high = np.full(width, -np.inf), np.full(width, np.inf)

    @classmethod
    def of(
        cls, noise: NoiseModel, spec: config.FeatureSettings | None = None, alike: bool = False
    ) -> FeatureTransform:
        """Build for a noise model; fit before use."""
        spec = spec or config.FeatureSettings()
        return cls(noise.depth, spec.colours, noise.spec.limits is not None, alike)

    @property
    def size(self) -> int:
        """The number of features."""
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
            there = photometry.measured
            count = np.maximum(there.sum(axis=1, keepdims=True), 1)
            mean = np.where(there, magnitude, 0.0).sum(axis=1, keepdims=True) / count
            both = there[:, 1:] & there[:, :-1]
            values += [magnitude - mean, np.diff(magnitude, axis=1), np.diff(magnitude, 2, axis=1)]
            present += [there, both, both[:, 1:] & both[:, :-1]]
        values += [np.log1p(np.maximum(z, -0.99))[:, None], np.log(dz)[:, None]]
        present += [known[:, None], known[:, None]]
        return np.concatenate(values, axis=1), np.concatenate(present, axis=1)

    def fit(self, photometry: Photometry) -> FeatureTransform:
        """Take means, spreads and ranges from a training sample; return self."""
        values, present = self._raw(photometry)
        self.centre, self.scale = np.empty(values.shape[1]), np.empty(values.shape[1])
        self.low, self.high = np.empty(values.shape[1]), np.empty(values.shape[1])
        groups = self.layout.groups() if self.alike else []
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
        """Return the features, float32, [n, size]."""
        values, present = self._raw(photometry)
        standard = np.where(present, (values - self.centre) / self.scale, 0.0)
        known = np.isfinite(photometry.redshift)[:, None]
        flags = [photometry.observed, photometry.upper] if self.limits else [photometry.observed]
        return np.concatenate([standard, *flags, known], axis=1).astype(np.float32)

    def inverse(self, features: np.ndarray) -> Photometry:
        """Return the photometry behind features [n, size], to the rounding of 32 bits."""
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
        """Say which values lie beyond everything in the training set, [n, values]."""
        values, present = self._raw(photometry)
        # What does not vary in training must not be refused for its rounding.
        slack = 1e-6 * (1 + np.abs(values))
        return present & ((values < self.low - slack) | (values > self.high + slack))

    def outside(self, photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
        """Find measurements beyond everything in the training set.

        Returns
        -------
        flux, error : ndarray of bool
            True where a band's flux or error lies outside, [n, bands].
        """
        beyond, bands = self._beyond(photometry), len(self.depth)
        return beyond[:, :bands], beyond[:, bands : 2 * bands]

    def outside_redshift_error(self, photometry: Photometry) -> np.ndarray:
        """Say where the error of a given redshift is beyond those of the training set, [n]."""
        return self._beyond(photometry)[:, -1]

    def state(self) -> dict[str, np.ndarray]:
        """Return what defines the transform, for storing."""
        return {
            "depth": self.depth,
            "centre": self.centre,
            "scale": self.scale,
            "low": self.low,
            "high": self.high,
        }

    def for_depths(self, depth: np.ndarray) -> FeatureTransform:
        """Return the same transform for other bands, where all are standardised alike."""
        other = FeatureTransform(depth, self.colours, self.limits, alike=True)
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
        alike: bool = False,
    ) -> FeatureTransform:
        """Restore from :meth:`state` and the settings."""
        transform = cls(state["depth"], colours, limits, alike)
        for name in ("centre", "scale", "low", "high"):
            setattr(transform, name, np.asarray(state[name]))
        return transform
