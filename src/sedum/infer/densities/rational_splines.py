"""Monotone rational-quadratic splines (Durkan et al. 2019) in torch, one for each element."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import pad

__all__ = ["BOUND", "SMALLEST", "Splines"]

#: Half-width of the interval that splines act on; beyond it they are the identity.
BOUND = 6.0
#: Minimum ratio of widths, heights and slopes of a spline.
SMALLEST = 1e-3


class Splines:
    """Splines from their free parameters.

    The widths and heights of the bins are a softmax, the slopes at the inner knots an
    exponential, of softly limited parameters, so that no bin is narrower than about a thousandth
    of another. The slopes at the ends are one. Zeros give the identity.

    Parameters
    ----------
    parameters
        [..., 3 bins - 1]: widths, heights and slopes.
    """

    def __init__(self, parameters: torch.Tensor):
        bins = (parameters.shape[-1] + 1) // 3
        limit = -math.log(SMALLEST)
        sizes, slopes = parameters.split([2 * bins, bins - 1], dim=-1)
        sizes = (sizes / (1 + (sizes * (2 / limit)).abs())).exp()
        # Explicit sums, since softmax of torch is slow for few elements.
        width, height = (2 * BOUND * p / p.sum(-1, keepdim=True) for p in sizes.split(bins, -1))
        self.x, self.y = (pad(p.cumsum(-1), (1, 0)) - BOUND for p in (width, height))
        slope = pad((slopes / (1 + slopes.abs() / limit)).exp(), (1, 1), value=1.0)
        self.table = torch.stack(
            [self.x[..., :-1], width, self.y[..., :-1], height, slope[..., :-1], slope[..., 1:]],
            dim=-1,
        )

    def _bin(self, at: torch.Tensor, knots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the columns of the table for the bins of the values [...]."""
        index = (at[..., None] >= knots[..., 1:-1]).sum(-1)
        selected = index[..., None, None].expand(*index.shape, 1, 6)
        table = self.table.expand(*index.shape, *self.table.shape[-2:])
        return table.gather(-2, selected).squeeze(-2).unbind(-1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the values at x [...] and the logs of the slopes there."""
        inside = x.abs() < BOUND
        # Values outside must not give infinite gradients in the unused branch.
        at = torch.where(inside, x, 0.0)
        x0, width, y0, height, d0, d1 = self._bin(at, self.x)
        s = height / width
        t = (at - x0) / width
        both = t * (1 - t)
        below = s + (d0 + d1 - 2 * s) * both
        y = y0 + height * (s * t.square() + d0 * both) / below
        above = d1 * t.square() + 2 * s * both + d0 * (1 - t).square()
        log_slope = above.log() + 2 * (s / below).log()
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def inverse(self, y: torch.Tensor) -> torch.Tensor:
        """Return where the splines have the values y [...]."""
        inside = y.abs() < BOUND
        at = torch.where(inside, y, 0.0)
        x0, width, y0, height, d0, d1 = self._bin(at, self.y)
        s = height / width
        rise = at - y0
        bend = rise * (d0 + d1 - 2 * s)
        a = height * (s - d0) + bend
        b = height * d0 - bend
        c = -s * rise
        t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(inside, x0 + t * width, y)
