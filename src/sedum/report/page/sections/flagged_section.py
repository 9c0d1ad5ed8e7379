"""Flagged galaxies: how many of each kind, and a table of the worst."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sedum.check.known_redshifts import OUTLIER
from sedum.photometry.row_status import OK
from sedum.report.collected.catalogue_counts import POOR_FIT, WORST, use_redshift
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.page.glossary import quantity
from sedum.report.page.page_parts import (
    Block,
    Cell,
    Grid,
    Section,
    Term,
    Text,
    between,
    count,
    fraction,
    plain,
)

__all__ = ["flagged_section"]

#: Quantities shown for each galaxy, if the results have them.
_SHOWN = ("redshift", "log_mass_surviving", "log_mass", "log_sfr_100", "av")
_MAX_QUANTITIES = 4
#: Columns of verification that are shown, with their decimals.
_CHECKS = {"ess": 0, "k_hat": 2, "ppp": 3, "typicality": 4}


def flagged_section(sample: CatalogueSample) -> Section:
    """Return the section: the number of flagged rows, and a table of the worst of each kind."""
    worst, rows = sample.counts.worst, sample.counts.rows
    kinds: list[list[Cell]] = [
        [kind, count(n, "flags"), fraction(n, rows, "flags")]
        for kind, n in worst.counts.items()
        if n
    ]
    blocks: list[Block] = [
        Text.of(
            count(worst.flagged, "flags", "flagged"),
            " of ",
            count(rows, "rows"),
            " rows have ",
            Term("flags", "flags"),
            ". A flagged row need not be wrong, and a row without flags need not be right.",
        ),
        Grid("Flags", [Term("flag", "flags"), "rows", "fraction of rows"], kinds),
    ]
    shown = worst.rows()
    if shown:
        maximum = count(WORST, "flags")
        blocks += [
            Text.of("The table shows up to ", maximum, " rows of each kind, the worst ones.")
        ]
        blocks += [_table(sample, shown)]
    return Section("flagged", "Flagged galaxies", blocks)


def _table(sample: CatalogueSample, rows: list[tuple[int, dict[str, Any]]]) -> Grid:
    columns = sample.results.columns
    quantities = [q for q in _SHOWN if q in sample.results.quantities()]
    if {"log_mass", "log_mass_surviving"} <= set(quantities):
        quantities.remove("log_mass")
    quantities = quantities[:_MAX_QUANTITIES]
    checks = {name: d for name, d in _CHECKS.items() if name in columns}
    known = "redshift_catalogue" in columns
    headings: list[Cell] = ["id", Term("row", "row"), Term("flags", "flags")]
    headings += [Term("bands", "n_bands")] if "n_bands" in columns else []
    headings += [Term("known z", "known")] if known else []
    headings += [Term(name, quantity(name)) for name in quantities]
    headings += [Term(name.replace("_", " "), name) for name in checks]
    headings += [Term("at edge", "at_edge")] if "at_edge" in columns else []
    cells: list[list[Cell]] = []
    for row, values in rows:
        line: list[Cell] = [str(values["id"]), count(row, "row"), "; ".join(_flags(sample, values))]
        if "n_bands" in columns:
            line.append(count(int(values["n_bands"]), "n_bands"))
        if known:
            line.append(plain(float(values["redshift_catalogue"]), "known", 4))
        for name in quantities:
            low, middle, high = (float(values[f"{name}_p{p}"]) for p in (16, 50, 84))
            line.append(between(low, middle, high, quantity(name)))
        line += [plain(float(values[name]), name, d) for name, d in checks.items()]
        if "at_edge" in columns:
            line.append(str(values["at_edge"]))
        cells.append(line)
    return Grid("Flagged rows", headings, cells, tools=True)


def _flags(sample: CatalogueSample, values: Mapping[str, Any]) -> list[str]:
    """Return the flags of a row, by the same rules as the counts."""
    status = str(values["status"])
    if status != OK:
        return [f"not fitted: {status}"]
    flags = []
    if "redshift_catalogue" in values and "redshift_p50" in values:
        truth, median = float(values["redshift_catalogue"]), float(values["redshift_p50"])
        if not use_redshift(sample.results) and abs(median - truth) / (1 + truth) > OUTLIER:
            flags.append("redshift outlier")
    if "ppp" in values and float(values["ppp"]) < POOR_FIT:
        flags.append("poor fit" + (f" ({values['worst_band']})" if "worst_band" in values else ""))
    for column, text in (
        ("in_distribution", "not like the simulations"),
        ("verified", "not verified"),
    ):
        if column in values and not values[column]:
            flags.append(text)
    if not np.isfinite([float(values[f"{q}_p50"]) for q in sample.results.quantities()]).all():
        flags.append("no value")
    if values.get("at_edge"):
        flags.append("at an edge")
    return flags
