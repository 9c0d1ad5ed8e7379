"""Is the joint posterior of single galaxies right? Local classifier two-sample tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sedum.errors import SedumError
from sedum.progress import progress

__all__ = ["LocalTests", "lc2st"]

#: Draws at which the classifier is asked, for each galaxy.
_ASKED = 200
#: Passes of a classifier over the galaxies. A fixed number: one that stops when it gains no more
#: on a few held-out galaxies stops before it has seen what is wrong.
_PASSES = 30


@dataclass(frozen=True)
class LocalTests:
    """Local tests of the joint posterior at some observations, and of all of them together.

    Attributes
    ----------
    rows
        Which galaxies were tested, [tested].
    statistic
        Mean squared distance of the classifier's probability from 1/2, [tested].
    p_values
        Of each galaxy, [tested]: the share of trials under the null hypothesis with as large a
        statistic. Uniform for a calibrated posterior, but not independent: one classifier gave
        them all.
    statistic_all, p_value
        Of all galaxies together: the mean of their statistics, each in units of its own spread
        under the null hypothesis.
    trials
        How many trials under the null hypothesis there were.
    """

    rows: np.ndarray
    statistic: np.ndarray
    p_values: np.ndarray
    statistic_all: float
    p_value: float
    trials: int

    @property
    def false_alarm(self) -> float:
        """How often a calibrated posterior fails: the data surpass every trial."""
        return 1 / (self.trials + 1)

    @property
    def fails(self) -> bool:
        """Whether the data surpass every trial under the null hypothesis."""
        return self.p_value < 1.5 * self.false_alarm

    def summary(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON."""
        return {
            "galaxies": len(self.rows),
            "trials": self.trials,
            "false_alarm": self.false_alarm,
            "statistic": self.statistic_all,
            "p_value": self.p_value,
            "share_below_0.05": float((self.p_values <= 0.05).mean()),
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

    A classifier learns to tell (truth, observation) from (draw, observation). Where it can, the
    posterior of that observation is wrong. How well it does by chance is found by exchanging
    truth and draw of a random half of the galaxies and learning again: under the null hypothesis
    nothing distinguishes them, so that the p-values are exact, and so is that of all tested
    galaxies together, however much they depend on each other.

    Truths and draws are seen in units of each galaxy's own posterior (centred and whitened by
    its draws), which changes nothing of the hypothesis, but shows the classifier faults of
    posteriors that are narrow.

    Parameters
    ----------
    draws
        Posterior draws, best in the latent space, [n, draws, d]; the last takes the place of
        the truth, the others give the units.
    truth
        [n, d]
    context
        The observations as numbers of order one, such as the estimator's features, [n, m].
    tested
        Galaxies at which to test, taken at random and not shown to the classifier.
    trials
        Under the null hypothesis; they set the least p-value, 1 / (trials + 1).
    seed
        Of the choice, the exchanges and the classifiers.
    show_progress
        Show a progress bar.

    Raises
    ------
    SedumError
        If the package sbi is absent, or there are too few galaxies or draws.
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
    found = np.empty((trials + 1, tested))
    with progress(trials + 1, "joint test", "classifiers", show_progress) as advance:
        for t in range(trials + 1):
            swap = np.zeros(len(rest), bool) if t == 0 else rng.random(len(rest)) < 0.5
            test = LC2ST(
                prior_samples=_chosen(swap, drawn[rest], true[rest]),
                xs=seen[rest],
                posterior_samples=_chosen(swap, true[rest], drawn[rest]),
                seed=seed,
                classifier_kwargs=_classifier(d, int(rng.integers(2**31))),
            )
            with warnings.catch_warnings():  # that it could go on learning
                warnings.filterwarnings("ignore", "Stochastic Optimizer")
                test.train_on_observed_data(verbosity=0)
            found[t] = [
                test.get_statistic_on_observed_data(asked[i], seen[row : row + 1])
                for i, row in enumerate(at)
            ]
            advance(1)
    return _judge(at, found)


def _judge(rows: np.ndarray, found: np.ndarray) -> LocalTests:
    """Judge statistics [1 + trials, tested], the first of them the data's."""
    count = len(found)
    # The data among the trials: all are exchangeable under the null hypothesis.
    standard = (found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-12)
    together = standard.mean(axis=1)
    return LocalTests(
        rows=rows,
        statistic=found[0],
        p_values=(found >= found[0]).sum(axis=0) / count,
        statistic_all=float(together[0]),
        p_value=float((together >= together[0]).sum() / count),
        trials=count - 1,
    )


class _Units:
    """Turns latent coordinates into units of each galaxy's own posterior, and tames outliers."""

    def __init__(self, draws: np.ndarray):
        self._centre = draws.mean(axis=1, keepdims=True)
        about = draws - self._centre
        covariance = about.mT @ about / draws.shape[1]
        # Draws at the edge of the latent space do not vary: a little of the prior's width.
        covariance = covariance + 1e-12 * np.eye(draws.shape[2])
        self._root = np.linalg.cholesky(covariance)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Return y [n, k, d] in these units."""
        white = np.linalg.solve(self._root, (y - self._centre).mT).mT
        return np.arcsinh(white)


def _chosen(swap: np.ndarray, there: np.ndarray, here: np.ndarray) -> torch.Tensor:
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
