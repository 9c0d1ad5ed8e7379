"""What evidences say of models: probabilities for each galaxy, and shares of the population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.observe.noise_model import NoiseModel

__all__ = [
    "ModelShares",
    "SelectedFraction",
    "model_probabilities",
    "model_shares",
    "selected_fraction",
]

#: Galaxies drawn at a time to find what share a survey detects, detections wanted, and the most
#: that are drawn for them.
_TRIAL, _DETECTIONS, _MOST = 8192, 10_000, 200_000
#: Draws of the shares, rounds that adapt their proposal, and its degrees of freedom.
_DRAWS, _ROUNDS, _DOF = 4000, 3, 5.0
#: When expectation-maximisation ends: the greatest change of a share, and the most iterations.
_SETTLED, _ITERATIONS = 1e-9, 100_000
#: Log-likelihood evaluations of shares that are held in memory together.
_PORTION = 4_000_000


# --- single galaxies ---------------------------------------------------------------------


@dataclass(frozen=True)
class SelectedFraction:
    """The share of a model's galaxies that a survey would detect.

    Attributes
    ----------
    log_fraction, error
        Its natural logarithm, and the standard error of that.
    """

    log_fraction: float
    error: float


def selected_fraction(model: Simulator, noise: NoiseModel, seed: int = 1) -> SelectedFraction:
    """Find what share of the galaxies of a model's prior the survey would detect.

    Galaxies of a catalogue were selected, by what was observed of them. The probability of
    their data under a model is then the evidence divided by this share (Loredo 2004; Mandel,
    Farr & Gair 2019): else models that put their galaxies below the limit would be blamed for
    those.

    Raises
    ------
    SedumError
        If fewer than a hundred of 200,000 galaxies are detected.
    """
    if noise.spec.selection is None:
        return SelectedFraction(0.0, 0.0)
    rng = np.random.default_rng(seed)
    redshift = model.prior.names.index("redshift")
    kept = drawn = 0
    while kept < _DETECTIONS and drawn < _MOST:
        theta = model.prior.sample(_TRIAL, rng)
        seen = noise.observe(model.photometry(theta), rng, theta[:, redshift])
        kept += int(noise.selected(seen).sum())
        drawn += len(theta)
    if kept < 100:
        raise SedumError(
            f"noise.selection: the survey detects {kept} of {drawn:,} galaxies of the prior; "
            "narrow the priors to what it can see"
        )
    return SelectedFraction(float(np.log(kept / drawn)), float(np.sqrt(1 / kept - 1 / drawn)))


def model_probabilities(log_evidence: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
    """Return posterior probabilities of models.

    Parameters
    ----------
    log_evidence
        ln p(data | model), [n, models].
    prior
        Prior probabilities or odds, [models]; equal where None.

    Returns
    -------
    ndarray
        [n, models]; rows sum to one, and are NaN where an evidence is.
    """
    models = log_evidence.shape[1]
    weight = np.ones(models) if prior is None else np.asarray(prior, float)
    with np.errstate(divide="ignore"):
        return special.softmax(log_evidence + np.log(weight / weight.sum()), axis=1)


# --- populations -------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelShares:
    """Shares of a population that each of some models describes; each [models].

    Attributes
    ----------
    most_likely
        The shares of greatest likelihood.
    mean, sigma
        Mean and standard deviation of their posterior.
    low, high
        Its 16th and 84th percentiles.
    ess
        Effective sample size behind the posterior.
    """

    most_likely: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ess: float


def model_shares(
    log_evidence: np.ndarray, concentration: float = 1.0, seed: int = 1
) -> ModelShares:
    """Infer what share of a population each model describes.

    The population is a mixture: p(data of galaxy i) = Σ_k f_k Z_ik. The most likely shares f
    are found by expectation-maximisation (Dempster, Laird & Rubin 1977); their posterior, with
    a Dirichlet prior, by importance sampling in the log-ratios of shares.

    Parameters
    ----------
    log_evidence
        ln Z, finite, [n, models], n at least 1.
    concentration
        Of the Dirichlet prior; 1 is flat.
    seed
        Of the sampling.
    """
    top = log_evidence.max(axis=1, keepdims=True)
    likelihood = np.exp(log_evidence - top)
    shares = _most_likely(likelihood)
    draws, weights = _sample_shares(likelihood, shares, concentration, seed)
    mean = weights @ draws
    order = np.argsort(draws, axis=0)
    low, high = (_quantile(draws, weights, order, q) for q in (0.16, 0.84))
    return ModelShares(
        shares,
        mean,
        np.sqrt(weights @ (draws - mean) ** 2),
        low,
        high,
        float(1 / (weights**2).sum()),
    )


def _most_likely(likelihood: np.ndarray) -> np.ndarray:
    n, models = likelihood.shape
    shares = np.full(models, 1 / models)
    for _ in range(_ITERATIONS):
        before = shares
        shares = shares * (likelihood.T @ (1 / (likelihood @ shares))) / n
        if np.abs(shares - before).max() < _SETTLED:
            break
    return shares


def _sample_shares(
    likelihood: np.ndarray, start: np.ndarray, concentration: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of the shares, [draws, models], and their weights, which sum to one."""
    models = likelihood.shape[1]
    if models == 1:
        return np.ones((_DRAWS, 1)), np.full(_DRAWS, 1 / _DRAWS)
    target = _LogPosterior(likelihood, concentration)
    inside = np.log(np.clip(start, 1e-6, None))
    found = optimize.minimize(lambda x: -target.value(x), inside[:-1] - inside[-1], method="BFGS")
    mean, covariance = found.x, np.atleast_2d(found.hess_inv)
    rng = np.random.default_rng(seed)
    for _ in range(_ROUNDS):
        # A little wider than what was found so far: too narrow proposals miss the tails.
        proposal = stats.multivariate_t(mean, 1.3 * covariance, df=_DOF)
        x = proposal.rvs(_DRAWS, random_state=rng).reshape(_DRAWS, models - 1)
        log_weights = target.values(x) - proposal.logpdf(x)
        weights = special.softmax(log_weights)
        mean = weights @ x
        covariance = (weights[:, None] * (x - mean)).T @ (x - mean) + 1e-12 * np.eye(models - 1)
    return special.softmax(_padded(x), axis=1), weights


def _padded(x: np.ndarray) -> np.ndarray:
    """Return log ratios to the last model with that one's zero, [..., models]."""
    return np.concatenate([x, np.zeros((*x.shape[:-1], 1))], axis=-1)


class _LogPosterior:
    """Log posterior of shares in the coordinates ln(f_k / f_last), up to a constant."""

    def __init__(self, likelihood: np.ndarray, concentration: float):
        self.likelihood, self.concentration = likelihood, concentration

    def value(self, x: np.ndarray) -> float:
        """Return it at one point, [models - 1]."""
        return float(self.values(x[None])[0])

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return it at points [k, models - 1], each [k]."""
        log_shares = special.log_softmax(_padded(x), axis=1)
        # The Jacobian of the coordinates, Π f_k, raises each power of the prior by one.
        out = self.concentration * log_shares.sum(axis=1)
        shares = np.exp(log_shares)
        step = max(_PORTION // len(x), 1)
        for start in range(0, len(self.likelihood), step):
            mixture = self.likelihood[start : start + step] @ shares.T
            out += np.log(np.maximum(mixture, 1e-300)).sum(axis=0)
        return out


def _quantile(values: np.ndarray, weights: np.ndarray, order: np.ndarray, q: float) -> np.ndarray:
    """Return weighted quantiles of each column, [models]."""
    found = []
    for k in range(values.shape[1]):
        x, w = values[order[:, k], k], weights[order[:, k]]
        found.append(np.interp(q, np.cumsum(w) - w / 2, x))
    return np.array(found)
