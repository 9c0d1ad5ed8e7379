"""Commands to start with: a run file, and lists of what it can name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sedum.cli.options import ForceOption, out_option
from sedum.errors import SedumError

__all__ = ["demo", "filters", "grids", "init", "layouts"]


def init(
    path: Annotated[Path, typer.Argument(help="Where to write.")] = Path("run.yaml"),
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", help="Take bands, columns and noise from this file."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="How its columns are named. (default: recognised; see sedum layouts)"),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the fluxes. (default: that of the layout)")
    ] = None,
    filter_file: Annotated[
        Path | None, typer.Option("--filter-file", help="EAZY's FILTER.RES, for layout eazy.")
    ] = None,
    translate: Annotated[Path | None, typer.Option(help="EAZY's translate file.")] = None,
    zeropoints: Annotated[Path | None, typer.Option(help="EAZY's zero-point file.")] = None,
    bands: Annotated[
        str | None,
        typer.Option(metavar="BAND=FILTER,…", help="Filters of bands, as u=sdss_u0,J=twomass_J."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a commented run file to edit.

    It holds the default model and priors, and the bands of the survey. With a catalogue, its
    bands, columns, units, selection and range of redshifts are worked out, its noise is learned
    and written beside, and every assumption is printed; without one they are those of 14 HST and
    JWST bands.

    Python: sedum.init_run("run.yaml", catalogue="cat.fits")
    """
    from sedum.photometry.ordinary_names import parse_bands
    from sedum.survey.start_run_file import init_run

    notes = init_run(
        path,
        catalogue=catalogue,
        layout=layout,
        unit=unit,
        filter_file=filter_file,
        translate=translate,
        zeropoints=zeropoints,
        bands=None if bands is None else parse_bands(bands),
        force=force,
    )
    for note in notes:
        print(note)
    then = f"sedum inspect {catalogue} --run {path}" if catalogue else f"sedum simulate {path}"
    print(f"wrote {path}; edit it, then: {then}")


def layouts() -> None:
    """List the catalogue layouts that sedum init --catalogue recognises.

    Python: sedum.photometry.layouts.describe_layouts()
    """
    from rich.table import Table

    from sedum.photometry.layouts import describe_layouts

    table = Table(box=None, show_header=False)
    for name, about in describe_layouts().items():
        table.add_row(f"[bold]{name}[/bold]", about)
    Console().print(table)


def filters(
    search: Annotated[str, typer.Argument(help="Part of a name, such as jwst or f814w.")] = "",
) -> None:
    """List the filters that a run file can name, with pivot wavelength and width.

    Python: sedum.photometry.list_filters()
    """
    from rich.table import Table

    from sedum.errors import nearest
    from sedum.photometry.filters import list_filters, load_sedpy

    known = list_filters()
    names = [name for name in known if search.lower() in name.lower()]
    if not names:
        raise SedumError(f"no filter has {search!r} in its name{nearest(search, known)}")
    table = Table(box=None)
    table.add_column("name")
    table.add_column("pivot [Å]", justify="right")
    table.add_column("width [Å]", justify="right")
    for name in names:
        band = load_sedpy(name)
        table.add_row(name, f"{band.pivot:,.0f}", f"{band.width:,.0f}")
    Console().print(table)


def grids(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Grids of your own (HDF5) to describe too.")
    ] = None,
) -> None:
    """List the stellar and nebular grids: axes, initial mass function, origin and licence.

    Any of them, or the path of a grid of your own, can be given as model.stellar in a run file.
    sedum.galaxies.write_grid makes such a grid from arrays.

    Python: sedum.galaxies.list_grids()
    """
    from sedum.galaxies.stellar_grids.grid import list_grids

    console = Console(soft_wrap=True, highlight=False)
    for grid in list_grids(*(files or [])):
        console.print(f"[bold]{grid['name']}[/bold]")
        for key, value in grid.items():
            if key != "name":
                console.print(f"  {key:12} {value}")


def demo(
    out: Annotated[Path, out_option("Folder for results.")] = Path("demo"),
    galaxies: Annotated[int, typer.Option(min=10, help="Number of mock galaxies to fit.")] = 2000,
    quick: Annotated[
        bool, typer.Option(help="Train a hundredth as long, to see the steps, not the quality.")
    ] = False,
) -> None:
    """Simulate, train, fit mock galaxies, and draw how well that went.

    It takes about five minutes on two cores. Results go to a folder. If interrupted, the same
    command continues.

    Python: sedum.demo.run_demo("demo")
    """
    from sedum.demo import run_demo

    run_demo(out, n_galaxies=galaxies, quick=quick)
