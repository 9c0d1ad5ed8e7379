"""Recovered galaxies: how many per second, with photometry alone and with everything.

    python benchmarks/recover.py [--work demo] [--galaxies 300]

Uses the estimator that `sedum demo` leaves in its folder (or names one with --estimator). Mock
galaxies of its survey, 100 draws each, one thread. Targets: 100 galaxies per second for draws and
photometry, 10 with spectra. Writes pages of three galaxies of low, median and high
signal-to-noise to the folder.
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
from sedum.observe.mock_survey import mock_survey
from sedum.report.plots.galaxy_page import plot_page
from sedum.survey.predict import predict, predict_draws

DRAWS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("demo"))
    parser.add_argument("--estimator", type=Path, default=None)
    parser.add_argument("--galaxies", type=int, default=300)
    options = parser.parse_args()
    posterior = Posterior.read(options.estimator or options.work / "estimator.safetensors")
    model = GalaxyModel.from_run(posterior.run)
    console = Console(highlight=False, soft_wrap=True)
    torch.set_num_threads(1)
    theta, seen = mock_survey(model, posterior.noise, options.galaxies, 4711)
    quantities = posterior.run.output.derived
    cases = {
        "draws and photometry": {"spectra": False, "derived": []},
        "and derived quantities": {"spectra": False, "derived": quantities},
        "and spectra, histories, p(z)": {"spectra": True, "derived": quantities},
    }
    list(predict(posterior, model, seen[:8], DRAWS, derived=quantities))  # compile and allocate
    for name, settings in cases.items():
        start = time.process_time()
        for _ in predict(posterior, model, seen, DRAWS, **settings):
            pass
        rate = options.galaxies / (time.process_time() - start)
        console.print(
            f"{name}: {rate:,.0f} galaxies per CPU-second ({options.galaxies} of "
            f"{len(model.filters)} bands, {DRAWS} draws)"
        )
    snr = np.median(seen.flux / seen.error, axis=1)
    order = np.argsort(snr)
    for name, share in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
        i = int(order[int(share * len(order))])
        one = seen[i : i + 1]
        draws = posterior.sample(one, 1000, keys=np.array([i]))
        found = predict_draws(model, draws[:, :300], derived=quantities)
        title = f"mock galaxy {i}, true redshift {theta[i, 0]:.2f}, median S/N {snr[i]:.0f}"
        path = plot_page(
            model, one, found, options.work / f"galaxy-{name}.png", title, theta[i], draws[0]
        )
        console.print(f"wrote {path}")


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
