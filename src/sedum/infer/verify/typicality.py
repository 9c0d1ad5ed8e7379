"""Could the simulations have made this galaxy? A p-value for each observation."""

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

#: Seeds of the mock galaxies, and of all searches: results do not depend on the run's.
_MOCK_SEED, _SEARCH_SEED = 20_260_301, 1
#: Counts up when the score changes, so that references in the cache are made again.
_VERSION = 2
#: Mock galaxies between two steps of the progress bar.
_TOGETHER = 256
#: Of the mock galaxies, the share that one galaxy is compared with.
ALIKE = 0.25


class Typicality:
    """How typical observations are of simulated ones, as a p-value.

    The score of a galaxy is its best model: the least ``Σ residual² + |y|²`` over the parameters,
    with residuals in the bands that were observed and y the parameters' latent coordinates
    (see :func:`~sedum.infer.verify.best_fit.best_fit`). That is minus twice the log of the greatest
    joint density of data and parameters, which falls both where no model explains the data and
    where only models at the edge of the prior do. The typicality is the share of mock
    galaxies, observed with the noise of the training, whose score is worse: uniform between 0
    and 1 for galaxies of the simulations. A galaxy is compared with the quarter of the mocks
    that are most like it in number of bands and total signal-to-noise, each score being turned
    into the tail probability of χ² of that many bands first.

    The search is the same for mocks and catalogue, so that an imperfect one costs power but
    raises no false alarms; it starts from draws of the estimator, and so does not need weights
    that are verified.

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
        found: BestFit | None = None,
    ) -> np.ndarray:
        """Return the typicality of observations.

        Parameters
        ----------
        photometry
            n observations in the bands of the run file.
        keys
            One integer for each galaxy, [n], that fixes its search; row numbers where None.
        found
            Their best models, where they are known already.

        Returns
        -------
        ndarray
            [n], above 0 and at most 1; NaN where no band was observed.
        """
        found = found or self.search(photometry, keys)
        given = np.isfinite(photometry.redshift)
        out = np.full(len(photometry), np.nan)
        for with_redshift in (False, True):
            at = np.flatnonzero((given == with_redshift) & photometry.observed.any(axis=1))
            if len(at):
                reference = self._reference(with_redshift)
                out[at] = reference.share_below(photometry[at], found.deviance[at])
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
        # Keys that rows of catalogues do not have: a mock is nobody's twin.
        keys = np.arange(len(seen)) + 2**30
        with progress(len(seen), "mock galaxies", "galaxies", self._show) as advance:
            for start in range(0, len(seen), _TOGETHER):
                rows = slice(start, start + _TOGETHER)
                deviance[rows] = self.search(seen[rows], keys[rows]).deviance
                advance(len(deviance[rows]))
        return {"bands": _counted(seen), "snr": seen.log_snr, "score": _score(seen, deviance)}


class _Reference:
    """Number of bands, signal-to-noise and score of mock galaxies, [galaxies] each."""

    def __init__(self, bands: np.ndarray, snr: np.ndarray, score: np.ndarray):
        self._bands, self._snr, self._score = np.sort(bands), np.sort(snr), score
        self._tree = cKDTree(self._place(bands, snr))
        self._like = max(int(ALIKE * len(score)), 1)

    def _place(self, bands: np.ndarray, snr: np.ndarray) -> np.ndarray:
        """Return ranks among the mock galaxies, in the middle of ties, [n, 2]."""
        size = len(self._bands)
        sides = [
            np.searchsorted(known, values, side=side)
            for known, values in ((self._bands, bands), (self._snr, snr))
            for side in ("left", "right")
        ]
        return np.stack([(sides[0] + sides[1]) / 2, (sides[2] + sides[3]) / 2], axis=1) / size

    def share_below(self, seen: Photometry, deviance: np.ndarray) -> np.ndarray:
        """Return the share of like mock galaxies that are less typical, [n]."""
        score, place = _score(seen, deviance), self._place(_counted(seen), seen.log_snr)
        out = np.empty(len(seen))
        for start in range(0, len(seen), _TOGETHER):
            rows = slice(start, start + _TOGETHER)
            _, like = self._tree.query(place[rows], k=self._like)
            worse = self._score[like.reshape(-1, self._like)] <= score[rows, None]
            # The galaxy counts as one of them, as in every test by ranks.
            out[rows] = (worse.sum(axis=1) + 1) / (self._like + 1)
        return out


def _counted(seen: Photometry) -> np.ndarray:
    """Return how many numbers each galaxy is compared by: bands, and a given redshift, [n]."""
    return seen.observed.sum(axis=1) + np.isfinite(seen.redshift)


def _score(seen: Photometry, deviance: np.ndarray) -> np.ndarray:
    """Return log tail probabilities of χ², low for galaxies that are not typical, [n]."""
    return stats.chi2.logsf(deviance, np.maximum(_counted(seen), 1))


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
