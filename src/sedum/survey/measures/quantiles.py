"""Posteriors stored as quantiles instead of draws."""

from __future__ import annotations

import numpy as np

__all__ = ["ordered_quantiles", "probabilities", "quantile_draws"]


def probabilities(count: int) -> np.ndarray:
    """Return the probabilities of stored quantiles, [count], evenly spaced from 0 to 1.

    The first and last quantile are the minimum and maximum of the draws.

    Examples
    --------
    >>> probabilities(5)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return np.linspace(0.0, 1.0, count)


def ordered_quantiles(ordered: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return quantiles of draws in increasing order, equal to those of :func:`numpy.quantile`.

    Parameters
    ----------
    ordered
        Draws in increasing order, [n, draws].
    at
        Probabilities, [k].

    Returns
    -------
    ndarray
        Quantiles, [n, k], interpolated linearly between the draws; NaN if a draw is.

    Examples
    --------
    >>> ordered_quantiles(np.array([[1.0, 2.0, 3.0]]), np.array([0.5]))
    array([[2.]])
    """
    last = ordered.shape[1] - 1
    place = np.asarray(at) * last
    below = np.minimum(place.astype(np.intp), max(last - 1, 0))
    above = np.minimum(below + 1, last)
    low, high = ordered[:, below], ordered[:, above]
    quantiles = low + (place - below) * (high - low)
    quantiles[np.isnan(ordered[:, -1])] = np.nan  # sorting puts NaN last
    return quantiles


def quantile_draws(quantiles: np.ndarray, n_draws: int, seed: int | None = None) -> np.ndarray:
    """Convert stored quantiles to draws, by linear interpolation between them.

    The cumulative distribution is exact at the N stored quantiles and linear between them. Its
    maximum error is therefore 1 / (N - 1). Draws of several columns are draws of their marginal
    distributions: correlations between parameters are not stored.

    Parameters
    ----------
    quantiles
        A column ``NAME_quantiles``, [n, N], or [N] for one galaxy: quantiles at N probabilities
        evenly spaced from 0 to 1.
    n_draws
        Number of draws of each galaxy.
    seed
        Random seed. If None, the draws are not random but the quantiles in the middle of
        ``n_draws`` equal intervals of probability, in increasing order. Means and histograms have
        less noise then.

    Returns
    -------
    ndarray
        Draws, [n, n_draws] or [n_draws]; NaN where the quantiles are.

    Examples
    --------
    >>> quantile_draws(np.array([0.0, 1.0, 2.0]), 4)
    array([0.25, 0.75, 1.25, 1.75])
    """
    values = np.asarray(quantiles, np.float64)
    rows = np.atleast_2d(values)
    count = rows.shape[1]
    if seed is None:
        place = np.broadcast_to((np.arange(n_draws) + 0.5) / n_draws, (len(rows), n_draws))
    else:
        place = np.random.default_rng(seed).random((len(rows), n_draws))
    place = place * (count - 1)
    below = np.minimum(place.astype(np.intp), count - 2)
    low = np.take_along_axis(rows, below, axis=1)
    high = np.take_along_axis(rows, below + 1, axis=1)
    draws = low + (place - below) * (high - low)
    return draws if values.ndim == 2 else draws[0]
