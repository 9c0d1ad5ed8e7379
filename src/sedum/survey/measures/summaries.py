"""Columns that summarise posteriors: percentiles, point estimates, quantiles, draws, p(z)."""

from __future__ import annotations

import json

import numpy as np
from astropy.table import Table

from sedum.config import OutputSettings, PzSettings
from sedum.errors import SedumError
from sedum.priors.joint import Prior
from sedum.results.schema import percentile_name
from sedum.survey.measures.quantiles import ordered_quantiles, probabilities
from sedum.survey.measures.redshift_density import (
    density_peak,
    normalise_density,
    redshift_density,
    redshift_grid,
)

__all__ = ["Summaries", "pz_bounds", "pz_grid"]

#: Probability of the prior of the redshift beyond either end of the grid of p(z).
_TAIL = 1e-6


def pz_grid(prior: Prior, spec: PzSettings) -> np.ndarray:
    """Return the redshifts at which p(z) is given, [points].

    Raises
    ------
    SedumError
        If the model has no redshift, or the prior fixes it and the run file gives no limits.
    """
    if "redshift" not in prior.names:
        raise SedumError("output.pz: the model has no parameter 'redshift'")
    minimum, maximum = prior.support("redshift", tail=_TAIL)
    low = minimum if spec.low is None else spec.low
    high = maximum if spec.high is None else spec.high
    if not low < high:
        raise SedumError(
            f"output.pz: a grid from {low:g} to {high:g} is empty; give low and high around the "
            f"prior's redshifts, {minimum:g} to {maximum:g}"
        )
    return redshift_grid(low, high, spec.points)


def pz_bounds(prior: Prior) -> tuple[float, float] | None:
    """Return the bounds of the prior of the redshift; None if it fixes the redshift."""
    low, high = prior.support("redshift", tail=_TAIL)
    return (low, high) if low < high else None


class Summaries:
    """Collects the columns of parameters and derived quantities while a catalogue is fitted.

    Parameters
    ----------
    prior
        The prior of the parameters.
    output
        The section ``output`` of the run file, which determines the columns.
    rows
        Number of rows of the catalogue.

    Raises
    ------
    SedumError
        If p(z) is asked for but not possible; see :func:`pz_grid`.
    """

    def __init__(self, prior: Prior, output: OutputSettings, rows: int):
        self._output, self._rows = output, rows
        self.parameters = list(prior.names)
        self.names = prior.names + [d for d in output.derived if d not in prior.names]
        self._at = np.array(output.percentiles) / 100
        self._percentiles = self._empty(len(self._at))
        self._moments = self._empty(2) if output.point_estimates else {}
        self._stored = probabilities(output.quantiles) if output.quantiles else None
        self._quantiles = self._empty(len(self._stored)) if self._stored is not None else {}
        kept = self.parameters if output.save_draws else []
        self._draws = {name: self._blank(output.draws) for name in kept}
        self._grid, self._pz = self._redshifts(prior)
        self._bounds = pz_bounds(prior) if self._grid is not None else None
        ends = output.pz is not None and (output.pz.low, output.pz.high) != (None, None)
        self._whole = (
            pz_grid(prior, PzSettings()) if ends and self._bounds is not None else self._grid
        )
        self._mode = np.full(rows, np.nan)

    def _blank(self, columns: int) -> np.ndarray:
        return np.full((self._rows, columns), np.nan, np.float32)

    def _empty(self, columns: int) -> dict[str, np.ndarray]:
        return {name: self._blank(columns) for name in self.names}

    def _redshifts(self, prior: Prior) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return the grid of redshifts and the column of p(z); None for what is not needed."""
        spec = self._output.pz
        if spec is not None:
            grid = pz_grid(prior, spec)
            return grid, self._blank(len(grid))
        if not self._output.point_estimates or "redshift" not in prior.free:
            return None, None
        return pz_grid(prior, PzSettings()), None

    def note(self, name: str, draws: np.ndarray, at: np.ndarray) -> None:
        """Store the posteriors of a parameter or derived quantity.

        Parameters
        ----------
        name
            One of :attr:`names`.
        draws
            Posterior draws, [n, draws].
        at
            Rows of the galaxies, [n].
        """
        # Sorting once gives all percentiles, faster than selecting three.
        ordered = np.sort(draws, axis=1)
        self._percentiles[name][at] = ordered_quantiles(ordered, self._at)
        if name in self._moments:
            self._moments[name][at, 0] = draws.mean(axis=1)
            self._moments[name][at, 1] = draws.std(axis=1)
        if self._stored is not None:
            self._quantiles[name][at] = ordered_quantiles(ordered, self._stored)
        if name in self._draws:
            self._draws[name][at] = draws
        if name == "redshift" and self._grid is not None:
            density = redshift_density(ordered, self._grid, self._bounds, ordered=True)
            if self._pz is not None:
                self._pz[at] = normalise_density(density, self._grid, ordered)
            if self._whole is None:
                return
            if self._whole is not self._grid:  # the grid of the user may not contain the peak
                density = redshift_density(ordered, self._whole, self._bounds, ordered=True)
            self._mode[at] = density_peak(density, self._whole)

    def blank(self, rows: np.ndarray) -> None:
        """Set the columns of some rows, given by a boolean mask [n], to NaN."""
        stores = (self._percentiles, self._moments, self._quantiles, self._draws)
        for column in (c for store in stores for c in store.values()):
            column[rows] = np.nan
        self._mode[rows] = np.nan
        if self._pz is not None:
            self._pz[rows] = np.nan

    def into(self, table: Table) -> None:
        """Add the columns with one number per row to the table."""
        for name in self.names:
            for k, percentile in enumerate(self._output.percentiles):
                table[percentile_name(name, percentile)] = self._percentiles[name][:, k]
            if name in self._moments:
                table[f"{name}_mean"] = self._moments[name][:, 0]
                table[f"{name}_std"] = self._moments[name][:, 1]
            if name == "redshift" and self._output.point_estimates and self._grid is not None:
                table["redshift_mode"] = self._mode.astype(np.float32)

    def lists_into(self, table: Table) -> None:
        """Add the columns of lists to the table, and their grids to its metadata."""
        if self._pz is not None and self._grid is not None:
            table["pz"] = self._pz
            table.meta["pz_grid"] = json.dumps(self._grid.tolist())
        if self._stored is not None:
            for name in self.names:
                table[f"{name}_quantiles"] = self._quantiles[name]
            table.meta["quantiles"] = json.dumps(self._stored.tolist())
        for name, column in self._draws.items():
            table[f"{name}_draws"] = column
