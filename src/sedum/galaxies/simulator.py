"""The interface of a forward model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sedum.photometry.filters import FilterSet
from sedum.priors.joint import Prior

__all__ = ["Simulator"]


class Simulator(Protocol):
    """A forward model, as simulation, training and fitting use it.

    :class:`sedum.GalaxyModel` and :class:`sedum.library.SynthesizerModel` are two.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model: Simulator = GalaxyModel.from_run(run)
    >>> model.filters.names
    ['sdss_g0', 'sdss_r0', 'sdss_i0']
    """

    @property
    def prior(self) -> Prior:
        """Joint prior of the parameters; its names are the columns of ``theta``."""

    @property
    def filters(self) -> FilterSet:
        """The bands."""

    def fingerprint(self) -> dict[str, str]:
        """Return hashes of everything that fluxes depend on: filters, grid, model and priors."""

    def photometry(self, theta: np.ndarray) -> np.ndarray:
        """Return the noiseless flux densities in µJy, [n, bands], of parameters [n, d]."""

    def derived(self, theta: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return derived quantities by name, each [n]."""
