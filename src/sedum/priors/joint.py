"""The joint prior: all parameters of a model, as one bijection with the latent space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from scipy import special

from sedum import config
from sedum.errors import SedumError
from sedum.priors.transforms import DirichletStep, Transform, make_transform

__all__ = ["Prior"]

#: Latent coordinates are kept within this many standard deviations. Float64 cannot tell the
#: cumulative probabilities beyond it from one.
LATENT_LIMIT = 8.0
#: Rows that are transformed together.
_PORTION = 8000


class Prior:
    """The prior of a model's parameters.

    Three spaces are connected, each of shape [n, d]: the unit cube ``u``, the parameters
    ``theta`` (with fixed ones, [n, len(names)]), and the latent space y = Φ⁻¹(u), in which the
    prior is a standard normal.

    Parameters
    ----------
    specs
        Prior of each entry, in order; a parameter may depend on those before it.
    universe_age
        Function from redshift to the Universe's age in Gyr.
    vectors
        The parameters that one entry stands for, by the entry: steps of a Dirichlet
        distribution, or parameters that are independent and distributed alike.

    Attributes
    ----------
    names
        Names of the parameters in ``theta``, fixed ones included.
    free
        Names of those that are inferred: the columns of ``u`` and ``y``.
    specs
        The priors it was made from.

    Examples
    --------
    >>> from sedum.config import UniformPrior
    >>> prior = Prior({"redshift": UniformPrior(kind="uniform", low=0, high=2)}, lambda z: z)
    >>> float(prior.from_latent(np.zeros((1, 1)))[0, 0])
    1.0
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
        # In portions that fit the processor's cache: twice as fast as all at once.
        for start in range(0, len(y), _PORTION):
            rows = slice(start, start + _PORTION)
            limited = torch.from_numpy(np.clip(y[rows], -LATENT_LIMIT, LATENT_LIMIT))
            # The cumulative normal distribution, by the function that torch runs in vectors.
            theta[rows] = self.from_unit((0.5 * torch.erfc(limited * -np.sqrt(0.5))).numpy())
        return theta

    def to_latent(self, theta: np.ndarray) -> np.ndarray:
        """Map parameters [n, len(names)] to the latent space [n, d]; NaN outside the support."""
        return np.clip(special.ndtri(self.to_unit(theta)), -LATENT_LIMIT, LATENT_LIMIT)

    def support(self, name: str, tail: float = 0.0) -> tuple[float, float]:
        """Return the least and greatest value of a parameter; both the same where it is fixed.

        Parameters
        ----------
        name
            The parameter.
        tail
            Probability to leave out at either end. What other parameters it depends on are at
            their medians.
        """
        u = np.full((2, self.dimension), 0.5)
        if name in self.free:
            u[:, self.free.index(name)] = [max(tail, 1e-300), 1 - tail]
        low, high = self.from_unit(u)[:, self.names.index(name)]
        return float(low), float(high)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw parameters, [n, len(names)]."""
        # random() may return exactly 0, whose latent coordinate is infinite.
        u = rng.random((n, self.dimension))
        return self.from_unit(np.maximum(u, np.finfo(float).tiny))

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Return the log prior density of parameters [n, len(names)] -> [n]; -inf outside."""
        return np.sum([np.zeros(len(theta)), *self.log_densities(theta).values()], axis=0)

    def log_densities(
        self, theta: np.ndarray, names: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the log density of each free parameter given those before it, each [n].

        Their sum is :meth:`log_density`. ``theta`` is [n, len(names)]; ``names`` are the
        parameters asked for, all free ones where None.
        """
        columns = dict(zip(self.names, np.asarray(theta, float).T, strict=True))
        wanted = set(self.free if names is None else names)
        return {
            name: step.log_density(columns[name], columns)
            for name, step in self._steps
            if name in wanted and not isinstance(step, float)
        }

    def limits(self, name: str, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and greatest value of a parameter given those before it, each [n].

        Parameters
        ----------
        name
            The parameter.
        theta
            All parameters, [n, len(names)], of which those before it are looked at.
        """
        columns = dict(zip(self.names, np.asarray(theta, float).T, strict=True))
        step = dict(self._steps)[name]
        low, high = (step, step) if isinstance(step, float) else step.limits(columns)
        return np.broadcast_to(low, len(theta)), np.broadcast_to(high, len(theta))

    def latent_of(self, name: str, values: np.ndarray, **given: np.ndarray) -> np.ndarray:
        """Return the latent coordinate of one parameter's values [n]; NaN outside its support."""
        step = dict(self._steps)[name]
        if isinstance(step, float):
            raise SedumError(f"{name} is fixed: it has no latent coordinate")
        y = special.ndtri(step.to_unit(np.asarray(values, float), given))
        return np.clip(y, -LATENT_LIMIT, LATENT_LIMIT)


def _dirichlet(spec: config.DirichletPrior, names: list[str]) -> list[tuple[str, Transform]]:
    """Return the steps of a Dirichlet distribution, whose running sums have the names."""
    before: list[str | None] = [None, *names[:-1]]
    return [
        (name, DirichletStep(spec.concentration, len(names) - i, before[i]))
        for i, name in enumerate(names)
    ]
