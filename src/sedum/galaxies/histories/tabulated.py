"""Star-formation and enrichment histories given as tables, such as those of a simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sedum.errors import SedumError
from sedum.galaxies.histories.monotone_splines import piecewise_linear

__all__ = ["TabulatedHistories"]


@dataclass(frozen=True)
class TabulatedHistories:
    """A star-formation and enrichment history for each galaxy, as a table.

    Parameters
    ----------
    edges
        Edges of the steps of lookback time in yr, increasing from 0, [m + 1]. Lookback time counts
        from the moment at which the galaxy is observed.
    rate
        Star-formation rate in each step in Msun/yr, [n, m].
    metallicity
        Metallicity (mass fraction) of the stars formed in each step, [n, m].

    Raises
    ------
    SedumError
        If a shape is wrong or a history is invalid; the message names the galaxy.

    Examples
    --------
    >>> from sedum.galaxies.histories.tabulated import TabulatedHistories
    >>> edges = np.array([0, 1e8, 1e9])
    >>> histories = TabulatedHistories(edges, rate=[[1.0, 2.0]], metallicity=[[0.02, 0.01]])
    >>> histories.mass
    array([1.9e+09])

    A model computes the photometry of these histories:

    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = model.prior.sample(1, np.random.default_rng(1))
    >>> model.photometry(theta, histories).shape
    (1, 3)
    """

    edges: np.ndarray
    rate: np.ndarray
    metallicity: np.ndarray

    def __post_init__(self) -> None:
        for name in ("edges", "rate", "metallicity"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), float))
        edges, rate = self.edges, self.rate
        if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or not (np.diff(edges) > 0).all():
            raise SedumError("histories: edges of lookback time must increase from 0")
        if rate.ndim != 2 or rate.shape[1] != len(edges) - 1:
            raise SedumError(
                f"histories: rates have shape {rate.shape}; expected [galaxies, {len(edges) - 1}], "
                "one for each step of time"
            )
        if self.metallicity.shape != rate.shape:
            raise SedumError(
                f"histories: metallicities have shape {self.metallicity.shape}, rates {rate.shape}"
            )
        bad = ~(np.isfinite(rate) & (rate >= 0))
        self._refuse(bad, "a rate that is negative or not finite")
        self._refuse(rate.sum(1, keepdims=True) <= 0, "no star formation at all")

    @staticmethod
    def _refuse(bad: np.ndarray, what: str) -> None:
        if bad.any():
            raise SedumError(f"histories, row {int(np.argwhere(bad)[0, 0])}: {what}")

    def __len__(self) -> int:
        return len(self.rate)

    def __getitem__(self, rows: slice) -> TabulatedHistories:
        return TabulatedHistories(self.edges, self.rate[rows], self.metallicity[rows])

    @property
    def mass(self) -> np.ndarray:
        """Stellar mass formed in Msun, [n]."""
        return self.rate @ np.diff(self.edges)

    def check(self, universe_age: np.ndarray, log_z: np.ndarray) -> None:
        """Check that the histories fit into the age of the Universe and the grid.

        Parameters
        ----------
        universe_age
            Age of the Universe in yr at which each galaxy is observed, [n].
        log_z
            log10 of the metallicities of the grid, [Z].

        Raises
        ------
        SedumError
            If stars are older than the Universe, or a metallicity lies outside the grid.
        """
        forming = self.rate > 0
        last = np.where(forming, self.edges[1:], 0).max(1)
        self._refuse((last > universe_age * (1 + 1e-6))[:, None], "stars older than the Universe")
        low, high = 10.0 ** log_z[0], 10.0 ** log_z[-1]
        z = self.metallicity
        outside = forming & ~((z >= low * (1 - 1e-6)) & (z <= high * (1 + 1e-6)))
        self._refuse(outside, f"a metallicity outside the grid's {low:.3g} to {high:.3g}")

    def _growth(self, weights: np.ndarray) -> torch.Tensor:
        """Return the running sum over lookback time of fractions of the mass, [..., m + 1]."""
        mass = self.mass.reshape(-1, *[1] * (weights.ndim - 1))
        fraction = weights * np.diff(self.edges) / mass
        zero = np.zeros((*fraction.shape[:-1], 1))
        return torch.from_numpy(np.concatenate([zero, np.cumsum(fraction, axis=-1)], axis=-1))

    def formed_since(self, lookback: torch.Tensor) -> torch.Tensor:
        """Return the fraction of the mass formed since lookback times in yr, [n, k]."""
        growth = self._growth(self.rate).to(lookback.device)
        edges = torch.from_numpy(self.edges).to(lookback.device).expand(len(self), -1)
        return piecewise_linear(lookback, edges, growth)

    def mass_fractions(self, age_edges: torch.Tensor, log_z: np.ndarray) -> torch.Tensor:
        """Return fractions of the mass by metallicity of the grid and age bin, [n, Z, ages].

        Parameters
        ----------
        age_edges
            Edges of the age bins in yr, [ages + 1].
        log_z
            log10 of the metallicities of the grid, [Z].
        """
        forming = self.rate > 0
        x = np.log10(np.where(forming, self.metallicity, 10.0 ** log_z[0]))
        at = np.interp(x, log_z, np.arange(len(log_z)))
        nodes = np.arange(len(log_z))[:, None]
        hats = np.clip(1 - np.abs(at[:, None, :] - nodes), 0, 1)
        growth = self._growth(hats * self.rate[:, None, :]).to(age_edges.device)
        n, z, k = growth.shape
        edges = torch.from_numpy(self.edges).to(age_edges.device).expand(n * z, -1)
        formed = piecewise_linear(age_edges, edges, growth.reshape(n * z, k))
        return (formed[:, 1:] - formed[:, :-1]).reshape(n, z, -1)
