"""The whole path in one go, on mock galaxies: what ``sedum demo`` runs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import yaml
from astropy.table import Table
from rich.console import Console

from sedum.check.recovery import RecoveryMetrics, recovery_metrics
from sedum.config import RunFile, parse_run
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train_to_file
from sedum.library.generate import simulate
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.observed import Photometry
from sedum.report.plots.checks.recovery_plots import (
    plot_coverage,
    plot_recovery,
    recovery_table,
)
from sedum.report.plots.galaxy_plots import plot_corner, plot_sed
from sedum.report.plots.loss_plot import plot_losses
from sedum.results.posterior_table import write_table
from sedum.storage import check_writable
from sedum.survey.fit import fit
from sedum.survey.start_run_file import template

__all__ = ["run_demo"]

#: Far from any seed that a library would use.
_MOCK_SEED = 20_260_000


def run_demo(
    folder: str | Path = "demo", n_galaxies: int = 2000, quick: bool = False
) -> list[RecoveryMetrics]:
    """Simulate, train, fit mock galaxies that were never trained on, and draw the results.

    Parameters
    ----------
    folder
        Where results go.
    n_galaxies
        The number of mock galaxies.
    quick
        Train for a hundredth of the steps on a twentieth of the library.

    Returns
    -------
    list of Recovery
        Recovery of each parameter, as printed.
    """
    console = Console(highlight=False)
    started = time.perf_counter()
    folder = Path(folder)
    check_writable(folder / "run.yaml")
    run = _settings(quick)
    (folder / "run.yaml").write_text(run.to_yaml())
    console.print(f"[bold]sedum demo[/bold]: {len(run.filters)} bands, results in {folder}/")
    model = GalaxyModel.from_run(run)
    simulate(run, folder / "library.h5", model=model, show_progress=True)
    posterior = train_to_file(
        run,
        folder / "library.h5",
        folder / "estimator.safetensors",
        model=model,
        show_progress=True,
    )

    theta, photometry = mock_survey(model, posterior.noise, n_galaxies, _MOCK_SEED)
    write_table(_as_table(run, photometry, theta, model), folder / "mock-catalogue.fits")
    table = fit(
        run,
        posterior,
        folder / "mock-catalogue.fits",
        folder / "posterior-catalogue.fits",
        model=model,
        show_progress=True,
    ).read()
    fitted = np.flatnonzero(np.asarray(table["status"]) == "ok")
    # The same seed and keys as in the fit: the draws behind the catalogue, but for the rounding
    # of the photometry in its file.
    draws = posterior.sample(photometry[fitted], run.output.draws, run.output.seed, keys=fitted)
    truth, names = theta[fitted], model.prior.names
    rows = recovery_metrics(draws, truth, names)
    title = f"{len(fitted)} of {n_galaxies} mock galaxies fitted, redshift free"
    console.print(recovery_table(rows, title))

    plot_recovery(draws, truth, names, folder / "recovery.png")
    plot_coverage(draws, truth, names, folder / "coverage.png")
    losses, steps = posterior.history["losses"], posterior.history["steps_per_round"]
    plot_losses(losses, steps, folder / "losses.png")
    shown = _typical(photometry[fitted])
    one = photometry[fitted[shown : shown + 1]]
    title = f"mock galaxy {fitted[shown]}, true redshift {truth[shown, 0]:.2f}"
    plot_sed(model, one, draws[shown, :300], folder / "sed.png", title)
    plot_corner(draws[shown], names, folder / "corner.png", truth[shown])
    console.print(
        f"wrote posterior-catalogue.fits, recovery.png, coverage.png, losses.png, sed.png and "
        f"corner.png to {folder}/ in {time.perf_counter() - started:.0f} s"
    )
    return rows


def _settings(quick: bool) -> RunFile:
    data = yaml.safe_load(template())
    if quick:
        data["library"]["size"] //= 20
        data["training"] |= {"steps": data["training"]["steps"] // 100, "round": 30}
    return parse_run(data, source="the demo's run file")


def _as_table(run: RunFile, photometry: Photometry, theta: np.ndarray, model: GalaxyModel) -> Table:
    """Return mock photometry as the catalogue that the run file describes, with the truth."""
    assert run.catalogue is not None
    table = Table({"id": np.arange(len(photometry))})
    for i, band in enumerate(run.band_names()):
        column = run.catalogue.columns[band]
        missing = ~photometry.observed[:, i]
        table[column.value] = np.where(missing, np.nan, photometry.flux[:, i])
        table[column.error] = np.where(missing, np.nan, photometry.error[:, i])
        table[column.value].unit = table[column.error].unit = "uJy"
    table["z_spec"] = theta[:, model.prior.names.index("redshift")]
    for j, name in enumerate(model.prior.names):
        table[f"true_{name}"] = theta[:, j]
    return table


def _typical(photometry: Photometry) -> int:
    """Return the galaxy whose total signal-to-noise is the median."""
    snr = np.sqrt(((photometry.flux / photometry.error) ** 2).sum(axis=1))
    return int(np.argsort(snr)[len(snr) // 2])
