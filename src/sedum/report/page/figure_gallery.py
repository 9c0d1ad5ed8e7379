"""Where the figures of a report go: into the page as SVG, and into a folder as PDF."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from sedum.report.page.page_parts import Cell, Picture
from sedum.report.plots.style import styled
from sedum.storage import atomic_path

__all__ = ["Gallery"]


class Gallery:
    """Turns figures into pictures of the page.

    Parameters
    ----------
    folder
        Where each is also written as vector PDF; nowhere if None.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self.names: list[str] = []

    def add(self, name: str, figure: Figure, caption: tuple[Cell, ...] | str, alt: str) -> Picture:
        """Render a figure under a name that is also that of its file."""
        self.names.append(name)
        buffer = io.BytesIO()
        with styled():
            # Without dates, the same figure has the same bytes.
            figure.savefig(buffer, format="svg", metadata={"Date": None})
            if self.folder is not None:
                with atomic_path(self.folder / f"{name}.pdf") as temporary:
                    figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
        parts = (caption,) if isinstance(caption, str) else caption
        return Picture(name, buffer.getvalue(), parts, alt, 96 * figure.get_figwidth())
