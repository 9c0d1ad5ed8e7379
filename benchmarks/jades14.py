"""The published set-up: recovery, calibration and photometric redshifts of examples/jades14.yaml.

    python benchmarks/jades14.py [--work jades14]

Simulates 10^6 galaxies and trains where FOLDER holds no result yet, then fits 5,000 mock galaxies
that were never trained on, with all 14 bands, redshift given and free. R² is of the posterior
median, of each parameter against its own mean. Beside it stands what the posteriors themselves
allow: one minus their mean variance over the variance of the truths; a calibrated posterior that
knew all that the data hold would reach it, and no better training exceeds it by more than noise.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sedum.check.recovery import recovery_metrics
from sedum.config import load_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train_to_file
from sedum.library.generate import simulate
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel
from sedum.report.plots.checks.recovery_plots import plot_coverage, plot_recovery
from sedum.report.plots.loss_plot import plot_losses
from sedum.statistics import nmad

TOP = Path(__file__).resolve().parents[1]
GALAXIES, DRAWS = 5000, 500
DERIVED = ["mass_weighted_age", "log_mass_surviving", "log_sfr_100"]


def with_derived(model, draws):
    """Return draws [n, draws, d] with derived quantities as further columns."""
    flat = draws.reshape(-1, draws.shape[-1])
    found = model.derived(flat, DERIVED)
    extra = np.stack([found[name] for name in DERIVED], axis=-1)
    return np.concatenate([draws, extra.reshape(*draws.shape[:-1], len(DERIVED))], axis=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("jades14"))
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    run = load_run(TOP / "examples" / "jades14.yaml")
    model = GalaxyModel.from_run(run)
    console = Console(width=110)
    simulate(run, work / "library.h5", model=model)
    wall, cpu = time.perf_counter(), time.process_time()
    posterior = train_to_file(run, work / "library.h5", work / "jades14.safetensors", model=model)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if cpu > 30:
        console.print(f"training: {wall / 60:.1f} minutes, {cpu / 60:.1f} CPU-minutes")
    history = posterior.history
    plot_losses(history["losses"], history["steps_per_round"], work / "losses.png")

    torch.set_num_threads(2)
    whole = run.noise.model_copy(update={"missing": 0.0})
    theta, seen = mock_survey(model, NoiseModel(run.band_names(), whole), GALAXIES, 1978)
    error = run.noise.redshift_error
    rng = np.random.default_rng(79)
    measured = theta[:, 0] + error * (1 + theta[:, 0]) * rng.standard_normal(GALAXIES)
    snr = (seen.flux / seen.error).mean(axis=1)
    truth = with_derived(model, theta[:, None])[:, 0]
    names = posterior.names + DERIVED
    for known, photometry in (("given", seen.with_redshift(measured, error)), ("free", seen)):
        draws = with_derived(model, posterior.sample(photometry, DRAWS, 1))
        plot_recovery(draws, truth, names, work / f"recovery-{known}.png")
        plot_coverage(draws, truth, names, work / f"coverage-{known}.png")
        for least in (5, 100):
            use = snr >= least
            rows = recovery_metrics(draws[use], truth[use], names)
            allowed = 1 - draws[use].var(axis=1).mean(axis=0) / truth[use].var(axis=0)
            table = Table(
                title=f"redshift {known}, mean S/N >= {least}: {use.sum()} galaxies",
                title_justify="left",
                box=None,
            )
            table.add_column("parameter")
            for heading in ("R²", "allowed", "bias", "scatter", "68% cov.", "95% cov."):
                table.add_column(heading, justify="right")
            for row, most in zip(rows, allowed, strict=True):
                values = (row.r2, most, row.bias, row.scatter, row.coverage_68, row.coverage_95)
                table.add_row(row.name, *(f"{v:.3f}" for v in values))
            console.print(table)
            off = max(
                max(abs(r.coverage_68 - 0.68), abs(r.coverage_95 - 0.95))
                for r in rows
                if known == "free" or r.name != "redshift"
            )
            console.print(f"largest deviation of coverage: {off:.3f}\n")
            if known == "free":
                delta = (np.median(draws[use][..., 0], axis=1) - theta[use, 0]) / (
                    1 + theta[use, 0]
                )
                console.print(
                    f"photometric redshifts: NMAD {nmad(delta):.4f}, beyond 0.15: "
                    f"{np.mean(np.abs(delta) > 0.15):.2%}, bias {np.median(delta):+.4f}\n"
                )


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
