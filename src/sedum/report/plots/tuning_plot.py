"""The trials of a tuning, as a table and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, save, styled

__all__ = ["plot_trials", "trial_table"]


def trial_table(study: Any, best: int = 5) -> Table:
    """Return the best trials of a study as a table for the terminal."""
    done = sorted((t for t in study.trials if t.value is not None), key=lambda t: t.value)[:best]
    table = Table(
        title=f"best of {len(study.trials)} trials", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("trial", justify="right")
    table.add_column("held-out\nloss", justify="right")
    names = list(done[0].params) if done else []
    for name in names:
        table.add_column(name.split(".")[1].replace("_", "\n"), justify="right", no_wrap=True)
    for trial in done:
        values = [_short(trial.params[n]) for n in names]
        table.add_row(str(trial.number), f"{trial.value:.3f}", *values)
    return table


def _short(value: float) -> str:
    return f"{value:.1e}" if isinstance(value, float) else str(value)


def plot_trials(study: Any, path: str | Path) -> Path:
    """Draw the held-out losses of all trials round by round, and against each setting."""
    names = sorted({name for t in study.trials for name in t.params})
    done = [t for t in study.trials if t.value is not None]
    columns = 3
    lines = -(-(len(names) + 1) // columns)
    with styled():
        fig = figure(3.4 * columns, 2.5 * lines)
        axes = np.atleast_1d(fig.subplots(lines, columns, squeeze=False)).ravel()
        for trial in study.trials:
            rounds = sorted(trial.intermediate_values)
            losses = [trial.intermediate_values[r] for r in rounds]
            colour = GREY if trial.value is None else BLUE
            axes[0].plot(rounds, losses, color=colour, lw=0.8, alpha=0.6)
        axes[0].set(xlabel="round", title="all trials (grey: given up)")
        for axis, name in zip(axes[1:], names, strict=False):
            values = [t.params[name] for t in done]
            axis.plot(values, [t.value for t in done], "o", color=BLUE, ms=4)
            if done:
                top = min(done, key=lambda t: t.value)
                axis.plot(top.params[name], top.value, "o", color=ORANGE, ms=6)
            if all(isinstance(v, float) for v in values):
                axis.set_xscale("log")
            axis.set_title(name, fontsize=8)
        for axis in axes[len(names) + 1 :]:
            axis.set_axis_off()
        fig.supylabel("held-out loss [nat per galaxy]")
        return save(fig, path)
