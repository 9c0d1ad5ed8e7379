"""The rate of posterior draws, against a neural spline flow of zuko through sbi.

    python benchmarks/inference.py [--work demo] [--galaxies 20000]

Uses the run file and library that `sedum demo` leaves in its folder; the rate does not depend on
how well an estimator is trained, so it trains for 200 steps. 1,000 draws of all parameters for
each galaxy of 14 bands, in physical units. Targets: 2,000 galaxies per CPU-second on one thread
(stretch 5,000), 1.8 times that on two, and memory that does not grow with the number of galaxies.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sedum.config import load_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.posterior import Posterior
from sedum.infer.training.train import train
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.observed import Photometry

DRAWS = 1000


def prepare(work: Path) -> None:
    run = load_run(work / "run.yaml")
    spec = run.training.model_copy(update={"steps": 200, "round": 100, "device": "cpu"})
    posterior = train(run.model_copy(update={"training": spec}), work / "library.h5")
    posterior.write(work / "inference.safetensors")


def observations(posterior: Posterior, galaxies: int) -> Photometry:
    model = GalaxyModel.from_run(posterior.run)
    _, seen = mock_survey(model, posterior.noise, 4000, 5)
    return seen[np.arange(galaxies) % 4000]


def by_sedum(work: Path, galaxies: int, threads: int) -> tuple[float, float]:
    torch.set_num_threads(threads)
    posterior = Posterior.read(work / "inference.safetensors")
    seen = observations(posterior, galaxies)
    posterior.sample(seen[:600], DRAWS)  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    total = np.zeros(len(posterior.names))
    for _, draws in posterior.stream(seen, DRAWS):
        total += draws[:, 0].sum(axis=0)
    return time.perf_counter() - wall, time.process_time() - cpu


def by_sbi(work: Path, galaxies: int, threads: int) -> tuple[float, float]:
    """Draw from a neural spline flow as sbi builds it, through sbi's own sampling."""
    from sbi.neural_nets import posterior_nn

    torch.set_num_threads(threads)
    posterior = Posterior.read(work / "inference.safetensors")
    seen = observations(posterior, galaxies)
    features = torch.from_numpy(posterior.features(seen))
    build = posterior_nn("zuko_nsf", hidden_features=128, num_transforms=5)
    flow = build(torch.randn(512, posterior.prior.dimension), features[:512])
    wall, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad():
        for start in range(0, galaxies, 50):
            y = flow.sample((DRAWS,), condition=features[start : start + 50]).transpose(0, 1)
            posterior.prior.from_latent(y.reshape(-1, posterior.prior.dimension).numpy())
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("demo"))
    parser.add_argument("--galaxies", type=int, default=20_000)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, galaxies, threads = options.measure
        call = by_sedum if kind == "sedum" else by_sbi
        wall, cpu = call(options.work, int(galaxies), int(threads))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(wall, cpu, peak)
        return
    if not (options.work / "inference.safetensors").exists():
        prepare(options.work)
    n = options.galaxies
    table = Table(title=f"{DRAWS:,} draws for each galaxy", box=None)
    for heading in ("", "galaxies", "threads", "galaxies/s", "galaxies/CPU s", "peak MiB"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, galaxies, threads in (
        ("sedum", n, 1),
        ("sedum", n, 2),
        ("sedum", 4 * n, 2),
        ("sbi, zuko NSF", min(n, 200), 1),
    ):
        words = [sys.executable, __file__, "--work", str(options.work), "--measure"]
        words += [kind.split(",")[0], str(galaxies), str(threads)]
        out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        wall, cpu, peak = (float(v) for v in out.split()[-3:])
        table.add_row(
            kind,
            f"{galaxies:,}",
            str(threads),
            f"{galaxies / wall:,.0f}",
            f"{galaxies / cpu:,.0f}",
            f"{peak:,.0f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
