"""The command that serves a page about a posterior catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explore(
    results: Annotated[
        Path, typer.Argument(help="A posterior catalogue: FITS, ECSV, Parquet or a folder.")
    ],
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", help="What was fitted. [default: beside the results]"),
    ] = None,
    estimator: Annotated[
        Path | None,
        typer.Option(
            "--estimator", "-e", help="The estimator. [default: NAME.safetensors beside them]"
        ),
    ] = None,
    run_file: Annotated[
        Path | None,
        typer.Option("--run", "-r", metavar="RUN.yaml", help="Run file. [default: the results']"),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 0,
    rows: Annotated[
        int, typer.Option(min=1, help="The most rows in table and plots, drawn at random.")
    ] = 20_000,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Walk about in a posterior catalogue: a page in the browser, served to this machine alone.

    The table can be sorted, filtered and searched; two plots of any quantities are linked with
    it. A galaxy that is chosen is shown as sedum show does, from the draws behind its fit:
    photometry and posterior spectrum, star formation, p(z), corner plot, and how far it can be
    trusted. Ctrl-C ends it.

    Needs sedum's optional extra explore, which is Bokeh.

    Python: sedum.explore("posteriors.fits", catalogue="cat.fits", estimator="run.safetensors")
    """
    from sedum.report.explorer.explore import explore as serve

    explorer = serve(
        results, catalogue=catalogue, estimator=estimator, run=run_file, port=port, n_rows=rows
    )
    if isinstance(explorer.galaxies, str):
        print(explorer.galaxies)
    print(f"{results}: {explorer.url}  (Ctrl-C ends)", flush=True)
    if browser:
        explorer.show()
    try:
        explorer.wait()
    except KeyboardInterrupt:
        explorer.stop()
        print()
