"""Densities of zuko: neural spline flow, masked autoregressive flow, Gaussian mixture."""

from __future__ import annotations

import torch
from zuko.flows import GMM, MAF, NSF

from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.densities.conditional_density import Density, LogProb
from sedum.infer.recalibration import BaseTransform, log_standard

__all__ = ["AutoregressiveFlow", "GaussianMixture"]


class AutoregressiveFlow(Density):
    """A neural spline flow (Durkan et al. 2019) or masked autoregressive flow (Papamakarios 2017).

    Parameters
    ----------
    kind
        ``nsf`` or ``maf``.
    dimension, context
        Sizes of latent space and context.
    transforms
        Number of autoregressive transforms.
    hidden
        Widths of the hidden layers of each transform.
    bins
        Number of bins of the splines of ``nsf``.
    """

    def __init__(
        self,
        kind: str,
        dimension: int,
        context: int,
        transforms: int,
        hidden: list[int],
        bins: int = 8,
    ):
        super().__init__()
        self.dimension = self.n_base = dimension
        extra = {"bins": bins} if kind == "nsf" else {}
        family = NSF if kind == "nsf" else MAF
        self.flow = family(
            dimension, context, transforms=transforms, hidden_features=hidden, **extra
        )

    def at(self, y: torch.Tensor, context: torch.Tensor) -> LogProb:
        """Return the log density; see :class:`Density`."""
        if y.dim() == 3:
            context = context[:, None].expand(*y.shape[:2], -1)
        x, log_slope = self.flow(context).transform.call_and_ladj(y)
        return lambda transform: log_slope + log_standard(x, transform)

    def sample(
        self, samples: BaseSamples, prepared: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return draws; see :class:`Density`."""
        base = samples.normals(prepared.device).to(prepared)
        base = base if transform is None else transform.forward(base)
        return self.flow(prepared[:, None].expand(*base.shape[:2], -1)).transform.inv(base)


class GaussianMixture(Density):
    """A mixture density network (Bishop 1994) of full covariances.

    Parameters
    ----------
    dimension, context
        Sizes of latent space and context.
    components
        Number of Gaussians in the mixture.
    """

    def __init__(self, dimension: int, context: int, components: int):
        super().__init__()
        self.dimension = dimension
        self.n_base = dimension + 1
        # The embedding is the network; one linear map gives the mixture.
        self.mixture = GMM(dimension, context, components=components, hidden_features=[])
        # Start from unit normals about points of the prior, whatever the observation.
        apart = torch.randn(components * dimension)
        rest = torch.zeros(self.mixture.total - components - len(apart))
        with torch.no_grad():
            last = self.mixture.hyper[-1]
            last.weight.mul_(1e-2)
            last.bias.copy_(torch.cat([torch.zeros(components), apart, rest]))

    def at(self, y: torch.Tensor, context: torch.Tensor) -> LogProb:
        """Return the log density; see :class:`Density`."""
        mixture = self.mixture(context if y.dim() == 2 else context[:, None])
        root = mixture.base.scale_tril
        away = (y[..., None, :] - mixture.base.loc)[..., None]
        x = torch.linalg.solve_triangular(root, away, upper=False)[..., 0]
        weights = mixture.logits.log_softmax(-1) - root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return lambda transform: (weights + log_standard(x, transform)).logsumexp(-1)

    def sample(
        self, samples: BaseSamples, prepared: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return draws; see :class:`Density`. The last base sample selects the component."""
        mixture = self.mixture(prepared)
        base = samples.normals(prepared.device).to(prepared)
        uniform = torch.special.ndtr(base[..., -1])
        cumulative = mixture.logits.softmax(-1).cumsum(-1)
        component = (uniform[..., None] > cumulative[:, None, :-1]).sum(-1)
        rows = torch.arange(len(prepared), device=prepared.device)[:, None]
        scale, centre = mixture.base.scale_tril[rows, component], mixture.base.loc[rows, component]
        normals = base[..., :-1] if transform is None else transform.forward(base[..., :-1])
        return centre + (scale @ normals[..., None])[..., 0]
