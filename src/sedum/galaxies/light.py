"""The light of galaxies from the components of a model, in Lsun/Hz per solar mass formed.

Photometry, spectra and derived quantities use it: the components for one stellar grid and one set
of bands, and the path of the light from the stars to the telescope.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import torch

from sedum import config
from sedum.galaxies.axis import WavelengthAxis, fineness_of
from sedum.galaxies.band_averages import BandProjection
from sedum.galaxies.components.emergent import EmergentLight
from sedum.galaxies.components.foreground import MilkyWay
from sedum.galaxies.components.igm import Medium
from sedum.galaxies.components.starlight import GalaxyBatch, Starlight
from sedum.galaxies.constants import SOLAR_LUMINOSITY
from sedum.galaxies.cosmology import CosmologyTable
from sedum.galaxies.coverage import (
    check_bands,
    check_priors,
    parameter_bounds,
    redshift_range,
    seen_cells,
)
from sedum.galaxies.histories.families import make_history
from sedum.galaxies.histories.history import mean_age
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.galaxies.model_parameters import prior_of
from sedum.galaxies.stellar_grids.grid import StellarGrid, load_grid
from sedum.introduced import Facts, Introduced, listed
from sedum.photometry.filters import FilterSet

__all__ = ["GalaxyLight"]

_MICROJANSKY = 1e29  # per erg / (s cm² Hz)
_TEN_PARSEC = 3.0856775814913674e19  # cm


class GalaxyLight(Introduced):
    """The components of a forward model, and their light for galaxies given as tensors.

    Parameters are those of :class:`sedum.GalaxyModel`. The input is not checked.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> model.mean_age(galaxies).shape
    torch.Size([5])
    """

    def __init__(
        self,
        filters: FilterSet,
        model: config.ModelSettings | None = None,
        priors: dict[str, config.AnyPrior] | None = None,
        grid: StellarGrid | None = None,
        device: str | torch.device = "cpu",
    ):
        self.filters = filters
        self.config = spec = model or config.ModelSettings()
        self.device = torch.device(device)
        self.cosmology = CosmologyTable(spec.cosmology)
        self._priors = priors or {}
        self.prior = prior_of(spec, self._priors)
        self.history = make_history(spec.history)
        self.grid = grid or load_grid(spec.stellar, fineness_of(spec.resolving_power))
        self.redshift_range = redshift_range(self.prior)
        self._bounds = parameter_bounds(self.prior, self.grid)
        check_priors(spec, self.prior, self.grid, self._bounds)
        self.axis = self.grid.axis
        self._age_edges = torch.from_numpy(self.grid.age_edges).to(self.device)
        self.starlight = Starlight(self.grid, spec, self.device)
        self.emergent = EmergentLight(self.starlight, spec, self.device)
        self.medium = None if spec.igm == "none" else Medium(spec.igm, self.axis, self.device)
        self.foreground = MilkyWay(self.axis, self.device) if spec.milky_way else None
        table = self.medium.table if self.medium is not None else None
        check_bands(filters, spec, self.grid, self.redshift_range, table)
        self._seen = seen_cells(filters, self.axis, self.redshift_range, table)
        self._bands = BandProjection(filters, self.axis.cut(self._seen)).to(self.device)

    def _facts(self) -> Facts:
        low, high = self.redshift_range
        facts = {"parameters": listed(self.prior.names), "bands": listed(self.filters.names)}
        facts["stellar library"] = str(self.config.stellar)
        facts["redshifts"] = f"{low:g} to {high:g}"
        return "", facts

    def for_filters(self, filters: FilterSet) -> Self:
        """Return the same model in other filters; its parameters are the same."""
        return type(self)(filters, self.config, self._priors, self.grid, self.device)

    def galaxies(
        self, theta: torch.Tensor, histories: TabulatedHistories | None = None
    ) -> GalaxyBatch:
        """Return the stellar populations of galaxies with parameters [n, d], without checks."""
        p = dict(zip(self.prior.names, theta.unbind(1), strict=True))
        universe = self.cosmology.age(p["redshift"])
        if histories is not None:
            metals = histories.mass_fractions(self._age_edges, self.grid.log_z).to(self.device)
            mixture = self.starlight.mixture(metals.sum(1), p, metals)
            mass = torch.from_numpy(np.log10(histories.mass)).to(self.device)
            return GalaxyBatch(p, universe, mass, mixture, histories)
        formed = self.history.formed_since(self._age_edges, p, universe)
        mixture = self.starlight.mixture(formed[:, 1:] - formed[:, :-1], p)
        return GalaxyBatch(p, universe, p["log_mass"], mixture)

    def formed_since(self, galaxies: GalaxyBatch, lookback: torch.Tensor) -> torch.Tensor:
        """Return the fraction of the mass formed since lookback times in yr, [n, k]."""
        if galaxies.histories is not None:
            return galaxies.histories.formed_since(lookback)
        return self.history.formed_since(lookback, galaxies.p, galaxies.universe)

    def mean_age(self, galaxies: GalaxyBatch) -> torch.Tensor:
        """Return the mean age by mass formed in yr, [n]."""
        if galaxies.histories is not None:
            return mean_age(galaxies.histories.formed_since, galaxies.universe)
        return self.history.mean_age(galaxies.p, galaxies.universe)

    def on_the_way(
        self, light: torch.Tensor, galaxies: GalaxyBatch, rows: torch.Tensor, cells: slice
    ) -> torch.Tensor:
        """Return spectra [rows, cells] behind the intergalactic medium and the Milky Way."""
        redshift = galaxies.p["redshift"][rows]
        if self.medium is not None:
            neutral = galaxies.p.get("neutral_fraction")
            neutral = neutral[rows] if neutral is not None else None
            light = self.medium.transmit(light, redshift, cells, neutral)
        if self.foreground is not None:
            ebv = galaxies.p["ebv_mw"][rows]
            light = light * self.foreground.transmission(ebv, redshift, cells)
        return light

    def flux_scale(self, galaxies: GalaxyBatch, rest: bool = False) -> torch.Tensor:
        """Return the factor from Lsun/Hz per solar mass formed to µJy, [n]."""
        redshift = galaxies.p["redshift"]
        if rest:
            redshift = torch.zeros_like(redshift)
        distance = self.cosmology.luminosity_distance(redshift)
        distance = torch.where(redshift == 0, torch.full_like(distance, _TEN_PARSEC), distance)
        factor = SOLAR_LUMINOSITY * _MICROJANSKY * 10**galaxies.log_mass
        return factor / (4 * torch.pi * distance**2 * (1 + redshift))

    def rest_axis(self, low: float, high: float) -> tuple[WavelengthAxis, slice]:
        """Return the cells that cover rest wavelengths in Angstrom, and their axis."""
        cells = self.axis.part(low, high)
        return self.axis.cut(cells), cells
