"""Checks that parameters lie in the range of the model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sedum.errors import SedumError
from sedum.galaxies.cosmology import CosmologyTable

__all__ = ["check_parameters"]


def check_parameters(
    theta: np.ndarray,
    names: list[str],
    bounds: Mapping[str, tuple[float, float]],
    cosmology: CosmologyTable,
) -> np.ndarray:
    """Return the parameters as float64, [n, d]; refuse rows outside the model.

    Parameters
    ----------
    theta
        Parameters, [n, d].
    names
        Names of the d parameters.
    bounds
        Minimum and maximum of each parameter.
    cosmology
        Cosmology that limits ages.

    Raises
    ------
    SedumError
        If a value is not finite or outside its range, an age exceeds that of the Universe, or times
        of mass assembly are out of order. The message names the row, the parameter and its value.

    Examples
    --------
    >>> bounds = {"redshift": (0.0, 6.0)}
    >>> check_parameters([[0.5]], ["redshift"], bounds, CosmologyTable())
    array([[0.5]])
    """
    theta = np.ascontiguousarray(np.atleast_2d(np.asarray(theta, float)))
    if theta.shape[1] != len(names):
        raise SedumError(
            f"parameters have {theta.shape[1]} columns; the model has "
            f"{len(names)}: {', '.join(names)}"
        )
    for j, name in enumerate(names):
        low, high = bounds[name]
        column = theta[:, j]
        below = column < low - 1e-9 * (1 + abs(low))
        above = column > high + 1e-9 * (1 + abs(high))
        _refuse(below | above | ~np.isfinite(column), column, name, f"range {low:g} to {high:g}")
    _check_ages(theta, names, cosmology)
    _check_order(theta, names)
    return theta


def _refuse(bad: np.ndarray, column: np.ndarray, name: str, allowed: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise SedumError(
            f"parameters, row {row}: {name} = {column[row]:g} is outside the model's {allowed}"
        )


def _check_ages(theta: np.ndarray, names: list[str], cosmology: CosmologyTable) -> None:
    ages = [j for j, name in enumerate(names) if name == "age" or name.endswith("_age")]
    if not ages or not len(theta):
        return
    universe = cosmology.age_gyr(theta[:, names.index("redshift")])
    for j in ages:
        bad = theta[:, j] > universe * (1 + 1e-6)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise SedumError(
                f"parameters, row {row}: {names[j]} = {theta[row, j]:g} Gyr is more than the age "
                f"of the Universe, {universe[row]:.4g} Gyr"
            )


def _check_order(theta: np.ndarray, names: list[str]) -> None:
    """Refuse running sums (times of mass assembly, fractions) that decrease."""

    def family(name: str) -> str:
        return name.rstrip("0123456789")

    for j in range(1, len(names)):
        stem = family(names[j])
        if stem != family(names[j - 1]) or not (
            stem.endswith("sfr_fraction_") or stem.endswith("t")
        ):
            continue
        _refuse(
            theta[:, j] < theta[:, j - 1] - 1e-9,
            theta[:, j],
            names[j],
            f"order: {names[j - 1]} is greater",
        )
