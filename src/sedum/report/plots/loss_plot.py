"""The held-out loss of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sedum.report.plots.style import BLUE, figure, save, styled

__all__ = ["draw_losses", "plot_losses"]


def draw_losses(losses: Sequence[float], steps: int) -> Figure:
    """Draw the held-out loss of each round against training steps, ``steps`` for each round."""
    with styled():
        fig = figure(4.8, 2.8)
        axis = fig.subplots()
        axis.plot(steps * np.arange(1, len(losses) + 1), losses, color=BLUE, marker="o", ms=3)
        axis.set(xlabel="training steps", ylabel="held-out loss [nat per galaxy]")
    return fig


def plot_losses(losses: Sequence[float], steps: int, path: str | Path) -> Path:
    """Write the figure of :func:`draw_losses`."""
    with styled():
        return save(draw_losses(losses, steps), path)
