"""The overview of the catalogue: a table and linked plots of the same rows."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from bokeh.models import (
    BooleanFilter,
    CDSView,
    Column,
    ColumnDataSource,
    DataTable,
    Div,
    HoverTool,
    InlineStyleSheet,
    NumberFormatter,
    RadioButtonGroup,
    Row,
    Select,
    Slope,
    StringFormatter,
    TableColumn,
)

from sedum.check.known_redshifts import OUTLIER
from sedum.report.explorer.panels.plot_axes import plot
from sedum.report.explorer.plain_labels import column_label
from sedum.report.explorer.sampled_rows import RowFilter, SampledRows
from sedum.report.plots.style import BLUE, GREY, ORANGE

__all__ = ["Overview"]

#: Initial axes of the plots: the first available quantity of each.
_FIRST = (("redshift_p50",), ("log_mass_surviving_p50", "log_mass_p50"))
_SECOND = (_FIRST[1], ("log_sfr_100_p50", "log_sfr_10_p50", "log_ssfr_p50"))
_TABLE = """
.slick-cell.selected { background-color: #bfdcf0 !important; }
.slick-header-column { font-weight: 600; }
"""
_TITLES = {"redshift_catalogue": "catalogue z"}
_WIDTHS = {"id": 90, "status": 80, "at_edge": 110, "worst_band": 100}
#: If there are more points than this, they are drawn smaller and fainter.
_MANY = 3000
#: Opacity of points that are not selected, if several are.
_FAINT = 0.1
#: Style of the selected point.
_RING = {"size": 13, "line_color": "black"}
_REDSHIFTS = ("redshift_catalogue", "redshift_p50")


class Overview:
    """The table and the plots of one source, so that they have the same selection.

    Parameters
    ----------
    rows
        What is shown.
    """

    def __init__(self, rows: SampledRows):
        self.rows = rows
        self.source = ColumnDataSource(rows.data() | {"colour": self._colours()}, name="rows")
        # One filter, but one view for each part, since tables and plots cannot have the same view.
        self.filter = BooleanFilter(booleans=None)
        self.names = rows.quantities()
        self._alpha = 0.4 if len(rows) > _MANY else 0.6
        self.table = self._make_table()
        self.plots: list[Any] = []
        self._axes: list[tuple[int, str, str]] = []
        self._selects: dict[int, tuple[Select, Select]] = {}
        self._guides: dict[int, list[Slope]] = {}

    # --- the table -------------------------------------------------------------------------

    def _make_table(self) -> DataTable:
        columns = []
        for name in self.rows.ordered():
            kind = self.rows.columns[name].dtype.kind
            number = isinstance(self.source.data[name], np.ndarray)
            form: Any = StringFormatter()
            if number:
                digits = "0" if kind in "iu" else "0.000"
                form = NumberFormatter(format=digits, nan_format="–", text_align="right")
            title = _TITLES.get(name, name.removesuffix("_p50"))
            width = _WIDTHS.get(title, max(60, 7 * len(title) + 16))
            # Of all texts that Bokeh is given only titles of columns and divisions are HTML.
            shown = escape(title)
            columns.append(TableColumn(field=name, title=shown, formatter=form, width=width))
        return DataTable(
            source=self.source,
            view=CDSView(filter=self.filter),
            columns=columns,
            sizing_mode="stretch_both",
            index_position=None,
            autosize_mode="none",
            fit_columns=False,
            row_height=22,
            reorderable=False,
            name="table",
            stylesheets=[InlineStyleSheet(css=_TABLE)],
        )

    # --- the plots -------------------------------------------------------------------------

    def make_plots(self) -> Column:
        """Return the linked plots: two of any quantities, and known redshifts if there are any."""
        upper = self._choosable(1, *self._at_first(_FIRST))
        lower = self._choosable(2, *self._at_first(_SECOND))
        known = self.rows.columns.get("redshift_catalogue")
        if known is None or not np.isfinite(known).any() or "redshift_p50" not in self.names:
            return Column(upper, lower, sizing_mode="stretch_both")
        pairs = [tuple(select.value for select in self._selects[2]), _REDSHIFTS]
        which = RadioButtonGroup(
            labels=["two quantities", "redshift against catalogue"],
            active=0,
            name="lower_plot",
            sizing_mode="stretch_width",
        )

        def choose(attr: str, old: int, new: int) -> None:
            for select, value in zip(self._selects[2], pairs[new], strict=True):
                select.value = value

        which.on_change("active", choose)
        return Column(upper, which, lower, sizing_mode="stretch_both")

    def _at_first(self, wanted: tuple[tuple[str, ...], ...]) -> tuple[str, str]:
        known = list(self.names)
        shown = []
        for k, names in enumerate(wanted):
            there = [n for n in names if n in self.names]
            shown.append(there[0] if there else known[min(k, len(known) - 1)])
        return shown[0], shown[1]

    def _choosable(self, number: int, x: str, y: str) -> Column:
        made = self._scatter(number, x, y)
        options = list(self.names.items())
        small = {"sizing_mode": "stretch_width", "margin": (2, 4, 0, 4)}
        across = Select(title="", value=x, options=options, name=f"x{number}", **small)
        up = Select(title="", value=y, options=options, name=f"y{number}", **small)

        def choose(attr: str, old: str, new: str) -> None:
            self._set_axes(number, across.value, up.value)

        self._selects[number] = (across, up)
        across.on_change("value", choose)
        up.on_change("value", choose)
        against = Div(text="against", margin=(8, 0, 0, 0), styles={"color": "#555"})
        axes = Row(up, against, across, sizing_mode="stretch_width")
        return Column(axes, made, sizing_mode="stretch_both")

    def _scatter(self, number: int, x: str, y: str) -> Any:
        made = plot(
            tools="tap,box_select,lasso_select,pan,box_zoom,wheel_zoom,reset,save",
            active_drag="box_select",
            name=f"scatter{number}",
            output_backend="canvas",
        )
        drawn = made.scatter(
            x,
            y,
            source=self.source,
            view=CDSView(filter=self.filter),
            size=3.5 if self._alpha < 0.5 else 5,
            color="colour",
            alpha=self._alpha,
            line_color=None,
            selection_alpha=1.0,
            selection_line_color="black",
            selection_line_width=2,
            nonselection_alpha=self._alpha,
            name=f"points{number}",
        )
        drawn.selection_glyph.update(**_RING)
        tooltips = [("id", "@id"), ("row", "@row"), ("z", "@redshift_p50{0.000}")]
        made.add_tools(HoverTool(renderers=[drawn], tooltips=tooltips, point_policy="snap_to_data"))
        made.x_range.only_visible = made.y_range.only_visible = True
        made.x_range.renderers = made.y_range.renderers = [drawn]
        self.plots.append((made, drawn))
        self._guides[number] = self._draw_guides(made)
        self._axes.append((number, x, y))
        self._label(number, made, x, y)
        return made

    @staticmethod
    def _draw_guides(made: Any) -> list[Slope]:
        """Draw the line of equal redshifts, and the limits of outliers in |Δz| / (1 + z)."""
        guides = []
        for factor, dash in ((1.0, "solid"), (1 - OUTLIER, "dashed"), (1 + OUTLIER, "dashed")):
            line = Slope(
                gradient=factor,
                y_intercept=factor - 1,
                line_color=GREY,
                line_dash=dash,
                visible=False,
            )
            made.add_layout(line)
            guides.append(line)
        return guides

    def _label(self, number: int, made: Any, x: str, y: str) -> None:
        for line in self._guides[number]:
            line.visible = (x, y) == _REDSHIFTS
        made.xaxis.axis_label = column_label(x)
        made.yaxis.axis_label = column_label(y)

    def _set_axes(self, number: int, x: str, y: str) -> None:
        at = [n for n, _, _ in self._axes].index(number)
        made, drawn = self.plots[at]
        for glyph in (drawn.glyph, drawn.selection_glyph, drawn.nonselection_glyph):
            if hasattr(glyph, "x"):
                glyph.update(x=x, y=y)
        self._axes[at] = (number, x, y)
        self._label(number, made, x, y)

    # --- filter and selection -------------------------------------------------

    def apply(self, row_filter: RowFilter) -> int:
        """Show the rows that pass a filter; return their number."""
        shown = self.rows.passing(row_filter)
        self.filter.booleans = None if shown.all() else shown.tolist()
        return int(shown.sum())

    def emphasise(self, several: bool) -> None:
        """Mark a single selected point by a ring; for several, fade the other points."""
        for _, drawn in self.plots:
            faint = _FAINT if several else self._alpha
            drawn.nonselection_glyph.update(fill_alpha=faint, hatch_alpha=faint)
            plain = {"size": drawn.glyph.size, "line_color": None}
            drawn.selection_glyph.update(**(plain if several else _RING))

    def hold(self, row: int) -> int:
        """Return the position of a row, which is added if it is not in the sample."""
        at = self.rows.index(row)
        if at is None:
            at = self.rows.add(row)
            self.source.data = self.rows.data() | {"colour": self._colours()}
        return at

    def _colours(self) -> list[str]:
        trusted = np.ones(len(self.rows), bool)
        for name in ("verified", "in_distribution"):
            if name in self.rows.columns:
                trusted &= self.rows.columns[name].astype(bool)
        return np.where(trusted, BLUE, ORANGE).tolist()

    @property
    def legend(self) -> str:
        """The meaning of the colours; empty if there is only one."""
        there = [n for n in ("verified", "in_distribution") if n in self.rows.columns]
        if not there:
            return ""
        names = " and ".join(n.replace("_", " ") for n in there)
        return f"blue: {names}; orange: not"
