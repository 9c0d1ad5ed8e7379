"""Verification of single posteriors by importance weights against the exact likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from arviz_stats.base import array_stats
from scipy import special

from sedum.infer.posterior import Posterior
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.photometry.observed import Photometry

__all__ = [
    "GOOD_K",
    "MIN_ESS",
    "WeightedDraws",
    "pareto_smoothed",
    "resampled",
    "reweight",
    "systematic",
]

#: Pareto k above which importance sampling is not reliable (Vehtari et al. 2024).
GOOD_K = 0.7
#: Minimum number of effective draws of a verified posterior, and its minimum fraction of the
#: computed likelihoods. Below that fraction, all draws may have missed the posterior.
MIN_ESS, MIN_EFFICIENCY = 100.0, 0.02
#: Components of the proposal in a refinement, and its degrees of freedom.
_COMPONENTS, _DOF = 64, 5.0
#: Number of galaxies weighted together.
_PORTION = 64


@dataclass(frozen=True)
class WeightedDraws:
    """K weighted draws of each of n posteriors.

    Attributes
    ----------
    draws
        Parameters, [n, K, d].
    latent
        Their latent coordinates, [n, K, free].
    log_weights
        Normalised and Pareto-smoothed log weights, [n, K].
    ess
        Effective sample sizes, (Σw)² / Σw², of the weights before smoothing, [n].
    k_hat
        Pareto shape of the tail of the weights, [n]; see :data:`GOOD_K`.
    log_evidence, log_evidence_error
        log p(observation) under model, priors and noise, and its standard error, [n].
    refined
        Whether a second proposal was needed, [n].
    evaluations
        Number of computed likelihoods of all proposals, [n].
    """

    draws: np.ndarray
    latent: np.ndarray
    log_weights: np.ndarray
    ess: np.ndarray
    k_hat: np.ndarray
    log_evidence: np.ndarray
    log_evidence_error: np.ndarray
    refined: np.ndarray
    evaluations: np.ndarray

    @property
    def verified(self) -> np.ndarray:
        """Whether the weights are reliable, [n]."""
        enough = (self.ess >= MIN_ESS) & (self.efficiency >= MIN_EFFICIENCY)
        return enough & (self.k_hat < GOOD_K) & np.isfinite(self.log_evidence)

    @property
    def efficiency(self) -> np.ndarray:
        """Effective sample size as a fraction of the computed likelihoods, [n]."""
        return self.ess / self.evaluations


def reweight(
    posterior: Posterior,
    exact: ExactPosterior,
    photometry: Photometry,
    n_draws: int = 1000,
    seed: int = 1,
    keys: np.ndarray | None = None,
    rounds: int = 2,
) -> WeightedDraws:
    """Draw from the estimator and weight each draw by the exact posterior.

    Galaxies whose weights are not reliable are refined by adaptive importance sampling (Cornuet
    et al. 2012). The same number of new draws is taken from Student-t kernels about the best of
    the old ones, and all draws are weighted under the mixture of all proposals, until the weights
    are reliable.

    Parameters
    ----------
    posterior
        The trained estimator.
    exact
        The forward model and noise that it was trained with.
    photometry
        n observations.
    n_draws, seed, keys
        As for :meth:`Posterior.sample`.
    rounds
        Maximum number of rounds of refinement.

    Returns
    -------
    WeightedDraws
        The requested number of draws. For refined galaxies, they are resampled from all draws by
        their weights, and the effective sample size is that of all draws.
    """
    n = len(photometry)
    keys = np.arange(n) if keys is None else np.asarray(keys)
    parts = []
    for start in range(0, n, _PORTION):
        rows = slice(start, min(start + _PORTION, n))
        seen = photometry[rows]
        theta = posterior.sample(seen, n_draws, seed, keys[rows])
        latent = _latent(posterior, theta)
        log_q = posterior.log_prob_latent(seen, theta).astype(float)
        log_p = exact.log_joint(seen, theta, latent)
        weighted = _weighted(theta, latent, log_p - log_q)
        if rounds:
            weighted = _refine(
                posterior, exact, seen, weighted, log_p, log_q, keys[rows], rounds, seed
            )
        parts.append(weighted)
    names = list(WeightedDraws.__dataclass_fields__)
    return WeightedDraws(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def resampled(weighted: WeightedDraws, seed: int = 1) -> np.ndarray:
    """Return equally weighted draws, [n, K, d], by systematic resampling."""
    size = weighted.draws.shape[1]
    rng = np.random.default_rng(seed)
    at = [systematic(weights, size, rng.random()) for weights in weighted.log_weights]
    return np.take_along_axis(weighted.draws, np.stack(at)[..., None], axis=1)


def systematic(log_weights: np.ndarray, size: int, offset: float) -> np.ndarray:
    """Return ``size`` indices by their weights, evenly spaced in cumulative weight."""
    cumulative = np.cumsum(np.exp(log_weights))
    points = (np.arange(size) + offset) / size * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, points), len(log_weights) - 1)


def _latent(posterior: Posterior, theta: np.ndarray) -> np.ndarray:
    flat = posterior.prior.to_latent(theta.reshape(-1, theta.shape[-1]))
    return flat.reshape(*theta.shape[:2], -1)


def _weighted(theta: np.ndarray, latent: np.ndarray, log_ratio: np.ndarray) -> WeightedDraws:
    """Return normalised, smoothed weights of log ratios of target to proposal, [n, K]."""
    n, size = log_ratio.shape
    log_ratio = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
    dead = ~np.isfinite(log_ratio).any(axis=1)
    safe = np.where(dead[:, None], 0.0, log_ratio)
    total = special.logsumexp(safe, axis=1)
    weights = np.exp(safe - total[:, None])
    ess = 1 / (weights**2).sum(axis=1)
    smooth, k_hat = pareto_smoothed(safe - total[:, None])
    evidence = total - np.log(size)
    error = np.sqrt(np.maximum((weights**2).sum(axis=1) - 1 / size, 0) * size / (size - 1))
    return WeightedDraws(
        draws=theta,
        latent=latent,
        log_weights=smooth,
        ess=np.where(dead, 0.0, ess),
        k_hat=np.where(dead, np.inf, k_hat),
        log_evidence=np.where(dead, -np.inf, evidence),
        log_evidence_error=np.where(dead, np.inf, error),
        refined=np.zeros(n, bool),
        evaluations=np.full(n, size),
    )


def pareto_smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Pareto-smoothed, normalised log weights [n, K], and the shapes of tails [n]."""
    # A weight of zero has no logarithm; one of e-300 has no effect.
    smooth = np.maximum(log_weights, -690.0)
    k_hat = np.full(len(smooth), np.inf)
    for i, row in enumerate(smooth):
        try:
            # psislw is made for leave-one-out validation, and takes negative log weights.
            with np.errstate(all="ignore"):
                smoothed, k = array_stats.psislw(-row)
        except ValueError:  # a tail of equal weights: all but a few draws are impossible
            continue
        if np.isfinite(smoothed).all() and np.isfinite(k):
            smooth[i], k_hat[i] = smoothed, k
    return smooth - special.logsumexp(smooth, axis=1)[:, None], k_hat


def _refine(
    posterior: Posterior,
    exact: ExactPosterior,
    seen: Photometry,
    weighted: WeightedDraws,
    log_p: np.ndarray,
    log_q: np.ndarray,
    keys: np.ndarray,
    rounds: int,
    seed: int,
) -> WeightedDraws:
    """Refine the galaxies that are not verified; return all with the refined ones replaced."""
    out = {name: getattr(weighted, name).copy() for name in WeightedDraws.__dataclass_fields__}
    size = weighted.draws.shape[1]
    for i in np.flatnonzero(~weighted.verified):
        rng = np.random.default_rng([seed, int(keys[i]) & 0x7FFFFFFF])
        pool = _Pool(weighted.draws[i], weighted.latent[i], log_p[i], log_q[i])
        for _ in range(rounds):
            pool.extend(posterior, exact, seen[i : i + 1], size, rng)
            again = pool.weighted()
            if again.verified[0]:
                break
        drawn = systematic(again.log_weights[0], size, rng.random())
        for name in ("ess", "k_hat", "log_evidence", "log_evidence_error", "evaluations"):
            out[name][i] = getattr(again, name)[0]
        out["draws"][i], out["latent"][i] = again.draws[0, drawn], again.latent[0, drawn]
        out["log_weights"][i] = -np.log(size)
        out["refined"][i] = True
    return replace(weighted, **out)


class _Pool:
    """The draws of one galaxy from several proposals, weighted under their mixture."""

    def __init__(self, theta: np.ndarray, latent: np.ndarray, log_p: np.ndarray, log_q: np.ndarray):
        self.theta, self.latent, self.log_p = theta, latent, log_p
        #: Log densities of each proposal at all draws, [proposals, draws].
        self.proposals = log_q[None]
        self.kernels: list[_Kernels] = []

    def weighted(self) -> WeightedDraws:
        """Return all draws with their weights."""
        mixture = special.logsumexp(self.proposals, axis=0) - np.log(len(self.proposals))
        return _weighted(self.theta[None], self.latent[None], (self.log_p - mixture)[None])

    def extend(
        self,
        posterior: Posterior,
        exact: ExactPosterior,
        seen: Photometry,
        size: int,
        rng: np.random.Generator,
    ) -> None:
        """Add draws from kernels about the best draws so far."""
        kernel = _Kernels(self.latent, self.weighted().log_weights[0], rng)
        theta = exact.prior.from_latent(kernel.draw(size))
        # The latent space ends at about eight sigma; draws beyond are moved to its edge.
        latent = exact.prior.to_latent(theta)
        log_q = posterior.log_prob_latent(seen, theta[None]).astype(float)
        before = [k.log_density(latent) for k in self.kernels]
        now = np.r_[kernel.log_density(self.latent), kernel.log_density(latent)]
        old = np.concatenate([self.proposals, np.stack([log_q[0], *before])], axis=1)
        self.proposals = np.concatenate([old, now[None]])
        self.kernels.append(kernel)
        self.log_p = np.r_[self.log_p, exact.log_joint(seen, theta[None], latent[None])[0]]
        self.theta = np.concatenate([self.theta, theta])
        self.latent = np.concatenate([self.latent, latent])


class _Kernels:
    """Student-t kernels about weighted draws in the latent space."""

    def __init__(self, latent: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator):
        self._rng = rng
        size, d = latent.shape
        # Tempered until tens of draws have weight, since one draw alone has no covariance.
        w = _tempered(log_weights, 8.0 * d)
        self._centres = latent[rng.choice(size, _COMPONENTS, p=w)]
        mean = w @ latent
        covariance = (w[:, None] * (latent - mean)).T @ (latent - mean) + 1e-10 * np.eye(d)
        effective = 1 / (w**2).sum()
        # Silverman's rule for the width of kernels.
        width = (4 / (d + 2) / min(effective, _COMPONENTS)) ** (1 / (d + 4))
        self._root = np.linalg.cholesky(covariance) * width
        self._log_det = np.log(np.diag(self._root)).sum()

    def draw(self, size: int) -> np.ndarray:
        """Return draws, [size, d]."""
        d = len(self._root)
        normal = self._rng.standard_normal((size, d)) @ self._root.T
        scale = np.sqrt(_DOF / self._rng.chisquare(_DOF, size))
        at = self._centres[self._rng.integers(_COMPONENTS, size=size)]
        return at + normal * scale[:, None]

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Return log densities of y [k, d]."""
        d = len(self._root)
        inverse = np.linalg.inv(self._root)
        a, b = y @ inverse.T, self._centres @ inverse.T
        distance = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        constant = (
            special.gammaln((_DOF + d) / 2)
            - special.gammaln(_DOF / 2)
            - 0.5 * d * np.log(_DOF * np.pi)
            - self._log_det
        )
        each = constant - 0.5 * (_DOF + d) * np.log1p(distance / _DOF)
        return special.logsumexp(each, axis=1) - np.log(_COMPONENTS)


def _tempered(log_weights: np.ndarray, minimum: float) -> np.ndarray:
    """Return weights raised to the largest power that leaves ``minimum`` effective draws."""
    power = 1.0
    for _ in range(40):
        w = np.exp(power * (log_weights - log_weights.max()))
        w /= w.sum()
        if 1 / (w**2).sum() >= minimum:
            break
        power *= 0.8
    return w
