"""The texts beside the plots of a galaxy: its name, its verification, its percentiles."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from sedum.report.explorer.plain_labels import plain_unit
from sedum.report.explorer.row_texts import status_meaning, verification_lines
from sedum.report.explorer.selected_galaxy import SelectedGalaxy
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import describe_column

__all__ = ["heading", "percentiles", "statements"]

_SIGNS = {"good": "✓", "poor": "⚠", "plain": "·"}


def heading(galaxy: SelectedGalaxy) -> str:
    """Return the line above a galaxy's panels, as HTML."""
    recorded = galaxy.recorded
    parts = [f"<b>{escape(galaxy.identifier)}</b>", f"row {galaxy.row:,}"]
    known = float(recorded.get("redshift_catalogue", np.nan))
    if np.isfinite(known):
        parts.append(f"catalogue redshift {known:.4g}")
    if "n_bands" in recorded:
        limits = int(recorded.get("n_limits", 0))
        text = f"{int(recorded['n_bands'])} bands"
        parts.append(f"{text} and {limits} limits" if limits else text)
    return " &nbsp; ".join(parts)


def statements(galaxy: SelectedGalaxy, missing: str = "") -> str:
    """Return statements about the fit of a galaxy, as HTML; every text is escaped."""
    lines = []
    if not galaxy.fitted:
        status = escape(str(galaxy.recorded["status"]))
        meaning = escape(status_meaning(str(galaxy.recorded["status"])))
        lines.append(_line("poor", f"<b>not fitted: {status}</b> ({meaning})"))
    lines += [_line("poor", escape(text)) for text in galaxy.notices]
    lines += [_line(tone, escape(text)) for tone, text in verification_lines(galaxy.recorded)]
    if missing:
        lines.append(_line("plain", escape(missing)))
    return f'<div class="statements">{"".join(lines)}</div>'


def _line(tone: str, text: str) -> str:
    return f'<div class="{tone}"><span>{_SIGNS[tone]}</span> {text}</div>'


def percentiles(galaxy: SelectedGalaxy, results: PosteriorCatalogue, names: list[str]) -> str:
    """Return a table of percentiles of parameters and derived quantities, as HTML.

    They are those of the draws if there are draws, or else those of the catalogue.
    """
    if not galaxy.fitted:
        return ""
    rows: list[tuple[str, Iterable[float]]]
    levels: tuple[str, ...]
    if galaxy.draws is not None and galaxy.predictions is not None:
        levels = ("2.5%", "16%", "50%", "84%", "97.5%")
        values = np.percentile(galaxy.draws, [2.5, 16, 50, 84, 97.5], axis=0).T
        rows = list(zip(names, values, strict=True))
        rows += [(n, v[0]) for n, v in galaxy.predictions.derived.items() if n not in names]
    else:
        levels = ("16%", "50%", "84%")
        rows = [
            (name, [float(galaxy.recorded[f"{name}_p{p}"]) for p in (16, 50, 84)])
            for name in results.quantities()
            if all(f"{name}_p{p}" in galaxy.recorded for p in (16, 84))
        ]
    heads = "".join(f"<th>{level}</th>" for level in ("quantity", *levels, "unit"))
    body = ""
    for name, values in rows:
        unit, about = describe_column(name)
        cells = "".join(f"<td>{value:.3f}</td>".replace("-", "−") for value in values)
        body += f'<tr title="{escape(about)}"><th>{escape(name)}</th>{cells}'
        body += f"<td>{escape(_unit(unit))}</td></tr>"
    return f'<table class="percentiles"><tr>{heads}</tr>{body}</table>'


def _unit(unit: str) -> str:
    inner = plain_unit(unit)
    return f"log₁₀ {inner}" if unit.startswith("dex") else inner
