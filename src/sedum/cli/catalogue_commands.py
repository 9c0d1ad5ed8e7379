"""Commands about catalogues: what is in them, their noise, their zero-points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sedum.cli.options import (
    CatalogueArgument,
    EstimatorOption,
    QuietOption,
    RunOption,
    out_option,
    read_estimator,
)

__all__ = ["inspect", "noise", "print_status", "zeropoints"]

noise = typer.Typer(
    name="noise",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Learn a survey's noise from its catalogue: [bold]sedum noise fit[/bold].",
)


def inspect(catalogue: CatalogueArgument, run_file: RunOption) -> None:
    """Read a catalogue as fit does, and show its bands, depths and the status of its rows.

    Some galaxies are simulated, to forecast which rows an estimator of the run file will fit.

    Python: sedum.read_catalogue("cat.fits", run.catalogue, sedum.FilterSet.from_run(run))
    """
    from sedum.config import load_run
    from sedum.errors import SedumError
    from sedum.galaxies.model import GalaxyModel
    from sedum.infer.forecast import forecast, forecast_lines
    from sedum.photometry.catalogue import read_for_run
    from sedum.photometry.filters import FilterSet
    from sedum.report.plots.catalogue_plot import coverage_table

    run = load_run(run_file)
    filters = FilterSet.from_run(run)
    rows = read_for_run(catalogue, run, filters)
    console = Console(highlight=False)
    console.print(coverage_table(rows, filters, f"{catalogue.name}: {len(rows):,} rows"))
    print_status(rows.row_status.counts())
    try:
        status = forecast(run, rows, GalaxyModel.from_run(run))
    except SedumError as error:
        print(f"no forecast: {error}")
        return
    for line in forecast_lines(status, "rows"):
        print(line)


@noise.command("fit")
def noise_fit(
    catalogue: CatalogueArgument,
    run_file: RunOption,
    out: Annotated[Path | None, out_option("Where to write. (default: NAME-noise.h5)")] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Band in which brightness is compared. (default: the selection band, or else the "
            "best-measured one)",
        ),
    ] = None,
    galaxies: Annotated[
        int, typer.Option(min=20, help="Maximum number of galaxies to keep as examples.")
    ] = 20_000,
) -> None:
    """Learn errors against brightness, their correlations, and patterns of missing bands.

    The run file names the result. With noise: {kind: bootstrap, file: …}, simulated galaxies get
    whole error vectors of real ones. With kind: learned, their errors follow the fitted curves. A
    plot is written beside it.

    Python: sedum.fit_noise(rows, run.band_names()).write("noise.h5"), rows as of read_catalogue
    """
    from sedum.config import load_run
    from sedum.observe.learn_noise import fit_noise
    from sedum.photometry.catalogue import read_for_run
    from sedum.photometry.filters import FilterSet
    from sedum.report.plots.catalogue_plot import coverage_table
    from sedum.report.plots.noise_plot import plot_noise
    from sedum.storage import check_writable

    run = load_run(run_file)
    target = check_writable(out or Path(f"{run.name}-noise.h5"))
    filters = FilterSet.from_run(run)
    rows = read_for_run(catalogue, run, filters)
    if reference is None and run.noise.selection is not None:
        reference = run.noise.selection.band
    sample = fit_noise(
        rows, run.band_names(), reference=reference, n_galaxies=galaxies, source=catalogue.name
    )
    sample.write(target)
    plot_noise(sample, target.with_suffix(".png"))
    console = Console(highlight=False, soft_wrap=True)
    console.print(coverage_table(rows, filters, sample.source))
    limits = " and limits: {sigma: …}" if sample.upper.any() else ""
    print(f"{target}: add to the run file noise: {{kind: bootstrap, file: {target}}}{limits}")


def zeropoints(
    catalogue: CatalogueArgument,
    run_file: RunOption,
    estimator: EstimatorOption = None,
    out: Annotated[Path, out_option("Where to write.")] = Path("zeropoints.yaml"),
    anchor: Annotated[
        str | None,
        typer.Option(
            help="Band whose zero-point is held fixed. (default: the selection band, or else the "
            "one measured most often)"
        ),
    ] = None,
    prior: Annotated[
        float, typer.Option(min=0.001, help="Expected size of zero-point errors, in mag.")
    ] = 0.1,
    galaxies: Annotated[
        int, typer.Option(min=40, help="Maximum number of galaxies of known redshift to use.")
    ] = 1000,
    quiet: QuietOption = False,
) -> None:
    """Measure zero-point offsets with galaxies of known redshift.

    Each band is predicted from all others at the known redshift. The offsets bring the median
    residuals of all bands nearest to zero, under a prior on their size. Half of the galaxies
    measure them, and the other half tests them. The run file names the result as
    catalogue: {offsets: zeropoints.yaml}.

    Python: sedum.measure_zeropoints(run, posterior, rows), rows as of read_catalogue
    """
    from sedum.check.zeropoints import measure_zeropoints
    from sedum.config import load_run
    from sedum.photometry.catalogue import read_for_run
    from sedum.photometry.filters import FilterSet
    from sedum.report.plots.checks.zeropoint_plot import plot_zeropoints, zeropoint_table
    from sedum.storage import check_writable

    run = load_run(run_file)
    check_writable(out)
    posterior = read_estimator(estimator, run)
    rows = read_for_run(catalogue, run, FilterSet.from_run(run))
    offsets = measure_zeropoints(
        run,
        posterior,
        rows,
        anchor=anchor,
        prior=prior,
        n_galaxies=galaxies,
        show_progress=not quiet,
    )
    offsets.write(out, source=catalogue.name)
    plot_zeropoints(offsets, out.with_suffix(".png"))
    Console(highlight=False, soft_wrap=True).print(zeropoint_table(offsets))
    if offsets.thin:
        print(f"left out, measured well in too few galaxies: {', '.join(offsets.thin)}")
    if not offsets.settled:
        print(
            "the offsets have not settled and are not to be trusted: give more galaxies of known "
            "redshift, or a smaller --prior"
        )
    print(f"{out}: add to the run file catalogue: {{offsets: {out}}}")


def print_status(counts: list[tuple[str, int]]) -> None:
    """Print each row status and the number of rows that have it."""
    for reason, count in counts:
        print(f"  {count:8,}  {reason}")
