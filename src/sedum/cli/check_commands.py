"""Commands that test an estimator, correct it, and compare catalogues with the simulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedum.cli.options import (
    CatalogueArgument,
    EstimatorOption,
    QuietOption,
    RunArgument,
    RunOption,
    estimator_path,
    out_option,
    read_estimator,
)

__all__ = ["check", "recalibrate", "validate"]

if TYPE_CHECKING:
    from sedum.config import RunFile
    from sedum.infer.posterior import Posterior


def validate(
    run_file: RunArgument,
    estimator: EstimatorOption = None,
    out: Annotated[Path | None, out_option("Folder. (default: NAME-validation)")] = None,
    galaxies: Annotated[
        int, typer.Option(min=100, help="Number of mock galaxies to test with.")
    ] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the mock galaxies.")] = 20_260_001,
    joint: Annotated[
        bool,
        typer.Option(
            "--joint",
            help="Also test the joint posteriors of single galaxies (L-C2ST), in a minute or two.",
        ),
    ] = False,
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", help="Test on the known redshifts of this catalogue."),
    ] = None,
    redshift: Annotated[
        str | None,
        typer.Option(help="Its column of known redshifts. (default: catalogue.redshift)"),
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
    """Test an estimator on new mock galaxies: recovery, calibration and information.

    Figures and scorecard.json are written, which holds the results with errors, overall and in
    bins of signal-to-noise, redshift, mass and number of bands. Faults are named, and the exit
    code is 1 if there are any.

    With --catalogue the test is on a real survey instead. Its known redshifts are hidden, and p(z)
    is compared with them in bins of signal-to-noise, redshift and missing bands. Estimates of
    other codes are compared with the redshift free and known. Figures and
    catalogue-scorecard.json are written.

    Python: sedum.validate(posterior, theta, photometry).scorecard(), or
    sedum.validate_catalogue(run, posterior, "cat.fits", {"log_mass": "lmass"}).scorecard()
    """
    from rich.console import Console

    from sedum.check.mock_scorecard import validate as judge
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.infer.trained_model import trained_model
    from sedum.observe.mock_survey import mock_survey
    from sedum.report.plots.checks.recovery_plots import plot_coverage, plot_recovery
    from sedum.report.plots.checks.validation_plots import plot_ranks, scorecard_table
    from sedum.storage import check_writable, write_json

    if catalogue is None and (redshift or reference):
        raise SedumError("--redshift and --reference need --catalogue")
    run = load_run(run_file)
    folder = out or Path(f"{run.name}-validation")
    check_writable(folder / "scorecard.json")
    if catalogue is not None:
        if joint:
            raise SedumError("--joint needs mock galaxies: give it without --catalogue")
        posterior = read_estimator(estimator, run)
        _validate_catalogue(run, posterior, catalogue, redshift, reference or [], folder, quiet)
        return
    posterior = read_estimator(estimator, run)
    model = trained_model(run, posterior)
    theta, photometry = mock_survey(model, posterior.noise, galaxies, seed)
    validation = judge(posterior, theta, photometry, joint=joint, show_progress=not quiet)
    card = {**validation.scorecard(), "fingerprint": posterior.fingerprint}
    write_json(folder / "scorecard.json", card)
    plot_ranks(validation, folder / "ranks.png")
    plot_recovery(validation.draws, validation.truth, validation.names, folder / "recovery.png")
    plot_coverage(validation.draws, validation.truth, validation.names, folder / "coverage.png")
    Console(highlight=False, soft_wrap=True).print(scorecard_table(card))
    if validation.joint is not None:
        print(
            f"single galaxies (L-C2ST): combined p = {validation.joint.p_value:.3f} of "
            f"{len(validation.joint.rows)}; a calibrated posterior falls to "
            f"{validation.joint.false_alarm:.3f} once in {validation.joint.trials + 1}"
        )
    for fault in card["faults"]:
        print(f"  {fault}")
    print(f"{folder}/: scorecard.json, ranks.png, recovery.png, coverage.png")
    if card["faults"]:
        raise typer.Exit(1)


def _validate_catalogue(
    run: RunFile,
    posterior: Posterior,
    catalogue: Path,
    redshift: str | None,
    reference: list[str],
    folder: Path,
    quiet: bool,
) -> None:
    """Test an estimator on a real catalogue; write and print the results."""
    from rich.console import Console

    from sedum.check.catalogue_scorecard import parse_references, validate_catalogue
    from sedum.report.plots.checks.redshift_plots import (
        plot_redshifts,
        plot_references,
        redshift_table,
        reference_table,
    )
    from sedum.storage import write_json

    others = parse_references(reference)
    validation = validate_catalogue(
        run, posterior, catalogue, others, redshift=redshift, show_progress=not quiet
    )
    card = {
        "catalogue": catalogue.name,
        **validation.scorecard(),
        "fingerprint": posterior.fingerprint,
    }
    write_json(folder / "catalogue-scorecard.json", card)
    # Numbers beside their errors do not fit 80 columns: better long lines than broken ones.
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, 140)
    written = ["catalogue-scorecard.json"]
    if validation.redshifts is not None:
        written.append(plot_redshifts(validation.redshifts, folder / "redshifts.png").name)
        console.print(redshift_table(card["redshift"]))
    if validation.references:
        written.append(plot_references(validation.references, folder / "references.png").name)
        console.print(reference_table(card["references"]))
    for reason, count in validation.unfitted.items():
        print(f"  {count:8,}  not fitted: {reason}")
    for line in [*validation.notes, *card["faults"]]:
        print(f"  {line}")
    print(f"{folder}/: {', '.join(written)}")
    if card["faults"]:
        raise typer.Exit(1)


def recalibrate(
    run_file: RunArgument,
    estimator: EstimatorOption = None,
    out: Annotated[
        Path | None,
        out_option("Estimator to write. (default: the same, replaced)"),
    ] = None,
    galaxies: Annotated[
        int, typer.Option(min=500, help="Number of mock galaxies that fit the map.")
    ] = 10_000,
    judged: Annotated[
        int, typer.Option(min=100, help="Number of other mock galaxies that test it.")
    ] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of the mock galaxies.")] = 20_270_000,
    force: Annotated[
        bool, typer.Option("--force", help="Write even without an improvement.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Remove the recalibration of the estimator.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Correct an estimator's posteriors where they are too narrow, too wide, biased or skewed.

    A small invertible map of the normal base samples behind every draw is fitted to new mock
    galaxies. It depends on the signal-to-noise and on whether the redshift is given, and takes no
    time when drawing. Coverage, ranks and log-probability before and after are measured on other
    galaxies. The map is stored in the estimator, whose weights do not change. If the
    log-probability of the other galaxies does not rise by more than two standard errors, nothing
    is written, and the exit code is 1.

    Python: sedum.recalibrate(posterior, model).posterior.write("estimator.safetensors")
    """
    from rich.console import Console

    from sedum.check.fit_recalibration import recalibrate as fit_map
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.infer.trained_model import trained_model
    from sedum.report.plots.checks.recalibration_plot import plot_recalibration, recalibration_table
    from sedum.storage import check_writable

    run = load_run(run_file)
    source = estimator_path(estimator, run)
    target = check_writable(out or source)
    posterior = read_estimator(source, run)
    if undo:
        if posterior.recalibration is None:
            raise SedumError(f"estimator {source} has no recalibration to take out")
        posterior.recalibrated(None).write(target)
        print(f"{target}: as it was trained")
        return
    model = trained_model(run, posterior)
    recalibration = fit_map(posterior, model, galaxies, judged, seed, show_progress=not quiet)
    picture = target.with_name(f"{target.stem}-recalibration.png")
    plot_recalibration(recalibration, picture)
    Console(highlight=False, soft_wrap=True).print(recalibration_table(recalibration))
    gain, error = recalibration.gain
    change = f"{gain:+.4f} ± {error:.4f} nat per galaxy of {judged:,} that were not fitted"
    if not (recalibration.improves or force):
        print(f"no improvement: {change}; nothing written but {picture}")
        raise typer.Exit(1)
    recalibration.posterior.write(target)
    print(f"{target}: recalibrated, {change}; {picture}")


def check(
    catalogue: CatalogueArgument,
    run_file: RunOption,
    estimator: EstimatorOption = None,
    out: Annotated[
        Path | None,
        out_option("JSON file to write, with a figure beside it. (default: CATALOGUE-check.json)"),
    ] = None,
    galaxies: Annotated[
        int, typer.Option(min=30, help="Maximum number of galaxies to test, drawn at random.")
    ] = 1000,
    quiet: QuietOption = False,
) -> None:
    """Test whether a catalogue resembles the simulations that the estimator learned from.

    The test counts galaxies that no model explains, compares the residuals of the best models
    with those of mock galaxies with the same bands and brightness (sbi's misspecification test),
    and names the bands that are far off. The exit code is 1 if the catalogue is unlike the
    simulations; one in a hundred catalogues that are like them fails by chance. It needs the
    package sbi.

    Python: sedum.check_catalogue(run, posterior, rows).summary(), rows as of read_catalogue
    """
    from rich.console import Console

    from sedum.check.catalogue_check import check_catalogue
    from sedum.config import load_run
    from sedum.photometry.catalogue import read_for_run
    from sedum.photometry.filters import FilterSet
    from sedum.report.plots.checks.catalogue_check_plot import band_table, plot_check, verdict
    from sedum.storage import check_writable, write_json

    target = check_writable(out or catalogue.with_name(f"{catalogue.stem}-check.json"))
    run = load_run(run_file)
    posterior = read_estimator(estimator, run)
    rows = read_for_run(catalogue, run, FilterSet.from_run(run))
    result = check_catalogue(run, posterior, rows, n_galaxies=galaxies, show_progress=not quiet)
    write_json(target, result.summary())
    plot_check(result, target.with_suffix(".png"))
    Console(highlight=False, soft_wrap=True).print(band_table(result))
    for line in verdict(result):
        print(line)
    faults = result.faults()
    for fault in faults:
        print(f"  {fault}")
    if not faults:
        print("nothing is unlike the simulations")
    print(f"{target}, {target.with_suffix('.png').name}")
    if faults:
        raise typer.Exit(1)
