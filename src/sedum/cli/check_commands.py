"""The command that compares a catalogue with the simulations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedum.cli.catalogue_commands import CatalogueArgument, RunOption


def check(
    catalogue: CatalogueArgument,
    run_file: RunOption,
    estimator: Annotated[
        Path | None,
        typer.Option("--estimator", "-e", help="The estimator. [default: NAME.safetensors]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="JSON to write, a figure beside it. [default: CATALOGUE-check.json]"
        ),
    ] = None,
    galaxies: Annotated[
        int, typer.Option(min=30, help="The most galaxies to look at, drawn at random.")
    ] = 1000,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Say whether a catalogue is like the simulations that the estimator learned from.

    Looks at galaxies that no model explains, at the residuals about the best models, against
    those of mock galaxies with the same bands and brightness (sbi's misspecification test), and
    at each band: those that are far off are named. The exit code is 1 if the catalogue is unlike
    the simulations, which happens to one in a hundred that are not. Needs the package sbi.

    Python: sedum.check_catalogue(run, posterior, rows).summary(), rows as of read_catalogue
    """
    import json

    from rich.console import Console

    from sedum.check.catalogue_check import check_catalogue
    from sedum.config import load_run
    from sedum.infer.posterior import Posterior
    from sedum.photometry.catalogue import read_for_run
    from sedum.photometry.filters import FilterSet
    from sedum.report.plots.checks.catalogue_check_plot import band_table, plot_check, verdict
    from sedum.storage import atomic_path, check_writable

    target = check_writable(out or catalogue.with_name(f"{catalogue.stem}-check.json"))
    run = load_run(run_file)
    posterior = Posterior.read(estimator or Path(f"{run.name}.safetensors"))
    rows = read_for_run(catalogue, run, FilterSet.from_run(run))
    found = check_catalogue(run, posterior, rows, n_galaxies=galaxies, show_progress=not quiet)
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(found.summary(), indent=1))
    plot_check(found, target.with_suffix(".png"))
    Console(highlight=False, soft_wrap=True).print(band_table(found))
    for line in verdict(found):
        print(line)
    faults = found.faults()
    for fault in faults:
        print(f"  {fault}")
    if not faults:
        print("nothing is unlike the simulations")
    print(f"{target}, {target.with_suffix('.png').name}")
    if faults:
        raise typer.Exit(1)
