"""The estimator: a network that reads the observation, and a conditional density."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import pad

from sedum import config
from sedum.infer.condition import Condition
from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.densities.conditional_density import Density, LogProb
from sedum.infer.densities.hypernetwork_flow import HypernetworkFlow
from sedum.infer.embedding import BandTransformer, ResidualNetwork
from sedum.infer.recalibration import BaseTransform
from sedum.observe.features import FeatureLayout

__all__ = ["ROWS", "Ensemble", "Estimator", "build_estimator"]

#: Number of galaxies that the network evaluates together for draws.
ROWS = 256


class Estimator(nn.Module):
    """p(y | observation) in the latent space, where the prior is a standard normal.

    Parameters
    ----------
    embedding
        The network that turns features into the context.
    density
        The density of the latent coordinates given the context.
    redshift_index
        Index of the latent coordinate of the redshift, or None if it is not inferred.

    Notes
    -----
    The latent redshift y is replaced by (y - centre) / width with the centre and width of the
    condition. This is of order one for known redshifts, too, so that the same network works for
    redshifts that are known to 0.1% and for unknown ones.
    """

    def __init__(self, embedding: nn.Module, density: Density, redshift_index: int | None):
        super().__init__()
        self.embedding, self.density, self.redshift_index = embedding, density, redshift_index

    @property
    def n_base(self) -> int:
        """The number of base samples of one draw."""
        return self.density.n_base

    def at(self, y: torch.Tensor, condition: Condition) -> LogProb:
        """Return a function that gives log densities of y for any base transform."""
        y, log_width = self._rescaled(y, condition.redshift)
        density = self.density.at(y, self.embedding(condition.features))
        return lambda transform: density(transform) - log_width

    def log_prob(
        self,
        y: torch.Tensor,
        condition: Condition,
        transform: BaseTransform | None = None,
    ) -> torch.Tensor:
        """Return the log density in the latent space.

        Parameters
        ----------
        y
            Latent coordinates, [n, d] or [n, draws, d].
        condition
            The n observations.
        transform
            The base transform of a recalibrated posterior.

        Returns
        -------
        Tensor
            [n] or [n, draws].
        """
        return self.at(y, condition)(transform)

    def loss(self, y: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Return the training loss, [n]; for most kinds the negative log density."""
        y, log_width = self._rescaled(y, condition.redshift)
        return self.density.loss(y, self.embedding(condition.features)) + log_width

    def sample(
        self,
        samples: BaseSamples,
        condition: Condition,
        transform: BaseTransform | None = None,
    ) -> torch.Tensor:
        """Return latent draws, [n, draws, d]; NaN where the network's numbers are not finite."""
        n = len(condition.features)
        # Matrix products round differently for different numbers of rows. Fewer rows are padded,
        # so that the draws of a galaxy do not depend on the others.
        padded = pad(condition.features, (0, 0, 0, max(ROWS - n, 0)))
        context = self.embedding(padded)
        prepared = self.density.prepare(context)[:n]
        y = self.density.sample(samples, prepared, transform)
        # Splines would turn NaN into numbers.
        finite = context[:n].isfinite().all(-1) & prepared.flatten(1).isfinite().all(-1)
        y[~finite] = torch.nan
        if (k := self.redshift_index) is not None:
            y[..., k] = y[..., k] * condition.redshift[:, 1:] + condition.redshift[:, :1]
        return y

    def _rescaled(
        self, y: torch.Tensor, redshift: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y in the coordinates of the density, and the log of the volume factor."""
        centre, width = (redshift[:, None] if y.dim() == 3 else redshift).unbind(-1)
        if self.redshift_index is None:
            return y, torch.zeros_like(width)
        k = self.redshift_index
        column = (y[..., k] - centre) / width
        return torch.cat([y[..., :k], column[..., None], y[..., k + 1 :]], dim=-1), width.log()


class Ensemble(nn.Module):
    """A mixture of estimators, trained one by one.

    Parameters
    ----------
    members
        The estimators.
    """

    log_weights: torch.Tensor

    def __init__(self, members: Sequence[Estimator]):
        super().__init__()
        self.members = nn.ModuleList(members)
        uniform = torch.full((len(members),), 1 / len(members))
        self.register_buffer("log_weights", uniform.log())

    @property
    def n_base(self) -> int:
        """The number of base samples of one draw; the last one selects the member."""
        return max(m.n_base for m in self._estimators()) + 1

    def _estimators(self) -> list[Estimator]:
        return [m for m in self.members if isinstance(m, Estimator)]

    def at(self, y: torch.Tensor, condition: Condition) -> LogProb:
        """Return the log density; see :class:`Estimator`. All members have the same transform."""
        members = [m.at(y, condition) for m in self._estimators()]

        def log_prob(transform: BaseTransform | None) -> torch.Tensor:
            each = torch.stack([member(transform) for member in members], dim=-1)
            return (each + self.log_weights.to(each)).logsumexp(-1)

        return log_prob

    def log_prob(
        self,
        y: torch.Tensor,
        condition: Condition,
        transform: BaseTransform | None = None,
    ) -> torch.Tensor:
        """Return the log density; see :class:`Estimator`."""
        return self.at(y, condition)(transform)

    def sample(
        self,
        samples: BaseSamples,
        condition: Condition,
        transform: BaseTransform | None = None,
    ) -> torch.Tensor:
        """Return latent draws; see :class:`Estimator`."""
        uniform = torch.from_numpy(samples.uniforms()[..., -1]).to(condition.features)
        selected = (
            uniform[..., None] > self.log_weights.exp().cumsum(-1)[:-1].to(condition.features)
        ).sum(-1)
        drawn = None
        for k, member in enumerate(self._estimators()):
            part = BaseSamples(samples.points[: member.n_base], samples.shifts[:, : member.n_base])
            y = member.sample(part, condition, transform)
            drawn = y if drawn is None else torch.where((selected == k)[..., None], y, drawn)
        assert drawn is not None
        return drawn

    def weigh(self, log_probs: torch.Tensor, rounds: int = 500) -> None:
        """Set the weights that predict held-out galaxies best (stacking, Yao et al. 2018).

        Parameters
        ----------
        log_probs
            Log densities of held-out galaxies under each member, [galaxies, members].
        rounds
            Number of steps of expectation and maximisation.
        """
        log_weights = torch.zeros_like(log_probs[0]).log_softmax(-1)
        for _ in range(rounds):
            assigned = (log_probs + log_weights).log_softmax(-1)
            log_weights = assigned.exp().mean(0).clamp(min=1e-12).log()
        self.log_weights = log_weights.log_softmax(-1).float()


def build_estimator(
    spec: config.AnyEstimator,
    layout: FeatureLayout,
    dimension: int,
    redshift_index: int | None,
    pivots: torch.Tensor | None = None,
) -> Estimator | Ensemble:
    """Build an untrained estimator.

    Parameters
    ----------
    spec
        The estimator section of the run file.
    layout
        The layout of the features.
    dimension
        The number of latent coordinates.
    redshift_index
        Index of the latent coordinate of the redshift, or None if it is not inferred.
    pivots
        Pivot wavelengths in Angstrom, needed by the embedding ``bands``; they are stored with
        its weights, so that an estimator read from a file does not need them.
    """
    if isinstance(spec, config.EnsembleSettings):
        members = [
            build_estimator(m, layout, dimension, redshift_index, pivots) for m in spec.members
        ]
        return Ensemble([m for m in members if isinstance(m, Estimator)])
    embedding: nn.Module
    if spec.embedding == "bands":
        pivots = torch.ones(layout.bands) if pivots is None else pivots
        embedding = BandTransformer(layout, spec.width, spec.blocks, spec.heads, pivots)
    else:
        embedding = ResidualNetwork(layout.size, spec.width, spec.blocks)
    return Estimator(embedding, _density(spec, dimension), redshift_index)


def _density(spec: config.AnyEstimator, dimension: int) -> Density:
    match spec:
        case config.FlowSettings():
            return HypernetworkFlow(dimension, spec.width, spec.layers, spec.bins, spec.components)
        case config.AutoregressiveSettings():
            from sedum.infer.densities.zuko_flows import AutoregressiveFlow

            return AutoregressiveFlow(
                spec.kind, dimension, spec.width, spec.transforms, spec.hidden, spec.bins
            )
        case config.MixtureSettings():
            from sedum.infer.densities.zuko_flows import GaussianMixture

            return GaussianMixture(dimension, spec.width, spec.components)
        case config.VectorFieldSettings():
            from sedum.infer.densities.vector_fields import VectorField

            return VectorField(
                spec.kind, dimension, spec.width, spec.hidden, spec.layers, spec.steps
            )
    raise AssertionError(spec)
