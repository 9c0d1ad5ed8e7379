"""The progress bar of long computations, with its rate and the remaining time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Advance", "progress"]


class Advance(Protocol):
    """Function that reports progress to a bar.

    ``count`` is the amount of work done since the last call. ``note`` replaces the text at the end
    of the bar; ``line`` is printed above it.

    Examples
    --------
    >>> with progress(2, "fitting", "galaxies", show=False) as advance:
    ...     advance(1, note="half done")
    ...     advance(1, line="all done")
    """

    def __call__(self, count: int, note: str = "", line: str = "") -> None:  # noqa: D102
        ...


@contextmanager
def progress(total: int | None, what: str, unit: str, show: bool = True) -> Iterator[Advance]:
    """Show a progress bar on standard error while the body of the ``with`` statement runs.

    Parameters
    ----------
    total
        Total amount of work; None if it is not known.
    what
        Description of the work, shown before the bar.
    unit
        Unit in which the work is counted, such as ``"galaxies"``.
    show
        Whether to show the bar.

    Yields
    ------
    Advance
        Function to call with the amount of work done.

    Examples
    --------
    >>> with progress(100, "simulating", "galaxies", show=False) as advance:
    ...     for _ in range(10):
    ...         advance(10)
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else "", style="cyan")

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        disable=not show,
    ) as bar:
        task = bar.add_task(what, total=total, note="")

        def advance(count: int, note: str = "", line: str = "") -> None:
            bar.update(task, advance=count)
            if line and show:
                bar.console.print(line, highlight=False)
            if note:
                bar.update(task, note=note)

        yield advance
