"""A normalising flow whose every parameter is given from outside.

Built on zuko's transforms. Layers of monotone rational-quadratic splines on each coordinate
(Durkan et al. 2019) alternate with general linear maps in LU form. Since a network computes
all parameters from the observation once per galaxy, a draw costs a few splines and small
matrix products, and no pass through a network.
"""

from __future__ import annotations

import torch
from zuko.transforms import ComposedTransform, DependentTransform, MonotonicRQSTransform, Transform

__all__ = ["FlowShape", "LinearMap"]

#: Half-width of the interval that splines act on; beyond it they are the identity.
BOUND = 6.0
#: Largest |log| of a diagonal element: posteriors are resolved down to exp(-9) of the prior.
_LOG_DIAGONAL = 9.0


class LinearMap(Transform):
    """The affine map x -> L U x + b with lower- and unit-upper-triangular factors.

    Parameters
    ----------
    lower_upper
        Off-diagonal elements of both factors in one matrix; its diagonal is ignored,
        [n, d, d].
    log_diagonal
        Log of the diagonal of L, [n, d].
    shift
        b, [n, d].
    """

    domain = torch.distributions.constraints.real_vector
    codomain = torch.distributions.constraints.real_vector
    bijective = True

    def __init__(self, lower_upper: torch.Tensor, log_diagonal: torch.Tensor, shift: torch.Tensor):
        super().__init__()
        identity = torch.eye(shift.shape[-1], dtype=shift.dtype, device=shift.device)
        self.lower = torch.tril(lower_upper, -1) + torch.diag_embed(log_diagonal.exp())
        self.upper = torch.triu(lower_upper, 1) + identity
        self.log_diagonal, self.shift = log_diagonal, shift

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() == 2:
            x = torch.bmm(self.upper, x[..., None])
            return torch.bmm(self.lower, x)[..., 0] + self.shift
        return x @ (self.lower @ self.upper).mT + self.shift[:, None]

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        columns = y - (self.shift if y.dim() == 2 else self.shift[:, None])
        columns = columns[..., None] if y.dim() == 2 else columns.mT
        x = torch.linalg.solve_triangular(self.lower, columns, upper=False)
        x = torch.linalg.solve_triangular(self.upper, x, upper=True, unitriangular=True)
        return x[..., 0] if y.dim() == 2 else x.mT

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return log |det| of the map, the same at every point."""
        total = self.log_diagonal.sum(-1)
        return total if x.dim() == 2 else total[:, None].expand(x.shape[:-1])


class FlowShape:
    """The architecture of a flow: turns a vector of parameters per galaxy into a transform.

    Parameters
    ----------
    dimension
        The number of coordinates.
    layers
        The number of spline layers.
    bins
        Bins of each spline.
    """

    def __init__(self, dimension: int, layers: int, bins: int):
        self.dimension, self.layers, self.bins = dimension, layers, bins
        self._linear = dimension * dimension + 2 * dimension
        self._spline = dimension * (3 * bins - 1)

    @property
    def size(self) -> int:
        """The number of parameters of one galaxy's flow."""
        return self._linear * (self.layers + 1) + self._spline * self.layers

    def transform(self, parameters: torch.Tensor, draws: bool = False) -> ComposedTransform:
        """Return the transform from the latent space to the standard normal.

        Parameters
        ----------
        parameters
            [n, size]; zeros give the identity.
        draws
            Whether the transform will act on [n, draws, d] rather than [n, d].
        """
        steps: list[Transform] = []
        pieces = iter(
            parameters.split([self._linear] + [self._spline, self._linear] * self.layers, dim=-1)
        )
        steps.append(self._linear_map(next(pieces), 0))
        for layer in range(self.layers):
            steps.append(self._splines(next(pieces), draws))
            steps.append(self._linear_map(next(pieces), layer + 1))
        return ComposedTransform(*steps)

    def _linear_map(self, p: torch.Tensor, index: int) -> LinearMap:
        d = self.dimension
        matrix, diagonal, shift = p.split([d * d, d, d], dim=-1)
        matrix = matrix.unflatten(-1, (d, d))
        # The first map brings a posterior of any width to order one; later ones refine.
        limit = _LOG_DIAGONAL if index == 0 else 3.0
        diagonal = limit * torch.tanh(diagonal / limit)
        return LinearMap(matrix, diagonal, shift)

    def _splines(self, p: torch.Tensor, draws: bool) -> DependentTransform:
        d, k = self.dimension, self.bins
        p = p.unflatten(-1, (d, 3 * k - 1))
        if draws:
            p = p[:, None]
        widths, heights, slopes = p.split([k, k, k - 1], dim=-1)
        return DependentTransform(
            MonotonicRQSTransform(widths, heights, slopes, bound=BOUND), reinterpreted=1
        )
