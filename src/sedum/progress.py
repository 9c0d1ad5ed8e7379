"""One progress bar for all long work, with its rate and the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Advance", "progress"]


class Advance(Protocol):
    """Report that work was done.

    ``note`` replaces the text at the end of the bar; ``line`` is printed above it.
    """

    def __call__(self, count: int, note: str = "", line: str = "") -> None:  # noqa: D102
        ...


@contextmanager
def progress(total: int | None, what: str, unit: str, show: bool = True) -> Iterator[Advance]:
    """Show a progress bar on standard error while the body runs.

    Parameters
    ----------
    total
        The amount of work; None where it is not known.
    what, unit
        What is being done, and what is counted.
    show
        False for none, as library code that runs inside other bars wants.
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
