"""Change of prior: draws under one prior reweighted to another, without training again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from sedum.errors import SedumError
from sedum.infer.verify.importance_weights import GOOD_K, MIN_ESS, pareto_smoothed
from sedum.priors.joint import Prior

__all__ = ["PriorSwap", "check_swap", "swap_prior"]

#: Number of points of the new prior at which the old one is evaluated.
_PROBES = 4096


@dataclass(frozen=True)
class PriorSwap:
    """Weights that turn K draws of each of n posteriors into draws under another prior.

    Attributes
    ----------
    log_weights
        Normalised, Pareto-smoothed log weights, [n, K]; minus infinity outside the new prior.
    ess
        Effective sample sizes before smoothing, [n]. Repeated draws, as after resampling, count
        once.
    k_hat
        Pareto shape of the tail of the weights, [n]; zero if the largest weights are equal, as
        for a truncated prior.
    log_evidence_ratio, log_evidence_ratio_error
        ln of the evidence under the new prior over that under the old one, and its standard
        error, [n].
    """

    log_weights: np.ndarray
    ess: np.ndarray
    k_hat: np.ndarray
    log_evidence_ratio: np.ndarray
    log_evidence_ratio_error: np.ndarray

    @property
    def trusted(self) -> np.ndarray:
        """Whether the weights are reliable, [n]."""
        return (self.ess >= MIN_ESS) & (self.k_hat < GOOD_K)


def swap_prior(
    draws: np.ndarray, old: Prior, new: Prior, log_weights: np.ndarray | None = None
) -> PriorSwap:
    """Return weights that turn posterior draws under one prior into draws under another.

    The weight of a draw is the ratio of the prior densities, since the likelihood is the same.
    The mean ratio is the ratio of the evidences.

    Parameters
    ----------
    draws
        Parameters, [n, K, d].
    old
        The prior of the draws.
    new
        The new prior, of the same parameters and within the support of the old one.
    log_weights
        Normalised log weights of the draws, [n, K]; equal weights if None.

    Returns
    -------
    PriorSwap

    Raises
    ------
    SedumError
        See :func:`check_swap`.
    """
    changed = check_swap(old, new)
    n, size, d = draws.shape
    flat = draws.reshape(-1, d)
    with np.errstate(divide="ignore", invalid="ignore"):
        before = old.log_densities(flat, changed)
        after = new.log_densities(flat, changed)
        ratio = sum((after[c] - before[c] for c in changed), np.zeros(len(flat)))
    # A draw outside the new prior has no weight. A draw outside the old prior, of which it is, can
    # only be rounded at the edge of its support.
    ratio = np.where(np.isfinite(ratio), ratio, -np.inf).reshape(n, size)
    base = np.full((n, size), -np.log(size)) if log_weights is None else np.asarray(log_weights)
    # One free parameter identifies a draw: equal values are the same draw, resampled.
    tag = draws[..., old.names.index(old.free[0])]
    parts = [_swap_one(ratio[i], base[i], tag[i]) for i in range(n)]
    weights = np.array([part[0] for part in parts]).reshape(n, size)
    ess, k_hat, evidence, error = np.array([part[1:] for part in parts]).reshape(n, 4).T
    return PriorSwap(weights, ess, k_hat, evidence, error)


def _swap_one(
    ratio: np.ndarray, base: np.ndarray, tag: np.ndarray
) -> tuple[np.ndarray, float, float, float, float]:
    """Return log weights, effective size, Pareto k, log ratio of evidences and its error."""
    values, inverse = np.unique(tag, return_inverse=True)
    old_weight = np.bincount(inverse, np.exp(base), len(values))
    joint = base + ratio
    evidence = float(special.logsumexp(joint)) if np.isfinite(joint).any() else -np.inf
    if evidence == -np.inf:
        return np.full(len(ratio), -np.inf), 0.0, np.inf, -np.inf, np.inf
    new_weight = np.bincount(inverse, np.exp(joint - evidence), len(values))
    ess = float(1 / (new_weight**2).sum())
    error = float(np.sqrt(((new_weight - old_weight) ** 2).sum()))
    live = np.flatnonzero(new_weight > 0)
    smooth, k_hat = _tail(np.log(new_weight[live]))
    moved = np.zeros(len(values))
    moved[live] = smooth - np.log(new_weight[live])
    log_weights = joint - evidence + moved[inverse]
    return log_weights - special.logsumexp(log_weights), ess, k_hat, evidence, error


def _tail(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return Pareto-smoothed log weights, all finite, and the shape of their tail."""
    size = len(log_weights)
    tail = np.sort(log_weights)[-int(min(size / 5, 3 * np.sqrt(size)) + 1) :]
    if np.ptp(tail) < 1e-9:  # equal weights have no tail
        return log_weights, 0.0
    smooth, k_hat = pareto_smoothed(log_weights[None])
    return smooth[0], float(k_hat[0])


def check_swap(old: Prior, new: Prior) -> list[str]:
    """Return the parameters whose prior differs, if the old draws cover the new prior.

    Raises
    ------
    SedumError
        If the parameters are not the same, or the new prior allows values of a parameter that
        the old one excludes; the parameter is named.
    """
    if old.names != new.names:
        differing = sorted(set(old.names) ^ set(new.names)) or new.names
        raise SedumError(
            f"the other priors are of other parameters ({', '.join(differing)}); they must be of "
            "the same model"
        )
    changed = [n for n in old.names if old.specs[old.entry_of[n]] != new.specs[new.entry_of[n]]]
    for name in changed:
        for prior, which in ((old, "the one trained with"), (new, "the other")):
            if name not in prior.free:
                raise SedumError(
                    f"priors.{prior.entry_of[name]}: fixed in {which} prior alone; train with the "
                    "prior wanted"
                )
    if changed:
        _check_support(old, new, changed)
    return changed


def _check_support(old: Prior, new: Prior, changed: list[str]) -> None:
    """Raise an error for a prior that is wider than the old one."""
    theta = new.sample(_PROBES, np.random.default_rng(0))
    before = old.log_densities(theta, changed)
    for name in changed:
        low, high = old.limits(name, theta)
        minimum, maximum = new.limits(name, theta)
        slack = 1e-6 * (1 + np.abs(np.stack([low, high])).clip(max=1e12).max(axis=0))
        beyond = (minimum < low - slack) | (maximum > high + slack)
        column = theta[:, new.names.index(name)]
        if beyond.any():
            i = int(np.flatnonzero(beyond)[0])
            raise SedumError(
                f"priors.{new.entry_of[name]}: allows {name} from {minimum[i]:g} to "
                f"{maximum[i]:g}, but the prior trained with only from {low[i]:g} to "
                f"{high[i]:g}; narrow it, or train with it"
            )
        # Densities given by a table can have holes.
        hole = ~np.isfinite(before[name]) & (column > low + slack) & (column < high - slack)
        if hole.any():
            i = int(np.flatnonzero(hole)[0])
            raise SedumError(
                f"priors.{new.entry_of[name]}: allows {name} = {column[i]:g}, where the prior "
                "trained with has no density; narrow it, or train with it"
            )
