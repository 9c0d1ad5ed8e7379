"""Monotone interpolation, batched over galaxies."""

from __future__ import annotations

import torch

__all__ = ["piecewise_linear", "rational_quadratic"]


def piecewise_linear(u: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Interpolate linearly, constant beyond the ends.

    Parameters
    ----------
    u
        Where to evaluate, [k] or [n, k].
    x, y
        Knots, not decreasing, and values, [n, m].

    Returns
    -------
    Tensor
        [n, k]
    """
    u = u.expand(len(x), -1).contiguous()
    i = (torch.searchsorted(x.detach().contiguous(), u.detach(), right=True) - 1).clamp(
        0, x.shape[1] - 2
    )
    x0, y0 = torch.gather(x, 1, i), torch.gather(y, 1, i)
    h = torch.gather(x, 1, i + 1) - x0
    # Bins may have no width; what lies beyond them is the next value.
    share = ((u - x0) / torch.where(h > 0, h, torch.ones_like(h))).clamp(0, 1)
    return y0 + (torch.gather(y, 1, i + 1) - y0) * share


def rational_quadratic(
    u: torch.Tensor, x: torch.Tensor, y: torch.Tensor, d: torch.Tensor
) -> torch.Tensor:
    """Evaluate monotone rational quadratic splines (Gregory & Delbourgo 1982).

    Parameters
    ----------
    u
        Where to evaluate, within the knots, [n, k] or [k].
    x, y
        Knots, increasing, [n, m].
    d
        Non-negative slopes at the knots, [n, m].

    Returns
    -------
    Tensor
        [n, k]
    """
    u = u.expand(len(x), -1).contiguous()
    i = (torch.searchsorted(x.contiguous(), u, right=True) - 1).clamp(0, x.shape[1] - 2)

    def pick(values: torch.Tensor) -> torch.Tensor:
        return torch.gather(values, 1, i)

    x0, y0, d0, d1 = pick(x), pick(y), pick(d), pick(d[:, 1:])
    h = (pick(x[:, 1:]) - x0).clamp(min=1e-9)
    rise = pick(y[:, 1:]) - y0
    s = rise / h
    t = ((u - x0) / h).clamp(0, 1)
    across = t * (1 - t)
    return y0 + rise * (s * t**2 + d0 * across) / (s + (d0 + d1 - 2 * s) * across)
