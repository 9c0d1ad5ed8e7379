"""Distributions of all quantities, relations between them, and typical errors."""

from __future__ import annotations

import numpy as np

from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.glossary import quantity, readable_unit
from sedum.report.page.page_parts import (
    Block,
    Cell,
    Grid,
    Number,
    Section,
    Term,
    Text,
    between,
    count,
    plain,
)
from sedum.report.plots.report_figures.distribution_figures import plot_distributions, plot_widths
from sedum.report.plots.report_figures.relation_figures import plot_mass_redshift, plot_sequence

__all__ = ["distributions_section", "relations_section"]

#: Quantities whose errors are drawn against redshift and mass, if the results have them.
_WIDTHS = ("redshift", "log_mass_surviving", "log_mass", "log_sfr_100", "av", "mass_weighted_age")
_MAX_WIDTHS = 4


def distributions_section(sample: CatalogueSample, gallery: Gallery) -> Section:
    """Return the section of medians and half-widths of every quantity."""
    blocks: list[Block] = []
    if not sample.counts.ok:
        return Section("distributions", "Distributions", [Text.of("No row was fitted.")])
    if not sample.complete:
        blocks.append(
            Text.of(
                "Medians are of a ",
                Term("sample", "sampled"),
                " of ",
                count(len(sample.sample), "sampled"),
                " fitted rows; histograms are of all rows.",
                kind="note",
            )
        )
    drawn = plot_distributions(sample)
    if drawn is not None:
        beyond = sum(h.beyond for n, h in sample.counts.histograms.items() if n.endswith("_p50"))
        caption: tuple[Cell, ...] = (
            "Posterior medians of fitted galaxies. The bar in each panel is the 68% interval of a "
            "typical galaxy: from the median over galaxies of their 16th ",
            Term("percentile", "percentile"),
            " to that of their 84th.",
        )
        if beyond:
            caption += (" ", count(beyond, "median"), " values lie beyond the axes.")
        blocks.append(
            gallery.add(
                "distributions",
                drawn,
                caption,
                "Histograms of posterior medians, one panel for each parameter and derived "
                "quantity; the table below gives their medians and spreads.",
            )
        )
    blocks.append(_table(sample))
    return Section("distributions", "Distributions", blocks)


def _table(sample: CatalogueSample) -> Grid:
    rows: list[list[Cell]] = []
    without = False
    for name in sample.results.quantities():
        medians, widths = sample.values(name), sample.half_width(name)
        lacking = sample.counts.histograms.get(f"{name}_p50")
        missing = lacking.without if lacking is not None else sample.counts.ok
        without |= missing > 0
        cells: list[Cell] = [Term(name, quantity(name)), readable_unit(sample.unit(name))]
        if np.isfinite(medians).any():
            low, middle, high = np.nanpercentile(medians, [16, 50, 84])
            cells += [between(low, middle, high, "median")]
        else:
            cells += [Number("–", "median")]
        if np.isfinite(widths).any():
            width = float(np.nanmedian(widths))
            decimals = int(np.clip(1 - np.floor(np.log10(max(width, 1e-6))), 0, 6))
            cells.append(plain(width, "half_width", decimals))
        else:
            cells.append(Number("–", "half_width"))
        rows.append([*cells, count(missing, "no_value")])
    headings: list[Cell] = [
        "quantity",
        "unit",
        Term("median (16–84%)", "median"),
        Term("half-width σ68", "half_width"),
        Term("without a value", "no_value"),
    ]
    if not without:
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return Grid("Parameters and derived quantities of fitted galaxies", headings, rows)


def relations_section(sample: CatalogueSample, gallery: Gallery) -> Section:
    """Return the section of mass against redshift, the sequence, and errors against both."""
    blocks: list[Block] = []
    drawn = plot_mass_redshift(sample)
    if drawn is not None:
        density = sample.density("redshift", sample.mass)
        assert density is not None
        blocks.append(
            gallery.add(
                "mass-redshift",
                drawn,
                (
                    Term(sample.mass, quantity(sample.mass)),
                    " against redshift: posterior medians of ",
                    count(int(density.counts.sum()), "cell", "mass-redshift-galaxies"),
                    " galaxies",
                    *_outside(density.outside),
                    ". The cross is a typical 68% interval.",
                ),
                "Stellar mass against redshift of fitted galaxies, as points or as a density.",
            )
        )
    drawn = plot_sequence(sample)
    if drawn is not None:
        density = sample.counts.densities[-1]
        reference = Term("the sequence of Speagle et al. (2014)", "sequence")
        blocks.append(
            gallery.add(
                "star-forming-sequence",
                drawn,
                (
                    "Star-formation rate against mass: posterior medians of ",
                    count(int(density.counts.sum()), "cell"),
                    " galaxies",
                    *_outside(density.outside),
                    ". Dots: medians and 68% of galaxies in bins of mass. Dashed: ",
                    reference,
                    ".",
                ),
                "Star-formation rate against stellar mass, one panel for each bin of redshift.",
            )
        )
    names = [n for n in _WIDTHS if n in sample.results.quantities()]
    if {"log_mass", "log_mass_surviving"} <= set(names):
        names.remove("log_mass")
    drawn = plot_widths(sample, names[:_MAX_WIDTHS])
    if drawn is not None:
        blocks.append(
            gallery.add(
                "uncertainties",
                drawn,
                (
                    "Typical uncertainties: the ",
                    Term("half-width", "half_width"),
                    " of single galaxies' posteriors, medians and central 68% of galaxies in bins "
                    "of equal numbers.",
                ),
                "Half-widths of posteriors against redshift and against mass.",
            )
        )
    if not blocks:
        blocks.append(
            Text.of(
                "There are too few fitted galaxies, or no mass, redshift and star-formation rate."
            )
        )
    return Section("relations", "Mass, redshift and star formation", blocks)


def _outside(outside: int) -> tuple[Cell, ...]:
    return (" (and ", count(outside, "cell"), " outside the frame)") if outside else ()
