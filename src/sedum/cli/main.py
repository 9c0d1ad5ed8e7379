"""The command line: the commands by task, and how mistakes and interruptions end.

Each command imports what it needs when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import re
import signal
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from sedum._version import __version__
from sedum.cli import (
    bridge_commands,
    catalogue_commands,
    check_commands,
    compare_commands,
    fit_command,
    results_commands,
    show_command,
    start_commands,
    training_commands,
)
from sedum.cli.options import in_flags
from sedum.errors import SedumError
from sedum.parallel.threads import use_available_cores

__all__ = ["app", "run"]

app = typer.Typer(
    name="sedum",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Posteriors of galaxy properties from survey photometry, learned from simulations.\n\n"
    "A run file describes the analysis. [bold]sedum init[/bold] writes one to edit, from your "
    "catalogue if you name it. Then [bold]simulate[/bold] makes a library of galaxies, "
    "[bold]train[/bold] learns from it, and [bold]fit[/bold] turns a catalogue into posteriors. "
    "[bold]sedum demo[/bold] does all of this in five minutes.",
)

#: Commands by task, in the order of ``sedum --help``.
_TASKS: dict[str, list[Any]] = {
    "Start": [
        start_commands.init,
        start_commands.demo,
        catalogue_commands.inspect,
        start_commands.layouts,
        start_commands.filters,
        start_commands.grids,
    ],
    "Simulate and train": [
        catalogue_commands.noise,
        training_commands.simulate,
        training_commands.train,
        training_commands.tune,
    ],
    "Fit": [fit_command.fit, compare_commands.compare],
    "Check": [
        check_commands.validate,
        check_commands.recalibrate,
        check_commands.check,
        catalogue_commands.zeropoints,
    ],
    "Look at results": [
        show_command.show,
        results_commands.explore,
        results_commands.report,
        results_commands.qp,
    ],
    "Bridge from simulations": [bridge_commands.app],
}

#: What shells report of a program that Ctrl-C, or a request to end, ended.
_INTERRUPTED = 130
_TERMINATED = 143
#: How torch, HDF5 and BLAS say that memory is missing.
_NO_MEMORY = re.compile(r"not enough memory|can't allocate memory|Cannot allocate memory|bad_alloc")


def _register() -> None:
    for task, commands in _TASKS.items():
        for command in commands:
            if isinstance(command, typer.Typer):
                app.add_typer(command, rich_help_panel=task)
            else:
                app.command(rich_help_panel=task)(command)


def run() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    asked_to_end = []

    def end(number: int, frame: object) -> None:
        """End as by Ctrl-C, so that worker processes and temporary files are removed."""
        asked_to_end.append(number)
        raise KeyboardInterrupt

    def complain(message: str) -> int:
        console.print("[red]sedum:[/red] ", end="")
        console.print(message, markup=False)
        return 2

    signal.signal(signal.SIGTERM, end)
    try:
        # Outside its standalone mode, typer returns the code it would have exited with.
        code = app(standalone_mode=False) or 0
    except SedumError as error:
        code = complain(in_flags(str(error)))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        message = _no_defect(error)
        if message is None:
            raise
        code = complain(message)
    if code == _INTERRUPTED:
        console.print(
            "\nsedum: interrupted; no file is half-written, and the same command goes on from what "
            "simulate, train and fit had finished"
        )
        code = _TERMINATED if asked_to_end else code
    sys.exit(code)


def _no_defect(error: Exception) -> str | None:
    """Return one line for an error that is no defect of sedum, and None for a defect."""
    from sedum.storage import is_full, is_too_large

    if hasattr(error, "format_message"):  # click's usage errors have it
        return f"{error.format_message()}; see sedum --help"
    # What follows is for files that other libraries read or write, and for memory.
    name = getattr(error, "filename", None)
    where = f" for {name}" if name else ""
    if is_full(error):
        return f"no space is left on the disk{where}; free some, then give the same command again"
    if is_too_large(error):
        return (
            f"a file would be larger than files may be here{where}; raise the limit ('ulimit -f'), "
            "then give the same command again"
        )
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return (
            "not enough memory; end other programs, or do less at a time (fewer workers, rows of "
            "a part or draws)"
        )
    if isinstance(error, OSError) and name and error.strerror:
        return f"cannot use {name}: {error.strerror}; put that right, or name another file"
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
    if "--help" not in sys.argv:
        use_available_cores()


_register()
