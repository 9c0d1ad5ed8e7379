"""Recovery of the demonstration's estimator, redshift free and given, by signal-to-noise.

    python benchmarks/recovery14.py [--work demo]

Uses the library and estimator that `sedum demo` leaves in its folder; fits 5,000 new mock
galaxies on one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from sedum.check.recovery import recovery_metrics
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.posterior import Posterior
from sedum.observe.mock_survey import mock_survey
from sedum.report.plots.checks.recovery_plots import recovery_table

GALAXIES = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("demo"))
    posterior = Posterior.read(parser.parse_args().work / "estimator.safetensors")
    model = GalaxyModel.from_run(posterior.run)
    console = Console()
    torch.set_num_threads(1)
    rng = np.random.default_rng(77)
    start = time.process_time()
    count = 20_000
    model.photometry(model.prior.sample(count, rng))
    rate = count / (time.process_time() - start)
    console.print(f"simulation: {rate:,.0f} galaxies per CPU-second, {len(model.filters)} bands")

    theta, seen = mock_survey(model, posterior.noise, GALAXIES, 78)
    error = posterior.noise.spec.redshift_error
    measured = theta[:, 0] + error * (1 + theta[:, 0]) * rng.standard_normal(GALAXIES)
    snr = np.where(seen.observed, seen.flux / seen.error, 0).sum(1) / seen.observed.sum(1)
    for known, photometry in (("free", seen), ("given", seen.with_redshift(measured, error))):
        start = time.process_time()
        draws = posterior.sample(photometry, 1000, 1)
        rate = GALAXIES / (time.process_time() - start)
        console.print(f"redshift {known}: {rate:,.0f} galaxies per CPU-second, 1,000 draws each")
        for least in (0, 100):
            use = snr >= least
            rows = recovery_metrics(draws[use], theta[use], posterior.names)
            title = f"redshift {known}, mean signal-to-noise >= {least}: {use.sum()} galaxies"
            console.print(recovery_table(rows, title if least else f"redshift {known}, all"))


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
