"""Learned posteriors against analytic ones: linear-Gaussian with missing bands, and two moons.

    python benchmarks/exactness.py [--steps 12000]

The classifier two-sample test (C2ST, a small neural network of sbi, five folds) gives 0.5 where
draws cannot be told from those of the true posterior and 1 where they always can. Needs the
package sbi.
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sbi.utils.metrics import c2st
from scipy import special

from sedum import config
from sedum.infer.condition import Condition
from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.estimator import build_estimator
from sedum.infer.training.training_state import TrainingState

DRAWS = 2000
KINDS = {
    "flow": config.FlowSettings(width=128, blocks=3),
    "flow, one normal": config.FlowSettings(width=128, blocks=3, components=1),
    "nsf": config.AutoregressiveSettings(kind="nsf", width=128, blocks=3, hidden=[64, 64]),
    "mixture": config.MixtureSettings(kind="mixture", width=128, blocks=3),
}


class LinearGaussian:
    """Three normal parameters seen in five bands with unit noise; bands miss at 30%."""

    name, dimension = "linear-Gaussian", 3
    matrix = np.random.default_rng(3).normal(0, 1.5, (5, 3))

    layout = SimpleNamespace(size=10)

    def draw(self, n, rng):
        y = rng.standard_normal((n, 3))
        x = y @ self.matrix.T + rng.standard_normal((n, 5))
        there = rng.random((n, 5)) > 0.3
        return y, np.concatenate([np.where(there, x, 0) / 3, there], axis=1)

    def posterior(self, features, rng):
        """Return mean, covariance and draws of the posterior of one observation."""
        x, there = 3 * features[:5], features[5:] > 0.5
        a = self.matrix[there]
        covariance = np.linalg.inv(np.eye(3) + a.T @ a)
        mean = covariance @ a.T @ x[there]
        return mean, covariance, rng.multivariate_normal(mean, covariance, DRAWS)


class TwoMoons:
    """The task of sbi's benchmark (Greenberg et al. 2019; Lueckmann et al. 2021)."""

    name, dimension = "two moons", 2

    layout = SimpleNamespace(size=2)

    def draw(self, n, rng):
        theta = rng.uniform(-1, 1, (n, 2))
        shift = np.stack([-np.abs(theta.sum(1)), theta[:, 1] - theta[:, 0]], 1) / np.sqrt(2)
        return special.ndtri((theta + 1) / 2), self._moon(n, rng) + shift

    @staticmethod
    def _moon(n, rng):
        angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, n), rng.normal(0.1, 0.01, n)
        return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], 1)

    def posterior(self, x, rng):
        theta = np.empty((0, 2))
        while len(theta) < DRAWS:
            moon = self._moon(20_000, rng)
            size = np.sqrt(2) * (moon[:, 0] - x[0])
            total = size * rng.choice([-1, 1], len(size))
            difference = np.sqrt(2) * (x[1] - moon[:, 1])
            found = np.stack([total - difference, total + difference], 1) / 2
            ok = (size > 0) & (np.abs(found) < 1).all(axis=1)
            theta = np.concatenate([theta, found[ok]])
        y = special.ndtri((theta[:DRAWS] + 1) / 2)
        return y.mean(0), np.cov(y.T), y


def learn(task, spec, steps, seed=1):
    """Train on fresh simulations; return the averaged estimator and the CPU-seconds."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    estimator = build_estimator(spec, task.layout, task.dimension, None)
    state = TrainingState(estimator, config.TrainingSettings(steps=steps, learning_rate=2e-3))
    start = time.process_time()
    for i in range(steps):
        y, x = (torch.from_numpy(a).float() for a in task.draw(256, rng))
        state.step(estimator.loss(y, Condition.without_redshift(x)).mean(), i)
    return state.averaged.eval(), time.process_time() - start


def compare(task, estimator, observations, tested):
    """Return bias and width ratios of the posteriors, and the C2ST of some."""
    rng = np.random.default_rng(99)
    _, x = task.draw(observations, rng)
    features = torch.from_numpy(x).float()
    samples = BaseSamples.of(np.arange(observations), DRAWS, estimator.n_base, 1)
    with torch.no_grad():
        draws = estimator.sample(samples, Condition.without_redshift(features))
    draws = draws.numpy()
    bias, ratio, scores = [], [], []
    for i in range(observations):
        mean, covariance, true = task.posterior(x[i], rng)
        width = np.sqrt(np.diag(covariance))
        bias.append((draws[i].mean(0) - mean) / width)
        ratio.append(draws[i].std(0) / width)
        if i < tested:
            scores.append(float(c2st(torch.from_numpy(true).float(), torch.from_numpy(draws[i]))))
    return np.array(bias), np.array(ratio), np.array(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12_000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    table = Table(title=f"{steps:,} steps of 256 fresh simulations", box=None)
    table.add_column("task")
    table.add_column("estimator")
    for heading in ("CPU s", "bias rms/σ", "width ratio, 5-50-95%", "C2ST mean", "worst of 10"):
        table.add_column(heading, justify="right")
    for task in (LinearGaussian(), TwoMoons()):
        for name, spec in KINDS.items():
            estimator, seconds = learn(task, spec, steps)
            bias, ratio, scores = compare(task, estimator, 200, 10)
            low, middle, high = np.percentile(ratio, [5, 50, 95])
            table.add_row(
                task.name,
                name,
                f"{seconds:.0f}",
                f"{np.sqrt((bias**2).mean()):.3f}",
                f"{low:.3f} {middle:.3f} {high:.3f}",
                f"{scores.mean():.3f}",
                f"{scores.max():.3f}",
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
