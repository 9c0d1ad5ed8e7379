"""Testing the joint posteriors of single galaxies: local classifier two-sample tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sedum.errors import SedumError
from sedum.progress import progress

__all__ = ["LocalTests", "lc2st"]

#: Draws at which the classifier is evaluated, for each galaxy.
_ASKED = 200
#: Epochs of the training of a classifier. The number is fixed: training that stops when a few
#: held-out galaxies no longer improve stops too early.
_PASSES = 30


@dataclass(frozen=True)
class LocalTests:
    """Local tests of the joint posterior of some galaxies, and of all of these together.

    Attributes
    ----------
    rows
        Numbers of the galaxies that were tested, [tested].
    statistic
        Mean squared difference of the classifier's probability from 1/2, [tested].
    p_values
        P-value of each galaxy, [tested]: the fraction of trials under the null hypothesis with at
        least this statistic. They are uniform for a calibrated posterior, but not independent,
        since they come from the same classifier.
    statistic_all
        Mean statistic of all galaxies, each in units of its spread under the null hypothesis.
    p_value
        P-value of ``statistic_all``.
    trials
        Number of trials under the null hypothesis.
    """

    rows: np.ndarray
    statistic: np.ndarray
    p_values: np.ndarray
    statistic_all: float
    p_value: float
    trials: int

    @property
    def false_alarm(self) -> float:
        """Probability that a calibrated posterior fails."""
        return 1 / (self.trials + 1)

    @property
    def fails(self) -> bool:
        """Whether the statistic exceeds that of every trial under the null hypothesis."""
        return self.p_value < 1.5 * self.false_alarm

    def summary(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON."""
        return {
            "galaxies": len(self.rows),
            "trials": self.trials,
            "false_alarm": self.false_alarm,
            "statistic": self.statistic_all,
            "p_value": self.p_value,
            "fraction_below_0.05": float((self.p_values <= 0.05).mean()),
            "rows": self.rows.tolist(),
            "p_values": self.p_values.tolist(),
        }


def lc2st(
    draws: np.ndarray,
    truth: np.ndarray,
    context: np.ndarray,
    tested: int = 40,
    trials: int = 199,
    seed: int = 1,
    show_progress: bool = False,
) -> LocalTests:
    """Test the joint posteriors of single galaxies (L-C2ST, Linhart et al. 2023).

    A classifier is trained to distinguish (truth, observation) from (draw, observation). If it
    can, the posterior of that observation is wrong. Its success by chance is measured by
    exchanging truth and draw for a random half of the galaxies and training again: under the null
    hypothesis they are exchangeable. The p-values are therefore exact, and so is the p-value of
    all tested galaxies together, even if these are correlated.

    Truths and draws are expressed in units of each galaxy's own posterior, centred and whitened
    by its draws. This does not change the hypothesis, but makes faults of narrow posteriors
    visible to the classifier.

    Parameters
    ----------
    draws
        Posterior draws, [n, draws, d], preferably in the latent space. The last draw takes the
        place of the truth; the others give the units.
    truth
        True parameters, [n, d].
    context
        Observations as numbers of order one, [n, m], such as the features of the estimator.
    tested
        Number of galaxies to test, drawn at random. The classifier is not trained on them.
    trials
        Number of trials under the null hypothesis. The minimum p-value is 1 / (trials + 1).
    seed
        Random seed of the selection, the exchanges and the classifiers.
    show_progress
        Show a progress bar.

    Returns
    -------
    LocalTests
        P-values of single galaxies and of all together.

    Raises
    ------
    SedumError
        If the package sbi is not installed, or there are too few galaxies or draws.
    """
    try:
        from sbi.diagnostics.lc2st import LC2ST
    except ImportError:
        raise SedumError(
            "the joint test (L-C2ST) needs the package sbi: pip install 'sedum[sbi]'"
        ) from None
    n, size, d = draws.shape
    if n < 4 * tested or size < 2 * d + 2:
        raise SedumError(
            f"the joint test of {tested} galaxies needs at least {4 * tested} galaxies with "
            f"{2 * d + 2} draws, found {n} with {size}"
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    at, rest = np.sort(order[:tested]), order[tested:]
    units = _Units(draws[:, :-1])
    true, drawn = units(truth[:, None])[:, 0], units(draws[:, -1:])[:, 0]
    asked = torch.from_numpy(units(draws[:, :_ASKED])[at]).float()
    seen = torch.from_numpy(np.asarray(context, np.float32))
    statistics = np.empty((trials + 1, tested))
    with progress(trials + 1, "joint test", "classifiers", show_progress) as advance:
        for t in range(trials + 1):
            swap = np.zeros(len(rest), bool) if t == 0 else rng.random(len(rest)) < 0.5
            test = LC2ST(
                prior_samples=_selected(swap, drawn[rest], true[rest]),
                xs=seen[rest],
                posterior_samples=_selected(swap, true[rest], drawn[rest]),
                seed=seed,
                classifier_kwargs=_classifier(d, int(rng.integers(2**31))),
            )
            with warnings.catch_warnings():  # that the training has not converged
                warnings.filterwarnings("ignore", "Stochastic Optimizer")
                test.train_on_observed_data(verbosity=0)
            statistics[t] = [
                test.get_statistic_on_observed_data(asked[i], seen[row : row + 1])
                for i, row in enumerate(at)
            ]
            advance(1)
    return _tests(at, statistics)


def _tests(rows: np.ndarray, statistics: np.ndarray) -> LocalTests:
    """Return the tests of statistics [1 + trials, tested], the first row those of the data."""
    count = len(statistics)
    # The data among the trials: all are exchangeable under the null hypothesis.
    standard = (statistics - statistics.mean(axis=0)) / np.maximum(statistics.std(axis=0), 1e-12)
    together = standard.mean(axis=1)
    return LocalTests(
        rows=rows,
        statistic=statistics[0],
        p_values=(statistics >= statistics[0]).sum(axis=0) / count,
        statistic_all=float(together[0]),
        p_value=float((together >= together[0]).sum() / count),
        trials=count - 1,
    )


class _Units:
    """Converts latent coordinates to units of each galaxy's own posterior; compresses outliers."""

    def __init__(self, draws: np.ndarray):
        self._centre = draws.mean(axis=1, keepdims=True)
        about = draws - self._centre
        covariance = about.mT @ about / draws.shape[1]
        # Draws at the edge of the latent space do not vary: add a little of the prior's width.
        covariance = covariance + 1e-12 * np.eye(draws.shape[2])
        self._root = np.linalg.cholesky(covariance)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Return y [n, k, d] in these units."""
        white = np.linalg.solve(self._root, (y - self._centre).mT).mT
        return np.arcsinh(white)


def _selected(swap: np.ndarray, there: np.ndarray, here: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.where(swap[:, None], here, there)).float()


def _classifier(dimension: int, seed: int) -> dict[str, Any]:
    """Return the settings of the classifier: small, since hundreds are trained."""
    return {
        "hidden_layer_sizes": (16 + 2 * dimension,),
        "learning_rate_init": 5e-3,
        "alpha": 0.3,
        "max_iter": _PASSES,
        "early_stopping": False,
        "random_state": seed,
    }
