"""The loss of a batch and its gradient, with the galaxies divided among threads."""

from __future__ import annotations

import torch

from sedum.infer.condition import Condition
from sedum.infer.estimator import Estimator
from sedum.parallel.threads import in_threads

__all__ = ["batch_gradient"]

#: Minimum and maximum number of galaxies that one thread takes: half a batch between these. It
#: does not depend on the number of threads, so that sums are rounded in the same way on any.
_PORTION = 128, 256


def batch_gradient(estimator: Estimator, y: torch.Tensor, condition: Condition) -> torch.Tensor:
    """Return the mean loss of a batch, and leave its gradient with the estimator's parameters.

    Parameters
    ----------
    estimator
        The estimator; the gradients of before are replaced.
    y
        Latent coordinates, [n, d].
    condition
        The n observations.

    Returns
    -------
    Tensor
        The mean loss. Where it is not finite, there is no gradient.

    Examples
    --------
    >>> condition = Condition.without_redshift(torch.zeros(4, posterior.features.size))
    >>> y = torch.zeros(4, posterior.prior.dimension)
    >>> batch_gradient(posterior.estimator, y, condition).shape
    torch.Size([])
    """
    parameters = list(estimator.parameters())
    n = len(y)

    def portion(start: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        rows = slice(start, start + size)
        with torch.enable_grad():
            loss = estimator.loss(y[rows], condition.rows(rows)).sum() / n
        finite = bool(torch.isfinite(loss))
        return loss.detach(), torch.autograd.grad(loss, parameters) if finite else ()

    # Random numbers are drawn in order, and a GPU is fastest with all galaxies at once.
    divided = y.device.type == "cpu"
    size = min(max(-(-n // 2), _PORTION[0]), _PORTION[1]) if divided else n
    threads = 1 if estimator.density.random_loss else None
    total = torch.zeros((), device=y.device)
    gradients: list[torch.Tensor] = []
    for loss, own in in_threads(portion, range(0, n, size), maximum=threads):
        total += loss
        if gradients and own:
            torch._foreach_add_(gradients, own)
        else:
            gradients = list(own)
    finite = bool(torch.isfinite(total))
    for i, parameter in enumerate(parameters):
        parameter.grad = gradients[i] if finite else None
    return total
