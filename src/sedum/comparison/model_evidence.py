"""Evidence to probabilities: of models for each galaxy, and of fractions of the population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.observe.noise_model import NoiseModel

__all__ = [
    "ModelFractions",
    "SelectedFraction",
    "model_fractions",
    "model_probabilities",
    "selected_fraction",
]

#: Galaxies drawn at a time to estimate the detected fraction, the number of detections wanted, and
#: the maximum number of galaxies drawn for them.
_TRIAL, _DETECTIONS, _MAXIMUM = 8192, 10_000, 200_000
#: Draws of the fractions, rounds that adapt their proposal, and its degrees of freedom.
_DRAWS, _ROUNDS, _DOF = 4000, 3, 5.0
#: Expectation-maximisation ends at this maximum change of a fraction, or after so many iterations.
_SETTLED, _ITERATIONS = 1e-9, 100_000
#: Log-likelihood evaluations that are held in memory together.
_TOGETHER = 4_000_000


# --- single galaxies ---------------------------------------------------------------------


@dataclass(frozen=True)
class SelectedFraction:
    """The fraction of a model's galaxies that a survey would detect.

    Attributes
    ----------
    log_fraction
        Natural logarithm of the fraction.
    error
        Standard error of ``log_fraction``.
    """

    log_fraction: float
    error: float


def selected_fraction(model: Simulator, noise: NoiseModel, seed: int = 1) -> SelectedFraction:
    """Estimate the fraction of the galaxies of a model's prior that the survey would detect.

    The galaxies of a catalogue were selected by their observed photometry. The probability of
    their data under a model is therefore the evidence divided by this fraction (Loredo 2004;
    Mandel, Farr & Gair 2019). Without the division, models that predict many galaxies below the
    limit would be penalised for them.

    Parameters
    ----------
    model
        The forward model, with its prior.
    noise
        The noise model, with the selection of the survey.
    seed
        Random seed of the galaxies.

    Returns
    -------
    SelectedFraction
        The fraction; one, without error, if the survey has no selection.

    Raises
    ------
    SedumError
        If fewer than a hundred of 200,000 galaxies are detected.

    Examples
    --------
    >>> from sedum.galaxies.model import GalaxyModel
    >>> selected_fraction(GalaxyModel.from_run(run), posterior.noise).log_fraction
    0.0
    """
    if noise.spec.selection is None:
        return SelectedFraction(0.0, 0.0)
    rng = np.random.default_rng(seed)
    redshift = model.prior.names.index("redshift")
    kept = drawn = 0
    while kept < _DETECTIONS and drawn < _MAXIMUM:
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
    """Return the posterior probabilities of models, galaxy by galaxy.

    Parameters
    ----------
    log_evidence
        Natural logarithm of the evidence p(data | model), [n, models].
    prior
        Prior probabilities or odds of the models, [models]. They are equal if None.

    Returns
    -------
    ndarray
        Probabilities, [n, models]. Each row sums to one; it is NaN if one of its evidences is.

    Examples
    --------
    >>> model_probabilities(np.log([[3.0, 1.0]])).round(2)
    array([[0.75, 0.25]])
    """
    models = log_evidence.shape[1]
    weight = np.ones(models) if prior is None else np.asarray(prior, float)
    with np.errstate(divide="ignore"):
        return special.softmax(log_evidence + np.log(weight / weight.sum()), axis=1)


# --- populations -------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelFractions:
    """Fractions of a population that each of several models describes; arrays are [models].

    Attributes
    ----------
    most_likely
        Fractions of maximum likelihood.
    mean, sigma
        Mean and standard deviation of the posterior of the fractions.
    low, high
        16th and 84th percentiles of the posterior.
    ess
        Effective sample size of the posterior.
    """

    most_likely: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ess: float


def model_fractions(
    log_evidence: np.ndarray, concentration: float = 1.0, seed: int = 1
) -> ModelFractions:
    """Infer the fraction of a population that each model describes.

    The population is a mixture: p(data of galaxy i) = Σ_k f_k Z_ik. The most likely fractions f
    are computed by expectation-maximisation (Dempster, Laird & Rubin 1977). Their posterior, with
    a Dirichlet prior, is computed by importance sampling in the logarithms of their ratios.

    Parameters
    ----------
    log_evidence
        Natural logarithm of the evidence Z, finite, [n, models], with n at least 1.
    concentration
        Concentration of the Dirichlet prior; 1 is flat.
    seed
        Random seed of the sampling.

    Returns
    -------
    ModelFractions
        The most likely fractions and their posterior.

    Examples
    --------
    >>> log_evidence = np.log([[9.0, 1.0]] * 30 + [[1.0, 9.0]] * 10)
    >>> model_fractions(log_evidence).most_likely.round(2)
    array([0.81, 0.19])
    """
    top = log_evidence.max(axis=1, keepdims=True)
    likelihood = np.exp(log_evidence - top)
    fractions = _most_likely(likelihood)
    draws, weights = _sample_fractions(likelihood, fractions, concentration, seed)
    mean = weights @ draws
    order = np.argsort(draws, axis=0)
    low, high = (_quantile(draws, weights, order, q) for q in (0.16, 0.84))
    return ModelFractions(
        fractions,
        mean,
        np.sqrt(weights @ (draws - mean) ** 2),
        low,
        high,
        float(1 / (weights**2).sum()),
    )


def _most_likely(likelihood: np.ndarray) -> np.ndarray:
    n, models = likelihood.shape
    fractions = np.full(models, 1 / models)
    for _ in range(_ITERATIONS):
        before = fractions
        fractions = fractions * (likelihood.T @ (1 / (likelihood @ fractions))) / n
        if np.abs(fractions - before).max() < _SETTLED:
            break
    return fractions


def _sample_fractions(
    likelihood: np.ndarray, start: np.ndarray, concentration: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of the fractions, [draws, models], and their weights, which sum to one."""
    models = likelihood.shape[1]
    if models == 1:
        return np.ones((_DRAWS, 1)), np.full(_DRAWS, 1 / _DRAWS)
    target = _LogPosterior(likelihood, concentration)
    inside = np.log(np.clip(start, 1e-6, None))
    optimum = optimize.minimize(lambda x: -target.value(x), inside[:-1] - inside[-1], method="BFGS")
    mean, covariance = optimum.x, np.atleast_2d(optimum.hess_inv)
    rng = np.random.default_rng(seed)
    for _ in range(_ROUNDS):
        # A little wider than the current estimate: proposals that are too narrow miss the tails.
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
    """Log posterior of the fractions in the coordinates ln(f_k / f_last), up to a constant."""

    def __init__(self, likelihood: np.ndarray, concentration: float):
        self.likelihood, self.concentration = likelihood, concentration

    def value(self, x: np.ndarray) -> float:
        """Return it at one point, [models - 1]."""
        return float(self.values(x[None])[0])

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return it at points [k, models - 1], each [k]."""
        log_fractions = special.log_softmax(_padded(x), axis=1)
        # The Jacobian of the coordinates, Π f_k, raises each power of the prior by one.
        out = self.concentration * log_fractions.sum(axis=1)
        fractions = np.exp(log_fractions)
        step = max(_TOGETHER // len(x), 1)
        for start in range(0, len(self.likelihood), step):
            mixture = self.likelihood[start : start + step] @ fractions.T
            out += np.log(np.maximum(mixture, 1e-300)).sum(axis=0)
        return out


def _quantile(values: np.ndarray, weights: np.ndarray, order: np.ndarray, q: float) -> np.ndarray:
    """Return weighted quantiles of each column, [models]."""
    quantiles = []
    for k in range(values.shape[1]):
        x, w = values[order[:, k], k], weights[order[:, k]]
        quantiles.append(np.interp(q, np.cumsum(w) - w / 2, x))
    return np.array(quantiles)
