"""What a regressor is trained on: features of simulated galaxies, as a survey would see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sedum.bridge.magnitude_features import FeatureSet
from sedum.bridge.survey_rows import SurveyRows

__all__ = ["Examples", "Scaling", "SurveyErrors"]


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of columns, by which they are standardised, each [k]."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scaling:
        """Measure them on values [n, k], NaN left out; constant columns have spread 1."""
        mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return cls(mean, np.where(spread > 1e-9, spread, 1.0))

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Return (values - mean) / spread in float32."""
        return ((values - self.mean) / self.spread).astype(np.float32)

    def back(self, values: np.ndarray) -> np.ndarray:
        """Undo :meth:`to_unit`; the last axis is that of the columns."""
        return values * self.spread + self.mean


class SurveyErrors:
    """Error vectors and missing bands of a survey's galaxies, given to simulated ones.

    Parameters
    ----------
    survey
        The galaxies; those with something against them are left out.

    Notes
    -----
    A simulated galaxy takes after a survey galaxy of like brightness: one of the nearest tenth
    in the magnitude of the band that most survey galaxies have.
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
        How magnitudes become features.
    magnitude, redshift
        [n, bands] and [n].
    y
        What is to be predicted, [n, targets].
    weight
        Of each galaxy, mean 1, [n].
    errors
        The survey's, or None.
    noise, missing
        Whether galaxies are perturbed, and lose bands.
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
        return Examples(
            self.features,
            self.magnitude[rows],
            self.redshift[rows],
            self.y[rows],
            self.weight[rows],
            self.errors,
            self.noise,
            self.missing,
        )

    @property
    def varied(self) -> bool:
        """Whether each draw differs."""
        return self.errors is not None and (self.noise or self.missing)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the features of all galaxies, [n, f], observed afresh."""
        magnitude = self.magnitude
        if self.errors is not None and self.varied:
            magnitude = self.errors.observed(magnitude, rng, self.noise, self.missing)
        return self.features(magnitude, self.redshift)
