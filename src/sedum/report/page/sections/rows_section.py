"""The rows of the catalogue: what became of them, and how many bands they have."""

from __future__ import annotations

from collections.abc import Mapping

from sedum.photometry.row_status import OK, most_frequent_first
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.page_parts import Block, Cell, Grid, Section, Term, Text, count, share
from sedum.report.plots.report_figures.distribution_figures import plot_bands

__all__ = ["explain", "rows_section"]

#: What statuses mean and what can be done, by how they begin.
_MEANINGS: list[tuple[str, str, str]] = [
    ("ok", "fitted", ""),
    ("no identifier", "the column of whole numbers has none here", "number the rows"),
    ("no band observed", "no band has a usable flux", "check columns, unit and missing values"),
    ("flagged by", "a column that must have certain values has another", "see catalogue.require"),
    (
        "selection band",
        "the survey's selection is by a band that was not observed",
        "train without noise.selection, or with another band",
    ),
    (
        "below the selection",
        "too faint in the selection band: such galaxies were not trained on",
        "lower noise.selection.snr and train again",
    ),
    (
        "upper limit in",
        "the band has an upper limit only, which the estimator was not trained with",
        "give noise.limits and train again",
    ),
    ("upper limit not positive", "an upper limit of zero or less", "mend the catalogue"),
    (
        "given redshift outside the prior",
        "the catalogue's redshift is beyond the prior of the redshift",
        "widen priors.redshift and train again",
    ),
    (
        "flux outside the training range",
        "brighter or more negative than any galaxy trained on",
        "check the unit; widen priors or noise and train again",
    ),
    (
        "error outside the training range",
        "an error unlike those trained with",
        "check depths and unit; sedum noise fit learns the catalogue's errors",
    ),
    (
        "redshift error outside the training range",
        "the redshift's error is unlike those trained with",
        "widen noise.redshift_error and train again",
    ),
    ("redshift error not positive", "the redshift has no usable error", "mend the catalogue"),
    ("flux not finite", "a flux that is no number", "mend it, or mark it as missing"),
    ("error not", "an error that is zero, negative or no number", "mend it, or mark it as missing"),
    (
        "aperture or extinction correction",
        "a value that the correction needs is missing",
        "mend the columns of catalogue.aperture or catalogue.extinction",
    ),
    (
        "fewer than",
        "too few draws lie where the other priors have their mass",
        "train with those priors",
    ),
    (
        "weights of the prior",
        "the weights of the other priors cannot be trusted",
        "train with those priors",
    ),
]


def explain(status: str) -> tuple[str, str]:
    """Return what a status means, and what can be done; empty where that is not known."""
    for begins, meaning, remedy in _MEANINGS:
        if status.startswith(begins):
            return meaning, remedy
    return "", ""


def rows_section(found: CatalogueSample, gallery: Gallery) -> Section:
    """Return the section."""
    counts = found.counts
    rows = [_row(found, *entry) for entry in _families(counts.status)]
    headings: list[Cell] = [Term("status", "status"), "rows", "share", "meaning", "remedy"]
    blocks: list[Block] = [Grid("Status of the rows", headings, rows)]
    if counts.n_bands:
        blocks += _bands(found, gallery)
    return Section("rows", "Rows and coverage", blocks)


def _families(status: Mapping[str, int]) -> list[tuple[str, dict[str, int]]]:
    """Return statuses, those that differ by the band alone together: counts by band, or by ""."""
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


def _row(found: CatalogueSample, text: str, parts: Mapping[str, int]) -> list[Cell]:
    number, rows = sum(parts.values()), found.counts.rows
    shown: Cell = text
    if "" not in parts:
        bands: list[Cell] = []
        for band, n in most_frequent_first(parts.items()):
            bands += [", " if bands else " ", band]
            bands += [" (", count(n, "status"), ")"] if len(parts) > 1 else []
        shown = (text, *bands)
    name = "status-ok" if text == OK else ""
    counted = [count(number, "status", name), share(number, rows, "status")]
    return [shown, *counted, *explain(text)]


def _bands(found: CatalogueSample, gallery: Gallery) -> list[Block]:
    counts = dict(sorted(found.counts.n_bands.items()))
    rows: list[list[Cell]] = [
        [count(bands, "n_bands"), count(n, "n_bands"), share(n, found.counts.ok, "n_bands")]
        for bands, n in counts.items()
    ]
    most = max(counts, key=lambda bands: counts[bands])
    picture = gallery.add(
        "bands-measured",
        plot_bands(counts),
        ("Fitted galaxies by the ", Term("number of bands measured", "n_bands"), "."),
        f"Bar chart of fitted galaxies against bands measured; most have {most}.",
    )
    headings: list[Cell] = [Term("bands measured", "n_bands"), "fitted galaxies", "share"]
    return [
        Text.of(
            "Bands that a galaxy lacks are allowed for: its posterior is that of the bands it has."
        ),
        picture,
        Grid("Bands measured", headings, rows),
    ]
