"""One-dimensional prior transforms.

Each maps a uniform variate to a parameter by the inverse cumulative distribution, and back. A
transform may depend on parameters that come before it (``given``), so that conditional priors, such
as that of the specific star-formation rate given the mass, are one-to-one as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from scipy import special, stats

from sedum import config
from sedum.errors import SedumError

__all__ = ["Transform", "make_transform"]

Array = np.ndarray
Given = Mapping[str, Array]


#: The largest number below one: the logarithm of its complement is finite.
_BELOW_ONE = float(np.nextafter(1.0, 0.0))


class Transform(Protocol):
    """A one-dimensional prior; all arrays have shape [n].

    Examples
    --------
    >>> from sedum.config import UniformPrior
    >>> flat = make_transform("av", UniformPrior(kind="uniform", low=0, high=4), None)
    >>> flat.to_unit(np.array([1.0, 9.0]), {})
    array([0.25,  nan])
    """

    def from_unit(self, u: Array, given: Given) -> Array:
        """Return the parameter at cumulative probability ``u``."""

    def to_unit(self, x: Array, given: Given) -> Array:
        """Return the cumulative probability of ``x``; NaN outside the support."""

    def log_density(self, x: Array, given: Given) -> Array:
        """Return the log of the prior density at ``x``; -inf outside the support."""

    def limits(self, given: Given) -> tuple[Array | float, Array | float]:
        """Return the minimum and maximum that the prior allows."""


def _inside(x: Array, low: Array | float, high: Array | float) -> Array:
    """Return whether ``x`` lies within limits, up to rounding."""
    slack = 1e-9 * (np.abs(low) + np.abs(high) + 1e-300)
    return (x >= low - slack) & (x <= high + slack)


class Flat:
    """A distribution uniform in the parameter or in its logarithm."""

    def __init__(self, low: float, high: float, logarithmic: bool = False):
        self.low, self.high, self.logarithmic = low, high, logarithmic
        self._a = float(np.log(low)) if logarithmic else low
        self._b = float(np.log(high)) if logarithmic else high

    def from_unit(self, u: Array, given: Given) -> Array:
        x = self._a + (self._b - self._a) * u
        # exp(log(high)) may exceed high by rounding: draws must stay in the support.
        return np.clip(np.exp(x), self.low, self.high) if self.logarithmic else x

    def to_unit(self, x: Array, given: Given) -> Array:
        inside = _inside(x, self.low, self.high)
        y = np.log(np.where(inside, x, self.low)) if self.logarithmic else x
        return np.where(inside, np.clip((y - self._a) / (self._b - self._a), 0, 1), np.nan)

    def log_density(self, x: Array, given: Given) -> Array:
        inside = _inside(x, self.low, self.high)
        jacobian = np.log(np.where(inside, x, 1.0)) if self.logarithmic else 0.0
        return np.where(inside, -np.log(self._b - self._a) - jacobian, -np.inf)

    def limits(self, given: Given) -> tuple[Array | float, Array | float]:
        return self.low, self.high


class Located:
    """A truncated normal or Student's t distribution; its centre may depend on other parameters."""

    def __init__(
        self,
        centre: Any,
        sigma: float,
        low: float | None = None,
        high: float | None = None,
        dof: float | None = None,
    ):
        self.centre, self.sigma, self.dof = centre, sigma, dof
        self.low = -np.inf if low is None else low
        self.high = np.inf if high is None else high

    def _cdf(self, t: Array) -> Array:
        return special.ndtr(t) if self.dof is None else special.stdtr(self.dof, t)

    def _quantile(self, p: Array) -> Array:
        return special.ndtri(p) if self.dof is None else special.stdtrit(self.dof, p)

    def _frame(self, given: Given) -> tuple[Array, Array, Array, Array]:
        """Return centre, probability between the limits, cdf at the start, and mirror flag.

        If the centre lies below both limits, the distribution is mirrored, because only its upper
        tail keeps its precision.
        """
        mu = np.asarray(self.centre(given) if callable(self.centre) else self.centre, float)
        a, b = (self.low - mu) / self.sigma, (self.high - mu) / self.sigma
        mirror = a > 0
        lower = np.where(mirror, -b, a)
        upper = np.where(mirror, -a, b)
        start = self._cdf(lower)
        return mu, self._cdf(upper) - start, start, mirror

    def from_unit(self, u: Array, given: Given) -> Array:
        mu, mass, start, mirror = self._frame(given)
        t = self._quantile(start + np.where(mirror, 1 - u, u) * mass)
        return np.clip(mu + self.sigma * np.where(mirror, -t, t), self.low, self.high)

    def to_unit(self, x: Array, given: Given) -> Array:
        mu, mass, start, mirror = self._frame(given)
        t = (x - mu) / self.sigma
        u = (self._cdf(np.where(mirror, -t, t)) - start) / mass
        u = np.clip(np.where(mirror, 1 - u, u), 0, 1)
        return np.where((x >= self.low) & (x <= self.high), u, np.nan)

    def log_density(self, x: Array, given: Given) -> Array:
        mu, mass, _, _ = self._frame(given)
        t = (x - mu) / self.sigma
        base = stats.norm.logpdf(t) if self.dof is None else stats.t.logpdf(t, self.dof)
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, base - np.log(self.sigma) - np.log(mass), -np.inf)

    def limits(self, given: Given) -> tuple[Array | float, Array | float]:
        return self.low, self.high


class PiecewiseLinear:
    """A tabulated density, linear between its points; its integral is inverted exactly."""

    def __init__(self, x: list[float], density: list[float]):
        self.x = np.asarray(x, float)
        p = np.asarray(density, float)
        area = np.concatenate([[0], np.cumsum(np.diff(self.x) * (p[1:] + p[:-1]) / 2)])
        self.p, self.cdf = p / area[-1], area / area[-1]

    def from_unit(self, u: Array, given: Given) -> Array:
        i = np.clip(np.searchsorted(self.cdf, u, side="right") - 1, 0, len(self.x) - 2)
        h = self.x[i + 1] - self.x[i]
        p0, slope = self.p[i], (self.p[i + 1] - self.p[i]) / h
        c = np.maximum(u - self.cdf[i], 0)
        # The root of slope/2 d^2 + p0 d = c, in a form that is stable for slope -> 0.
        root = p0 + np.sqrt(np.maximum(p0**2 + 2 * slope * c, 0))
        d = np.divide(2 * c, root, out=np.zeros_like(c), where=root > 0)
        return self.x[i] + np.clip(d, 0, h)

    def _locate(self, x: Array) -> tuple[Array, Array, Array]:
        inside = _inside(x, self.x[0], self.x[-1])
        y = np.clip(np.where(inside, x, self.x[0]), self.x[0], self.x[-1])
        i = np.clip(np.searchsorted(self.x, y, side="right") - 1, 0, len(self.x) - 2)
        return inside, y - self.x[i], i

    def to_unit(self, x: Array, given: Given) -> Array:
        inside, d, i = self._locate(x)
        slope = (self.p[i + 1] - self.p[i]) / (self.x[i + 1] - self.x[i])
        return np.where(
            inside, np.clip(self.cdf[i] + d * (self.p[i] + slope * d / 2), 0, 1), np.nan
        )

    def log_density(self, x: Array, given: Given) -> Array:
        inside, d, i = self._locate(x)
        slope = (self.p[i + 1] - self.p[i]) / (self.x[i + 1] - self.x[i])
        p = np.where(inside, self.p[i] + slope * d, 0)
        return np.log(p, out=np.full_like(p, -np.inf), where=p > 0)

    def limits(self, given: Given) -> tuple[Array | float, Array | float]:
        # A segment has density if either of its ends has.
        positive = np.flatnonzero(self.p[1:] + self.p[:-1] > 0)
        return float(self.x[positive[0]]), float(self.x[positive[-1] + 1])


class BelowUniverseAge:
    """A uniform age between ``low`` and the minimum of ``high`` and the age of the Universe."""

    def __init__(self, low: float, high: float, universe_age: Any):
        self.low, self.high, self.universe_age = low, high, universe_age

    def _limits(self, given: Given) -> tuple[Array, Array]:
        top = np.minimum(self.high, self.universe_age(given["redshift"]))
        # In a Universe younger than ``low`` the range shrinks towards the oldest possible age.
        return np.minimum(self.low, 0.5 * top), top

    def from_unit(self, u: Array, given: Given) -> Array:
        low, high = self._limits(given)
        return low + (high - low) * u

    def to_unit(self, x: Array, given: Given) -> Array:
        low, high = self._limits(given)
        u = np.clip((x - low) / (high - low), 0, 1)
        return np.where(_inside(x, low, high), u, np.nan)

    def log_density(self, x: Array, given: Given) -> Array:
        low, high = self._limits(given)
        return np.where(_inside(x, low, high), -np.log(high - low), -np.inf)

    def limits(self, given: Given) -> tuple[Array | float, Array | float]:
        return self._limits(given)


class DirichletStep:
    """One interval of a Dirichlet distribution, given the running sum before it (stick breaking).

    If ``k`` intervals follow, all with concentration ``alpha``, the fraction that this one takes of
    the remainder has the distribution Beta(alpha, k alpha).
    """

    def __init__(self, alpha: float, remaining: int, before: str | None):
        self.a, self.b, self.before = alpha, alpha * remaining, before

    def _start(self, given: Given) -> Array | float:
        return given[self.before] if self.before else 0.0

    def from_unit(self, u: Array, given: Given) -> Array:
        start = self._start(given)
        if self.a == 1.0:  # closed form of the common case
            fraction = -np.expm1(np.log1p(-np.minimum(u, _BELOW_ONE)) / self.b)
        else:
            fraction = special.betaincinv(self.a, self.b, u)
        return start + (1 - start) * fraction

    def _fraction(self, x: Array, given: Given) -> tuple[Array, Array]:
        start = self._start(given)
        left = np.maximum(1 - np.asarray(start), 1e-300)
        fraction = (x - start) / left
        return fraction, left

    def to_unit(self, x: Array, given: Given) -> Array:
        fraction, _ = self._fraction(x, given)
        inside = _inside(fraction, 0.0, 1.0)
        return np.where(inside, special.betainc(self.a, self.b, np.clip(fraction, 0, 1)), np.nan)

    def log_density(self, x: Array, given: Given) -> Array:
        fraction, left = self._fraction(x, given)
        return stats.beta.logpdf(fraction, self.a, self.b) - np.log(left)

    def limits(self, given: Given) -> tuple[Array | float, Array | float]:
        return self._start(given), 1.0


def make_transform(name: str, spec: Any, universe_age: Any) -> Transform:
    """Return the transform of a prior of the run file.

    Parameters
    ----------
    name
        Name of the parameter, for messages.
    spec
        A prior of :mod:`sedum.config` of any kind but ``fixed`` and ``dirichlet``.
    universe_age
        Function from redshift to the age of the Universe in Gyr.

    Raises
    ------
    SedumError
        If the prior is of one of these two kinds.

    Examples
    --------
    >>> from sedum.config import NormalPrior
    >>> normal = make_transform("log_z", NormalPrior(kind="normal", mean=-2, sigma=0.5), None)
    >>> normal.from_unit(np.array([0.5, 0.8413]), {}).round(2)
    array([-2. , -1.5])
    """
    match spec:
        case config.UniformPrior():
            return Flat(spec.low, spec.high)
        case config.LogUniformPrior():
            return Flat(spec.low, spec.high, logarithmic=True)
        case config.NormalPrior():
            return Located(spec.mean, spec.sigma, spec.low, spec.high)
        case config.StudentTPrior():
            return Located(spec.mean, spec.sigma, spec.low, spec.high, spec.dof)
        case config.TabulatedPrior():
            return PiecewiseLinear(spec.x, spec.density)
        case config.MainSequencePrior():

            def centre(given: Given) -> Array:
                return (
                    spec.at_1e10
                    + spec.slope * (given["log_mass"] - 10)
                    + spec.evolution * np.log10(1 + given["redshift"])
                )

            return Located(centre, spec.sigma, spec.low, spec.high, spec.dof)
        case config.MassMetallicityPrior():

            def relation(given: Given) -> Array:
                return spec.at_1e10 + spec.slope * (given["log_mass"] - 10)

            return Located(relation, spec.sigma, spec.low, spec.high)
        case config.UniverseAgePrior():
            return BelowUniverseAge(spec.low, spec.high, universe_age)
    raise SedumError(f"priors.{name}: a {spec.kind!r} prior cannot be used here")
