"""Light of stars and gas before dust: weights of ages and metallicities times a stellar grid.

Galaxies are sorted by the grid cell (metallicity, ionisation parameter) that they fall in. The sum
is then one matrix product for each of a few dozen cells. Each product is small enough for the
processor's cache and is carried through to photometry before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from sedum import config
from sedum.galaxies.axis import LYMAN_LIMIT
from sedum.galaxies.components.dust_emission import bracket
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.galaxies.stellar_grids.grid import StellarGrid

__all__ = ["GalaxyBatch", "Light", "Mixture", "Starlight", "metal_weights"]


class Mixture(NamedTuple):
    """Stellar populations and gas of galaxies, as fractions of the mass formed.

    Attributes
    ----------
    stars
        Fractions by metallicity node and age, [n, Z', ages].
    nodes
        Indices of these metallicities in the grid, [n, Z'].
    gas
        Fractions that ionise gas, by metallicity, ionisation parameter and age, [n, W].
    group
        Index of the grid cell, [n]; -1 if all metallicities contribute.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> bool(torch.allclose(galaxies.mixture.stars.sum((1, 2)), torch.ones(5)))
    True
    """

    stars: torch.Tensor
    nodes: torch.Tensor
    gas: torch.Tensor
    group: torch.Tensor


@dataclass(frozen=True)
class GalaxyBatch:
    """Galaxies as they pass through the model.

    Attributes
    ----------
    p
        Parameters by name, each [n].
    universe
        Age of the Universe in yr, [n].
    log_mass
        log10 of the mass formed in Msun, [n].
    mixture
        Stellar populations and gas.
    histories
        Tabulated histories, or None if parameters describe the histories.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> galaxies.universe.shape
    torch.Size([5])
    """

    p: dict[str, torch.Tensor]
    universe: torch.Tensor
    log_mass: torch.Tensor
    mixture: Mixture
    histories: TabulatedHistories | None = None


class Light(NamedTuple):
    """L_λ per solar mass formed, [rows, cells].

    Attributes
    ----------
    old
        Stars outside birth clouds, or all light if birth clouds are not distinguished.
    young
        Stars and gas of birth clouds, or None.
    bare
        Young stars seen without gas, including their ionising light, or None.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> rows, light = next(model.starlight.light(galaxies.mixture, slice(0, 100)))
    >>> light.old.shape[1], light.young
    (100, None)
    """

    old: torch.Tensor
    young: torch.Tensor | None
    bare: torch.Tensor | None


class Starlight:
    """The stellar grid, arranged for matrix products.

    Parameters
    ----------
    grid
        The stellar grid.
    spec
        The components of the model.
    device
        Torch device.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> model.starlight.surviving(galaxies.mixture).shape
    torch.Size([5])
    """

    def __init__(self, grid: StellarGrid, spec: config.ModelSettings, device: torch.device):
        self.grid, self.spec = grid, spec
        self._split = spec.dust.two_components or spec.escape

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        edges = grid.age_edges
        limit = spec.birth_cloud_age * 1e6
        fraction = np.clip((limit - edges[:-1]) / np.diff(edges), 0, 1)
        self._young_bins = int(np.ceil((fraction > 0).sum()))
        self._cloud_fraction = tensor(fraction.astype(np.float32))
        young = fraction[: grid.nebular.shape[2], None].astype(np.float32)
        self._stellar = tensor(grid.stellar)
        self._nebular = tensor(grid.nebular * young)
        self._lines = tensor(grid.lines * young)
        self._line_continuum = tensor(grid.line_continuum * young)
        self._unabsorbed = tensor((grid.axis.centres > LYMAN_LIMIT).astype(np.float32))
        self._log_z, self._log_u = tensor(grid.log_z), tensor(grid.log_u)
        self._surviving = tensor(grid.surviving.astype(float))
        self._ionising = tensor(grid.ionising * fraction)
        self._bolometric = tensor((grid.stellar @ grid.axis.widths).astype(float))
        self._blocks: dict[tuple[str, int], torch.Tensor] = {}

    # --- stellar populations -------------------------------------------------------------

    def mixture(
        self, ages: torch.Tensor, p: Mapping[str, torch.Tensor], metals: torch.Tensor | None = None
    ) -> Mixture:
        """Return the stellar populations and the gas of galaxies.

        Parameters
        ----------
        ages
            Fraction of the mass formed in each age bin, [n, ages].
        p
            Parameters by name, each [n].
        metals
            Fractions by metallicity and age, [n, Z, ages], if they are known.
        """
        ages = ages.float()
        count = len(self._log_z)
        if metals is None and self.spec.metallicity == "spread":
            weights = metal_weights(p["log_z"], p["log_z_spread"], self._log_z).float()
            metals = weights[:, :, None] * ages[:, None, :]
        if metals is None:
            iz, fz = bracket(p["log_z"], self._log_z)
            fz = fz.float()
            by_metal = torch.stack([1 - fz, fz], dim=1)
            stars = by_metal[:, :, None] * ages[:, None, :]
            nodes = torch.stack([iz, iz + 1], dim=1)
        else:
            iz = torch.full_like(ages[:, 0], -1, dtype=torch.long)
            stars = metals.float()
            nodes = torch.arange(count, device=ages.device).expand(len(ages), -1)
        if not self.spec.nebular:
            return Mixture(stars, nodes, ages[:, :0], iz)
        return self._with_gas(stars, nodes, ages, iz, p)

    def _with_gas(
        self,
        stars: torch.Tensor,
        nodes: torch.Tensor,
        ages: torch.Tensor,
        iz: torch.Tensor,
        p: Mapping[str, torch.Tensor],
    ) -> Mixture:
        young = self._nebular.shape[2]
        gas = stars[:, :, :young]
        ig = torch.zeros_like(iz)
        if self.spec.gas_metallicity == "free":
            ig, fg = bracket(p["log_z_gas"], self._log_z)
            fg = fg.float()
            gas = torch.stack([1 - fg, fg], dim=1)[:, :, None] * ages[:, None, :young]
        if "log_u" in p:
            iu, fu = bracket(p["log_u"], self._log_u)
            by_u = torch.stack([1 - fu, fu], dim=1).float()
        else:
            iu, by_u = torch.zeros_like(iz), torch.ones_like(ages[:, :1])
        gas = (gas[:, :, None, :] * by_u[:, None, :, None]).flatten(1)
        if "f_esc" in p:
            gas = gas * (1 - p["f_esc"].float())[:, None]
        count = len(self._log_z)
        return Mixture(stars, nodes, gas, ((iz + 1) * len(self._log_u) + iu) * count + ig)

    def _indices(self, group: int) -> tuple[list[int], list[int], list[int]]:
        """Return the nodes of stellar metallicity, gas metallicity and log U of a group."""
        count = len(self._log_z)
        if self.spec.nebular:
            rest, ig = divmod(group, count)
            z, iu = divmod(rest, len(self._log_u))
            iz = z - 1
        else:
            iz, iu, ig = group, 0, 0
        stars = list(range(count)) if iz < 0 else [iz, iz + 1]
        gas = [ig, ig + 1] if self.spec.gas_metallicity == "free" else stars
        return stars, gas, [iu, iu + 1] if self.spec.ionisation == "free" else [iu]

    @staticmethod
    def _groups(mixture: Mixture) -> Iterator[tuple[int, torch.Tensor]]:
        order = torch.argsort(mixture.group, stable=True)
        groups, counts = torch.unique_consecutive(mixture.group[order], return_counts=True)
        yield from zip(groups.tolist(), order.split(counts.tolist()), strict=True)

    # --- spectra -------------------------------------------------------------------------

    def light(
        self, mixture: Mixture, cells: slice, escape: torch.Tensor | None = None
    ) -> Iterator[tuple[torch.Tensor, Light]]:
        """Yield rows of galaxies and their light in some of the cells.

        Parameters
        ----------
        mixture
            Stellar populations and gas of the galaxies.
        cells
            Cells of the grid's axis.
        escape
            Fraction of the young stars that are seen without gas, [n].
        """
        for group, rows in self._groups(mixture):
            stars, gas = mixture.stars[rows], mixture.gas[rows]
            if not self._split:
                weights = torch.cat([stars.flatten(1), gas], dim=1)
                yield rows, Light(weights @ self._block("all", group)[:, cells], None, None)
                continue
            old = stars.flatten(1) @ self._block("old", group)[:, cells]
            few = stars[:, :, : self._young_bins].flatten(1)
            bare = None
            covered = few
            if escape is not None:
                fraction = escape[rows].float()[:, None]
                bare = fraction * (few @ self._block("bare", group)[:, cells])
                covered = few * (1 - fraction)
            young = torch.cat([covered, gas], dim=1) @ self._block("young", group)[:, cells]
            yield rows, Light(old, young, bare)

    def _block(self, kind: str, group: int) -> torch.Tensor:
        """Return the nodes of the grid around one cell as a matrix, [weights, cells]."""
        if (kind, group) not in self._blocks:
            self._blocks[kind, group] = self._make_block(kind, group)
        return self._blocks[kind, group]

    def _make_block(self, kind: str, group: int) -> torch.Tensor:
        stars, gas, ionised = self._indices(group)
        fraction, few = self._cloud_fraction[:, None], self._young_bins
        if kind == "old":
            return torch.cat([self._stellar[z] * (1 - fraction) for z in stars])
        bare = [self._stellar[z, :few] * fraction[:few] for z in stars]
        if kind == "bare":
            return torch.cat(bare)
        if not self.spec.nebular:
            return torch.cat(bare if kind == "young" else [self._stellar[z] for z in stars])
        nebular = [self._nebular[z, u] for z in gas for u in ionised]
        if kind == "young":
            # Gas absorbs ionising light and emits nebular light.
            return torch.cat([b * self._unabsorbed for b in bare] + nebular)
        ionising = 1 - self._unabsorbed
        absorbed = [self._stellar[z] * (1 - fraction * ionising) for z in stars]
        return torch.cat(absorbed + nebular)

    # --- sums over stars and gas ---------------------------------------------------------

    def lines(self, mixture: Mixture, which: list[int], continuum: bool = False) -> torch.Tensor:
        """Return intrinsic luminosities of emission lines in Lsun/Msun, [n, lines].

        Parameters
        ----------
        mixture
            Stellar populations and gas of the galaxies.
        which
            Indices of the lines in the grid.
        continuum
            Whether to return the nebular continuum at the lines, in Lsun/Å/Msun, instead.
        """
        table = self._line_continuum if continuum else self._lines
        table = table[..., which]
        out = torch.zeros(len(mixture.group), len(which), device=table.device)
        for group, rows in self._groups(mixture):
            _, gas, ionised = self._indices(group)
            block = torch.cat([table[z, u] for z in gas for u in ionised])
            out[rows] = mixture.gas[rows] @ block
        return out

    def _total(self, mixture: Mixture, table: torch.Tensor) -> torch.Tensor:
        return (mixture.stars * table[mixture.nodes]).sum((1, 2))

    def surviving(self, mixture: Mixture) -> torch.Tensor:
        """Return the mass in living stars per mass formed, [n]."""
        return self._total(mixture, self._surviving)

    def ionising(self, mixture: Mixture) -> torch.Tensor:
        """Return ionising photons of the stars in birth clouds, per second and Msun, [n]."""
        return self._total(mixture, self._ionising)

    def bolometric(self, mixture: Mixture) -> torch.Tensor:
        """Return the luminosity of the stars in Lsun/Msun, [n]."""
        return self._total(mixture, self._bolometric)


def metal_weights(mean: torch.Tensor, sigma: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """Return the weights of the grid's metallicities for a normal distribution of log10 Z.

    The distribution is truncated to the grid, on which light is linear in log10 Z. The weights are
    the exact integrals of the distribution times the hat functions of the nodes.

    Parameters
    ----------
    mean, sigma
        Mean and standard deviation of log10 Z, [n].
    nodes
        log10 Z of the grid, [Z].

    Returns
    -------
    Tensor
        Weights that sum to one, [n, Z].

    Examples
    --------
    >>> metal_weights(torch.tensor([-2.0]), torch.tensor([0.1]), torch.tensor([-3.0, -2.0, -1.0]))
    tensor([[0.0399, 0.9202, 0.0399]])
    """
    t = (nodes - mean[:, None]) / sigma[:, None]
    cdf = torch.special.ndtr(t)
    pdf = torch.exp(-(t**2) / 2) / (2 * torch.pi) ** 0.5
    mass = cdf[:, 1:] - cdf[:, :-1]
    # ∫ x N dx between nodes, which gives the weight of the upper node.
    moment = mean[:, None] * mass - sigma[:, None] * (pdf[:, 1:] - pdf[:, :-1])
    upper = (moment - nodes[:-1] * mass) / (nodes[1:] - nodes[:-1])
    zero = torch.zeros_like(upper[:, :1])
    weights = torch.cat([mass - upper, zero], dim=1) + torch.cat([zero, upper], dim=1)
    weights = weights.clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
