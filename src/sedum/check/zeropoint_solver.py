"""Solving for zero-points: each band predicted from the others, until all agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.progress import Advance

__all__ = ["THIN", "Predictor", "Residuals", "Solution", "Solver", "placed"]

#: Fewer galaxies than these measure no zero-point.
THIN = 20
#: Minimum and maximum number of draws for each predicted flux, and how many there are for all
#: galaxies together. The median over galaxies averages their noise.
_DRAWS, _ALL_DRAWS = (12, 64), 12_000
#: Minimum predicted signal-to-noise of a galaxy in a band.
_SNR = 5.0
#: Relative error of the models in a single prediction, which limits the weight of a galaxy.
_MODEL_ERROR = 0.03
#: Systematic error of the models in the median residual of a band, mag.
_MODEL_MEDIAN = 0.02
#: Step of the finite differences in mag, and galaxies for them. The same galaxies and draws are
#: used before and after a step, so that few are enough; the rounds make up for the rest.
_STEP, _RESPONSE = 0.1, 60
#: Change below which the offsets have settled (or a tenth of their error), largest step, and step
#: that tells something of the response, all in mag; and maximum number of rounds.
_SETTLED, _LONGEST, _TELLING, _ROUNDS = 0.002, 0.3, 0.02, 12
_RESAMPLES = 100


@dataclass(frozen=True)
class Residuals:
    """Ratios of observed to predicted flux in one band, and their weights, [galaxies].

    ``galaxies`` are their numbers in the photometry.
    """

    ratio: np.ndarray
    weight: np.ndarray
    galaxies: np.ndarray

    def among(self, some: np.ndarray) -> Residuals:
        """Return the residuals of some galaxies, given as a mask of all."""
        kept = some[self.galaxies]
        return Residuals(self.ratio[kept], self.weight[kept], self.galaxies[kept])

    @property
    def count(self) -> int:
        """Number of galaxies."""
        return len(self.ratio)

    def median(self) -> float:
        """Return the weighted median in mag, predicted minus observed; zero without galaxies."""
        if not self.count:
            return 0.0
        return float(_in_magnitudes(_weighted_median(self.ratio, self.weight)))

    def summary(self) -> tuple[float, float]:
        """Return median and half of the central 68% in mag; NaN if there are too few galaxies."""
        if self.count < THIN:
            return np.nan, np.nan
        low, high = _in_magnitudes(np.percentile(self.ratio, [16, 84]))
        return self.median(), float(high - low) / 2

    def error(self, rng: np.random.Generator) -> float:
        """Return the standard error of the median, by resampling galaxies."""
        if self.count < THIN:
            return np.nan
        picks = rng.integers(self.count, size=(_RESAMPLES, self.count))
        medians = [_weighted_median(self.ratio[p], self.weight[p]) for p in picks]
        return float(_in_magnitudes(np.array(medians)).std())


def _in_magnitudes(ratio: np.ndarray | float) -> np.ndarray:
    return 2.5 * np.log10(np.maximum(ratio, 0.01))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(np.interp(summed[-1] / 2, summed - weights[order] / 2, values[order]))


class Predicting(Protocol):
    """Something that predicts single bands from all others."""

    def residuals(self, photometry: Photometry, band: int) -> Residuals:
        """Return the residuals of a band about the prediction from the others."""


class Predictor:
    """Predicts single bands from all others, by a posterior.

    Parameters
    ----------
    posterior
        The estimator.
    model
        The forward model.
    seed
        Seed of the draws.
    """

    def __init__(self, posterior: Posterior, model: Simulator, seed: int):
        self.posterior, self.model, self.seed = posterior, model, seed
        self._single: dict[int, GalaxyModel] = {}

    def residuals(self, photometry: Photometry, band: int) -> Residuals:
        """Return the residuals of a band about the prediction from the others."""
        there = np.flatnonzero(photometry.measured[:, band])
        part = photometry[there].without(band)
        count = int(np.clip(_ALL_DRAWS // max(len(photometry), 1), *_DRAWS))
        draws = self.posterior.sample(part, count, self.seed, keys=there)
        flux = self._flux(draws.reshape(-1, draws.shape[-1]), band).reshape(len(there), count)
        low, middle, high = np.percentile(flux, [16, 50, 84], axis=1)
        error = photometry.error[there, band]
        use = middle > _SNR * error
        relative = np.sqrt(error**2 + ((high - low) / 2) ** 2)[use] / middle[use]
        ratio = photometry.flux[there, band][use] / middle[use]
        return Residuals(ratio, 1 / np.hypot(relative, _MODEL_ERROR), there[use])

    def _flux(self, theta: np.ndarray, band: int) -> np.ndarray:
        """Return fluxes in one band, [n], without computing the others where that is possible."""
        if not isinstance(self.model, GalaxyModel):
            return self.model.photometry(theta)[:, band]
        if band not in self._single:
            self._single[band] = self.model.for_filters(FilterSet([self.model.filters[band]]))
        return self._single[band].photometry(theta)[:, 0]


@dataclass(frozen=True)
class Solution:
    """Offsets of all bands, and the errors and numbers of galaxies of the free bands."""

    offset: np.ndarray
    error: np.ndarray
    count: np.ndarray
    settled: bool


class Solver:
    """Computes the offsets of the free bands that bring all their residuals near zero.

    Parameters
    ----------
    predictor
        What predicts the bands.
    free
        Indices of the bands whose offsets are measured.
    bands
        Number of all bands.
    prior
        Standard deviation of the prior on the offsets, mag.
    """

    def __init__(self, predictor: Predicting, free: list[int], bands: int, prior: float):
        self.predictor, self.free, self.bands, self.prior = predictor, free, bands, prior

    def residuals(self, seen: Photometry, offset: np.ndarray) -> list[Residuals]:
        """Return the residuals of the free bands with offsets [bands] applied."""
        corrected = seen.scaled(10 ** (-0.4 * offset))
        return [self.predictor.residuals(corrected, b) for b in self.free]

    def response(self, seen: Photometry, advance: Advance) -> np.ndarray:
        """Return the change of each residual with each offset, [free, free]."""
        seen = seen[: self._enough(seen)]
        start = _medians(self.residuals(seen, np.zeros(self.bands)))
        columns = []
        for band in self.free:
            advance(1, "how the bands depend on each other")
            step = np.zeros(self.bands)
            step[band] = _STEP
            columns.append((_medians(self.residuals(seen, step)) - start) / _STEP)
        response = np.stack(columns, axis=1)
        # An offset moves the residual of its own band by itself, whatever few galaxies say.
        np.fill_diagonal(response, -1.0)
        return response

    def _enough(self, seen: Photometry) -> int:
        """Return how many of the first galaxies measure each free band in enough of them."""
        counts = np.cumsum(seen.measured[:, self.free], axis=0)
        enough = (counts >= min(_RESPONSE, len(seen))).all(axis=1)
        return int(np.argmax(enough)) + 1 if enough.any() else len(seen)

    def settle(
        self,
        seen: Photometry,
        response: np.ndarray,
        start: np.ndarray,
        rng: np.random.Generator,
        first: list[Residuals] | None = None,
    ) -> Solution:
        """Return the offsets by iteration, starting from offsets [bands].

        ``first`` are the residuals at the start, where they are known already.
        """
        first = first or self.residuals(seen, start)
        error = np.hypot([r.error(rng) for r in first], _MODEL_MEDIAN)
        known = np.eye(len(self.free)) / self.prior**2
        values, left, settled = start[self.free], _medians(first), False
        for _ in range(_ROUNDS):
            weighted = response.T / error**2
            information = weighted @ response + known
            step = -np.linalg.solve(information, weighted @ left + values / self.prior**2)
            step = np.clip(step, -_LONGEST, _LONGEST)
            values = values + step
            spread = np.sqrt(np.diag(np.linalg.inv(information)))
            if settled := bool((np.abs(step) < np.maximum(_SETTLED, spread / 10)).all()):
                break
            now = _medians(self.residuals(seen, placed(self.bands, self.free, values, 0.0)))
            if np.abs(step).max() > _TELLING:
                # What the step did corrects the response along it (Broyden 1965).
                missed = now - left - response @ step
                response = response + np.outer(missed, step) / (step @ step)
            left = now
        return Solution(
            placed(self.bands, self.free, values, 0.0),
            spread,
            np.array([r.count for r in first]),
            settled,
        )


def _medians(residuals: list[Residuals]) -> np.ndarray:
    return np.array([r.median() for r in residuals])


def placed(size: int, at: list[int], values: np.ndarray, blank: float) -> np.ndarray:
    """Return an array with values at some places and ``blank`` elsewhere."""
    out = np.full(size, blank, float)
    out[at] = values
    return out
