"""One look for all figures: colour-blind safe, units on every axis, no display needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sedum.storage import atomic_path

__all__ = ["BLUE", "GREY", "LABELS", "ORANGE", "figure", "label", "save", "styled"]

# Okabe & Ito (2008), distinguishable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
CYCLE = [BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000", "#F0E442", GREY]

LABELS = {
    "redshift": "redshift",
    "log_mass": r"$\log_{10}\,M_{\rm formed}/{\rm M}_\odot$",
    "log_z": r"$\log_{10}\,Z$",
    "av": r"$A_V$ [mag]",
    "log_ssfr": r"$\log_{10}\,{\rm sSFR}\cdot{\rm yr}$",
    "log_u": r"$\log_{10}\,U$",
    "age": "age [Gyr]",
    "log_tau": r"$\log_{10}\,\tau/{\rm Gyr}$",
    "log_mass_surviving": r"$\log_{10}\,M_\star/{\rm M}_\odot$",
    "log_sfr_10": r"$\log_{10}\,{\rm SFR}_{10}/({\rm M}_\odot\,{\rm yr}^{-1})$",
    "log_sfr_100": r"$\log_{10}\,{\rm SFR}_{100}/({\rm M}_\odot\,{\rm yr}^{-1})$",
    "mass_weighted_age": "mass-weighted age [Gyr]",
    "uv_slope": r"UV slope $\beta$",
}

_STYLE = {
    "font.size": 9,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 130,
    "savefig.dpi": 130,
}


def label(name: str) -> str:
    """Return the axis label of a parameter or derived quantity, with its unit."""
    if name.startswith("t") and name[1:].isdigit():
        return rf"$t_{{{name[1:]}}}\,/\,t_{{\rm Universe}}$"
    return LABELS.get(name, name)


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style inside the body."""
    with mpl.rc_context(_STYLE):
        yield


def figure(width: float, height: float, constrained: bool = True) -> Figure:
    """Return a figure of a size in inches that needs no display and no global state.

    ``constrained`` lets matplotlib place the axes; False is for those who place them.
    """
    made = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(made)
    return made


def save(made: Figure, path: str | Path) -> Path:
    """Write a figure atomically, in the format of its extension."""
    path = Path(path)
    with atomic_path(path) as temporary:
        made.savefig(temporary, format=path.suffix.lstrip("."))
    return path
