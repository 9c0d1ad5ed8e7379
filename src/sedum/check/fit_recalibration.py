"""Fitting a recalibration to galaxies whose parameters are known, and testing it on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sedum._version import __version__
from sedum.check.mock_scorecard import MockValidation, validate
from sedum.check.recovery import coverage_curve
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.condition import condition_of
from sedum.infer.densities.conditional_density import LogProb
from sedum.infer.posterior import Posterior
from sedum.infer.recalibration import BaseTransform, Covariates, Recalibration
from sedum.introduced import Facts, Introduced
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.observed import Photometry
from sedum.progress import progress

__all__ = ["RecalibrationResult", "fit_recalibration", "recalibrate"]

#: Width of the prior on the numbers of the map, which limits the influence of a few galaxies.
_WIDTH = 0.3
#: Rounds of the optimiser, steps in each round, and galaxies that are evaluated together.
_ROUNDS, _STEPS, _TOGETHER = 12, 10, 2048
#: Standard errors by which the log-probability of other galaxies must increase.
_SIGNIFICANT = 2.0


@dataclass(frozen=True, repr=False)
class RecalibrationResult(Introduced):
    """A recalibrated posterior, and its test on galaxies that were not fitted.

    Attributes
    ----------
    posterior
        The posterior with the recalibration.
    before, after
        Validation on the same galaxies, without and with the recalibration.
    """

    posterior: Posterior
    before: MockValidation
    after: MockValidation

    def _facts(self) -> Facts:
        gain, error = self.gain
        facts = {"gain": f"{gain:.3f} ± {error:.3f} nat per galaxy"}
        return "", facts | {"improves": "yes" if self.improves else "no"}

    @property
    def gain(self) -> tuple[float, float]:
        """Mean gain in log posterior density of the truth, nat per galaxy, and its error."""
        gain = self.after.log_prob - self.before.log_prob
        return float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))

    @property
    def improves(self) -> bool:
        """Whether the log-probability increases by more than two standard errors.

        By chance that happens once in forty.
        """
        gain, error = self.gain
        return gain > _SIGNIFICANT * error

    def summary(self) -> dict[str, Any]:
        """Return the numbers before and after, ready for JSON."""
        gain, error = self.gain
        return {
            "galaxies": len(self.before.truth),
            "gain": gain,
            "gain_error": error,
            "improves": self.improves,
            "before": _numbers(self.before),
            "after": _numbers(self.after),
        }


def _numbers(validation: MockValidation) -> dict[str, Any]:
    inside = coverage_curve(validation.ranks["pit"], np.array([0.68, 0.95]))
    columns = {"coverage_68": inside[0], "coverage_95": inside[1]}
    columns |= {f"pit_{key}": validation.ranks[key] for key in ("ks", "p_value", "mean", "spread")}
    return {
        "log_prob": float(validation.log_prob.mean()),
        "tarp": {"deviation": validation.tarp.deviation, "p_value": validation.tarp.p_value},
        "faults": validation.faults(),
        "parameters": {
            name: {key: float(values[j]) for key, values in columns.items()}
            for j, name in enumerate(validation.names)
        },
    }


def recalibrate(
    posterior: Posterior,
    model: Simulator,
    n_galaxies: int = 10_000,
    n_judged: int = 3000,
    seed: int = 20_270_000,
    show_progress: bool = False,
) -> RecalibrationResult:
    """Recalibrate a posterior on new mock galaxies, and judge it on others.

    Galaxies are drawn from the prior and observed as in training, with bands missing and
    redshifts given as often, from seeds of their own: training and validation use others.

    Parameters
    ----------
    posterior
        The posterior; a recalibration that it has is not built upon, but replaced.
    model
        The forward model it was trained with.
    n_galaxies, n_judged
        How many the map is fitted to, and how many judge it.
    seed
        Of those that are fitted; the next is that of those that judge.
    show_progress
        Show a progress bar.

    Raises
    ------
    SedumError
        If there are fewer than 500 galaxies to fit or 100 to judge.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> result = recalibrate(posterior, model, n_galaxies=500, n_judged=100)
    >>> gain, error = result.gain  # nat per galaxy of those that judge
    >>> result.posterior.recalibration is not None
    True
    """
    if n_galaxies < 500 or n_judged < 100:
        raise SedumError("recalibration needs at least 500 galaxies to fit and 100 to judge")
    bare = posterior.recalibrated(None)
    theta, seen = mock_survey(model, bare.noise, n_galaxies, seed, hide_redshift=False)
    recalibration = fit_recalibration(bare, theta, seen, show_progress)
    theta, seen = mock_survey(model, bare.noise, n_judged, seed + 1, hide_redshift=False)
    before = validate(bare, theta, seen)
    after = validate(bare.recalibrated(recalibration), theta, seen)
    result = RecalibrationResult(bare.recalibrated(recalibration), before, after)
    about = {"sedum": __version__, "fitted": n_galaxies, "seed": seed, **result.summary()}
    recorded = Recalibration(
        recalibration.weights, recalibration.lower, recalibration.covariates, about
    )
    return RecalibrationResult(bare.recalibrated(recorded), before, after)


def fit_recalibration(
    posterior: Posterior, theta: np.ndarray, photometry: Photometry, show_progress: bool = False
) -> Recalibration:
    """Fit the map under which galaxies of known parameters are most probable.

    Maximum likelihood, with a normal prior on the numbers of the map.

    Parameters
    ----------
    posterior
        The posterior, without a recalibration.
    theta
        True parameters, [n, d].
    photometry
        Observations of these galaxies.
    show_progress
        Show a progress bar.

    Returns
    -------
    Recalibration
        The map.
    """
    covariates = Covariates.of(photometry)
    known = torch.from_numpy(covariates(photometry)).float()
    likelihoods = _likelihoods(posterior, theta, photometry)
    d = posterior.prior.dimension
    weights = torch.zeros(known.shape[1], 4, d, requires_grad=True)
    lower = torch.zeros(d, d, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, lower], max_iter=_STEPS, history_size=20, line_search_fn="strong_wolfe"
    )
    n = len(theta)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        below = lower.tril(-1)
        total = (weights.square().sum() + below.square().sum()) / (2 * _WIDTH**2)
        for rows, log_prob in likelihoods:
            shift, log_scale, log_tail, skew = torch.einsum(
                "nk,kpd->pnd", known[rows], weights
            ).unbind(0)
            total = total - log_prob(BaseTransform(shift, log_scale, log_tail, skew, below)).sum()
        total = total / n
        total.backward()
        return total

    last = np.inf
    with progress(_ROUNDS, "recalibrating", "rounds", show_progress) as advance:
        for done in range(_ROUNDS):
            now = optimiser.step(loss).item()
            if last - now < 1e-5:
                advance(_ROUNDS - done)
                break
            last = now
            advance(1)
    return Recalibration(
        weights.detach().double().numpy(), lower.detach().tril(-1).double().numpy(), covariates
    )


def _likelihoods(
    posterior: Posterior, theta: np.ndarray, photometry: Photometry
) -> list[tuple[slice, LogProb]]:
    """Return, for portions of galaxies, the log density of their truths under any map."""
    y = torch.from_numpy(posterior.prior.to_latent(theta).astype(np.float32))
    condition = condition_of(posterior.prior, posterior.features, photometry)
    estimator = posterior.estimator.cpu()
    portions = []
    for start in range(0, len(theta), _TOGETHER):
        rows = slice(start, min(start + _TOGETHER, len(theta)))
        with torch.no_grad():
            portions.append((rows, estimator.at(y[rows], condition.rows(rows))))
    return portions
