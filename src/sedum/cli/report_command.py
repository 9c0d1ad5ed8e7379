"""The command that reports on results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.options import QuietOption, out_option

__all__ = ["report"]


def report(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS", help="What sedum fit wrote: FITS, ECSV, Parquet, a folder, HATS."
        ),
    ],
    out: Annotated[Path, out_option("The page to write.")] = Path("report.html"),
    scorecard: Annotated[
        Path | None,
        typer.Option(
            help="Folder of sedum validate, or its scorecard.json. "
            "(default: NAME-validation, beside the results or here)"
        ),
    ] = None,
    compared: Annotated[
        Path | None,
        typer.Option(
            help="Output of sedum compare. (default: CATALOGUE-compared.fits or compared.fits, "
            "beside the results)"
        ),
    ] = None,
    estimator: Annotated[
        Path | None,
        typer.Option(
            "--estimator",
            "-e",
            help="The estimator, for its training. (default: NAME.safetensors)",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write each figure as a vector PDF."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Write a report on results: one HTML page with numbers and figures, ready to send.

    It shows the status of all rows, distributions and typical errors of all quantities, mass
    against redshift, the star-forming sequence, redshifts against known ones, calibration,
    verification, a table of flagged galaxies to sort and search, compared models, and what was
    run. Every number links to its definition. The page loads nothing from elsewhere.

    Catalogues may be of any size: they are read in portions. Scorecards and comparisons beside
    the results are included if they belong to the same estimator.

    Python: sedum.write_report("posteriors.fits", "report.html")
    """
    from sedum.report.page.html_report import write_report

    path = write_report(
        results,
        out,
        title=title,
        scorecard=scorecard,
        compared=compared,
        estimator=estimator,
        figures=figures,
        show_progress=not quiet,
    )
    also = f"; figures in {figures}/" if figures is not None else ""
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB{also}")
