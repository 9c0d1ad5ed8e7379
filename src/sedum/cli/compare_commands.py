"""The command that compares models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.options import QuietOption, out_option

__all__ = ["compare"]


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="A.safetensors B.safetensors ... CATALOGUE",
            help="Two or more estimators, then the catalogue.",
            show_default=False,
        ),
    ],
    run_file: Annotated[
        Path | None,
        typer.Option(
            "--run",
            "-r",
            metavar="RUN.yaml",
            help="Run file whose catalogue section is used. (default: that of A)",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        out_option("FITS, ECSV or Parquet. (default: CATALOGUE-compared.fits)"),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=100, help="Number of draws for each galaxy and model.")
    ] = 4000,
    rounds: Annotated[
        int, typer.Option(min=0, help="Rounds of refinement where importance weights are poor.")
    ] = 4,
    nested: Annotated[
        int,
        typer.Option(
            min=0, help="Number of random galaxies to check by nested sampling (minutes for each)."
        ),
    ] = 0,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Compare only this number of rows, drawn at random.")
    ] = None,
    prior_odds: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Prior odds of the models, as 2,1. (default: equal)"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of draws and of the random rows.")] = 1,
    quiet: QuietOption = False,
) -> None:
    """Compare models (stars, histories, dust, priors) by their evidence for each galaxy.

    Each estimator was trained with its own run file, all for the same bands and noise. The output
    has the ln evidence and probability of each model for each row, and a status that marks rows
    whose evidence is not verified. The fraction of the population that each model describes, and
    the shifts of mass, age and star-formation rate from the first model to the others, are
    printed, drawn and written to a .json file beside the output.

    Python: sedum.compare(["a.safetensors", "b.safetensors"], "cat.fits", "out.fits")
    """
    from sedum.errors import SedumError

    if len(files) < 3:
        raise SedumError(
            f"compare needs two estimators or more, and a catalogue; found {len(files)} file"
            f"{'' if len(files) == 1 else 's'}"
        )
    *estimators, catalogue = files
    odds = _numbers(prior_odds) if prior_odds is not None else None
    from rich.console import Console

    from sedum.cli.catalogue_commands import print_status
    from sedum.comparison.compare_models import compare as compare_models
    from sedum.config import load_run
    from sedum.report.plots.comparison_plots import comparison_tables, plot_comparison
    from sedum.results.posterior_table import count_status

    target = out or catalogue.with_name(f"{catalogue.stem}-compared.fits")
    comparison = compare_models(
        estimators,
        catalogue,
        target,
        run=load_run(run_file) if run_file is not None else None,
        prior_odds=odds,
        n_draws=draws,
        rounds=rounds,
        nested=nested,
        n_rows=rows,
        seed=seed,
        show_progress=not quiet,
    )
    comparison.write_summary(target.with_suffix(".json"))
    plot_comparison(comparison, target.with_suffix(".png"))
    # Wide enough for the tables, also where output goes to a file.
    console = Console(highlight=False, width=max(Console().width, 110))
    for table in comparison_tables(comparison):
        console.print(table)
    print(f"{target}: {len(comparison.table):,} rows")
    print_status(count_status(comparison.table))


def _numbers(text: str) -> list[float]:
    from sedum.errors import SedumError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SedumError(f"--prior-odds: found {text!r}; write numbers as 2,1") from None
