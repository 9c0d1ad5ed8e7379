"""The training loss of hypernetwork flows and its gradient on the CPU, in one pass per galaxy.

A step of training evaluates each flow at one point only. Torch then spends most of its time
starting operations on small arrays and differentiating them one by one; the loops below compute
the loss and its gradient together. A test compares them with torch's own differentiation.
Functions release the interpreter's lock, so that galaxies can be divided among threads.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch.autograd.function import once_differentiable

from sedum.infer.densities.flow_limits import FIRST_LIMIT, LATER_LIMIT, WIDTH_LIMIT
from sedum.infer.densities.rational_splines import BOUND, SMALLEST
from sedum.parallel.threads import in_threads

__all__ = ["flow_loss"]

_BOUND = np.float32(BOUND)
_LIMIT = np.float32(-np.log(SMALLEST))
_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)
_FIRST, _LATER, _WIDTH = np.float32(FIRST_LIMIT), np.float32(LATER_LIMIT), np.float32(WIDTH_LIMIT)
_LOG_2PI = np.float32(np.log(2 * np.pi))
# Of the exponential: its range, ln 2 in two parts, and the polynomial (Moshier's Cephes).
_ARGUMENT = np.float32(87)
_LOG2_E, _LN2_HIGH, _LN2_LOW = (
    np.float32(np.log2(np.e)),
    np.float32(0.693359375),
    np.float32(-2.12194440e-4),
)
_E = tuple(
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)
#: Number of galaxies that a thread computes at a time.
_PORTION = 128

# Sums may be reordered, but values that are not finite stay so: they end a training.
_jit = njit(
    cache=True, nogil=True, fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy"
)


@_jit
def _exponential(x: np.ndarray, power: np.ndarray) -> None:
    """Replace numbers by their exponentials, in a loop without calls that runs in vectors.

    This is Cephes' expf: x = n ln 2 + r with |r| <= ln 2 / 2, and a polynomial of r.
    """
    for i in range(x.shape[0]):
        v = min(max(x[i], -_ARGUMENT), _ARGUMENT)
        n = np.floor(v * _LOG2_E + _HALF)
        power[i] = (np.int32(n) + np.int32(127)) << np.int32(23)
        r = v - n * _LN2_HIGH - n * _LN2_LOW
        q = (((((_E[0] * r + _E[1]) * r + _E[2]) * r + _E[3]) * r + _E[4]) * r + _E[5]) * r * r
        x[i] = q + r + _ONE if x[i] == x[i] else x[i]
    scale = power.view(np.float32)
    for i in range(x.shape[0]):
        x[i] *= scale[i]


@_jit
def _limited(
    p: np.ndarray,
    d: int,
    layers: int,
    bins: int,
    components: int,
    e: np.ndarray,
    power: np.ndarray,
) -> None:
    """Write the limited forms of one flow's parameters, [size], where each has its place.

    They are the relative sizes of bins and the slopes; tanh(p / limit) of the diagonals; and
    the inverse widths of the components. Other places hold nothing of use.
    """
    off = d * (d - 1) // 2
    affine, spline = off + 2 * d, 3 * bins - 1
    stride = affine + d * spline
    end = layers * stride + affine
    for layer in range(layers + 1):
        at = layer * stride + off
        limit = _FIRST if layer == 0 else _LATER
        for i in range(at, at + d):
            e[i] = _TWO * p[i] / limit
    for layer in range(layers):
        for j in range(d):
            at = layer * stride + affine + j * spline
            for i in range(at, at + 2 * bins):
                e[i] = p[i] / (_ONE + abs(p[i]) * _TWO / _LIMIT)
            for i in range(at + 2 * bins, at + spline):
                e[i] = p[i] / (_ONE + abs(p[i]) / _LIMIT)
    first = end + components * (1 + d)
    last = first + components * d if components > 1 else first
    for i in range(first, last):
        e[i] = _TWO * p[i] / _WIDTH
    _exponential(e, power)
    for layer in range(layers + 1):
        at = layer * stride + off
        for i in range(at, at + d):
            e[i] = _ONE - _TWO / (e[i] + _ONE)
    for i in range(first, last):
        e[i] = -_WIDTH * (_ONE - _TWO / (e[i] + _ONE))
    _exponential(e[first:last], power[: last - first])


@_jit
def _affine(
    p: np.ndarray, e: np.ndarray, x: np.ndarray, first: bool, lower: bool, out: np.ndarray
) -> np.float32:
    """Write the triangular map of a point, [d]; return the log of its determinant."""
    d = x.shape[0]
    off = d * (d - 1) // 2
    limit = _FIRST if first else _LATER
    total = np.float32(0)
    for i in range(d):
        log_diagonal = limit * e[off + i]
        total += log_diagonal
        out[i] = np.exp(log_diagonal) * x[i] + p[off + d + i]
    for i in range(1, d):
        for j in range(i):
            m = p[i * (i - 1) // 2 + j]
            if lower:
                out[i] += m * x[j]
            else:
                out[j] += m * x[i]
    return total


@_jit
def _affine_gradient(
    p: np.ndarray,
    e: np.ndarray,
    x: np.ndarray,
    first: bool,
    lower: bool,
    gradient: np.ndarray,
    back: np.ndarray,
) -> None:
    """Write the gradient of the loss in the map's parameters; carry that in the point back."""
    d = x.shape[0]
    off = d * (d - 1) // 2
    limit = _FIRST if first else _LATER
    before = np.empty(d, np.float32)
    for i in range(d):
        relative = e[off + i]
        diagonal = np.exp(limit * relative)
        gradient[off + i] = (back[i] * diagonal * x[i] - _ONE) * (_ONE - relative * relative)
        gradient[off + d + i] = back[i]
        before[i] = diagonal * back[i]
    for i in range(1, d):
        for j in range(i):
            k = i * (i - 1) // 2 + j
            row, column = (i, j) if lower else (j, i)
            gradient[k] = back[row] * x[column]
            before[column] += p[k] * back[row]
    back[:] = before


@_jit
def _spline(e: np.ndarray, bins: int, x: np.float32, saved: np.ndarray) -> np.float32:
    """Return the spline's value at x, which is inside its interval.

    ``saved`` receives what the gradient needs, [9]: the bin, its x0, width and height, the two
    slopes, the sums of the relative widths and heights, and the log of the slope at x.
    """
    widths, heights = np.float32(0), np.float32(0)
    for k in range(bins):
        widths += e[k]
        heights += e[bins + k]
    x0, y0 = -_BOUND, -_BOUND
    width = _TWO * _BOUND * e[0] / widths
    height = _TWO * _BOUND * e[bins] / heights
    at = 0
    while at < bins - 1 and x >= x0 + width:
        x0 += width
        y0 += height
        at += 1
        width = _TWO * _BOUND * e[at] / widths
        height = _TWO * _BOUND * e[bins + at] / heights
    d0 = e[2 * bins + at - 1] if at > 0 else _ONE
    d1 = e[2 * bins + at] if at < bins - 1 else _ONE
    chord = height / width
    t = (x - x0) / width
    both = t * (_ONE - t)
    below = chord + (d0 + d1 - _TWO * chord) * both
    above = d1 * t * t + _TWO * chord * both + d0 * (_ONE - t) * (_ONE - t)
    saved[0], saved[1], saved[2], saved[3] = at, x0, width, height
    saved[4], saved[5], saved[6], saved[7] = d0, d1, widths, heights
    saved[8] = np.log(above * (chord / below) * (chord / below))
    return y0 + height * (chord * t * t + d0 * both) / below


@_jit
def _spline_gradient(
    p: np.ndarray,
    e: np.ndarray,
    bins: int,
    x: np.float32,
    saved: np.ndarray,
    back: np.float32,
    gradient: np.ndarray,
) -> np.float32:
    """Write the gradient of the loss in the spline's parameters; return that in x."""
    at = int(saved[0])
    x0, width, height = saved[1], saved[2], saved[3]
    d0, d1, widths, heights = saved[4], saved[5], saved[6], saved[7]
    s = height / width
    t = (x - x0) / width
    both = t * (_ONE - t)
    below = s + (d0 + d1 - _TWO * s) * both
    value = (s * t * t + d0 * both) / below
    above = d1 * t * t + _TWO * s * both + d0 * (_ONE - t) * (_ONE - t)
    # The loss is minus the log of the slope, and what follows from the value.
    g_top = back * height / below
    g_below = (_TWO - back * height * value) / below
    g_above = -_ONE / above
    turn = _ONE - _TWO * t
    g_t = (
        g_top * (_TWO * s * t + d0 * turn)
        + g_below * (d0 + d1 - _TWO * s) * turn
        + g_above * _TWO * (d1 * t + s * turn - d0 * (_ONE - t))
    )
    g_s = g_top * t * t + g_below * (_ONE - _TWO * both) + g_above * _TWO * both - _TWO / s
    g_d0 = (g_top + g_below) * both + g_above * (_ONE - t) * (_ONE - t)
    g_d1 = g_below * both + g_above * t * t
    g_x = g_t / width
    g_width = -(g_s * s + g_t * t) / width
    g_height = back * value + g_s / width
    for k in range(bins - 1):
        gradient[2 * bins + k] = 0
    if at > 0:
        slow = _ONE + abs(p[2 * bins + at - 1]) / _LIMIT
        gradient[2 * bins + at - 1] = g_d0 * d0 / (slow * slow)
    if at < bins - 1:
        slow = _ONE + abs(p[2 * bins + at]) / _LIMIT
        gradient[2 * bins + at] = g_d1 * d1 / (slow * slow)
    # The knots are sums of the sizes of the bins before, and all sizes are divided by their sum.
    mean_width, mean_height = g_width * e[at], g_height * e[bins + at]
    for k in range(at):
        mean_width -= g_x * e[k]
        mean_height += back * e[bins + k]
    mean_width, mean_height = mean_width / widths, mean_height / heights
    for k in range(bins):
        gradient[k] = (-g_x if k < at else np.float32(0)) - mean_width
        gradient[bins + k] = (back if k < at else np.float32(0)) - mean_height
    gradient[at] = g_width - mean_width
    gradient[bins + at] = g_height - mean_height
    for k in range(bins):
        slow = _ONE + abs(p[k]) * _TWO / _LIMIT
        gradient[k] *= _TWO * _BOUND * e[k] / (widths * slow * slow)
        slow = _ONE + abs(p[bins + k]) * _TWO / _LIMIT
        gradient[bins + k] *= _TWO * _BOUND * e[bins + k] / (heights * slow * slow)
    return g_x


@_jit
def _base(
    p: np.ndarray,
    e: np.ndarray,
    components: int,
    x: np.ndarray,
    gradient: np.ndarray,
    back: np.ndarray,
) -> np.float32:
    """Return minus the log density of the base at x, [d]; write its gradients in p and x."""
    d = x.shape[0]
    if components == 1:
        total = np.float32(0)
        for j in range(d):
            total += _HALF * (x[j] * x[j] + _LOG_2PI)
            back[j] = x[j]
        return total
    log_density = np.empty(components, np.float32)
    largest_logit = p[0]
    for k in range(1, components):
        largest_logit = max(largest_logit, p[k])
    logits = np.float32(0)
    for k in range(components):
        logits += np.exp(p[k] - largest_logit)
    largest = np.float32(-np.inf)
    for k in range(components):
        centre, width = components + k * d, components * (1 + d) + k * d
        squares, volume = np.float32(0), _ONE
        for j in range(d):
            z = (x[j] - p[centre + j]) * e[width + j]
            squares += z * z
            volume *= e[width + j]
        value = p[k] - largest_logit + np.log(volume / logits) - _HALF * (squares + d * _LOG_2PI)
        log_density[k] = value
        largest = max(largest, value)
    total = np.float32(0)
    for k in range(components):
        log_density[k] = np.exp(log_density[k] - largest)
        total += log_density[k]
    for j in range(d):
        back[j] = 0
    for k in range(components):
        centre, width = components + k * d, components * (1 + d) + k * d
        weight = log_density[k] / total
        gradient[k] = np.exp(p[k] - largest_logit) / logits - weight
        for j in range(d):
            z = (x[j] - p[centre + j]) * e[width + j]
            pull = weight * z * e[width + j]
            back[j] += pull
            gradient[centre + j] = -pull
            gradient[width + j] = weight * (_ONE - z * z)
    # The slope of each limit: the log of a width is limit * tanh(p / limit).
    for i in range(components * (1 + d), components * (1 + 2 * d)):
        relative = np.log(e[i]) / _WIDTH
        gradient[i] *= _ONE - relative * relative
    return -(largest + np.log(total))


@_jit
def _loss(
    parameters: np.ndarray,
    y: np.ndarray,
    layers: int,
    bins: int,
    components: int,
    loss: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Write minus the log density of each flow at one point, and its gradient in the parameters.

    Parameters
    ----------
    parameters
        Of each flow, float32, [n, size]; :class:`~.hypernetwork_flow.FlowShape` lays them out.
    y
        The points, float32, [n, d].
    layers, bins, components
        The shape of the flow and of its base.
    loss, gradient
        What is written, float32, [n] and [n, size].
    """
    n, d = y.shape
    affine = d * (d - 1) // 2 + 2 * d
    spline = 3 * bins - 1
    stride = affine + d * spline
    points = np.empty((2 * layers + 2, d), np.float32)  # before each map, and behind the last
    saved = np.empty((layers, d, 9), np.float32)
    back = np.empty(d, np.float32)
    limited = np.zeros(parameters.shape[1], np.float32)
    power = np.empty(parameters.shape[1], np.int32)
    for g in range(n):
        p, e, out = parameters[g], limited, gradient[g]
        _limited(p, d, layers, bins, components, e, power)
        points[0] = y[g]
        total = _affine(p[:affine], e[:affine], points[0], True, True, points[1])
        for layer in range(layers):
            at = layer * stride + affine
            x, mapped = points[2 * layer + 1], points[2 * layer + 2]
            for j in range(d):
                mapped[j] = x[j]
                if abs(x[j]) < _BOUND:
                    own = e[at + j * spline : at + (j + 1) * spline]
                    mapped[j] = _spline(own, bins, x[j], saved[layer, j])
                    total += saved[layer, j, 8]
            at += d * spline
            total += _affine(
                p[at : at + affine],
                e[at : at + affine],
                mapped,
                False,
                layer % 2 == 1,
                points[2 * layer + 3],
            )
        at = layers * stride + affine
        normal = _base(p[at:], e[at:], components, points[2 * layers + 1], out[at:], back)
        loss[g] = normal - total
        for layer in range(layers - 1, -1, -1):
            at = layer * stride + affine + d * spline
            _affine_gradient(
                p[at : at + affine],
                e[at : at + affine],
                points[2 * layer + 2],
                False,
                layer % 2 == 1,
                out[at : at + affine],
                back,
            )
            at -= d * spline
            x = points[2 * layer + 1]
            for j in range(d):
                start = at + j * spline
                stop = start + spline
                if abs(x[j]) < _BOUND:
                    back[j] = _spline_gradient(
                        p[start:stop],
                        e[start:stop],
                        bins,
                        x[j],
                        saved[layer, j],
                        back[j],
                        out[start:stop],
                    )
                else:
                    out[start:stop] = 0
        _affine_gradient(p[:affine], e[:affine], points[0], True, True, out[:affine], back)


class _FlowLoss(torch.autograd.Function):
    """The loss as an operation of torch, whose gradient is computed with it."""

    @staticmethod
    def forward(ctx, parameters, y, layers, bins, components):  # type: ignore[no-untyped-def]
        values, points = parameters.detach().contiguous().numpy(), y.contiguous().numpy()
        loss = torch.empty(len(y))
        gradient = torch.empty(parameters.shape)
        out, slopes = loss.numpy(), gradient.numpy()

        def portion(start: int) -> None:
            rows = slice(start, start + _PORTION)
            _loss(values[rows], points[rows], layers, bins, components, out[rows], slopes[rows])

        for _ in in_threads(portion, range(0, len(y), _PORTION)):
            pass
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensors
        return gradient.mul_(upstream[:, None]), None, None, None, None


def flow_loss(
    parameters: torch.Tensor, y: torch.Tensor, layers: int, bins: int, components: int
) -> torch.Tensor:
    """Return minus the log density of each flow at one point, with its gradient.

    Parameters
    ----------
    parameters
        Of each flow, float32 on the CPU, [n, size]; see
        :class:`~sedum.infer.densities.hypernetwork_flow.FlowShape`.
    y
        The points, float32, [n, d]; no gradient flows into them.
    layers, bins, components
        The shape of the flow and of its base.

    Returns
    -------
    Tensor
        [n]

    Examples
    --------
    >>> import torch
    >>> y = torch.zeros(2, 3)
    >>> parameters = torch.zeros(2, 93, requires_grad=True)  # zeros give the identity
    >>> loss = flow_loss(parameters, y, layers=2, bins=4, components=1)
    >>> loss.detach().numpy().round(3)
    array([2.757, 2.757], dtype=float32)
    >>> loss.sum().backward()
    >>> parameters.grad.shape
    torch.Size([2, 93])
    """
    return _FlowLoss.apply(parameters, y, layers, bins, components)
