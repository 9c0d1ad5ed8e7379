"""Posteriors stored as quantiles: a list of numbers for each instead of its draws."""

from __future__ import annotations

import numpy as np

__all__ = ["ordered_quantiles", "probabilities", "quantile_draws"]


def probabilities(count: int) -> np.ndarray:
    """Return the probabilities of stored quantiles, [count]: evenly spaced from 0 to 1.

    The first and the last are the least and the greatest of the draws: nothing is cut off.
    """
    return np.linspace(0.0, 1.0, count)


def ordered_quantiles(ordered: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return quantiles of draws that are in increasing order, as :func:`numpy.quantile`.

    Parameters
    ----------
    ordered
        Draws, [n, draws], increasing.
    at
        Probabilities, [k].

    Returns
    -------
    ndarray
        [n, k], linear between the draws; NaN where any draw is.
    """
    last = ordered.shape[1] - 1
    place = np.asarray(at) * last
    below = np.minimum(place.astype(np.intp), max(last - 1, 0))
    above = np.minimum(below + 1, last)
    low, high = ordered[:, below], ordered[:, above]
    found = low + (place - below) * (high - low)
    found[np.isnan(ordered[:, -1])] = np.nan  # sorting puts NaN last
    return found


def quantile_draws(quantiles: np.ndarray, n_draws: int, seed: int | None = None) -> np.ndarray:
    """Turn stored quantiles back into draws, by linear interpolation between them.

    Between any two stored quantiles their distribution function is right at both and linear in
    between, so that with N quantiles it is nowhere farther from that of the draws than 1 / (N -
    1). Draws of several columns of a row are those of their marginal distributions: how they
    go together is not stored.

    Parameters
    ----------
    quantiles
        A column ``NAME_quantiles``, [n, N] (or [N] of one galaxy): quantiles at N probabilities
        evenly spaced from 0 to 1.
    n_draws
        Draws for each.
    seed
        Draws at random; where None they are the ``n_draws`` quantiles in the middle of equal
        shares of the probability, in increasing order: less noise in any mean or histogram.

    Returns
    -------
    ndarray
        [n, size] (or [size]); NaN where the quantiles are.
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
