"""The page of the explorer for one visitor: its layout and its reactions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from typing import Any

from bokeh.document import Document
from bokeh.models import (
    Button,
    CheckboxButtonGroup,
    Column,
    Div,
    InlineStyleSheet,
    RangeSlider,
    Row,
    Select,
    TextInput,
)

from sedum.errors import SedumError
from sedum.report.explorer.galaxy_details import heading, percentiles, statements
from sedum.report.explorer.overview_panels import Overview
from sedum.report.explorer.panels.corner_panel import MOST, CornerPanel
from sedum.report.explorer.panels.posterior_panels import HistoryPanel, RedshiftPanel
from sedum.report.explorer.panels.sed_panel import SedPanel
from sedum.report.explorer.sampled_rows import RowFilter, SampledRows
from sedum.report.explorer.selected_galaxy import FittedGalaxies, SelectedGalaxy
from sedum.results.posterior_catalogue import PosteriorCatalogue

__all__ = ["Page"]

_ANY = "any"
_STYLE = """
.statements { font-size: 12.5px; line-height: 1.45; columns: 2; column-gap: 18px; }
.statements div { break-inside: avoid; }
.statements .good span { color: #009E73; font-weight: bold; }
.statements .poor span { color: #D55E00; font-weight: bold; }
table.percentiles { border-collapse: collapse; font-size: 12px;
                    font-variant-numeric: tabular-nums; }
.percentiles td, .percentiles th { padding: 1px 7px; text-align: right; white-space: nowrap; }
.percentiles th { font-weight: 600; color: #444; }
.percentiles th:first-child, .percentiles td:last-child { text-align: left; font-weight: 400; }
.percentiles tr:first-child { border-bottom: 1px solid #bbb; }
.percentiles tr:hover { background: #eef4f9; }
.note { color: #555; font-size: 12px; }
.poor { color: #B34700; }
"""
_TEMPLATE = """
{% block title %}{{ title | e }}{% endblock %}
{% set marked = '<script nonce="' ~ (nonce | default("")) ~ '"' %}
{% block js_resources %}{{ bokeh_js | replace("<script", marked) }}{% endblock %}
{% block postamble %}
<style>
html, body { margin: 0; padding: 0; height: 100%; background: white; color: #222;
             font-family: system-ui, "DejaVu Sans", sans-serif; overflow: hidden; }
.page { height: 100vh; width: 100vw; display: flex; }
</style>
{% endblock %}
{% block inner_body %}<div class="page">{{ embed(roots.page) }}</div>
{{ plot_script | replace("<script", marked) }}{% endblock %}
"""


class Page:
    """The page of one visitor.

    Parameters
    ----------
    results
        The posterior catalogue.
    rows
        The sample of it that is shown.
    galaxies
        The galaxies, or a sentence that names the missing files.
    """

    def __init__(
        self, results: PosteriorCatalogue, rows: SampledRows, galaxies: FittedGalaxies | str
    ):
        self.results, self.galaxies = results, galaxies
        self.overview = Overview(rows.copy())
        self.style = InlineStyleSheet(css=_STYLE)
        self.galaxy: SelectedGalaxy | None = None
        self._filter = RowFilter()
        self._waiting: int | None = None
        self._document: Document | None = None

    # --- parts -----------------------------------------------------------------------------

    def into(self, document: Document) -> None:
        """Put the page into a document."""
        self._document = document
        document.title = f"{self.results.path.name} – sedum"
        document.template = _TEMPLATE
        plots = self.overview.make_plots()
        left = Column(*self._controls(), self.overview.table, sizing_mode="stretch_height")
        left.width_policy, left.width = "fixed", 360
        middle = Column(
            plots, self._note(self.overview.legend), sizing_mode="stretch_both", max_width=470
        )
        middle.styles = {"flex": "1 1 27%"}
        right = self._panels()
        right.styles = {"flex": "1 1 48%", "height": "100vh"}
        right.styles |= {"overflow-y": "auto", "overflow-x": "hidden"}
        root = Row(left, middle, right, sizing_mode="stretch_both", name="page", spacing=6)
        root.styles = {"padding": "6px", "box-sizing": "border-box"}
        document.add_root(root)
        self.overview.source.selected.on_change("indices", self._selected)

    def _div(self, text: str = "", **options: Any) -> Div:
        options.setdefault("sizing_mode", "stretch_width")
        return Div(text=text, stylesheets=[self.style], **options)

    def _note(self, text: str) -> Div:
        return self._div(f'<span class="note">{escape(text)}</span>', margin=(0, 6, 0, 6))

    def _controls(self) -> list[Any]:
        rows, held = self.overview.rows, len(self.overview.rows)
        self.count = self._div(name="count", margin=(4, 5, 0, 5))
        self.search = TextInput(
            placeholder="identifier, or: row 123",
            title="find a galaxy",
            name="search",
            sizing_mode="stretch_width",
        )
        self.search.on_change("value", self._searched)
        self.answer = self._div(name="answer", margin=(0, 5, 0, 5))
        statuses = [(_ANY, f"any ({held:,})")]
        statuses += [(text, f"{text} ({n:,})") for text, n in rows.statuses()]
        self.status = Select(title="status", value=_ANY, options=statuses, name="status")
        self.flags = {
            name: Select(title=name.replace("_", " "), value=_ANY, options=options, name=name)
            for name, options in (
                ("verified", [_ANY, "yes", "no"]),
                ("in_distribution", [_ANY, "yes", "no"]),
                ("at_edge", [_ANY, "yes", "no"]),
            )
            if name in rows.columns
        }
        low, high = rows.redshift_range()
        step = max((high - low) / 200, 1e-6)
        self.redshift = RangeSlider(
            start=low,
            end=high + step,
            value=(low, high + step),
            step=step,
            title="redshift",
            format="0.00",
            sizing_mode="stretch_width",
            name="redshift",
        )
        for widget in (self.status, *self.flags.values()):
            widget.sizing_mode, widget.min_width = "stretch_width", 60
            widget.on_change("value", self._filtered)
        self.redshift.on_change("value_throttled", self._filtered)
        keep = Button(label="show only the selection", name="keep", sizing_mode="stretch_width")
        keep.on_click(self._keep)
        reset = Button(label="show all rows", name="reset", sizing_mode="stretch_width")
        reset.on_click(self._reset)
        self._say_count(held)
        return [
            self.count,
            self.search,
            self.answer,
            Row(self.status, *self.flags.values(), sizing_mode="stretch_width"),
            self.redshift,
            Row(keep, reset, sizing_mode="stretch_width"),
        ]

    def _panels(self) -> Column:
        self.heading = self._div(name="heading", margin=(4, 8, 0, 8))
        self.statements = self._div(name="statements", margin=(2, 8, 4, 8))
        self.percentiles = self._div(name="percentiles", margin=(6, 8, 10, 8))
        self.heading.text = '<span class="note">Select a point or a row, or search.</span>'
        galaxies = self.galaxies
        if isinstance(galaxies, str):
            self.statements.text = f'<span class="note">{escape(galaxies)}</span>'
            return Column(
                self.heading, self.statements, self.percentiles, sizing_mode="stretch_both"
            )
        names = galaxies.model.prior.names
        self.sed, self.history = SedPanel(galaxies.model.filters), HistoryPanel(galaxies.model)
        self.density, self.corner = RedshiftPanel(galaxies.prior), CornerPanel()
        free = [name for name in names if name in galaxies.model.prior.free]
        self.shown = CheckboxButtonGroup(
            labels=names,
            active=[names.index(name) for name in free[:MOST]],
            name="corner_parameters",
            margin=(0, 8, 0, 8),
            sizing_mode="stretch_width",
            stylesheets=[InlineStyleSheet(css=".bk-btn-group { flex-wrap: wrap; }")],
        )
        self.shown.on_change("active", lambda attr, old, new: self._draw_corner())
        for made, height in (
            (self.sed.figure, 270),
            (self.sed.beneath, 130),
            (self.history.figure, 220),
            (self.density.figure, 220),
            (self.corner.figure, 660),
        ):
            made.update(sizing_mode="stretch_width", height=height, min_height=height)
        return Column(
            self.heading,
            self.statements,
            self.sed.figure,
            self.sed.beneath,
            Row(self.history.figure, self.density.figure, sizing_mode="stretch_width"),
            self.percentiles,
            self.shown,
            self.corner.figure,
            sizing_mode="stretch_both",
        )

    # --- reactions ----------------------------------------------------------------------

    def _say_count(self, shown: int) -> None:
        held, total = len(self.overview.rows), self.results.rows
        text = f"<b>{escape(self.results.path.name)}</b>: {total:,} rows"
        if not self.overview.rows.complete:
            text += f", of which {held:,} random ones are shown; the search finds all"
        if shown < held:
            text += f"; <b>{shown:,}</b> pass the filters"
        self.count.text = text

    def _filtered(self, attr: str, old: Any, new: Any) -> None:
        wanted = {name: w.value == "yes" for name, w in self.flags.items() if w.value != _ANY}
        low, high = self.redshift.value
        whole = low <= self.redshift.start and high >= self.redshift.end
        self._filter = RowFilter(
            status="" if self.status.value == _ANY else self.status.value,
            flags=tuple((n, v) for n, v in wanted.items() if n != "at_edge"),
            at_edge=wanted.get("at_edge"),
            redshift=None if whole else (low, high),
            rows=self._filter.rows,
        )
        self._say_count(self.overview.apply(self._filter))

    def _keep(self) -> None:
        at = self.overview.source.selected.indices
        rows = frozenset(int(self.overview.rows.rows[i]) for i in at)
        if rows:
            self._filter = replace(self._filter, rows=rows)
            self._say_count(self.overview.apply(self._filter))

    def _reset(self) -> None:
        self._filter = RowFilter()
        self.status.value = _ANY
        for widget in self.flags.values():
            widget.value = _ANY
        self.redshift.value = (self.redshift.start, self.redshift.end)
        self._filtered("", None, None)

    def _searched(self, attr: str, old: str, new: str) -> None:
        wanted = new.strip()
        self.answer.text = ""
        if not wanted:
            return
        numbered = re.fullmatch(r"row\s+([\d,]+)", wanted)
        try:
            if numbered:
                row: int | None = int(numbered[1].replace(",", ""))
                if row is not None and row >= self.results.rows:
                    raise SedumError(f"rows are 0 to {self.results.rows - 1:,}")
            else:
                row = self.results.find(wanted)
            if row is None:
                raise SedumError(f"no row has the identifier {wanted}")
        except SedumError as error:
            self.answer.text = f'<span class="poor">{escape(str(error))}</span>'
            return
        with self._together():
            at = self.overview.hold(row)
            self._say_count(self.overview.apply(self._filter))
        if not self.overview.rows.passing(self._filter)[at]:
            text = "found, but hidden in table and plots by the filters"
            self.answer.text = f'<span class="note">{text}</span>'
        self.overview.source.selected.indices = [at]

    def _selected(self, attr: str, old: list[int], new: list[int]) -> None:
        """Show the selected galaxy if it is a single one; of several requests, the last."""
        self.overview.emphasise(len(new) > 1)
        if len(new) != 1:
            return
        scheduled, self._waiting = self._waiting is not None, new[0]
        if not scheduled:
            assert self._document is not None
            self._document.add_next_tick_callback(self._look)

    def _look(self) -> None:
        at, self._waiting = self._waiting, None
        assert at is not None
        self.show(int(self.overview.rows.rows[at]))

    def show(self, row: int) -> None:
        """Show a galaxy, by its row number."""
        missing = self.galaxies if isinstance(self.galaxies, str) else ""
        try:
            if isinstance(self.galaxies, str):
                galaxy = SelectedGalaxy(row, self.results.row(row))
            else:
                galaxy = self.galaxies.look(row)
        except SedumError as error:
            missing, galaxy = str(error), SelectedGalaxy(row, self.results.row(row))
        self.galaxy = galaxy
        with self._together():
            self.heading.text = heading(galaxy)
            self.statements.text = statements(galaxy, missing)
            if not isinstance(self.galaxies, str):
                names = self.galaxies.model.prior.names
                self.sed.update(galaxy)
                self.history.update(galaxy)
                self.density.update(galaxy)
                self.percentiles.text = percentiles(galaxy, self.results, names)
                self._draw_corner()
            else:
                self.percentiles.text = percentiles(galaxy, self.results, [])

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Send all changes of the body to the browser together."""
        assert self._document is not None
        self._document.hold("combine")
        try:
            yield
        finally:
            self._document.unhold()

    def _draw_corner(self) -> None:
        assert not isinstance(self.galaxies, str)
        names = self.galaxies.model.prior.names
        draws = self.galaxy.draws if self.galaxy is not None else None
        if draws is None:
            self.corner.update(None, [])
            return
        # What does not vary has no density.
        shown = [names[i] for i in sorted(self.shown.active) if draws[:, i].std() > 0]
        self.corner.update(draws[:, [names.index(n) for n in shown]] if shown else None, shown)
