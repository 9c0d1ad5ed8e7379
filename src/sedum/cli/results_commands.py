"""Commands that show posterior catalogues, or turn them into other files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.options import EstimatorOption, QuietOption, in_flags, out_option

__all__ = ["explore", "qp", "report"]


def explore(
    results: Annotated[
        Path, typer.Argument(help="A posterior catalogue: FITS, ECSV, Parquet or a folder.")
    ],
    catalogue: Annotated[
        Path | None,
        typer.Option(
            "--catalogue", "-c", help="The catalogue that was fitted. (default: beside the results)"
        ),
    ] = None,
    estimator: EstimatorOption = None,
    run_file: Annotated[
        Path | None,
        typer.Option("--run", "-r", metavar="RUN.yaml", help="Run file. (default: the results')"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to serve at; 0 takes a free one.")
    ] = 0,
    rows: Annotated[
        int, typer.Option(min=1, help="Maximum number of rows in table and plots, drawn at random.")
    ] = 20_000,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Explore a posterior catalogue on a page in the browser, served to this machine only.

    The table can be sorted, filtered and searched, and two plots of any quantities are linked to
    it. A selected galaxy is shown as by sedum show, from the draws of its fit: photometry and
    posterior spectrum, star formation, p(z), corner plot and verification. Ctrl-C stops the
    server.

    This needs the optional extra explore, which is Bokeh.

    Python: sedum.explore("posteriors.fits", catalogue="cat.fits", estimator="run.safetensors")
    """
    from sedum.report.explorer.explore import explore as serve

    explorer = serve(
        results, catalogue=catalogue, estimator=estimator, run=run_file, port=port, n_rows=rows
    )
    if isinstance(explorer.galaxies, str):
        print(in_flags(explorer.galaxies))
    print(f"{results}: {explorer.url}  (Ctrl-C ends)", flush=True)
    if browser:
        explorer.show()
    try:
        explorer.wait()
    except KeyboardInterrupt:
        explorer.stop()
        print()


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
    estimator: EstimatorOption = None,
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


def qp(
    results: Annotated[Path, typer.Argument(help="A posterior catalogue: FITS, Parquet or ECSV.")],
    out: Annotated[
        Path | None, out_option("HDF5 file to write. (default: RESULTS-pz.hdf5)")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write p(z) of a posterior catalogue as a qp ensemble, for photo-z tools.

    This needs the catalogue's column pz (output.pz of the run file), or draws or quantiles of the
    redshift, and the optional extra qp. In Python, qp.read returns the ensemble: densities on a
    grid for each row of the catalogue, with id, status, z_mode, z_median and z_spec.

    Rows that were not fitted keep their place with a flat density, and their column fitted is
    false.

    Python: sedum.survey.to_qp("posteriors.fits", "pz.hdf5")
    """
    from sedum.survey.qp_ensemble import to_qp

    target = out or results.absolute().with_name(f"{results.stem}-pz.hdf5")
    done = to_qp(results, target, show_progress=not quiet)
    print(f"{done.path}: {done.rows:,} densities, from {done.source}")
    if done.flat:
        print(f"{done.flat:,} of them are flat: rows without a posterior on the grid")
