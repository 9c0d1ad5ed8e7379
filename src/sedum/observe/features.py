"""What the estimator sees of an observation."""

from __future__ import annotations

import numpy as np

from sedum.observe.noise import NoiseModel
from sedum.photometry.observed import Photometry

__all__ = ["FeatureTransform"]


class FeatureTransform:
    """Features of photometry: asinh magnitudes, log errors, presence, and the given redshift.

    For each band: ``asinh(flux / 2b)``, the asinh magnitude of Lupton, Gunn & Szalay (1999)
    up to sign and zero-point, with the softening b equal to the depth's 1-sigma error;
    ``ln(error / b)``; and 1 or 0 for presence. Then, of the redshift: ln(1 + z), the log of
    its error, and presence. Values are standardised over the training set; those of missing
    bands are set to zero after that.

    Parameters
    ----------
    depth
        1-sigma error at the nominal depth in µJy, [bands].
    """

    def __init__(self, depth: np.ndarray):
        self.depth = np.asarray(depth, float)
        width = self.raw_size
        self.centre, self.scale = np.zeros(width), np.ones(width)
        self.low, self.high = np.full(width, -np.inf), np.full(width, np.inf)

    @classmethod
    def of(cls, noise: NoiseModel) -> FeatureTransform:
        """Build for a noise model; fit before use."""
        return cls(noise.depth)

    @property
    def raw_size(self) -> int:
        """The number of values that are standardised."""
        return 2 * len(self.depth) + 2

    @property
    def size(self) -> int:
        """The number of features."""
        return 3 * len(self.depth) + 3

    def _raw(self, photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
        """Return values and their presence, both [n, raw_size]."""
        known = np.isfinite(photometry.redshift)
        z = np.where(known, photometry.redshift, 0.0)
        dz = np.where(known, photometry.redshift_error, 1.0)
        values = np.concatenate(
            [
                np.arcsinh(photometry.flux / (2 * self.depth)),
                np.log(photometry.error / self.depth),
                np.log1p(np.maximum(z, -0.99))[:, None],
                np.log(dz)[:, None],
            ],
            axis=1,
        )
        present = np.concatenate(
            [photometry.observed, photometry.observed, known[:, None], known[:, None]], axis=1
        )
        return values, present

    def fit(self, photometry: Photometry) -> FeatureTransform:
        """Take means, spreads and ranges from a training sample; return self."""
        values, present = self._raw(photometry)
        count = np.maximum(present.sum(axis=0), 1)
        self.centre = np.where(present, values, 0).sum(axis=0) / count
        spread = np.sqrt((np.where(present, values - self.centre, 0) ** 2).sum(axis=0) / count)
        self.scale = np.where(spread > 1e-6, spread, 1.0)
        any_seen = present.any(axis=0)
        self.low = np.where(any_seen, np.where(present, values, np.inf).min(axis=0), -np.inf)
        self.high = np.where(any_seen, np.where(present, values, -np.inf).max(axis=0), np.inf)
        return self

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return the features, float32, [n, size]."""
        values, present = self._raw(photometry)
        standard = np.where(present, (values - self.centre) / self.scale, 0.0)
        known = np.isfinite(photometry.redshift)[:, None]
        return np.concatenate([standard, photometry.observed, known], axis=1).astype(np.float32)

    def outside(self, photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
        """Find measurements beyond everything in the training set.

        Returns
        -------
        flux, error : ndarray of bool
            True where a band's flux or error lies outside, [n, bands].
        """
        values, present = self._raw(photometry)
        beyond = present & ((values < self.low) | (values > self.high))
        bands = len(self.depth)
        return beyond[:, :bands], beyond[:, bands : 2 * bands]

    def state(self) -> dict[str, np.ndarray]:
        """Return what defines the transform, for storing."""
        return {
            "depth": self.depth,
            "centre": self.centre,
            "scale": self.scale,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> FeatureTransform:
        """Restore from :meth:`state`."""
        transform = cls(state["depth"])
        for name in ("centre", "scale", "low", "high"):
            setattr(transform, name, np.asarray(state[name]))
        return transform
