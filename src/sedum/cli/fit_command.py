"""The command that fits catalogues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.catalogue_commands import print_status
from sedum.cli.options import (
    EstimatorOption,
    QuietOption,
    RunOption,
    SchedulerOption,
    WorkersOption,
    out_option,
    read_estimator,
)
from sedum.errors import SedumError

__all__ = ["fit"]


def fit(
    catalogue: Annotated[
        Path,
        typer.Argument(
            help="The catalogue: FITS, Parquet, HDF5, CSV, ECSV, VOTable or ASCII; a folder of "
            "Parquet files, or in HATS."
        ),
    ],
    run_file: RunOption,
    estimator: EstimatorOption = None,
    out: Annotated[
        Path | None,
        out_option(
            "FITS, ECSV or Parquet; without an extension, a folder of Parquet. "
            "(default: CATALOGUE-posterior.fits)"
        ),
    ] = None,
    workers: WorkersOption = 1,
    priors_from: Annotated[
        Path | None,
        typer.Option(
            "--priors-from",
            metavar="OTHER.yaml",
            help="Give posteriors under the priors of this run file, without training again.",
        ),
    ] = None,
    scheduler: SchedulerOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit a catalogue: percentiles of every parameter and derived quantity, for each row.

    Rows keep their order. A row that cannot be fitted keeps its place, and its status says why. A
    figure of the results is written beside the output.

    Catalogues may be of any size. Parts are written to OUTPUT.parts as they are done. If the fit
    was interrupted or killed, the same command continues with the missing parts, to the same
    result.

    A catalogue in HATS is fitted partition by partition on Dask, by --workers on this machine or
    by the workers of --scheduler, and the output has the same partitions. This needs the optional
    extra survey. In Python, sedum.survey.lazy_hats_posteriors gives a lazy LSDB catalogue.

    With --priors-from, draws are weighted by the ratio of the priors. The other priors must be of
    the same model and lie within those trained with. The column prior_ess holds the effective
    number of draws that are left.

    Python: sedum.fit(run, sedum.Posterior.read("run.safetensors"), "cat.fits", "out.fits")
    """
    from sedum.config import load_run
    from sedum.photometry.row_reasons import OK, Reason
    from sedum.report.plots.catalogue_plot import plot_catalogue
    from sedum.survey.fit import fit as fit_catalogue
    from sedum.survey.fit_output import check_target
    from sedum.tables.read import is_sky_catalogue

    in_hats = is_sky_catalogue(catalogue)
    if in_hats:
        target = out or catalogue.with_name(f"{catalogue.name}-posterior")
        figure = target.with_name(f"{target.name}.png")
    else:
        if scheduler is not None:
            raise SedumError("--scheduler is for sky catalogues: folders in HATS")
        target = out or catalogue.with_name(f"{catalogue.stem}-posterior.fits")
        target = check_target(target, catalogue)
        figure = target.with_suffix(".png")
    run = load_run(run_file)
    done = fit_catalogue(
        run,
        read_estimator(estimator, run),
        catalogue,
        target,
        priors=load_run(priors_from) if priors_from is not None else None,
        scheduler=scheduler,
        workers=workers,
        show_progress=not quiet,
    )
    plot_catalogue(done.sample, figure)
    print(f"{target}: {done.rows:,} rows")
    print_status(done.status)
    text, count = done.status[0]
    if text != OK:
        reason = Reason.of(text)
        remedy = f" {reason.remedy}" if reason is not None else ""
        raise SedumError(
            f"no row of {catalogue} was fitted; {count:,} rows: {text}.{remedy} {target} says of "
            "each row why"
        )
