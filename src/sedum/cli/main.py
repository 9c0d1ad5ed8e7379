"""Commands. Each imports what it needs when it runs, so that --help is quick."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sedum._version import __version__
from sedum.cli import (
    bridge_commands,
    catalogue_commands,
    check_commands,
    compare_commands,
    explore_command,
    report_command,
    results_commands,
    show_command,
    training_commands,
)
from sedum.errors import SedumError

app = typer.Typer(
    name="sedum",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Posteriors of galaxy properties from survey photometry, learned from simulations.\n\n"
    "A run file describes the analysis: [bold]sedum init[/bold] writes one to edit, for your "
    "catalogue if you name it. Then "
    "[bold]simulate[/bold] makes a library of galaxies, [bold]train[/bold] learns from it, and "
    "[bold]fit[/bold] turns a catalogue into posteriors. [bold]sedum demo[/bold] shows it all.",
)

RunOption = Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.")]


#: What shells report of a program that Ctrl-C, or a request to end, ended.
_INTERRUPTED = 130
_TERMINATED = 143


def run() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    asked_to_end = []

    def end(number: int, frame: object) -> None:
        """End as by Ctrl-C: worker processes and temporary files go."""
        asked_to_end.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        # Outside its standalone mode, typer returns the code it would have exited with.
        code = app(standalone_mode=False) or 0
    except SedumError as error:
        console.print("[red]sedum:[/red] ", end="")
        console.print(str(error), markup=False)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        told = _usage_or_full_disk(error)
        if told is None:
            raise
        console.print("[red]sedum:[/red] ", end="")
        console.print(told, markup=False)
        code = 2
    if code == _INTERRUPTED:
        console.print(
            "\nsedum: interrupted; no file is half-written, and the same command goes on from what "
            "simulate, train and fit had finished"
        )
        code = _TERMINATED if asked_to_end else code
    sys.exit(code)


def _usage_or_full_disk(error: Exception) -> str | None:
    """Say in one line what is no defect of sedum; None for what is."""
    from sedum.storage import is_full

    if hasattr(error, "format_message"):  # click's usage errors have it
        return f"{error.format_message()}; see sedum --help"
    if is_full(error):  # where another library writes a file of its own
        name = getattr(error, "filename", None)
        where = f" for {name}" if name else ""
        return f"no space is left on the disk{where}; free some, then give the same command again"
    return None


def _version(value: bool) -> None:
    if value:
        print(f"sedum {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write.")] = Path("run.yaml"),
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", help="Take bands, columns and depths from this file."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="How its columns are named. [default: recognised; see sedum layouts]"),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the fluxes, where it is not the layout's.")
    ] = None,
    filter_file: Annotated[
        Path | None, typer.Option("--filter-file", help="EAZY's FILTER.RES, for layout eazy.")
    ] = None,
    translate: Annotated[Path | None, typer.Option(help="EAZY's translate file.")] = None,
    zeropoints: Annotated[Path | None, typer.Option(help="EAZY's zero-point file.")] = None,
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented run file to edit: the default model and priors, and the survey's bands.

    With a catalogue, its bands, columns, units and depths are worked out and written; without
    one they are those of 14 HST and JWST bands.

    Python: sedum.init_run("run.yaml", catalogue="cat.fits")
    """
    from sedum.survey.start_run_file import init_run

    notes = init_run(
        path,
        catalogue=catalogue,
        layout=layout,
        unit=unit,
        filter_file=filter_file,
        translate=translate,
        zeropoints=zeropoints,
        force=force,
    )
    for note in notes:
        print(note)
    print(f"wrote {path}; edit it, then: sedum simulate {path}")


@app.command()
def layouts() -> None:
    """List the layouts of catalogues that sedum init --catalogue knows.

    Python: sedum.photometry.layouts.describe_layouts()
    """
    from rich.table import Table

    from sedum.photometry.layouts import describe_layouts

    table = Table(box=None, show_header=False)
    for name, about in describe_layouts().items():
        table.add_row(f"[bold]{name}[/bold]", about)
    Console().print(table)


app.command()(catalogue_commands.inspect)
app.add_typer(catalogue_commands.noise, name="noise")


@app.command()
def simulate(
    run_file: RunOption,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Library to write. [default: NAME.h5]")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the work, of one thread each.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Dask scheduler whose workers share it."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Simulate a library of galaxies: noiseless fluxes and the parameters behind them.

    Interrupted, the same command goes on where it stopped, to the same result bit for bit. So it
    is with any number of --workers, and at a --scheduler whose machines have the same kind of
    processor; both need sedum's optional extra survey.

    Python: sedum.simulate(sedum.load_run("run.yaml"), "library.h5")
    """
    from sedum.config import load_run
    from sedum.library.generate import simulate as simulate_library

    settings = load_run(run_file)
    target = out or Path(f"{settings.name}.h5")
    library = simulate_library(
        settings, target, workers=workers, scheduler=scheduler, show_progress=not quiet
    )
    print(f"{target}: {len(library):,} galaxies, {len(library.bands)} bands")


app.command()(training_commands.train)
app.command()(training_commands.tune)
app.command()(training_commands.validate)
app.command()(training_commands.recalibrate)
app.command()(check_commands.check)


@app.command()
def fit(
    catalogue: Annotated[
        Path,
        typer.Argument(
            help="FITS, Parquet, HDF5, CSV, ECSV, VOTable, ASCII; a folder of Parquet, or in HATS."
        ),
    ],
    run_file: Annotated[Path, typer.Option("--run", "-r", metavar="RUN.yaml", help="Run file.")],
    estimator: Annotated[
        Path | None,
        typer.Option("--estimator", "-e", help="The estimator. [default: NAME.safetensors]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="FITS, ECSV or Parquet; without an extension, a folder of Parquet. "
            "[default: CATALOGUE-posterior.fits]",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the catalogue, and the threads.")
    ] = 1,
    priors_from: Annotated[
        Path | None,
        typer.Option(
            "--priors-from",
            metavar="OTHER.yaml",
            help="Give posteriors under the priors of this run file, without training again.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Dask scheduler for a folder in HATS."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Fit a catalogue: percentiles of every parameter and derived quantity, row by row.

    Rows stay in their order. A row that cannot be fitted keeps its place, and its status says
    why. A figure of the results is written beside the output.

    Catalogues may be of any size: parts are written to OUTPUT.parts as they are done, and a fit
    that was interrupted or killed goes on with those that are missing, to the same result.

    A sky catalogue in HATS is fitted partition by partition on Dask, by --workers on this machine
    or those of --scheduler, to another of the same partitions (needs the extra survey; in Python,
    sedum.survey.lazy_hats_posteriors gives a lazy LSDB catalogue).

    With --priors-from, draws are weighed by the ratio of the priors: those must be of the same
    model and within the ones trained with. The column prior_ess says how many draws are left.

    Python: sedum.fit(run, sedum.Posterior.read("run.safetensors"), "cat.fits", "out.fits")
    """
    from sedum.tables.read import is_sky_catalogue

    if is_sky_catalogue(catalogue):
        _fit_sky(catalogue, run_file, estimator, out, scheduler, workers, priors_from, quiet)
        return
    if scheduler is not None:
        raise SedumError("--scheduler is for sky catalogues: folders in HATS")
    from sedum.config import load_run
    from sedum.infer.posterior import Posterior
    from sedum.survey.fit import fit as fit_catalogue
    from sedum.survey.fit_output import check_target

    target = check_target(out or catalogue.with_name(f"{catalogue.stem}-posterior.fits"), catalogue)
    settings = load_run(run_file)
    posterior = Posterior.read(estimator or Path(f"{settings.name}.safetensors"))
    done = fit_catalogue(
        settings,
        posterior,
        catalogue,
        target,
        priors=load_run(priors_from) if priors_from is not None else None,
        workers=workers,
        show_progress=not quiet,
    )
    from sedum.report.plots.catalogue_plot import plot_catalogue

    plot_catalogue(done.shown, target.with_suffix(".png"))
    print(f"{target}: {done.rows:,} rows")
    catalogue_commands.print_status(done.status)


def _fit_sky(
    catalogue: Path,
    run_file: Path,
    estimator: Path | None,
    out: Path | None,
    scheduler: str | None,
    workers: int,
    priors_from: Path | None,
    quiet: bool,
) -> None:
    from sedum.config import load_run
    from sedum.infer.posterior import Posterior
    from sedum.report.plots.catalogue_plot import plot_catalogue
    from sedum.survey.fit import fit as fit_catalogue

    settings = load_run(run_file)
    target = out or catalogue.with_name(f"{catalogue.name}-posterior")
    done = fit_catalogue(
        settings,
        Posterior.read(estimator or Path(f"{settings.name}.safetensors")),
        catalogue,
        target,
        priors=load_run(priors_from) if priors_from is not None else None,
        scheduler=scheduler,
        workers=workers,
        show_progress=not quiet,
    )
    plot_catalogue(done.shown, target.with_name(f"{target.name}.png"))
    print(f"{target}: {done.rows:,} rows")
    catalogue_commands.print_status(done.status)


app.command()(show_command.show)
app.command()(results_commands.qp)
app.command()(explore_command.explore)
app.command()(compare_commands.compare)
app.command()(report_command.report)
app.command()(catalogue_commands.zeropoints)
app.add_typer(bridge_commands.app, name="bridge")


@app.command()
def filters(
    search: Annotated[str, typer.Argument(help="Part of a name, such as jwst or f814w.")] = "",
) -> None:
    """List the filters that can be named in a run file, with pivot wavelength and width.

    Python: sedum.photometry.list_filters()
    """
    from rich.table import Table

    from sedum.errors import nearest
    from sedum.photometry.filters import list_filters, load_sedpy

    known = list_filters()
    found = [name for name in known if search.lower() in name.lower()]
    if not found:
        raise SedumError(f"no filter has {search!r} in its name{nearest(search, known)}")
    table = Table(box=None)
    table.add_column("name")
    table.add_column("pivot [Å]", justify="right")
    table.add_column("width [Å]", justify="right")
    for name in found:
        band = load_sedpy(name)
        table.add_row(name, f"{band.pivot:,.0f}", f"{band.width:,.0f}")
    Console().print(table)


@app.command()
def grids(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Grids of your own (HDF5) to describe too.")
    ] = None,
) -> None:
    """List the stellar and nebular grids: axes, initial mass function, origin and licence.

    Any of them, or the path of a grid of your own, can stand under model.stellar of a run
    file. sedum.galaxies.write_grid makes such a grid from arrays.

    Python: sedum.galaxies.list_grids()
    """
    from sedum.galaxies.stellar_grids.grid import list_grids

    console = Console(soft_wrap=True, highlight=False)
    for grid in list_grids(*(files or [])):
        console.print(f"[bold]{grid['name']}[/bold]")
        for key, value in grid.items():
            if key != "name":
                console.print(f"  {key:12} {value}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.")] = Path("demo"),
    galaxies: Annotated[int, typer.Option(min=10, help="Mock galaxies to fit.")] = 2000,
    quick: Annotated[
        bool, typer.Option(help="A hundredth of the training: shows the path, not the quality.")
    ] = False,
) -> None:
    """Show the whole path: simulate, train, fit mock galaxies, and draw how well it went.

    Takes some five minutes on two cores. Results go to a folder; interrupted, the same
    command goes on.

    Python: sedum.demo.run_demo("demo")
    """
    from sedum.demo import run_demo

    run_demo(out, galaxies=galaxies, quick=quick)
