"""Commands that train estimators and choose their settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sedum.config import RunFile

RunArgument = Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.")]
LibraryOption = Annotated[
    Path | None, typer.Option("--library", "-l", help="The library. [default: NAME.h5]")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


def train(
    run_file: RunArgument,
    library: LibraryOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Estimator to write. [default: NAME.safetensors]"),
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="No library: simulate galaxies as they are needed.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train the posterior estimator on a library.

    The library is streamed, whatever its size. Noise, missing bands and given redshifts are
    drawn afresh for every batch. Interrupted, the same command goes on from the last checkpoint.
    A plot of the held-out loss is written beside the estimator.

    Python: sedum.train(run, "library.h5").write("estimator.safetensors")
    """
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.infer.training.train import train_to_file

    if simulate and library is not None:
        raise SedumError("--simulate and --library exclude each other; give one")
    run = load_run(run_file)
    target = out or Path(f"{run.name}.safetensors")
    source = None if simulate else library or Path(f"{run.name}.h5")
    posterior = train_to_file(run, source, target, show_progress=not quiet)
    from sedum.report.plots.checks.recovery_plots import plot_losses

    losses, steps = posterior.history["losses"], posterior.history["steps_per_round"]
    plot_losses(losses, steps, target.with_name(f"{target.stem}-loss.png"))
    print(f"{target}: held-out loss {min(losses):.3f} nat per galaxy")


def tune(
    run_file: RunArgument,
    library: LibraryOption = None,
    storage: Annotated[
        Path | None, typer.Option(help="SQLite file of the study. [default: NAME-tuning.db]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Best run file. [default: NAME-tuned.yaml]")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials that the study shall have.")] = 20,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of each trial. [default: a tenth of training]")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Try sizes and learning rates, and write the run file of those that do best.

    Trials that fall behind are given up early. The same command goes on where it stopped, and
    several may work on one study at once. Needs the package optuna.

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
        library or Path(f"{run.name}.h5"),
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


def validate(
    run_file: RunArgument,
    estimator: Annotated[
        Path | None,
        typer.Option("--estimator", "-e", help="The estimator. [default: NAME.safetensors]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder. [default: NAME-validation]")
    ] = None,
    galaxies: Annotated[int, typer.Option(min=100, help="Mock galaxies to judge by.")] = 3000,
    seed: Annotated[int, typer.Option(help="Of the mock galaxies.")] = 20_260_001,
    joint: Annotated[
        bool,
        typer.Option(
            "--joint",
            help="Also test the joint posteriors of single galaxies (L-C2ST): a minute or two.",
        ),
    ] = False,
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", help="Judge on this catalogue's known redshifts."),
    ] = None,
    redshift: Annotated[
        str | None,
        typer.Option(help="Its column of known redshifts. [default: catalogue.redshift]"),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUANTITY=COLUMN",
            help="Its column of another code's estimates, such as log_mass_surviving=lmass. "
            "May be given several times.",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Judge an estimator on new mock galaxies: recovery, calibration, information.

    Writes scorecard.json, overall and in bins of signal-to-noise, redshift, mass and bands, with
    errors, and figures. What is wrong is named; the exit code is 1 if anything is.

    With --catalogue it is judged on a real survey instead: redshifts that are known are hidden
    and p(z) is held against them, in bins of signal-to-noise, redshift and missing bands; other
    codes' estimates are compared with the redshift free and known. Writes
    catalogue-scorecard.json and figures.

    Python: sedum.validate(posterior, theta, photometry).scorecard(), or
    sedum.validate_catalogue(run, posterior, "cat.fits", {"log_mass": "lmass"}).scorecard()
    """
    import json

    from rich.console import Console

    from sedum.check.mock_scorecard import validate as judge
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.infer.posterior import Posterior
    from sedum.infer.trained_model import trained_model
    from sedum.observe.mock_survey import mock_survey
    from sedum.report.plots.checks.recovery_plots import plot_coverage, plot_recovery
    from sedum.report.plots.checks.validation_plots import plot_ranks, scorecard_table
    from sedum.storage import atomic_path, check_writable

    if catalogue is None and (redshift or reference):
        raise SedumError("--redshift and --reference need --catalogue")
    run = load_run(run_file)
    folder = out or Path(f"{run.name}-validation")
    check_writable(folder / "scorecard.json")
    if catalogue is not None:
        if joint:
            raise SedumError("--joint needs mock galaxies: give it without --catalogue")
        at = estimator or Path(f"{run.name}.safetensors")
        _validate_catalogue(run, at, catalogue, redshift, reference or [], folder, quiet)
        return
    posterior = Posterior.read(estimator or Path(f"{run.name}.safetensors"))
    model = trained_model(run, posterior)
    theta, photometry = mock_survey(model, posterior.noise, galaxies, seed)
    found = judge(posterior, theta, photometry, joint=joint, show_progress=not quiet)
    card = {**found.scorecard(), "fingerprint": posterior.fingerprint}
    with atomic_path(folder / "scorecard.json") as temporary:
        temporary.write_text(json.dumps(card, indent=1))
    plot_ranks(found, folder / "ranks.png")
    plot_recovery(found.draws, found.truth, found.names, folder / "recovery.png")
    plot_coverage(found.draws, found.truth, found.names, folder / "coverage.png")
    Console(highlight=False, soft_wrap=True).print(scorecard_table(card))
    if found.joint is not None:
        print(
            f"single galaxies (L-C2ST): p = {found.joint.p_value:.3f} of "
            f"{len(found.joint.rows)} together; a calibrated posterior falls to "
            f"{found.joint.false_alarm:.3f} once in {found.joint.trials + 1}"
        )
    for fault in card["faults"]:
        print(f"  {fault}")
    print(f"{folder}/: scorecard.json, ranks.png, recovery.png, coverage.png")
    if card["faults"]:
        raise typer.Exit(1)


def recalibrate(
    run_file: RunArgument,
    estimator: Annotated[
        Path | None,
        typer.Option("--estimator", "-e", help="The estimator. [default: NAME.safetensors]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Estimator to write. [default: the same, replaced]"),
    ] = None,
    galaxies: Annotated[
        int, typer.Option(min=500, help="Mock galaxies to fit the map to.")
    ] = 10_000,
    judged: Annotated[int, typer.Option(min=100, help="Others to judge it by.")] = 3000,
    seed: Annotated[int, typer.Option(help="Of the mock galaxies.")] = 20_270_000,
    force: Annotated[
        bool, typer.Option("--force", help="Write even if nothing was improved.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take a recalibration out of the estimator again.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Correct an estimator's posteriors where they are too narrow, too wide, biased or skewed.

    A small invertible map of the normal numbers behind every draw is fitted to new mock
    galaxies: it depends on the signal-to-noise and on whether the redshift is given, and costs
    nothing when draws are made. Coverage, ranks and log-probability before and after are of
    other galaxies. It is stored in the estimator, whose weights stay as they are. If the
    log-probability of the other galaxies does not rise by more than two standard errors, nothing
    is written, and the exit code is 1.

    Python: sedum.recalibrate(posterior, model).posterior.write("estimator.safetensors")
    """
    from rich.console import Console

    from sedum.check.fit_recalibration import recalibrate as fit_map
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.infer.posterior import Posterior
    from sedum.infer.trained_model import trained_model
    from sedum.report.plots.checks.recalibration_plot import plot_recalibration, recalibration_table
    from sedum.storage import check_writable

    run = load_run(run_file)
    source = estimator or Path(f"{run.name}.safetensors")
    target = check_writable(out or source)
    posterior = Posterior.read(source)
    if undo:
        if posterior.recalibration is None:
            raise SedumError(f"estimator {source} has no recalibration to take out")
        posterior.recalibrated(None).write(target)
        print(f"{target}: as it was trained")
        return
    model = trained_model(run, posterior)
    found = fit_map(posterior, model, galaxies, judged, seed, show_progress=not quiet)
    picture = target.with_name(f"{target.stem}-recalibration.png")
    plot_recalibration(found, picture)
    Console(highlight=False, soft_wrap=True).print(recalibration_table(found))
    gain, error = found.gain
    told = f"{gain:+.4f} ± {error:.4f} nat per galaxy of {judged:,} that were not fitted"
    if not (found.improves or force):
        print(f"no improvement: {told}; nothing written but {picture}")
        raise typer.Exit(1)
    found.posterior.write(target)
    print(f"{target}: recalibrated, {told}; {picture}")


def _validate_catalogue(
    run: RunFile,
    estimator: Path,
    catalogue: Path,
    redshift: str | None,
    reference: list[str],
    folder: Path,
    quiet: bool,
) -> None:
    """Judge an estimator on a real catalogue, write what was found and print it."""
    import json

    from rich.console import Console

    from sedum.check.catalogue_scorecard import parse_references, validate_catalogue
    from sedum.infer.posterior import Posterior
    from sedum.report.plots.checks.redshift_plots import (
        plot_redshifts,
        plot_references,
        redshift_table,
        reference_table,
    )
    from sedum.storage import atomic_path

    others = parse_references(reference)
    posterior = Posterior.read(estimator)
    found = validate_catalogue(
        run, posterior, catalogue, others, redshift=redshift, show_progress=not quiet
    )
    card = {
        "catalogue": catalogue.name,
        **found.scorecard(),
        "fingerprint": posterior.fingerprint,
    }
    with atomic_path(folder / "catalogue-scorecard.json") as temporary:
        temporary.write_text(json.dumps(card, indent=1))
    # Numbers beside their errors do not fit 80 columns: better long lines than broken ones.
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, 140)
    written = ["catalogue-scorecard.json"]
    if found.redshifts is not None:
        written.append(plot_redshifts(found.redshifts, folder / "redshifts.png").name)
        console.print(redshift_table(card["redshift"]))
    if found.references:
        written.append(plot_references(found.references, folder / "references.png").name)
        console.print(reference_table(card["references"]))
    for reason, count in found.unfitted.items():
        print(f"  {count:8,}  not fitted: {reason}")
    for line in [*found.notes, *card["faults"]]:
        print(f"  {line}")
    print(f"{folder}/: {', '.join(written)}")
    if card["faults"]:
        raise typer.Exit(1)
