"""The progress of long computations, with its rate and the remaining time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Advance", "progress"]

#: Seconds between two lines where there is no terminal for a bar.
_INTERVAL = 30.0


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
    """Show progress on standard error while the body of the ``with`` statement runs.

    A terminal shows a bar. Elsewhere, as in the log of a batch job, a line is printed every 30
    seconds.

    Parameters
    ----------
    total
        Total amount of work; None if it is not known.
    what
        Description of the work, shown before the bar.
    unit
        Unit in which the work is counted, such as ``"galaxies"``.
    show
        Whether to show anything.

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

    console = Console(stderr=True, highlight=False)
    if show and not (console.is_terminal or console.is_jupyter):
        yield _lines(total, what, unit, console)
        return
    with _bar(total, what, unit, show, console) as advance:
        yield advance


def _lines(total: int | None, what: str, unit: str, console: Console) -> Advance:
    """Return a function that prints a line when some time has passed."""
    started = printed = time.monotonic()
    done, kept, shown = 0, 0, ""

    def advance(count: int, note: str = "", line: str = "") -> None:
        nonlocal done, kept, printed, shown
        if not done and time.monotonic() - started < 1:
            kept = count  # work that an earlier call had finished
        done, shown = done + count, note or shown
        if line:
            console.print(line, markup=False, soft_wrap=True)
        now = time.monotonic()
        if now - printed < _INTERVAL:
            return
        printed = now
        rate = (done - kept) / (now - started)
        of_total = f" of {total:,}" if total else ""
        parts = [f"{what}: {done:,}{of_total} {unit}, {rate:,.3g} a second"]
        if total and rate:
            parts.append(f"{max(total - done, 0) / rate:,.0f} s left")
        console.print(", ".join([*parts, *filter(None, [shown])]), markup=False, soft_wrap=True)

    return advance


@contextmanager
def _bar(
    total: int | None, what: str, unit: str, show: bool, console: Console
) -> Iterator[Advance]:
    """Show a bar in a terminal."""
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
        console=console,
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
