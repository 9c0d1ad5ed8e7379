"""Photometric redshifts compared with known redshifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sedum.report.collected.catalogue_counts import REDSHIFT_EDGES, use_redshift
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.page_parts import (
    Block,
    Cell,
    Grid,
    Number,
    Section,
    Term,
    Text,
    count,
    with_error,
)
from sedum.report.plots.report_figures.known_redshift_figures import (
    REACH,
    plot_known,
    plot_known_bins,
)
from sedum.statistics import median_and_nmad

__all__ = ["measure_known", "redshifts_section", "wilson"]

#: Minimum number of galaxies of a bin, and number of bootstrap resamples.
_MIN_GALAXIES, _RESAMPLES = 20, 200


def wilson(part: int, whole: int) -> float:
    """Return half the width of Wilson's (1927) one-sigma interval of a fraction."""
    p = part / whole
    return float(np.sqrt(p * (1 - p) / whole + 1 / (4 * whole**2)) / (1 + 1 / whole))


def redshifts_section(sample: CatalogueSample, gallery: Gallery) -> Section:
    """Return the section; without a comparison, it gives the reason."""
    return Section("redshifts", "Photometric and known redshifts", _blocks(sample, gallery))


def _blocks(sample: CatalogueSample, gallery: Gallery) -> list[Block]:
    results = sample.results
    if "redshift_catalogue" not in results.columns:
        return [
            Text.of(
                "The catalogue has no redshifts to compare with. If it has a column of redshifts, "
                "name it as catalogue.redshift in the run file."
            )
        ]
    if use_redshift(results):
        return [
            Text.of(
                "The catalogue's redshifts were given to the fit (catalogue.use_redshift) for ",
                count(sample.counts.with_redshift, "fitted"),
                " fitted galaxies, so that the results cannot be compared with them. sedum "
                "validate --catalogue hides the known redshifts and compares.",
                kind="note",
            )
        ]
    if "redshift" not in results.quantities():
        return [Text.of("The redshift is not among the quantities of the results.")]
    known = sample.counts.known
    if not known.galaxies.sum():
        return [Text.of("No fitted galaxy has a known redshift.")]
    rows = measure_known(sample)
    whole, bins = rows[0], rows[1:]
    blocks: list[Block] = [
        Text.of(
            "Of ",
            count(int(known.galaxies.sum()), "known", "photoz-galaxies"),
            " fitted galaxies with a ",
            Term("known redshift", "known"),
            ", which the fit did not see: NMAD ",
            with_error(whole["nmad"], whole["nmad_error"], "nmad", "photoz-nmad"),
            ", outliers ",
            with_error(
                whole["outliers"],
                whole["outliers_error"],
                "outliers",
                "photoz-outliers",
                percent=True,
            ),
            ", bias ",
            with_error(whole["bias"], whole["bias_error"], "bias", "photoz-bias", signed=True),
            ", and ",
            with_error(
                whole["coverage"],
                whole["coverage_error"],
                "coverage_z",
                "photoz-coverage",
                percent=True,
            ),
            " of known redshifts in their 68% intervals.",
        )
    ]
    shown = len(known.sample)
    caption: tuple[Cell, ...] = (
        "Posterior medians against known redshifts, and ",
        Term("redshift errors", "dz"),
        " against redshift and as a histogram, whose outer bars include all larger errors. Dashed: "
        "errors of ±0.15, beyond which galaxies are ",
        Term("outliers", "outliers"),
        ".",
    )
    truth, _, middle, _ = known.sample.T
    if beyond := int((np.abs(middle - truth) / (1 + truth) > REACH).sum()):
        caption += (" ", count(beyond, "dz"), " galaxies lie outside the second panel.")
    if shown < known.galaxies.sum():
        caption += (" The figure shows ", count(shown, "sampled"), " random galaxies.")
    blocks.append(
        gallery.add(
            "photoz",
            plot_known(known.sample),
            caption,
            "Posterior redshift against known redshift with the one-to-one line, and the redshift "
            f"errors; NMAD {whole['nmad']:.4f}, outlier fraction {whole['outliers']:.1%}.",
        )
    )
    if len(bins) > 1:
        blocks.append(
            gallery.add(
                "photoz-bins",
                plot_known_bins(bins),
                "The same quantities in bins of known redshift, with standard errors. Orange: a "
                "calibrated posterior.",
                "NMAD, bias, outlier fraction and coverage against known redshift; the numbers "
                "are in the table.",
            )
        )
    blocks.append(_table(rows))
    return blocks


def _table(rows: list[dict[str, Any]]) -> Grid:
    headings: list[Cell] = [
        Term("known redshift", "known"),
        "galaxies",
        Term("NMAD", "nmad"),
        Term("bias", "bias"),
        Term("outliers", "outliers"),
        Term("68% coverage", "coverage_z"),
    ]
    cells: list[list[Cell]] = []
    for row in rows:
        span: Cell = "all"
        if "low" in row:
            span = Number(f"{row['low']:g} to {row['high']:g}", "known", row["low"])
        cells.append(
            [
                span,
                count(int(row["galaxies"]), "known"),
                with_error(row["nmad"], row["nmad_error"], "nmad"),
                with_error(row["bias"], row["bias_error"], "bias", signed=True),
                with_error(row["outliers"], row["outliers_error"], "outliers", percent=True),
                with_error(row["coverage"], row["coverage_error"], "coverage_z", percent=True),
            ]
        )
    caption = (
        "Photometric and known redshifts; errors of fractions are Wilson's, others by resampling"
    )
    return Grid(caption, headings, cells)


def measure_known(sample: CatalogueSample) -> list[dict[str, Any]]:
    """Return the measures of all galaxies of known redshift, and in bins with enough of them."""
    known = sample.counts.known
    truth, _, middle, _ = known.sample.T
    error = (middle - truth) / (1 + truth)

    def measure(which: slice, inside: np.ndarray) -> dict[str, Any]:
        n = int(known.galaxies[which].sum())
        row: dict[str, Any] = {"galaxies": n}
        for key, counts in (("outliers", known.outliers), ("coverage", known.inside)):
            part = int(counts[which].sum())
            row |= {key: part / n, f"{key}_error": wilson(part, n)}
        row["bias"], row["nmad"] = median_and_nmad(error[inside])
        row["bias_error"], row["nmad_error"] = _spread(median_and_nmad, error[inside])
        return row

    rows = [measure(slice(None), np.ones(len(truth), bool))]
    for a, b in _merged(known.galaxies):
        low, high = float(REDSHIFT_EDGES[a]), float(REDSHIFT_EDGES[b])
        inside = (truth >= low) & (truth < high)
        if not inside.any():  # a sample of a very large catalogue may miss a small bin
            continue
        # The last bin has no end: that of its galaxies.
        end = high if np.isfinite(high) else float(np.ceil(truth[inside].max()))
        rows.append(measure(slice(a, b), inside) | {"low": low, "high": end})
    return rows


def _merged(counts: np.ndarray) -> list[tuple[int, int]]:
    """Merge bins until each has enough galaxies; the last one takes the remainder."""
    spans: list[tuple[int, int]] = []
    start = held = 0
    for i, n in enumerate(counts):
        if not (held or n):
            start = i + 1
            continue
        held += int(n)
        if held >= _MIN_GALAXIES:
            spans.append((start, i + 1))
            start, held = i + 1, 0
    if held and spans:
        last = int(np.flatnonzero(counts)[-1]) + 1
        spans[-1] = (spans[-1][0], last)
    return spans


def _spread(
    measure: Callable[[np.ndarray], tuple[float, float]], values: np.ndarray
) -> tuple[float, float]:
    """Return the standard errors of a measure, by resampling."""
    rng = np.random.default_rng(1)
    again = [
        measure(values[rng.integers(len(values), size=len(values))]) for _ in range(_RESAMPLES)
    ]
    one, two = np.std(again, axis=0)
    return float(one), float(two)
