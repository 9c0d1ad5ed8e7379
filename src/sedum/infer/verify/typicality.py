"""Typicality: a p-value of each observation under the simulations."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from sedum.galaxies.simulator import Simulator
from sedum.galaxies.stellar_grids.grid import cached_arrays
from sedum.infer.posterior import Posterior
from sedum.infer.verify.best_fit import BestFit, best_fit
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.progress import progress
from sedum.storage import array_digest

__all__ = ["Typicality", "mock_observations"]

#: Seeds of the mock galaxies and of all searches, which are independent of the run file.
_MOCK_SEED, _SEARCH_SEED = 20_260_301, 1
#: Increased when the score changes, so that references in the cache are computed again.
_VERSION = 2
#: Mock galaxies between two steps of the progress bar.
_TOGETHER = 256
#: Fraction of the mock galaxies that one galaxy is compared with.
COMPARED_FRACTION = 0.25


class Typicality:
    """Typicality of observations among simulated ones, as a p-value.

    The score of a galaxy is that of its best model: the minimum of ``Σ residual² + |y|²`` over the
    parameters, with residuals in the observed bands and latent coordinates y of the parameters
    (see :func:`~sedum.infer.verify.best_fit.best_fit`). It is minus twice the log of the maximum
    joint density of data and parameters, which is low if no model explains the data, or only
    models at the edge of the prior. The typicality is the fraction of mock galaxies, observed with
    the noise of the training, whose score is worse. It is uniform between 0 and 1 for galaxies of
    the simulations. A galaxy is compared with the quarter of the mock galaxies that are most
    similar in number of bands and total signal-to-noise. Scores are first converted to tail
    probabilities of χ² for the number of bands.

    The search is the same for mock galaxies and the catalogue, so that an imperfect search costs
    power but raises no false alarms. It starts from draws of the estimator, which need not be
    verified.

    Parameters
    ----------
    posterior
        The trained estimator.
    model
        The forward model that it was trained on.
    n_galaxies
        Mock galaxies to compare with. They are searched once, and their scores kept in the
        cache folder.
    show_progress
        Show a progress bar while the mock galaxies are searched.

    Attributes
    ----------
    exact
        Forward model and noise.
    """

    def __init__(
        self,
        posterior: Posterior,
        model: Simulator,
        n_galaxies: int = 10_000,
        show_progress: bool = False,
    ):
        self.posterior, self.model, self.galaxies = posterior, model, n_galaxies
        self.exact = ExactPosterior(model, posterior.noise)
        self._show = show_progress
        self._references: dict[bool, _Reference] = {}

    def search(self, photometry: Photometry, keys: np.ndarray | None = None) -> BestFit:
        """Return the best models of n observations; ``keys`` as for :meth:`Posterior.sample`."""
        return best_fit(self.posterior, self.exact, photometry, _SEARCH_SEED, keys)

    def __call__(
        self,
        photometry: Photometry,
        keys: np.ndarray | None = None,
        best: BestFit | None = None,
    ) -> np.ndarray:
        """Return the typicality of observations.

        Parameters
        ----------
        photometry
            n observations in the bands of the run file.
        keys
            One integer for each galaxy, [n], that fixes its search; row numbers if None.
        best
            Their best models, if the caller has them.

        Returns
        -------
        ndarray
            [n], above 0 and at most 1; NaN where no band was observed.
        """
        best = best or self.search(photometry, keys)
        given = np.isfinite(photometry.redshift)
        out = np.full(len(photometry), np.nan)
        for with_redshift in (False, True):
            at = np.flatnonzero((given == with_redshift) & photometry.observed.any(axis=1))
            if len(at):
                reference = self._reference(with_redshift)
                out[at] = reference.fraction_below(photometry[at], best.deviance[at])
        return out

    def _reference(self, given: bool) -> _Reference:
        """Return the scores of mock galaxies, whose redshifts are given or not."""
        if given not in self._references:
            arrays, _ = cached_arrays("typicality", self._key(given), lambda: self._build(given))
            self._references[given] = _Reference(**arrays)
        return self._references[given]

    def _key(self, given: bool) -> dict[str, object]:
        weights = self.posterior.estimator.state_dict()
        return {
            "version": _VERSION,
            "estimator": array_digest(*(weights[k].cpu().numpy() for k in sorted(weights))),
            "fingerprint": self.posterior.fingerprint,
            "galaxies": self.galaxies,
            "given": given,
        }

    def _build(self, given: bool) -> dict[str, np.ndarray]:
        seen = mock_observations(
            self.model, self.posterior.noise, self.galaxies, _MOCK_SEED, given=given
        )
        deviance = np.empty(len(seen))
        # Keys that no row of a catalogue has, so that mock galaxies have their own random numbers.
        keys = np.arange(len(seen)) + 2**30
        with progress(len(seen), "mock galaxies", "galaxies", self._show) as advance:
            for start in range(0, len(seen), _TOGETHER):
                rows = slice(start, start + _TOGETHER)
                deviance[rows] = self.search(seen[rows], keys[rows]).deviance
                advance(len(deviance[rows]))
        return {
            "bands": _number_compared(seen),
            "snr": seen.log_snr,
            "score": _score(seen, deviance),
        }


class _Reference:
    """Number of bands, signal-to-noise and score of mock galaxies, [galaxies] each."""

    def __init__(self, bands: np.ndarray, snr: np.ndarray, score: np.ndarray):
        self._bands, self._snr, self._score = np.sort(bands), np.sort(snr), score
        self._tree = cKDTree(self._place(bands, snr))
        self._n_similar = max(int(COMPARED_FRACTION * len(score)), 1)

    def _place(self, bands: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return ranks among the mock galaxies, in the middle of ties, [n, 2]."""
        size = len(self._bands)
        sides = [
            np.searchsorted(known, values, side=side)
            for known, values in ((self._bands, bands), (self._snr, snr))
            for side in ("left", "right")
        ]
        return np.stack([(sides[0] + sides[1]) / 2, (sides[2] + sides[3]) / 2], axis=1) / size

    def fraction_below(self, seen: Photometry, deviance: np.ndarray) -> np.ndarray:
        """Return the fraction of similar mock galaxies that are less typical, [n]."""
        score, place = _score(seen, deviance), self._place(_number_compared(seen), seen.log_snr)
        out = np.empty(len(seen))
        for start in range(0, len(seen), _TOGETHER):
            rows = slice(start, start + _TOGETHER)
            _, similar = self._tree.query(place[rows], k=self._n_similar)
            worse = self._score[similar.reshape(-1, self._n_similar)] <= score[rows, None]
            # The galaxy itself counts as one of them, as in all rank tests.
            out[rows] = (worse.sum(axis=1) + 1) / (self._n_similar + 1)
        return out


def _number_compared(seen: Photometry) -> np.ndarray:
    """Return the number of compared values of each galaxy: bands and a given redshift, [n]."""
    return seen.observed.sum(axis=1) + np.isfinite(seen.redshift)


def _score(seen: Photometry, deviance: np.ndarray) -> np.ndarray:
    """Return log tail probabilities of χ², which are low for atypical galaxies, [n]."""
    return stats.chi2.logsf(deviance, np.maximum(_number_compared(seen), 1))


def mock_observations(
    model: Simulator, noise: NoiseModel, n_galaxies: int, seed: int, given: bool = False
) -> Photometry:
    """Return mock galaxies of a survey, see :func:`mock_survey`; with their redshifts if given.

    Redshifts that are given have errors as in training.
    """
    theta, seen = mock_survey(model, noise, n_galaxies, seed)
    if not given:
        return seen
    rng = np.random.default_rng([seed, 1])
    redshift = theta[:, model.prior.names.index("redshift")]
    low, high = noise.spec.redshift_error_range
    error = np.exp(rng.uniform(np.log(low), np.log(high), len(theta)))
    return seen.with_redshift(
        redshift + error * (1 + redshift) * rng.standard_normal(len(theta)), error
    )
