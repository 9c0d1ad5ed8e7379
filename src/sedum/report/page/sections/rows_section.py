"""The rows of the catalogue: their status and their number of bands."""

from __future__ import annotations

from collections.abc import Mapping

from sedum.photometry.row_status import OK, Reason, most_frequent_first
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.page_parts import Block, Cell, Grid, Section, Term, Text, count, fraction
from sedum.report.plots.report_figures.distribution_figures import plot_bands

__all__ = ["explain", "rows_section"]


def explain(status: str) -> tuple[str, str]:
    """Return the meaning of a status and its remedy; both empty if it is not known."""
    if status == OK:
        return "The row was fitted.", ""
    # Statuses that differ only by the band are shown together, without the band.
    reason = Reason.of(status) or Reason.of(f"{status} BAND")
    return (reason.meaning, reason.remedy) if reason else ("", "")


def rows_section(sample: CatalogueSample, gallery: Gallery) -> Section:
    """Return the section of row statuses and numbers of bands."""
    counts = sample.counts
    rows = [_row(sample, *entry) for entry in _families(counts.status)]
    headings: list[Cell] = [Term("status", "status"), "rows", "fraction", "meaning", "remedy"]
    blocks: list[Block] = [Grid("Status of the rows", headings, rows)]
    if counts.n_bands:
        blocks += _bands(sample, gallery)
    return Section("rows", "Rows and coverage", blocks)


def _families(status: Mapping[str, int]) -> list[tuple[str, dict[str, int]]]:
    """Group statuses that differ only by the band: counts by band, or by "" if there is none."""
    families: dict[str, dict[str, int]] = {}
    for text, number in status.items():
        stem, separator, band = text.rpartition(" in ")
        # A band is one word; "selection band X not observed" and the like stand alone.
        if separator and " " not in band:
            families.setdefault(f"{stem} in", {})[band] = number
        else:
            families[text] = {"": number}
    totals = most_frequent_first((text, sum(parts.values())) for text, parts in families.items())
    return [(text, families[text]) for text, _ in totals]


def _row(sample: CatalogueSample, text: str, parts: Mapping[str, int]) -> list[Cell]:
    number, rows = sum(parts.values()), sample.counts.rows
    shown: Cell = text
    if "" not in parts:
        bands: list[Cell] = []
        for band, n in most_frequent_first(parts.items()):
            bands += [", " if bands else " ", band]
            bands += [" (", count(n, "status"), ")"] if len(parts) > 1 else []
        shown = (text, *bands)
    name = "status-ok" if text == OK else ""
    counts = [count(number, "status", name), fraction(number, rows, "status")]
    return [shown, *counts, *explain(text)]


def _bands(sample: CatalogueSample, gallery: Gallery) -> list[Block]:
    counts = dict(sorted(sample.counts.n_bands.items()))
    rows: list[list[Cell]] = [
        [count(bands, "n_bands"), count(n, "n_bands"), fraction(n, sample.counts.ok, "n_bands")]
        for bands, n in counts.items()
    ]
    most_frequent = max(counts, key=lambda bands: counts[bands])
    picture = gallery.add(
        "bands-measured",
        plot_bands(counts),
        ("Fitted galaxies by the ", Term("number of bands measured", "n_bands"), "."),
        f"Bar chart of fitted galaxies against bands measured; most have {most_frequent}.",
    )
    headings: list[Cell] = [Term("bands measured", "n_bands"), "fitted galaxies", "fraction"]
    return [
        Text.of("A galaxy may lack bands: its posterior is conditional on the bands that it has."),
        picture,
        Grid("Bands measured", headings, rows),
    ]
