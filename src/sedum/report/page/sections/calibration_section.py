"""Calibration, from the scorecards of ``sedum validate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sedum.report.collected.related_files import Scorecard
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.glossary import quantity
from sedum.report.page.page_parts import (
    Block,
    Cell,
    Grid,
    Number,
    Section,
    Term,
    Text,
    count,
    plain,
    with_error,
)
from sedum.report.plots.axis_labels import bin_label
from sedum.report.plots.report_figures.calibration_figure import (
    plot_bins,
    plot_coverage_of_parameters,
)

__all__ = ["calibration_section"]


def calibration_section(cards: list[Scorecard], notes: list[str], gallery: Gallery) -> Section:
    """Return the section of scorecards on mock galaxies and on catalogues.

    Parameters
    ----------
    cards
        The scorecards.
    notes
        Scorecards that were left out, and why.
    gallery
        The gallery of figures.
    """
    blocks: list[Block] = [Text.of(note, kind="warning") for note in notes]
    if not cards:
        blocks.append(
            Text.of(
                "No scorecard was found beside the results. sedum validate RUN.yaml makes one on "
                "new mock galaxies; with --catalogue CATALOGUE, on known redshifts. If it is in "
                "another folder, sedum report --scorecard names that folder."
            )
        )
    for card in cards:
        if "parameters" in card.content:
            blocks += _mock(card, gallery)
        else:
            blocks += _catalogue(card)
    return Section("calibration", "Calibration", blocks)


def _origin(card: Scorecard) -> list[Block]:
    faults = [str(f) for f in card.content.get("faults", [])]
    blocks: list[Block] = []
    if not card.known:
        text = "does not name its estimator; it is assumed to be that of the results"
        blocks.append(Text.of(f"{card.path.name} {text}.", kind="note"))
    if faults:
        parts: list[Cell] = ["faults found: "]
        for i, fault in enumerate(faults):
            parts += ["; " if i else "", Term(fault, _about(fault))]
        blocks.append(Text((*parts, "."), kind="warning"))
    else:
        blocks.append(Text.of("No fault was found.", kind="good"))
    return blocks


def _about(fault: str) -> str:
    """Return the key of the definition of the test that a fault was found by."""
    keys = {"PIT": "pit", "TARP": "tarp", "L-C2ST": "lc2st", "information": "information"}
    return next((key for word, key in keys.items() if word in fault), "coverage")


def _mock(card: Scorecard, gallery: Gallery) -> list[Block]:
    content = card.content
    information, tarp = content["information"], content["tarp"]
    line: list[Cell] = [
        "On ",
        count(int(content["galaxies"]), "mocks"),
        " new ",
        Term("mock galaxies", "mocks"),
        ": ",
        with_error(information["mean"], information["error"], "information"),
        " nat of information; the joint test of all parameters deviates by ",
        plain(tarp["deviation"], "tarp"),
        " (TARP, p = ",
        _p_value(tarp["p_value"], "tarp"),
        ")",
    ]
    if "lc2st" in content:
        line += ["; single galaxies: p = ", _p_value(content["lc2st"]["p_value"], "lc2st")]
    blocks: list[Block] = [Text((*line, ".")), *_origin(card)]
    blocks.append(
        gallery.add(
            "calibration",
            plot_coverage_of_parameters(content),
            (
                "Fraction of true values within central intervals (",
                Term("coverage", "coverage"),
                "), with errors by resampling. Orange: a calibrated posterior. Grey: four binomial "
                "standard errors; a value outside is a fault.",
            ),
            "Coverage of 68% and 95% intervals of each parameter; the numbers are in the table.",
        )
    )
    blocks.append(_parameters(content))
    drawn = plot_bins(content)
    if drawn is not None:
        blocks.append(
            gallery.add(
                "calibration-bins",
                drawn,
                (
                    "68% coverage minus its nominal value in ",
                    Term("standard errors", "pull"),
                    ", in bins of mock galaxies: purple where posteriors are too wide, orange "
                    "where they are too narrow.",
                ),
                "Grid of numbers: deviation of the coverage in sigma for each parameter and bin.",
            )
        )
    return blocks


def _parameters(content: Mapping[str, Any]) -> Grid:
    headings: list[Cell] = [
        "parameter",
        Term("R²", "r2"),
        Term("bias", "bias_mock"),
        Term("NMAD", "nmad_mock"),
        Term("outliers", "outliers_mock"),
        Term("68% coverage", "coverage"),
        Term("95% coverage", "coverage"),
        Term("PIT KS", "pit"),
        Term("p", "pit"),
    ]
    rows: list[list[Cell]] = [
        [
            Term(name, quantity(name)),
            plain(row["r2"], "r2"),
            with_error(row["bias"], row["bias_error"], "bias_mock", signed=True),
            with_error(row["nmad"], row["nmad_error"], "nmad_mock"),
            with_error(row["outliers"], row["outliers_error"], "outliers_mock", percent=True),
            with_error(row["coverage_68"], row["coverage_68_error"], "coverage"),
            with_error(row["coverage_95"], row["coverage_95_error"], "coverage"),
            plain(row["pit_ks"], "pit"),
            _p_value(row["pit_p_value"], "pit"),
        ]
        for name, row in content["parameters"].items()
    ]
    return Grid("Recovery and calibration on mock galaxies", headings, rows)


def _p_value(value: float, define: str) -> Number:
    return Number(f"{value:.2g}", define, value)


def _catalogue(card: Scorecard) -> list[Block]:
    content = card.content
    named = content.get("catalogue", "a catalogue")
    blocks: list[Block] = [
        Text.of(
            f"On the known redshifts and other estimates of {named}, which the fit did not use:"
        ),
        *_origin(card),
    ]
    if "redshift" in content:
        blocks.append(_known(content["redshift"]))
    if content.get("references"):
        blocks.append(_references(content["references"]))
    return blocks


def _known(content: Mapping[str, Any]) -> Grid:
    headings: list[Cell] = [
        "galaxies of",
        Term("known redshift", "known"),
        Term("NMAD", "nmad"),
        Term("bias", "bias"),
        Term("outliers", "outliers"),
        Term("68% coverage", "coverage"),
        Term("95% coverage", "coverage"),
        Term("PIT KS", "pit"),
        Term("ln p(z)", "log_density"),
    ]
    groups = {"all": content["all"]}
    for kind, bins in content["bins"].items():
        groups |= {f"{kind} {bin_label(text)}": row for text, row in bins.items()}
    rows: list[list[Cell]] = [
        [
            name,
            count(int(row["galaxies"]), "known"),
            with_error(row["nmad"], row["nmad_error"], "nmad"),
            with_error(row["bias"], row["bias_error"], "bias", signed=True),
            with_error(row["outliers"], row["outliers_error"], "outliers", percent=True),
            with_error(row["coverage_68"], row["coverage_68_error"], "coverage"),
            with_error(row["coverage_95"], row["coverage_95_error"], "coverage"),
            plain(row["pit_ks"], "pit"),
            with_error(row["log_density"], row["log_density_error"], "log_density", signed=True),
        ]
        for name, row in groups.items()
    ]
    return Grid("p(z) against known redshifts", headings, rows)


def _references(content: Mapping[str, Any]) -> Grid:
    rows: list[list[Cell]] = []
    for name, groups in content.items():
        for group, row in groups.items():
            if group == "column" or not row["galaxies"]:
                continue
            rows.append(
                [
                    Term(name, quantity(name)),
                    str(groups["column"]),
                    group,
                    count(int(row["galaxies"]), "offset"),
                    with_error(row["offset"], row["offset_error"], "offset", signed=True),
                    with_error(row["nmad"], row["nmad_error"], "offset"),
                ]
            )
    headings: list[Cell] = ["quantity", "column", "redshift", "galaxies"]
    headings += [Term("offset", "offset"), Term("NMAD", "offset")]
    return Grid("Posterior medians minus other estimates", headings, rows)
