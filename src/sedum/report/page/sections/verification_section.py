"""Verification of single posteriors: exact likelihood, fit, typicality, edges of the prior."""

from __future__ import annotations

from collections import Counter

from sedum.config import TypicalitySettings
from sedum.infer.verify.importance_weights import GOOD_K, MIN_ESS
from sedum.photometry.row_status import most_frequent_first
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.page_parts import Block, Cell, Grid, Section, Term, Text, count, fraction
from sedum.report.plots.report_figures.verification_figures import plot_verification

__all__ = ["verification_section"]

_ABSENT = (
    "With output: {verify: {}} in the run file, sedum fit checks each posterior against the exact "
    "likelihood; with output: {typicality: {}} it tests whether each galaxy resembles the "
    "simulations."
)


def verification_section(sample: CatalogueSample, gallery: Gallery) -> Section:
    """Return the section; it explains how to get checks that were not made."""
    columns, counts = sample.results.columns, sample.counts
    rows: list[list[Cell]] = []

    def add(text: str, define: str, number: int) -> None:
        name = f"verification-{define}"
        rows.append(
            [Term(text, define), count(number, define, name), fraction(number, counts.ok, define)]
        )

    if "verified" in columns:
        add("verified", "verified", counts.true["verified"])
    for method, number in most_frequent_first(counts.texts["method"].items()):
        add(f"draws of method: {method}", "method", number)
    if "ppp" in columns:
        add("poor fits (posterior-predictive p below 0.01)", "ppp", counts.poor_fit)
    if "in_distribution" in columns:
        add(
            "like the simulations (in distribution)",
            "in_distribution",
            counts.true["in_distribution"],
        )
    edges = sum(n for text, n in counts.texts["at_edge"].items() if text)
    if "at_edge" in columns:
        add("at an edge of the prior in at least one parameter", "at_edge", edges)
    blocks: list[Block] = []
    if not {"verified", "in_distribution"} & set(columns):
        blocks.append(Text.of(_ABSENT))
    if rows:
        blocks.append(
            Grid("Checks of fitted galaxies", ["check", "galaxies", "fraction of fitted"], rows)
        )
    level = (sample.results.run.output.typicality or TypicalitySettings()).level
    drawn = plot_verification(counts.histograms, MIN_ESS, GOOD_K, level)
    if drawn is not None:
        blocks.append(gallery.add("verification", drawn, _caption(sample), _alt(sample)))
    if edges:
        blocks.append(_edges(sample))
    bands = counts.texts["worst_band"]
    if bands:
        blocks.append(
            _count_table(
                "Worst band of galaxies that fit poorly", "band", "worst_band", bands, counts.ok
            )
        )
    return Section("verification", "Verification and outliers", blocks)


def _caption(sample: CatalogueSample) -> tuple[Cell, ...]:
    names = {
        "ess": "effective sample size",
        "k_hat": "Pareto k̂",
        "ppp": "posterior-predictive p",
        "typicality": "typicality",
    }
    parts: list[Cell] = []
    for name, text in names.items():
        if name in sample.counts.histograms:
            parts += [", " if parts else "", Term(text, name)]
    caption: tuple[Cell, ...] = ("Fitted galaxies by ", *parts)
    caption += (". Dashed: the limits applied.",)
    for name, text in names.items():
        found_in = sample.counts.histograms.get(name)
        if found_in is not None and (left_out := found_in.beyond + found_in.without):
            line = f" galaxies are not shown: their {text} is missing or beyond the axis."
            caption += (" ", count(left_out, name), line)
    return caption


def _alt(sample: CatalogueSample) -> str:
    shown = [n for n in ("ess", "k_hat", "ppp", "typicality") if n in sample.counts.histograms]
    return f"Histograms of {', '.join(shown)} over fitted galaxies."


def _edges(sample: CatalogueSample) -> Grid:
    """Return the number of galaxies at each bound of the prior."""
    bounds: Counter[str] = Counter()
    for text, number in sample.counts.texts["at_edge"].items():
        for bound in text.split(", ") if text else ():
            bounds[bound] += number
    caption = "Parameters at an edge of their prior"
    return _count_table(caption, "parameter and bound", "at_edge", bounds, sample.counts.ok)


def _count_table(caption: str, what: str, define: str, counts: Counter[str], whole: int) -> Grid:
    rows: list[list[Cell]] = [
        [text, count(n, define), fraction(n, whole, define)]
        for text, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return Grid(caption, [Term(what, define), "galaxies", "fraction of fitted"], rows)
