"""The best-fitting model of each galaxy, searched from its posterior draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sedum.infer.posterior import Posterior
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.photometry.observed import Photometry

__all__ = ["BestFit", "best_fit"]


@dataclass(frozen=True)
class _Effort:
    """The effort of a search: draws, starts at different redshifts, and steps downhill."""

    draws: int
    starts: int
    steps: int
    shakes: int = 0


#: The first is for all galaxies; the others are for those still unlikely at each level.
_EFFORTS = (_Effort(24, 1, 4), _Effort(96, 3, 8), _Effort(300, 12, 10, shakes=3))
_LEVELS = (0.05, 0.01)
#: Steps end when χ² is at most this for each band.
_EXPLAINED = 1.0
#: No further search is made if χ² is larger than this for each band.
_HOPELESS = 50.0
#: Starts whose latent redshifts differ by more than this are separate solutions.
_APART = 0.02
#: The step of finite differences, and the maximum step downhill, in the latent space.
_SMALL, _MAX_STEP = 0.03, 1.0
#: Latent coordinates are kept within this many standard deviations of the prior.
_EDGE = 5.0
#: Shaking: number of points, and their distances in widths of the normal approximation.
_TRIED, _WIDTHS, _SHAKEN_STEPS = 32, (3.0, 10.0, 30.0), 5
#: Number of galaxies searched together, which limits memory.
_PORTION = 256


@dataclass(frozen=True)
class BestFit:
    """The best models of n galaxies.

    Attributes
    ----------
    theta
        Their parameters, [n, d].
    latent
        Their latent coordinates, [n, free].
    residual
        Residuals of the data in sigma, [n, bands]: positive where the observed flux is higher,
        zero where a band was not observed. See :meth:`ExactPosterior.residuals`.
    deviance
        ``Σ residual² + |y|²``, [n], with the residual of a given redshift: minus twice the log of
        the joint density of data and latent coordinates y, up to a constant of the data.
    """

    theta: np.ndarray
    latent: np.ndarray
    residual: np.ndarray
    deviance: np.ndarray


def best_fit(
    posterior: Posterior,
    exact: ExactPosterior,
    photometry: Photometry,
    seed: int = 1,
    keys: np.ndarray | None = None,
) -> BestFit:
    """Search for the maximum of the joint density of data and parameters.

    The search starts from the best of a few posterior draws and takes Levenberg-Marquardt steps
    (Marquardt 1963) in the latent space; the prior enters as ``|y|²``. Galaxies that remain
    unlikely get more draws, more starts at different redshifts, and finally points far from the
    best one, against local minima. The search is therefore fast if models explain the data, and
    thorough if none does.

    Parameters
    ----------
    posterior
        The trained estimator, whose draws the search starts from.
    exact
        Forward model and noise.
    photometry
        n observations.
    seed, keys
        As for :meth:`Posterior.sample`. The result of a galaxy does not depend on the others.
    """
    n = len(photometry)
    keys = np.arange(n) if keys is None else np.asarray(keys)
    parts = []
    for start in range(0, max(n, 1), _PORTION):
        rows = slice(start, min(start + _PORTION, n))
        parts.append(_search(posterior, exact, photometry[rows], seed, keys[rows]))
    latent, residual, deviance = (np.concatenate(p) for p in zip(*parts, strict=True))
    theta = exact.prior.from_latent(latent)
    return BestFit(theta, latent, residual[:, :-1], deviance)


_Point = tuple[np.ndarray, np.ndarray, np.ndarray]


def _search(
    posterior: Posterior, exact: ExactPosterior, seen: Photometry, seed: int, keys: np.ndarray
) -> _Point:
    """Return latent coordinates, residuals and deviances of some galaxies."""
    best = _try(posterior, exact, seen, seed, keys, _EFFORTS[0])
    bands = seen.observed.sum(axis=1) + np.isfinite(seen.redshift)
    for more, (effort, level) in enumerate(zip(_EFFORTS[1:], _LEVELS, strict=True), start=1):
        chi2 = (best[1] ** 2).sum(axis=1)
        poor = (stats.chi2.sf(chi2, bands) < level) & (chi2 < _HOPELESS * bands)
        at = np.flatnonzero(poor)
        if len(at):
            # A new seed, since the earlier draws led to no model.
            retried = _try(posterior, exact, seen[at], seed + more, keys[at], effort)
            for whole, new in zip(best, _better(_pick(best, at), retried), strict=True):
                whole[at] = new
    return best


def _try(
    posterior: Posterior,
    exact: ExactPosterior,
    seen: Photometry,
    seed: int,
    keys: np.ndarray,
    effort: _Effort,
) -> _Point:
    """Return the best points of a search with this effort."""
    starts = _starts(posterior, exact, seen, seed, keys, effort)
    best = _downhill(exact, seen, starts[0], effort.steps)
    for start in starts[1:]:
        best = _better(best, _downhill(exact, seen, start, effort.steps))
    generators = [np.random.default_rng([seed, int(key) & 0x7FFFFFFF]) for key in keys]
    for _ in range(effort.shakes):
        start = _shaken(exact, seen, best, generators)
        best = _better(best, _downhill(exact, seen, start, _SHAKEN_STEPS))
    return best


def _shaken(
    exact: ExactPosterior, seen: Photometry, point: _Point, generators: list[np.random.Generator]
) -> _Point:
    """Return the best of points around each, far along weakly constrained directions."""
    curvature, _ = _slopes(exact, seen, point)
    root = np.linalg.cholesky(np.linalg.inv(curvature))
    n, d = point[0].shape
    tried = np.stack([g.standard_normal((_TRIED, d)) for g in generators])
    tried *= np.resize(_WIDTHS, _TRIED)[:, None]
    latent = np.clip(point[0][:, None] + tried @ root.transpose(0, 2, 1), -_EDGE, _EDGE)
    residual = _residuals(exact, seen, latent)
    deviance = _deviance(residual, latent)
    at = np.arange(n), deviance.argmin(axis=1)
    return latent[at], residual[at], deviance[at]


def _explained(seen: Photometry, point: _Point) -> np.ndarray:
    """Return for which galaxies χ² is at most that expected of a correct model, [n]."""
    return np.asarray((point[1] ** 2).sum(axis=1) <= _EXPLAINED * seen.observed.sum(axis=1))


def _starts(
    posterior: Posterior,
    exact: ExactPosterior,
    seen: Photometry,
    seed: int,
    keys: np.ndarray,
    effort: _Effort,
) -> list[_Point]:
    """Return the best of the draws, and the best of those at other redshifts."""
    n, draws = len(seen), effort.draws
    theta = posterior.sample(seen, draws, seed, keys)
    latent = exact.prior.to_latent(theta.reshape(-1, theta.shape[-1]))
    latent = np.clip(latent.reshape(n, draws, exact.prior.dimension), -_EDGE, _EDGE)
    residual = exact.residuals(seen, theta)
    deviance = _deviance(residual, latent)
    free = exact.prior.free
    z = latent[..., free.index("redshift")] if "redshift" in free else np.zeros((n, draws))
    starts: list[_Point] = []
    rank = deviance.copy()
    for _ in range(effort.starts):
        at = np.arange(n), rank.argmin(axis=1)
        starts.append((latent[at], residual[at], deviance[at]))
        rank = np.where(np.abs(z - z[at][:, None]) < _APART, np.inf, rank)
    return starts


def _downhill(exact: ExactPosterior, seen: Photometry, point: _Point, steps: int) -> _Point:
    """Return better points after at most ``steps`` Levenberg-Marquardt steps."""
    point = (point[0].copy(), point[1].copy(), point[2].copy())
    damping = np.full(len(seen), 0.1)
    for _ in range(steps):
        at = np.flatnonzero(~_explained(seen, point))
        if not len(at):
            break
        part, here = seen[at], _pick(point, at)
        curvature, gradient = _slopes(exact, part, here)
        best = here
        for factor in (0.1, 10.0):
            step = _step(curvature, gradient, factor * damping[at])
            best = _better(best, _evaluate(exact, part, here[0] + step))
        gained = best[2] < here[2]
        damping[at] = np.clip(np.where(gained, damping[at] / 3, damping[at] * 10), 1e-6, 1e6)
        for whole, new in zip(point, best, strict=True):
            whole[at] = new
    return point


def _slopes(
    exact: ExactPosterior, seen: Photometry, point: _Point
) -> tuple[np.ndarray, np.ndarray]:
    """Return curvature [n, d, d] and gradient [n, d] of half the deviance."""
    latent, residual, _ = point
    d = latent.shape[1]
    # Towards the centre, since coordinates end at the edge.
    small = _SMALL * np.where(latent > 0, -1.0, 1.0)
    moved = latent[:, None] + small[:, :, None] * np.eye(d)
    jacobian = (_residuals(exact, seen, moved) - residual[:, None]) / small[..., None]
    curvature = jacobian @ jacobian.transpose(0, 2, 1) + np.eye(d)
    return curvature, (jacobian @ residual[..., None])[..., 0] + latent


def _step(curvature: np.ndarray, gradient: np.ndarray, damping: np.ndarray) -> np.ndarray:
    diagonal = np.einsum("nii->ni", curvature) * damping[:, None]
    damped = curvature + diagonal[:, None] * np.eye(curvature.shape[1])
    step = -np.linalg.solve(damped, gradient[..., None])[..., 0]
    return np.clip(step, -_MAX_STEP, _MAX_STEP)


def _evaluate(exact: ExactPosterior, seen: Photometry, latent: np.ndarray) -> _Point:
    latent = np.clip(latent, -_EDGE, _EDGE)
    residual = _residuals(exact, seen, latent[:, None])[:, 0]
    return latent, residual, _deviance(residual, latent)


def _residuals(exact: ExactPosterior, seen: Photometry, latent: np.ndarray) -> np.ndarray:
    """Return residuals at latent coordinates [n, models, free], [n, models, bands + 1]."""
    n, models, d = latent.shape
    theta = exact.prior.from_latent(latent.reshape(-1, d))
    return exact.residuals(seen, theta.reshape(n, models, -1))


def _deviance(residual: np.ndarray, latent: np.ndarray) -> np.ndarray:
    return (residual**2).sum(axis=-1) + (latent**2).sum(axis=-1)


def _pick(point: _Point, at: np.ndarray) -> _Point:
    return point[0][at], point[1][at], point[2][at]


def _better(one: _Point, two: _Point) -> _Point:
    """Return the point of lower deviance of two points of each galaxy."""
    wins = two[2] < one[2]
    return (
        np.where(wins[:, None], two[0], one[0]),
        np.where(wins[:, None], two[1], one[1]),
        np.where(wins, two[2], one[2]),
    )
