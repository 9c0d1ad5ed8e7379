"""The parts of a page: sections of text, tables and pictures, whose numbers link to definitions.

The template turns these into HTML and escapes all text, since identifiers and names come from
files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "Block",
    "Cell",
    "Folded",
    "Grid",
    "Number",
    "Picture",
    "Section",
    "Term",
    "Text",
    "anchor",
    "between",
    "count",
    "fraction",
    "minus",
    "plain",
    "terms",
    "with_error",
]


@dataclass(frozen=True)
class Number:
    """A number on the page.

    Attributes
    ----------
    text
        As it is shown.
    define
        The key of its definition; see :mod:`sedum.report.page.glossary`.
    sort
        The value that tables sort it by.
    name
        Its name in the source of the page, for programs that read the page.
    """

    text: str
    define: str
    sort: float | None = None
    name: str = ""


@dataclass(frozen=True)
class Term:
    """A word that links to its definition."""

    text: str
    define: str


#: The content of a table cell or of a line of text: words, numbers, terms, or several of these.
Cell = str | Number | Term | tuple["Cell", ...]


@dataclass(frozen=True)
class Text:
    """A paragraph; ``kind`` is ``plain``, ``note`` or ``warning``."""

    parts: tuple[Cell, ...]
    kind: str = "plain"

    @classmethod
    def of(cls, *parts: Cell, kind: str = "plain") -> Text:
        """Return a paragraph of parts."""
        return cls(parts, kind)


@dataclass(frozen=True)
class Grid:
    """A table with a caption.

    One with ``tools`` can be sorted and searched; one that is ``folded`` is shown on demand.
    """

    caption: str
    headings: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    tools: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure as SVG; ``name`` is its file name, and ``alt`` describes it in words."""

    name: str
    svg: bytes = field(repr=False)
    caption: tuple[Cell, ...]
    alt: str
    width: float = 0.0


@dataclass(frozen=True)
class Folded:
    """Text that is shown on demand, such as the run file."""

    title: str
    content: str


Block = Text | Grid | Picture | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading."""

    id: str
    title: str
    blocks: Sequence[Block]


def anchor(define: str) -> str:
    """Return the id of the element that holds a definition."""
    return "def-" + re.sub(r"[^\w.-]", "_", define)


def terms(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield the keys of all definitions that some cells link to."""
    for cell in cells:
        if isinstance(cell, tuple):
            yield from terms(cell)
        elif not isinstance(cell, str):
            yield cell.define


def minus(text: str) -> str:
    """Return the text of a number with a true minus sign."""
    return text.replace("-", "−")


# --- numbers as texts ----------------------------------------------------------------------


def count(number: int, define: str, name: str = "") -> Number:
    """Return a count."""
    return Number(f"{number:,}", define, float(number), name)


def fraction(part: int, whole: int, define: str, name: str = "") -> Number:
    """Return a fraction as a percentage; a dash if the whole is zero."""
    if not whole:
        return Number("–", define, -1.0, name)
    percent = 100 * part / whole
    # 0% and 100% are only shown where they are exact.
    if 0 < part < whole and not 0.05 <= percent < 99.95:
        text = "<0.1%" if percent < 50 else ">99.9%"
    else:
        text = f"{percent:.1f}%"
    return Number(text, define, percent, name)


def plain(value: float, define: str, decimals: int = 3, signed: bool = False) -> Number:
    """Return a number with the given decimals; a dash for NaN."""
    if not np.isfinite(value):
        return Number("–", define, None)
    text = minus(f"{value:{'+' if signed else ''}.{decimals}f}")
    return Number(text, define, float(value))


def with_error(
    value: float,
    error: float,
    define: str,
    name: str = "",
    signed: bool = False,
    percent: bool = False,
) -> Number:
    """Return a number and its standard error, with two digits of the error."""
    if not np.isfinite(value):
        return Number("–", define, None, name)
    scale, unit = (100.0, "%") if percent else (1.0, "")
    decimals = _decimals(error * scale)
    sign = "+" if signed else ""
    text = f"{value * scale:{sign}.{decimals}f}"
    if np.isfinite(error) and error > 0:
        text += f" ± {error * scale:.{decimals}f}"
    return Number(minus(text) + unit, define, float(value), name)


def between(low: float, middle: float, high: float, define: str) -> Number:
    """Return a median with the distances to its 16th and 84th percentiles."""
    if not np.isfinite([low, middle, high]).all():
        return Number("–", define, None)
    decimals = _decimals((high - low) / 2, digits=2)
    text = f"{middle:.{decimals}f} (−{middle - low:.{decimals}f}, +{high - middle:.{decimals}f})"
    return Number(minus(text), define, float(middle))


def _decimals(error: float, digits: int = 2) -> int:
    """Return the number of decimals that show the given digits of an error."""
    if not (np.isfinite(error) and error > 0):
        return 3
    return int(np.clip(digits - 1 - np.floor(np.log10(error)), 0, 6))
