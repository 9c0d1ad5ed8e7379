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

from sedum.check.mocks import mock_survey
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.exact import ExactPosterior
from sedum.infer.nested import sample_nested
from sedum.infer.posterior import Posterior
from sedum.infer.reweight import resampled, reweight
from sedum.observe.noise import NoiseModel

DRAWS = 1000


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
    found = None
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
    assert found is not None
    flow = posterior.sample(seen, DRAWS)
    weighted = resampled(found)
    shifts, widths, evidence, cost = [], [], [], []
    for i in np.flatnonzero(found.verified)[: options.nested]:
        start = time.process_time()
        nested = sample_nested(exact, seen[i : i + 1], 4000, effective=8000)
        cost.append(time.process_time() - start)
        low, middle, high = np.percentile(nested.draws, [16, 50, 84], axis=0)
        sigma = (high - low) / 2
        for draws, store in ((flow[i], 0), (weighted[i], 1)):
            a, b, c = np.percentile(draws, [16, 50, 84], axis=0)
            shifts.append((store, (b - middle) / sigma))
            widths.append((store, (c - a) / 2 / sigma))
        evidence.append(found.log_evidence[i] - nested.log_evidence)
    for store, name in ((0, "flow alone"), (1, "reweighted")):
        shift = np.abs(np.concatenate([s for k, s in shifts if k == store]))
        width = np.concatenate([w for k, w in widths if k == store])
        console.print(
            f"{name} against nautilus: median shift {np.median(shift):.3f} sigma (95%: "
            f"{np.percentile(shift, 95):.3f}), width ratio {np.median(width):.3f} (5-95%: "
            f"{np.percentile(width, 5):.3f} to {np.percentile(width, 95):.3f})"
        )
    console.print(
        f"log-evidence: median |difference| {np.median(np.abs(evidence)):.3f}, within 0.1: "
        f"{np.mean(np.abs(evidence) < 0.1):.0%} of {len(evidence)}; nautilus {np.mean(cost):.0f} "
        "CPU-seconds each"
    )


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
