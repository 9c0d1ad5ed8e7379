"""The joint prior: all parameters of a model as a one-to-one map from the latent space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from scipy import special

from sedum import config
from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced, listed
from sedum.priors.transforms import DirichletStep, Transform, make_transform

__all__ = ["Prior"]

#: Latent coordinates are limited to this number of standard deviations. In float64 the cumulative
#: probabilities beyond it equal one.
LATENT_LIMIT = 8.0
#: Number of rows that are transformed together.
_PORTION = 8000


class Prior(Introduced):
    """The joint prior of a model's parameters.

    It connects three spaces: the unit cube ``u``, [n, d]; the parameters ``theta``, [n,
    len(names)], fixed ones included; and the latent space y = Φ⁻¹(u), [n, d], in which the prior is
    a standard normal distribution.

    Parameters
    ----------
    specs
        Prior of each entry, in order. A prior may depend on the parameters before it.
    universe_age
        Function from redshift to the age of the Universe in Gyr.
    vectors
        Names of the parameters of each entry that stands for several: running sums of a Dirichlet
        distribution, or independent parameters with the same prior.

    Attributes
    ----------
    names
        Names of the parameters in ``theta``, fixed ones included.
    free
        Names of the parameters that are inferred: the columns of ``u`` and ``y``.
    specs
        The priors.

    Raises
    ------
    SedumError
        If all parameters are fixed.

    Examples
    --------
    >>> from sedum.config import UniformPrior
    >>> prior = Prior({"redshift": UniformPrior(kind="uniform", low=0, high=2)}, lambda z: z)
    >>> float(prior.from_latent(np.zeros((1, 1)))[0, 0])
    1.0
    >>> prior.sample(1000, np.random.default_rng(1)).shape
    (1000, 1)
    >>> prior.log_density(np.array([[0.5], [3.0]])).round(3)
    array([-0.693,   -inf])
    """

    def __init__(
        self,
        specs: dict[str, config.AnyPrior],
        universe_age: Callable[[np.ndarray], np.ndarray],
        vectors: Mapping[str, list[str]] | None = None,
    ):
        self.specs = dict(specs)
        self._steps: list[tuple[str, Transform | float]] = []
        #: The entry that each parameter belongs to.
        self.entry_of: dict[str, str] = {}
        for entry, spec in specs.items():
            names = (vectors or {}).get(entry, [entry])
            self.entry_of |= dict.fromkeys(names, entry)
            if isinstance(spec, config.FixedPrior):
                self._steps += [(name, spec.value) for name in names]
            elif isinstance(spec, config.DirichletPrior):
                self._steps += _dirichlet(spec, names)
            else:
                self._steps += [(name, make_transform(name, spec, universe_age)) for name in names]
        self.names = [name for name, _ in self._steps]
        self.free = [name for name, step in self._steps if not isinstance(step, float)]
        if not self.free:
            raise SedumError("priors: every parameter is fixed; leave at least one free")

    def _facts(self) -> Facts:
        fixed = [name for name in self.names if name not in self.free]
        facts = {"free": listed(self.free, 8)}
        return "", facts | ({"fixed": listed(fixed)} if fixed else {})

    @property
    def dimension(self) -> int:
        """The number of free parameters."""
        return len(self.free)

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Map the unit cube [n, d] to parameters [n, len(names)]."""
        columns: dict[str, np.ndarray] = {}
        column = iter(np.asarray(u, float).T)
        for name, step in self._steps:
            if isinstance(step, float):
                columns[name] = np.full(len(u), step)
            else:
                columns[name] = step.from_unit(next(column), columns)
        return np.stack(list(columns.values()), axis=1)

    def to_unit(self, theta: np.ndarray) -> np.ndarray:
        """Map parameters [n, len(names)] to the unit cube [n, d]; NaN outside the support."""
        columns = dict(zip(self.names, np.asarray(theta, float).T, strict=True))
        return np.stack(
            [s.to_unit(columns[n], columns) for n, s in self._steps if not isinstance(s, float)],
            axis=1,
        )

    def from_latent(self, y: np.ndarray) -> np.ndarray:
        """Map the latent space [n, d] to parameters [n, len(names)]."""
        y = np.asarray(y, float)
        theta = np.empty((len(y), len(self.names)))
        # Portions that fit into the processor's cache take half the time.
        for start in range(0, len(y), _PORTION):
            rows = slice(start, start + _PORTION)
            limited = torch.from_numpy(np.clip(y[rows], -LATENT_LIMIT, LATENT_LIMIT))
            # Cumulative normal distribution, by the vectorised function of torch.
            theta[rows] = self.from_unit((0.5 * torch.erfc(limited * -np.sqrt(0.5))).numpy())
        return theta

    def to_latent(self, theta: np.ndarray) -> np.ndarray:
        """Map parameters [n, len(names)] to the latent space [n, d]; NaN outside the support."""
        return np.clip(special.ndtri(self.to_unit(theta)), -LATENT_LIMIT, LATENT_LIMIT)

    def support(self, name: str, tail: float = 0.0) -> tuple[float, float]:
        """Return the minimum and maximum of a parameter; they are equal if it is fixed.

        Parameters
        ----------
        name
            Name of the parameter.
        tail
            Probability to leave out at either end. Parameters that it depends on are at their
            medians.
        """
        u = np.full((2, self.dimension), 0.5)
        if name in self.free:
            u[:, self.free.index(name)] = [max(tail, 1e-300), 1 - tail]
        low, high = self.from_unit(u)[:, self.names.index(name)]
        return float(low), float(high)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``n`` sets of parameters from the prior, [n, len(names)]."""
        # random() may return exactly 0, whose latent coordinate is infinite.
        u = rng.random((n, self.dimension))
        return self.from_unit(np.maximum(u, np.finfo(float).tiny))

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Return the log prior density of parameters [n, len(names)], [n]; -inf outside."""
        return np.sum([np.zeros(len(theta)), *self.log_densities(theta).values()], axis=0)

    def log_densities(
        self, theta: np.ndarray, names: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the log density of each free parameter given those before it, each [n].

        Their sum is :meth:`log_density`.

        Parameters
        ----------
        theta
            Parameters, [n, len(names)].
        names
            Parameters to return; None for all free ones.
        """
        columns = dict(zip(self.names, np.asarray(theta, float).T, strict=True))
        selected = set(self.free if names is None else names)
        return {
            name: step.log_density(columns[name], columns)
            for name, step in self._steps
            if name in selected and not isinstance(step, float)
        }

    def limits(self, name: str, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimum and maximum of a parameter given those before it, each [n].

        Parameters
        ----------
        name
            Name of the parameter.
        theta
            All parameters, [n, len(names)]; only those before ``name`` are used.
        """
        columns = dict(zip(self.names, np.asarray(theta, float).T, strict=True))
        step = dict(self._steps)[name]
        low, high = (step, step) if isinstance(step, float) else step.limits(columns)
        return np.broadcast_to(low, len(theta)), np.broadcast_to(high, len(theta))

    def latent_of(self, name: str, values: np.ndarray, **given: np.ndarray) -> np.ndarray:
        """Return the latent coordinates of values of one parameter, [n]; NaN outside its support.

        Parameters
        ----------
        name
            Name of the parameter.
        values
            Its values, [n].
        **given
            Values of the parameters that its prior depends on, each [n].

        Raises
        ------
        SedumError
            If the parameter is fixed.
        """
        step = dict(self._steps)[name]
        if isinstance(step, float):
            raise SedumError(f"{name} is fixed: it has no latent coordinate")
        y = special.ndtri(step.to_unit(np.asarray(values, float), given))
        return np.clip(y, -LATENT_LIMIT, LATENT_LIMIT)


def _dirichlet(spec: config.DirichletPrior, names: list[str]) -> list[tuple[str, Transform]]:
    """Return the transforms of the running sums of a Dirichlet distribution."""
    before: list[str | None] = [None, *names[:-1]]
    return [
        (name, DirichletStep(spec.concentration, len(names) - i, before[i]))
        for i, name in enumerate(names)
    ]
