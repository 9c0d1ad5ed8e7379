"""Muon: an optimiser with orthogonal steps, for the matrices of hidden layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from sedum.parallel.threads import in_threads

__all__ = ["Muon", "hidden_matrices"]

#: Coefficients and number of the quintic iterations (Jordan et al. 2024).
_COEFFICIENTS, _ITERATIONS = (3.4445, -4.7750, 2.0315), 5
#: Number of matrices that one thread takes on a CPU; it does not depend on the number of threads.
_TOGETHER = 4
#: Makes the root mean square of steps equal to Adam's at the same rate (Liu et al. 2025).
_LIKE_ADAM = 0.2


class Muon(torch.optim.Optimizer):
    """Momentum whose step is replaced by the nearest orthogonal matrix (Jordan et al. 2024).

    Steps along the few directions with large gradients are reduced relative to the many with small
    gradients, which helps where posteriors are narrow. Unlike ``torch.optim.Muon`` it
    orthogonalises several matrices of one shape together, on as many threads as torch is set to
    use. It computes in 16 bits if the precision of matrix products in torch is ``medium``.

    Parameters
    ----------
    matrices
        Two-dimensional parameters.
    lr
        Learning rate.
    momentum
        Nesterov momentum.
    weight_decay
        Weight decay, decoupled from the step.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float = 1e-2,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(list(matrices), defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take a step; a closure is not called."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault(matrix.shape, []).append(matrix)
            for same_shape in shapes.values():
                self._step(same_shape, group)

    def _step(self, matrices: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Step matrices of one shape."""
        gradients = [m.grad for m in matrices if m.grad is not None]
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum"] = torch.zeros_like(matrix)
        moments = [self.state[m]["momentum"] for m in matrices]
        keep = group["momentum"]
        torch._foreach_lerp_(moments, gradients, 1 - keep)
        ahead = torch._foreach_lerp(gradients, moments, keep)
        groups = torch.stack(ahead).split(
            _TOGETHER if ahead[0].device.type == "cpu" else len(ahead)
        )
        direction = torch.cat(list(in_threads(_orthogonal, groups)))
        size = _LIKE_ADAM * max(matrices[0].shape) ** 0.5
        values: list[torch.Tensor] = list(matrices)
        torch._foreach_mul_(values, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(values, list(direction.unbind()), alpha=-group["lr"] * size)


def _orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return about U Vᵀ of the singular vectors of each matrix, [k, rows, columns]."""
    a, b, c = _COEFFICIENTS
    dtype = matrices.dtype
    # The iteration tolerates rounding.
    short = torch.bfloat16 if torch.get_float32_matmul_precision() == "medium" else dtype
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(short)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + torch.baddbmm(square, square, square, beta=b, alpha=c) @ x
    return (x.mT if tall else x).to(dtype)


def hidden_matrices(module: nn.Module) -> list[nn.Parameter]:
    """Return the weights between hidden layers of the same width.

    Muon is not meant for the first and last layers of a network.
    """
    return [p for p in module.parameters() if p.dim() == 2 and p.shape[0] == p.shape[1]]
