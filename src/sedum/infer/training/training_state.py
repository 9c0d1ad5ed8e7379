"""The state of a training: weights, averages, optimiser; written and read as checkpoints."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sedum import config
from sedum.errors import SedumError
from sedum.infer.estimator import Estimator
from sedum.infer.training.muon import Muon, hidden_matrices
from sedum.storage import read_tensors, tensors_below, write_tensors

__all__ = ["TrainingState", "schedule"]


@dataclass
class TrainingState:
    """Everything that changes during training.

    Parameters
    ----------
    estimator
        The estimator that is trained.
    spec
        The training section of the run file.
    """

    estimator: Estimator
    spec: config.TrainingSettings
    round: int = 0
    best_loss: float = math.inf
    best_round: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        #: The optimisers, each with its factor of the learning rate.
        self.optimisers = _optimisers(self.estimator, self.spec)
        self.averaged = copy.deepcopy(self.estimator)
        self.best = copy.deepcopy(self.estimator.state_dict())

    def step(self, loss: torch.Tensor, index: int) -> None:
        """Differentiate a loss and take one step; ``index`` counts from the start of training."""
        for parameter in self.estimator.parameters():
            parameter.grad = None
        loss.backward()
        self.update(index)

    def update(self, index: int) -> None:
        """Take one step along the gradients that the parameters have."""
        spec = self.spec
        rate = spec.learning_rate * schedule(index / spec.steps, spec.warmup)
        parameters: list[torch.Tensor] = list(self.estimator.parameters())
        torch.nn.utils.clip_grad_norm_(parameters, spec.clip)
        for optimiser, factor in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = factor * rate
            optimiser.step()
        # Early in training, a long average would include the random initial weights.
        decay = min(spec.averaging, (1 + index) / (10 + index))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), parameters, 1 - decay)

    def close_round(self, loss: float) -> None:
        """Record the held-out loss of the averaged weights."""
        self.round += 1
        self.losses.append(loss)
        if loss < self.best_loss:
            self.best_loss, self.best_round = loss, self.round
            self.best = copy.deepcopy(self.averaged.state_dict())

    def is_stale(self) -> bool:
        """Say whether the held-out loss has stopped improving."""
        return self.round - self.best_round >= self.spec.patience

    def write(self, path: Path, identity: str) -> None:
        """Write a checkpoint, atomically."""
        tensors = {f"now.{k}": v for k, v in self.estimator.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for k, (optimiser, _) in enumerate(self.optimisers):
            for i, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{k}.{i}.{name}": v for name, v in moments.items()}
        meta = {
            "identity": identity,
            "round": self.round,
            "best_loss": self.best_loss,
            "best_round": self.best_round,
            "losses": self.losses,
        }
        write_tensors(path, tensors, meta, "checkpoint")

    def read(self, path: Path, identity: str) -> None:
        """Restore the state of a checkpoint."""
        try:
            meta, tensors = read_tensors(path, "pt", "checkpoint")
            if not meta:
                raise ValueError("no checkpoint in its metadata")
        except ValueError:
            raise SedumError(
                f"checkpoint {path} is damaged or not one of sedum's; remove it to start afresh"
            ) from None
        if meta["identity"] != identity:
            raise SedumError(
                f"checkpoint {path} belongs to another run file or library; remove it to start "
                "afresh"
            )

        self.estimator.load_state_dict(tensors_below("now", tensors))
        self.averaged.load_state_dict(tensors_below("averaged", tensors))
        self.best = tensors_below("best", tensors)
        for k, (optimiser, _) in enumerate(self.optimisers):
            moments: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in tensors_below(f"optimiser.{k}", tensors).items():
                index, key = name.split(".", 1)
                moments.setdefault(int(index), {})[key] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        self.round = meta["round"]
        self.best_loss, self.best_round = meta["best_loss"], meta["best_round"]
        self.losses = meta["losses"]


def _optimisers(
    estimator: Estimator, spec: config.TrainingSettings
) -> list[tuple[torch.optim.Optimizer, float]]:
    """Return the optimisers of all parameters, each with its factor on the learning rate."""
    hidden = hidden_matrices(estimator) if spec.optimiser == "muon" else []
    with_muon = {id(p) for p in hidden}
    others = [p for p in estimator.parameters() if id(p) not in with_muon]
    decay = spec.weight_decay
    optimisers: list[tuple[torch.optim.Optimizer, float]] = []
    if others:
        optimisers.append((torch.optim.AdamW(others, weight_decay=decay, fused=True), 1.0))
    if hidden:
        optimisers.append((Muon(hidden, weight_decay=decay), spec.hidden_rate))
    return optimisers


def schedule(progress: float, warmup: float) -> float:
    """Return the factor on the learning rate: linear rise, then half a cosine to zero."""
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
