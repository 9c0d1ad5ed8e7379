"""The default density: a flow whose every parameter is written once for each galaxy.

Monotone rational-quadratic splines of each coordinate alternate with triangular affine maps
that mix the coordinates, lower and upper in turn. A network computes all parameters from the
observation; a draw then costs a few splines and triangular products, and no pass through a
network.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.densities.conditional_density import Density, LogProb
from sedum.infer.densities.flow_limits import FIRST_LIMIT, LATER_LIMIT, WIDTH_LIMIT
from sedum.infer.densities.rational_splines import Splines
from sedum.infer.recalibration import BaseTransform, log_standard

__all__ = ["FlowShape", "HypernetworkFlow", "MixtureBase"]


class FlowShape:
    """The architecture: how a galaxy's vector of parameters becomes a transform.

    The vector holds an affine map, then for each layer the splines of all coordinates and
    another affine map. An affine map is the elements off the diagonal row by row, the logs of
    the diagonal before they are softly limited, and the shift.

    Parameters
    ----------
    dimension
        The number of coordinates d.
    layers
        The number of spline layers.
    bins
        Bins of each spline.
    """

    def __init__(self, dimension: int, layers: int, bins: int):
        self.dimension, self.layers, self.bins = dimension, layers, bins
        d = dimension
        self._off = d * (d - 1) // 2
        self._affine = self._off + 2 * d
        self._spline = d * (3 * bins - 1)
        rows, columns = torch.tril_indices(d, d, -1)
        # Where each element of the matrix stands in the vector; those that are zero, behind it.
        lower = torch.full((d, d), self._off)
        lower[rows, columns] = torch.arange(self._off)
        self._places = (lower.flatten(), lower.T.flatten())

    @property
    def size(self) -> int:
        """The number of parameters of one galaxy's flow."""
        return self._affine * (self.layers + 1) + self._spline * self.layers

    def forward(
        self, parameters: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map the latent space to the standard normal.

        Parameters
        ----------
        parameters
            [n, size]; zeros give the identity.
        y
            [n, d] or [n, draws, d].

        Returns
        -------
        x, log_slope
            Of y's shape, and the log of the Jacobian's determinant, [n] or [n, draws].
        """
        many = y.dim() == 3
        pieces = iter(self._split(parameters))
        x, total = self._forward_affine(y, next(pieces), 0)
        for layer in range(self.layers):
            x, slopes = self._splines(next(pieces), many).forward(x)
            x, scale = self._forward_affine(x, next(pieces), layer + 1)
            total = total + slopes.sum(-1) + scale
        return x, total

    def inverse(self, parameters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Map the standard normal to the latent space, [n, draws, d]."""
        pieces = iter(reversed(self._split(parameters)))
        for layer in range(self.layers, 0, -1):
            x = self._inverse_affine(x, next(pieces), layer)
            x = self._splines(next(pieces), True).inverse(x)
        return self._inverse_affine(x, next(pieces), 0)

    def _split(self, parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
        sizes = [self._affine] + [self._spline, self._affine] * self.layers
        return parameters.split(sizes, dim=-1)

    def _splines(self, p: torch.Tensor, many: bool) -> Splines:
        p = p.unflatten(-1, (self.dimension, 3 * self.bins - 1))
        return Splines(p[:, None] if many else p)

    def _map(self, p: torch.Tensor, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the matrix without its diagonal, the log of that, and the shift."""
        d = self.dimension
        off, diagonal, shift = p.split([self._off, d, d], dim=-1)
        limit = FIRST_LIMIT if index == 0 else LATER_LIMIT
        places = self._places[index % 2].to(p.device)
        matrix = pad(off, (0, 1))[:, places].unflatten(-1, (d, d))
        return matrix, limit * torch.tanh(diagonal / limit), shift

    def _forward_affine(
        self, x: torch.Tensor, p: torch.Tensor, index: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        matrix, diagonal, shift = self._map(p, index)
        total = diagonal.sum(-1)
        if x.dim() == 2:  # sums by hand: faster than as many tiny matrix products
            return (matrix * x[:, None]).sum(-1) + diagonal.exp() * x + shift, total
        mapped = x @ (matrix + torch.diag_embed(diagonal.exp())).mT + shift[:, None]
        return mapped, total[:, None].expand(x.shape[:-1])

    def _inverse_affine(self, x: torch.Tensor, p: torch.Tensor, index: int) -> torch.Tensor:
        matrix, diagonal, shift = self._map(p, index)
        matrix = matrix + torch.diag_embed(diagonal.exp())
        columns = (x - shift[:, None]).mT
        return torch.linalg.solve_triangular(matrix, columns, upper=index % 2 == 1).mT


class MixtureBase:
    """What the flow maps to: a standard normal, or a mixture of normals written with it.

    A mixture lets posteriors of several peaks, as photometric redshifts have, be separate from
    the start, where a single normal would have to be torn apart.

    Parameters
    ----------
    dimension
        The number of coordinates d.
    components
        Normals in the mixture; one is the standard normal.
    """

    def __init__(self, dimension: int, components: int):
        self.dimension, self.components = dimension, components

    @property
    def size(self) -> int:
        """The number of parameters: logits, centres, and logs of the widths."""
        return self.components * (1 + 2 * self.dimension) if self.components > 1 else 0

    def parts(self, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log weights [n, components], centres and log widths [n, components, d]."""
        c, d = self.components, self.dimension
        logits, centres, widths = p.split([c, c * d, c * d], dim=-1)
        widths = WIDTH_LIMIT * torch.tanh(widths.unflatten(-1, (c, d)) / WIDTH_LIMIT)
        return logits.log_softmax(-1), centres.unflatten(-1, (c, d)), widths

    def at(self, p: torch.Tensor, x: torch.Tensor) -> LogProb:
        """Return the log density at x [n, d] or [n, draws, d]; see :class:`Density`."""
        if self.components == 1:
            return lambda transform: log_standard(x, transform)
        weights, centres, widths = self.parts(p)
        if x.dim() == 3:
            weights, centres, widths = weights[:, None], centres[:, None], widths[:, None]
        z = (x[..., None, :] - centres) * (-widths).exp()
        each = weights - widths.sum(-1)
        return lambda transform: (each + log_standard(z, transform)).logsumexp(-1)

    def sample(
        self, p: torch.Tensor, normals: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Turn normals [n, draws, d (+ 1)] into draws; the last chooses the component."""
        own = normals[..., : self.dimension]
        own = own if transform is None else transform.forward(own)
        if self.components == 1:
            return own
        weights, centres, widths = self.parts(p)
        uniform = torch.special.ndtr(normals[..., -1:])
        selected = (uniform > weights.exp().cumsum(-1)[:, None, :-1]).sum(-1)
        rows = torch.arange(len(p), device=p.device)[:, None]
        return centres[rows, selected] + widths[rows, selected].exp() * own


class HypernetworkFlow(Density):
    """The density of a flow whose parameters are a linear map of the context.

    Parameters
    ----------
    dimension
        The number of latent coordinates.
    context
        The size of the context.
    layers, bins
        See :class:`FlowShape`.
    components
        See :class:`MixtureBase`.
    """

    def __init__(self, dimension: int, context: int, layers: int, bins: int, components: int = 1):
        super().__init__()
        self.dimension = dimension
        self.n_base = dimension + (components > 1)
        self.shape = FlowShape(dimension, layers, bins)
        self.base = MixtureBase(dimension, components)
        self.head = nn.Linear(context, self.shape.size + self.base.size)
        # Start from the prior, a flow close to the identity whatever the observation, and from
        # components that are apart, or they would never part.
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)
        if components > 1:
            apart = 0.3 * torch.randn(components * dimension)
            start = self.shape.size + components
            with torch.no_grad():
                self.head.bias[start : start + len(apart)] = apart

    def _split(self, parameters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flow, base = parameters.split([self.shape.size, self.base.size], dim=-1)
        return flow, base

    def at(self, y: torch.Tensor, context: torch.Tensor) -> LogProb:
        """Return the log density; see :class:`Density`."""
        flow, base = self._split(self.head(context))
        x, log_slope = self.shape.forward(flow, y)
        normals = self.base.at(base, x)
        return lambda transform: log_slope + normals(transform)

    def loss(self, y: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the training loss; see :class:`Density`. On a CPU by a fused kernel."""
        parameters = self.head(context)
        if parameters.device.type != "cpu" or parameters.dtype != torch.float32:
            return super().loss(y, context)
        from sedum.infer.densities.flow_gradient import flow_loss

        return flow_loss(parameters, y, self.shape.layers, self.shape.bins, self.base.components)

    def prepare(self, context: torch.Tensor) -> torch.Tensor:
        """Return the parameters of each galaxy's flow and base."""
        return self.head(context)

    def sample(
        self, samples: BaseSamples, prepared: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return draws; see :class:`Density`. On a CPU by a fused kernel, else in torch."""
        if prepared.device.type != "cpu" or prepared.dtype != torch.float32:
            flow, base = self._split(prepared)
            normals = samples.normals(prepared.device).to(prepared)
            return self.shape.inverse(flow, self.base.sample(base, normals, transform))
        from sedum.infer.densities.flow_kernels import drawing

        out = torch.empty(len(prepared), self.dimension, samples.points.shape[1])
        packed = (
            np.empty((len(prepared), 0), np.float32) if transform is None else transform.packed()
        )
        drawing(self.shape.bins)(
            prepared.detach().contiguous().numpy(),
            samples.points,
            samples.shifts,
            self.shape.layers,
            self.base.components,
            packed,
            out.numpy(),
        )
        return out.mT
