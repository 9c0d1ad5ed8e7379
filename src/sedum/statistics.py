"""Robust statistics that several checks and figures share."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MAD_TO_SIGMA", "median_and_nmad", "nmad"]

#: The standard deviation of a normal distribution in units of its median absolute deviation.
MAD_TO_SIGMA = 1.4826


def nmad(values: np.ndarray, axis: int | None = None, *, centre: Any = None) -> Any:
    """Return the normalised median absolute deviation, 1.4826 median |x - centre|.

    Parameters
    ----------
    values
        Numbers of any shape.
    axis
        The axis to reduce; all values if None.
    centre
        What deviations are measured from; the median along the axis if None.

    Returns
    -------
    float or ndarray
        The standard deviation of a normal distribution with the same median absolute deviation.
        NaN if there are no values.

    References
    ----------
    Hoaglin, Mosteller & Tukey (1983), *Understanding Robust and Exploratory Data Analysis*.

    Examples
    --------
    >>> nmad(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    1.4826
    """
    values = np.asarray(values)
    if not values.size:
        return np.nan
    if centre is None:
        centre = np.median(values, axis=axis, keepdims=axis is not None)
    spread = MAD_TO_SIGMA * np.median(np.abs(values - centre), axis=axis)
    return spread if axis is not None else float(spread)


def median_and_nmad(values: np.ndarray) -> tuple[float, float]:
    """Return the median and the :func:`nmad` of values.

    Examples
    --------
    >>> median_and_nmad(np.array([1.0, 2.0, 4.0]))
    (2.0, 1.4826)
    """
    return float(np.median(values)), nmad(values)
