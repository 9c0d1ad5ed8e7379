"""Posteriors verified one by one: efficiency, rate, and agreement with nested sampling.

    python benchmarks/verify.py [--work jades14] [--galaxies 500] [--nested 10]

Uses the estimator that benchmarks/jades14.py leaves in its folder (or names one with
--estimator). Mock galaxies of all 14 bands, redshift free, 1,000 draws each, one thread. Targets:
median efficiency 10%; 20 galaxies per CPU-second; medians within 0.05 sigma and widths within 3%
of nautilus; evidence within 0.1 for 95% of the galaxies.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.posterior import Posterior
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.importance_weights import resampled, reweight
from sedum.infer.verify.nested_sampling import sample_nested
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel

DRAWS = 1000
#: Draws where medians are compared: a thousand would leave them uncertain by more than the target.
MANY = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("jades14"))
    parser.add_argument("--estimator", type=Path, default=None)
    parser.add_argument("--galaxies", type=int, default=500)
    parser.add_argument("--nested", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    posterior = Posterior.read(options.estimator or options.work / "jades14.safetensors")
    model = GalaxyModel.from_run(posterior.run)
    whole = posterior.run.noise.model_copy(update={"missing": 0.0})
    noise = NoiseModel(posterior.run.band_names(), whole)
    _, seen = mock_survey(model, noise, options.galaxies, 4242)
    exact = ExactPosterior(model, posterior.noise)
    console = Console(width=110, highlight=False)
    snr = np.median(seen.flux / seen.error, axis=1)
    for rounds in (0, 1):
        start = time.process_time()
        found = reweight(posterior, exact, seen, DRAWS, rounds=rounds)
        rate = options.galaxies / (time.process_time() - start)
        low, middle, high = np.percentile(found.efficiency, [16, 50, 84])
        console.print(
            f"rounds {rounds}: {rate:.1f} galaxies per CPU-second, efficiency {middle:.1%} "
            f"(16-84%: {low:.1%} to {high:.1%}), Pareto k < 0.7: {np.mean(found.k_hat < 0.7):.1%}, "
            f"verified {found.verified.mean():.1%}"
        )
        for name, use in (
            ("median S/N < 10", snr < 10),
            ("10 to 50", (snr >= 10) & (snr < 50)),
            ("> 50", snr >= 50),
        ):
            if use.any():
                console.print(
                    f"   {name}: {use.sum()} galaxies, efficiency "
                    f"{np.median(found.efficiency[use]):.1%}, "
                    f"verified {found.verified[use].mean():.1%}"
                )
    compare_with_nested(console, posterior, exact, seen, options.nested)


def compare_with_nested(console, posterior, exact, seen, count):
    """Print how far draws and evidence lie from nautilus, for the first few galaxies."""
    rows = {"flow alone": [], "reweighted": []}
    evidence, cost, sizes, shares = [], [], [], []
    for i in range(count):
        one = seen[i : i + 1]
        start = time.process_time()
        nested = sample_nested(exact, one, MANY, effective=4000)
        cost.append(time.process_time() - start)
        found = reweight(posterior, exact, one, MANY, keys=np.array([i]))
        low, middle, high = np.percentile(nested.draws, [16, 50, 84], axis=0)
        sigma = (high - low) / 2
        flow = posterior.sample(one, MANY, keys=np.array([i]))[0]
        shares.append(bool(found.verified[0]))
        sizes.append(found.ess[0])
        evidence.append(found.log_evidence[0] - nested.log_evidence)
        for name, draws in (("flow alone", flow), ("reweighted", resampled(found)[0])):
            a, b, c = np.percentile(draws, [16, 50, 84], axis=0)
            rows[name].append((np.abs(b - middle) / sigma, (c - a) / 2 / sigma))
        console.print(
            f"   galaxy {i}: median S/N {np.median(one.flux / one.error):.0f}, verified "
            f"{shares[-1]}, effective draws {sizes[-1]:.0f}, k {found.k_hat[0]:.2f}, "
            f"log-evidence {found.log_evidence[0]:.3f}, nautilus {nested.log_evidence:.3f} "
            f"({nested.evaluations:,} models, {cost[-1]:.0f} CPU s); largest shift "
            f"{rows['flow alone'][-1][0].max():.3f} sigma, reweighted "
            f"{rows['reweighted'][-1][0].max():.3f}"
        )
    good, difference = np.array(shares), np.abs(evidence)
    for which, use in (("all", np.ones(count, bool)), ("verified", good)):
        if not use.any():
            continue
        for name, found in rows.items():
            shift = np.concatenate([found[i][0] for i in np.flatnonzero(use)])
            width = np.concatenate([found[i][1] for i in np.flatnonzero(use)])
            console.print(
                f"{which} {use.sum()}, {name} against nautilus: shift of medians, median "
                f"{np.median(shift):.3f} sigma (95%: {np.percentile(shift, 95):.3f}); ratio of "
                f"widths, median {np.median(width):.3f} (5-95%: {np.percentile(width, 5):.3f} to "
                f"{np.percentile(width, 95):.3f})"
            )
        console.print(
            f"{which} {use.sum()}: |difference of log-evidence| median "
            f"{np.median(difference[use]):.3f}, within 0.1 for {np.mean(difference[use] < 0.1):.0%}"
        )
    console.print(f"nautilus: {np.mean(cost):.0f} CPU-seconds a galaxy")


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
