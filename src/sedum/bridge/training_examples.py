"""Training examples of a regressor: features of simulated galaxies as observed by a survey."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sedum.bridge.magnitude_features import FeatureSet
from sedum.bridge.survey_rows import SurveyRows

__all__ = ["Examples", "Scaling", "SurveyErrors"]


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of columns, [k] each, which standardise them."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scaling:
        """Measure the scaling of values [n, k] without NaN; constant columns have spread 1."""
        mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return cls(mean, np.where(spread > 1e-9, spread, 1.0))

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Return (values - mean) / spread in float32."""
        return ((values - self.mean) / self.spread).astype(np.float32)

    def back(self, values: np.ndarray) -> np.ndarray:
        """Undo :meth:`to_unit`; the last axis is that of the columns."""
        return values * self.spread + self.mean


class SurveyErrors:
    """Error vectors and missing bands of survey galaxies, applied to simulated ones.

    Parameters
    ----------
    survey
        The survey; only rows with status ``ok`` are used.

    Notes
    -----
    A simulated galaxy gets the errors of a survey galaxy of similar brightness: one of the nearest
    tenth in the magnitude of the band that most survey galaxies have.
    """

    def __init__(self, survey: SurveyRows):
        use = survey.row_status.ok
        magnitude, error = survey.magnitude[use], survey.error[use]
        self.band = int(np.isfinite(magnitude).sum(0).argmax())
        there = np.isfinite(magnitude[:, self.band])
        order = np.argsort(magnitude[there, self.band])
        self.brightness = magnitude[there, self.band][order]
        self.error = error[there][order]
        self.missing = ~np.isfinite(magnitude[there][order])

    def observed(
        self, magnitude: np.ndarray, rng: np.random.Generator, noise: bool, missing: bool
    ) -> np.ndarray:
        """Return magnitudes [n, bands] perturbed, and without the bands that are missing."""
        m = len(self.brightness)
        reach = max(m // 20, 1)
        at = np.searchsorted(self.brightness, magnitude[:, self.band])
        like = np.clip(at + rng.integers(-reach, reach + 1, len(magnitude)), 0, m - 1)
        out = magnitude
        if noise:
            sigma = np.where(self.missing[like], 0.0, self.error[like])
            out = out + sigma * rng.standard_normal(magnitude.shape)
        return np.where(self.missing[like], np.nan, out) if missing else out


@dataclass(frozen=True)
class Examples:
    """Simulated galaxies to learn from.

    Attributes
    ----------
    features
        The features computed from magnitudes.
    magnitude, redshift
        Magnitudes [n, bands] and redshifts [n].
    y
        The targets, [n, targets].
    weight
        Weights of the galaxies with mean 1, [n].
    errors
        The errors of the survey, or None.
    noise, missing
        Whether magnitudes are perturbed, and whether bands are removed.
    """

    features: FeatureSet
    magnitude: np.ndarray
    redshift: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    errors: SurveyErrors | None
    noise: bool
    missing: bool

    def __len__(self) -> int:
        return len(self.magnitude)

    def __getitem__(self, rows: np.ndarray) -> Examples:
        return replace(
            self,
            magnitude=self.magnitude[rows],
            redshift=self.redshift[rows],
            y=self.y[rows],
            weight=self.weight[rows],
        )

    @property
    def varied(self) -> bool:
        """Whether each draw differs."""
        return self.errors is not None and (self.noise or self.missing)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the features of all galaxies, [n, f], with a new draw of the errors."""
        magnitude = self.magnitude
        if self.errors is not None and self.varied:
            magnitude = self.errors.observed(magnitude, rng, self.noise, self.missing)
        return self.features(magnitude, self.redshift)
