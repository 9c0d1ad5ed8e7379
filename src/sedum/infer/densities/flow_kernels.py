"""Drawing and evaluating flows on the CPU: fused loops over galaxies, layers and draws.

What :mod:`sedum.infer.densities.hypernetwork_flow` says in torch, for training and for GPUs, is
said here once more for numba, in single precision, with a galaxy's draws as the innermost loops so
that they run in vector registers. A test holds the two to each other. Functions release the
interpreter's lock: portions of galaxies run side by side in threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit

from sedum.infer.densities.base_samples import SMALLEST_UNIFORM
from sedum.infer.densities.flow_limits import FIRST_LIMIT, LATER_LIMIT, WIDTH_LIMIT
from sedum.infer.densities.rational_splines import BOUND, SMALLEST

__all__ = ["drawing", "normals"]

_BOUND = np.float32(BOUND)
_LIMIT = np.float32(-np.log(SMALLEST))
_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)

# Inverse of the cumulative normal distribution by Acklam's rational functions (relative error
# 1e-9, of which single precision keeps 1e-7).
_A, _B, _C, _D = (
    np.array(numbers, np.float32)
    for numbers in (
        [
            -39.69683028665376,
            220.9460984245205,
            -275.9285104469687,
            138.357751867269,
            -30.66479806614716,
            2.506628277459239,
        ],
        [
            -54.47609879822406,
            161.5858368580409,
            -155.6989798598866,
            66.80131188771972,
            -13.28068155288572,
            1.0,
        ],
        [
            -0.007784894002430293,
            -0.3223964580411365,
            -2.400758277161838,
            -2.549732539343734,
            4.374664141464968,
            2.938163982698783,
        ],
        [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0],
    )
)
_TAIL = np.float32(0.02425)
_SMALLEST_UNIFORM = np.float32(SMALLEST_UNIFORM)
_ARGUMENT = np.float32(30)
_FIRST, _LATER, _WIDTH = np.float32(FIRST_LIMIT), np.float32(LATER_LIMIT), np.float32(WIDTH_LIMIT)

_jit = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@_jit
def normals(points: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
    """Fill one galaxy's standard normals from quasi-random points shifted modulo one.

    Parameters
    ----------
    points
        In the unit cube, float32, [d, draws].
    shift
        [d]
    out
        Normals, float32, [d, draws].
    """
    d, draws = points.shape
    for j in range(d):
        moved = shift[j]
        for i in range(draws):
            u = points[j, i] + moved
            u -= np.float32(u >= _ONE)
            u = min(max(u, _SMALLEST_UNIFORM), _ONE - _SMALLEST_UNIFORM)
            q = u - _HALF
            r = q * q
            above = ((((_A[0] * r + _A[1]) * r + _A[2]) * r + _A[3]) * r + _A[4]) * r + _A[5]
            below = ((((_B[0] * r + _B[1]) * r + _B[2]) * r + _B[3]) * r + _B[4]) * r + _B[5]
            out[j, i] = q * above / below
        # The few in the tails need logarithms, which would keep the loop above from vectors.
        for i in range(draws):
            u = points[j, i] + moved
            u -= np.float32(u >= _ONE)
            u = min(max(u, _SMALLEST_UNIFORM), _ONE - _SMALLEST_UNIFORM)
            p = min(u, _ONE - u)
            if p < _TAIL:
                t = np.sqrt(-_TWO * np.log(p))
                above = ((((_C[0] * t + _C[1]) * t + _C[2]) * t + _C[3]) * t + _C[4]) * t + _C[5]
                below = (((_D[0] * t + _D[1]) * t + _D[2]) * t + _D[3]) * t + _D[4]
                z = above / below
                out[j, i] = z if u < _HALF else -z


@_jit
def _affine_inverse(
    p: np.ndarray, d: int, first: bool, lower: bool, inverse: np.ndarray, shift: np.ndarray
) -> None:
    """Write the inverse of a triangular map's matrix, [d, d], and its shift, [d]."""
    off = d * (d - 1) // 2
    limit = _FIRST if first else _LATER
    diagonal = np.empty(d, np.float32)
    for j in range(d):
        diagonal[j] = np.exp(limit * np.tanh(p[off + j] / limit))
        shift[j] = p[off + d + j]
    inverse[:] = 0
    # Columns of the inverse by substitution; the elements stand row by row below the diagonal,
    # or, transposed, above it.
    for c in range(d):
        inverse[c, c] = _ONE / diagonal[c]
        if lower:
            for i in range(c + 1, d):
                total = np.float32(0)
                for k in range(c, i):
                    total += p[i * (i - 1) // 2 + k] * inverse[k, c]
                inverse[i, c] = -total / diagonal[i]
        else:
            for i in range(c - 1, -1, -1):
                total = np.float32(0)
                for k in range(i + 1, c + 1):
                    total += p[k * (k - 1) // 2 + i] * inverse[k, c]
                inverse[i, c] = -total / diagonal[i]


@_jit
def _knots(p: np.ndarray, bins: int, table: np.ndarray) -> None:
    """Write a spline's bins, [bins, 6]: y0, height, slope of the chord, d0, d0 + d1 - 2 s, x0."""
    widths, heights = np.float32(0), np.float32(0)
    for k in range(bins):
        table[k, 5] = np.exp(p[k] / (_ONE + abs(p[k]) * _TWO / _LIMIT))
        table[k, 1] = np.exp(p[bins + k] / (_ONE + abs(p[bins + k]) * _TWO / _LIMIT))
        widths += table[k, 5]
        heights += table[k, 1]
    x, y, before = -_BOUND, -_BOUND, _ONE
    for k in range(bins):
        width = _TWO * _BOUND * table[k, 5] / widths
        height = _TWO * _BOUND * table[k, 1] / heights
        after = _ONE
        if k < bins - 1:
            s = p[2 * bins + k]
            after = np.exp(s / (_ONE + abs(s) / _LIMIT))
        chord = height / width
        table[k, 0], table[k, 1], table[k, 2] = y, height, chord
        table[k, 3], table[k, 4], table[k, 5] = before, before + after - _TWO * chord, x
        x += width
        y += height
        before = after


def _spline_inverse_of(bins: int) -> Callable[..., None]:
    """Return the inverse of splines of so many bins, for the compiler to unroll."""

    @_jit
    def spline_inverse(values: np.ndarray, table: np.ndarray) -> None:
        """Replace numbers, [draws], by where a spline has them as its values."""
        for i in range(values.shape[0]):
            y = values[i]
            y0, height, s = table[0, 0], table[0, 1], table[0, 2]
            d0, bend, x0 = table[0, 3], table[0, 4], table[0, 5]
            for k in range(1, bins):  # choices without branches: all draws side by side
                above = y >= table[k, 0]
                y0 = table[k, 0] if above else y0
                height = table[k, 1] if above else height
                s = table[k, 2] if above else s
                d0 = table[k, 3] if above else d0
                bend = table[k, 4] if above else bend
                x0 = table[k, 5] if above else x0
            rise = y - y0
            turn = rise * bend
            a = height * (s - d0) + turn
            b = height * d0 - turn
            c = s * rise
            root = np.sqrt(max(b * b + np.float32(4) * a * c, np.float32(0)))
            x = x0 + _TWO * c / (b + root) * (height / s)
            values[i] = x if abs(y) < _BOUND else y

    return spline_inverse


@_jit
def _mix(p: np.ndarray, components: int, d: int, uniform: np.ndarray, values: np.ndarray) -> None:
    """Turn standard normals [d, draws] into draws of a mixture; [draws] choose components."""
    draws = uniform.shape[0]
    cumulative = np.empty(components, np.float32)
    largest = p[0]
    for k in range(1, components):
        largest = max(largest, p[k])
    total = np.float32(0)
    for k in range(components):
        total += np.exp(p[k] - largest)
        cumulative[k] = total
    widths = np.empty(components, np.float32)
    for j in range(d):
        for k in range(components):
            w = p[components * (1 + d) + k * d + j]
            widths[k] = np.exp(_WIDTH * np.tanh(w / _WIDTH))
        for i in range(draws):
            u = uniform[i] * total
            centre, width = p[components + j], widths[0]
            for k in range(1, components):
                if u > cumulative[k - 1]:
                    centre, width = p[components + k * d + j], widths[k]
            values[j, i] = centre + width * values[j, i]


@_jit
def _base_transformed(p: np.ndarray, d: int, values: np.ndarray) -> None:
    """Map standard normals [d, draws] as :class:`sedum.infer.recalibration.BaseTransform` does."""
    draws = values.shape[1]
    for j in range(d):
        tail, skew = p[2 * d + j], p[3 * d + j]
        for i in range(draws):
            v = values[j, i]
            a = np.log(abs(v) + np.sqrt(v * v + _ONE))
            a = tail * (a if v >= 0 else -a) + skew
            e = np.exp(min(max(a, -_ARGUMENT), _ARGUMENT))
            values[j, i] = _HALF * (e - _ONE / e)
    # From the last coordinate down: those before it are still as they were.
    for j in range(d - 1, -1, -1):
        for k in range(j):
            m = p[4 * d + j * d + k]
            for i in range(draws):
                values[j, i] += m * values[k, i]
        shift, scale = p[j], p[d + j]
        for i in range(draws):
            values[j, i] = shift + scale * values[j, i]


@lru_cache(maxsize=8)
def drawing(bins: int) -> Callable[..., None]:
    """Return the function that draws from flows whose splines have so many bins.

    It is called as ``draw(parameters, points, shifts, layers, components, transforms, out)``.
    """
    spline_inverse = _spline_inverse_of(bins)

    @_jit
    def draw(
        parameters: np.ndarray,
        points: np.ndarray,
        shifts: np.ndarray,
        layers: int,
        components: int,
        transforms: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Draw from the flows of some galaxies.

        Parameters
        ----------
        parameters
            Of each flow, float32, [n, size], as
            :class:`~sedum.infer.densities.hypernetwork_flow.FlowShape` lays them out.
        points
            Quasi-random points in the unit cube, float32, [d, draws]; of a mixture [d + 1, draws].
        shifts
            Of each galaxy, float32, [n, d (+ 1)].
        layers, components
            The shape of the flow and of its base.
        transforms
            Maps of the standard normals, as
            :class:`~sedum.infer.recalibration.BaseTransform` packs them, float32, [n, size];
            [n, 0] for none.
        out
            Latent draws, float32, [n, d, draws].
        """
        n = parameters.shape[0]
        d, draws = out.shape[1:]
        affine = d * (d - 1) // 2 + 2 * d
        spline = 3 * bins - 1
        stride = affine + d * spline
        inverse = np.empty((d, d), np.float32)
        shift = np.empty(d, np.float32)
        table = np.empty((bins, 6), np.float32)
        x = np.empty((d, draws), np.float32)
        uniform = np.empty(draws, np.float32)
        for g in range(n):
            normals(points[:d], shifts[g, :d], out[g])
            if transforms.shape[1] > 0:
                _base_transformed(transforms[g], d, out[g])
            if components > 1:
                for i in range(draws):
                    u = points[d, i] + shifts[g, d]
                    uniform[i] = u - np.float32(u >= _ONE)
                first = layers * stride + affine
                _mix(parameters[g, first:], components, d, uniform, out[g])
            for layer in range(layers, -1, -1):
                start = layer * stride
                _affine_inverse(
                    parameters[g, start : start + affine],
                    d,
                    layer == 0,
                    layer % 2 == 0,
                    inverse,
                    shift,
                )
                for j in range(d):
                    for i in range(draws):
                        x[j, i] = 0
                for k in range(d):
                    for j in range(d):
                        m = inverse[j, k]
                        if m != 0:
                            for i in range(draws):
                                x[j, i] += m * (out[g, k, i] - shift[k])
                for j in range(d):
                    if layer > 0:
                        first = start - d * spline + j * spline
                        _knots(parameters[g, first : first + spline], bins, table)
                        spline_inverse(x[j], table)
                    for i in range(draws):
                        out[g, j, i] = x[j, i]

    return draw
