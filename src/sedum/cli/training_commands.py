"""Commands that simulate libraries, train estimators and tune their settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.options import (
    LibraryOption,
    QuietOption,
    RunArgument,
    SchedulerOption,
    WorkersOption,
    library_path,
    out_option,
)

__all__ = ["simulate", "train", "tune"]


def simulate(
    run_file: RunArgument,
    out: Annotated[Path | None, out_option("Library to write. (default: NAME.h5)")] = None,
    workers: WorkersOption = 1,
    scheduler: SchedulerOption = None,
    quiet: QuietOption = False,
) -> None:
    """Simulate a library of galaxies: noiseless fluxes and the parameters behind them.

    If interrupted, the same command continues where it stopped, to the same result bit for bit.
    The result is also the same for any number of --workers, and on a --scheduler whose machines
    have the same kind of processor; both need the optional extra survey.

    Python: sedum.simulate(sedum.load_run("run.yaml"), "library.h5")
    """
    from sedum.config import load_run
    from sedum.library.generate import simulate as simulate_library

    run = load_run(run_file)
    target = library_path(out, run)
    library = simulate_library(
        run, target, workers=workers, scheduler=scheduler, show_progress=not quiet
    )
    print(f"{target}: {len(library):,} galaxies, {len(library.bands)} bands")


def train(
    run_file: RunArgument,
    library: LibraryOption = None,
    out: Annotated[
        Path | None,
        out_option("Estimator to write. (default: NAME.safetensors)"),
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Simulate galaxies during training; no library."),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train the posterior estimator on a library.

    The library is streamed, so it may be of any size. Noise, missing bands and given redshifts
    are drawn anew for every batch. If interrupted, the same command continues from the last
    checkpoint. A plot of the held-out loss is written beside the estimator.

    Python: sedum.train(run, "library.h5").write("estimator.safetensors")
    """
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.infer.forecast import forecast_lines, rows_of_noise
    from sedum.infer.training.train import train_to_file

    if simulate and library is not None:
        raise SedumError("--simulate and --library exclude each other; give one")
    run = load_run(run_file)
    target = out or Path(f"{run.name}.safetensors")
    source = None if simulate else library_path(library, run)
    posterior = train_to_file(run, source, target, show_progress=not quiet)
    from sedum.report.plots.loss_plot import plot_losses

    losses, steps = posterior.history["losses"], posterior.history["steps_per_round"]
    plot_losses(losses, steps, target.with_name(f"{target.stem}-loss.png"))
    print(f"{target}: held-out loss {min(losses):.3f} nat per galaxy")
    rows = rows_of_noise(posterior.noise)
    if rows is not None:
        status = posterior.limits.apply(rows, give_redshifts=False)[1]
        for line in forecast_lines(status, "galaxies that the noise was learned from"):
            print(line)


def tune(
    run_file: RunArgument,
    library: LibraryOption = None,
    storage: Annotated[
        Path | None, typer.Option(help="SQLite file of the study. (default: NAME-tuning.db)")
    ] = None,
    out: Annotated[Path | None, out_option("Run file to write. (default: NAME-tuned.yaml)")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials in the study.")] = 20,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of each trial. (default: a tenth of training.steps)"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Search for the best network size and learning rate, and write their run file.

    Trials that fall behind are stopped early. The same command continues where it stopped, and
    several processes may work on one study at once. It needs the package optuna.

    Python: sedum.infer.tune(run, "library.h5", "tuning.db", trials=20)
    """
    from sedum.config import load_run
    from sedum.infer.training.tune import open_study
    from sedum.infer.training.tune import tune as tune_run
    from sedum.report.plots.tuning_plot import plot_trials, trial_table
    from sedum.storage import atomic_path, check_writable

    run = load_run(run_file)
    target = check_writable(out or Path(f"{run.name}-tuned.yaml"))
    database = storage or Path(f"{run.name}-tuning.db")
    count = steps or max(run.training.steps // 10, 1)
    short = run.training.model_copy(update={"steps": count, "round": max(count // 5, 1)})
    trial_run = run.model_copy(update={"training": short})
    best = tune_run(
        trial_run,
        library_path(library, run),
        database,
        trials=trials,
        show_progress=not quiet,
    )
    kept = {"steps": run.training.steps, "round": run.training.round}
    whole = best.model_copy(update={"training": best.training.model_copy(update=kept)})
    with atomic_path(target) as temporary:
        temporary.write_text(whole.to_yaml())
    study = open_study(trial_run, database)
    plot_trials(study, target.with_suffix(".png"))
    from rich.console import Console

    Console(highlight=False).print(trial_table(study))
    print(f"{target}: the best of {len(study.trials)} trials; then: sedum train {target}")
