"""The command that shows single galaxies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.options import EstimatorOption, QuietOption, RunOption, out_option, read_estimator

#: Draws behind the bands of a spectrum.
_SPECTRA = 300


def show(
    catalogue: Annotated[Path, typer.Argument(help="The catalogue that was fitted.")],
    run_file: RunOption,
    row: Annotated[
        list[int] | None, typer.Option(help="Row number, from 0. May be given several times.")
    ] = None,
    identifier: Annotated[
        list[str] | None, typer.Option("--id", help="Identifier. May be given several times.")
    ] = None,
    estimator: EstimatorOption = None,
    out: Annotated[Path | None, out_option("Folder. (default: NAME-galaxies)")] = None,
    quiet: QuietOption = False,
) -> None:
    """Show single galaxies: spectrum over the photometry, star formation, p(z), parameters.

    Draws are those behind sedum fit with the same run file. Prints percentiles of parameters and
    derived quantities, and writes a page for each galaxy.

    Python: for rows, prediction in sedum.predict(posterior, model, photometry): ...
    """
    import numpy as np
    from rich.console import Console

    from sedum.config import load_run
    from sedum.infer.trained_model import trained_model
    from sedum.photometry.catalogue import read_for_run
    from sedum.progress import progress
    from sedum.report.plots.galaxy_page import percentile_table, plot_page
    from sedum.storage import check_writable
    from sedum.survey.predict import predict_draws
    from sedum.survey.select_rows import draw_selected, select_rows

    run = load_run(run_file)
    folder = out or Path(f"{run.name}-galaxies")
    check_writable(folder / "galaxy.png")
    posterior = read_estimator(estimator, run)
    model = trained_model(run, posterior)
    rows = read_for_run(catalogue, run, model.filters)
    selected = draw_selected(
        run, posterior, model, rows, select_rows(rows, row or [], identifier or [])
    )
    console = Console(highlight=False, soft_wrap=True)
    with progress(len(selected.rows), "drawing", "pages", not quiet) as advance:
        for i, number in enumerate(selected.rows):
            draws = selected.draws[i]
            prediction = predict_draws(model, draws[None, :_SPECTRA], derived=run.output.derived)
            known = rows.catalogue_redshift[number]
            title = f"{catalogue.name}, row {number}, id {selected.ids[i]}"
            title += f", catalogue redshift {known:.4g}" if np.isfinite(known) else ""
            name = "".join(c if c.isalnum() or c in "._-" else "_" for c in str(selected.ids[i]))
            path = folder / f"galaxy-{name}.png"
            plot_page(model, selected.photometry[i : i + 1], prediction, path, title, draws=draws)
            console.print(percentile_table(posterior.names, draws, prediction, title))
            console.print(f"{path}")
            advance(1)
