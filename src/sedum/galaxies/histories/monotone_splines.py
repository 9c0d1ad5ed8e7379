"""Monotone interpolation for many galaxies at once."""

from __future__ import annotations

import torch

__all__ = [
    "piecewise_linear",
    "piecewise_linear_mean",
    "rational_quadratic",
    "rational_quadratic_mean",
]


def piecewise_linear(u: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Interpolate linearly, with constant values beyond the ends.

    Parameters
    ----------
    u
        Points at which to evaluate, [k] or [n, k].
    x, y
        Knots, which must not decrease, and values, [n, m].

    Returns
    -------
    Tensor
        Interpolated values, [n, k].

    Examples
    --------
    >>> x, y = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 10.0]])
    >>> piecewise_linear(torch.tensor([0.5, 2.0]), x, y)
    tensor([[ 5., 10.]])
    """
    u = u.expand(len(x), -1).contiguous()
    i = (torch.searchsorted(x.detach().contiguous(), u.detach(), right=True) - 1).clamp(
        0, x.shape[1] - 2
    )
    x0, y0 = torch.gather(x, 1, i), torch.gather(y, 1, i)
    h = torch.gather(x, 1, i + 1) - x0
    # For bins without width, the next value holds beyond them.
    fraction = ((u - x0) / torch.where(h > 0, h, torch.ones_like(h))).clamp(0, 1)
    return y0 + (torch.gather(y, 1, i + 1) - y0) * fraction


def piecewise_linear_mean(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean over x, from the first to the last knot, of linear interpolations, [n].

    Parameters
    ----------
    x, y
        Knots and values, [n, m].

    Examples
    --------
    >>> piecewise_linear_mean(torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, 10.0]]))
    tensor([5.])
    """
    return torch.trapezoid(y, x, dim=1) / (x[:, -1] - x[:, 0])


def rational_quadratic(
    u: torch.Tensor, x: torch.Tensor, y: torch.Tensor, d: torch.Tensor
) -> torch.Tensor:
    """Evaluate monotone rational quadratic splines (Gregory & Delbourgo 1982).

    Parameters
    ----------
    u
        Points at which to evaluate, within the knots, [n, k] or [k].
    x, y
        Knots and values, increasing, [n, m].
    d
        Non-negative slopes at the knots, [n, m].

    Returns
    -------
    Tensor
        Values, [n, k].

    Examples
    --------
    >>> x = y = torch.tensor([[0.0, 0.5, 1.0]])
    >>> rational_quadratic(torch.tensor([0.25]), x, y, torch.ones_like(x))
    tensor([[0.2500]])
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


def rational_quadratic_mean(x: torch.Tensor, y: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    """Return the mean over x of monotone rational quadratic splines, in closed form.

    Parameters
    ----------
    x, y, d
        As for :func:`rational_quadratic`, with knots from 0 to 1.

    Returns
    -------
    Tensor
        Means, [n].

    Notes ----- Between two knots, let t run from 0 to 1, q = t (1 - t), and let a and b be the
    slopes in units of that of the secant. The spline rises by f = (t² + a q) / (1 + k q) with k = a
    + b - 2. Since t² = t - q and the denominator is symmetric about t = 1/2, the integral of f is
    J/2 + (a - 1) (1 - J) / k, where J is the integral of 1 / (1 + k q): an inverse hyperbolic
    tangent for positive k, an inverse tangent for negative k.

    Examples
    --------
    >>> x = y = torch.tensor([[0.0, 0.5, 1.0]])
    >>> rational_quadratic_mean(x, y, torch.ones_like(x))
    tensor([0.5000])
    """
    h, rise = x.diff(dim=1).clamp(min=1e-9), y.diff(dim=1)
    first, last = d[:, :-1] * h / rise, d[:, 1:] * h / rise
    k = first + last - 2
    # For small k the formula loses precision, so its series is used.
    small = k.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(k), k)
    root, height = safe.abs().sqrt(), (1 + safe / 4).sqrt()
    ratio = root / (2 * height)
    j = 2 / (root * height) * torch.where(safe > 0, torch.atanh(ratio), torch.atan(ratio))
    series = 1 / 6 - k / 30 + k**2 / 140 - k**3 / 630
    lost = torch.where(small, series, (1 - j) / safe)  # (1 - J) / k
    mean = (1 - k * lost) / 2 + (first - 1) * lost
    return ((y[:, :-1] + rise * mean) * x.diff(dim=1)).sum(1)
