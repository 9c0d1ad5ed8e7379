"""Comparison of models by their evidence."""

from __future__ import annotations

from typing import Any

from sedum.report.collected.related_files import ModelComparison
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
    fraction,
    plain,
    with_error,
)
from sedum.report.plots.report_figures.model_figures import plot_models

__all__ = ["models_section"]


def models_section(compared: ModelComparison | None, note: str, gallery: Gallery) -> Section:
    """Return the section; without a comparison, it explains how to make one."""
    blocks: list[Block] = [Text.of(note, kind="warning")] if note else []
    if compared is None:
        blocks.append(
            Text.of(
                "No comparison was found beside the results. sedum compare A.safetensors "
                "B.safetensors CATALOGUE compares models that differ in stars, histories, dust or "
                "priors by their evidence. If its output is elsewhere, sedum report --compared "
                "names it."
            )
        )
    else:
        blocks += _blocks(compared, gallery)
    return Section("models", "Model comparison", blocks)


def _blocks(compared: ModelComparison, gallery: Gallery) -> list[Block]:
    summary = compared.summary
    blocks: list[Block] = [
        Text.of(
            count(int(summary["compared"]), "compared"),
            " galaxies compared by their ",
            Term("evidence", "evidence"),
            ", of ",
            count(int(summary["fitted"]), "fitted"),
            f" fitted under all models, from {compared.path.name}.",
        ),
        _models(compared),
    ]
    if compared.factors and summary["compared"]:
        blocks.append(
            gallery.add(
                "models",
                plot_models(summary["models"], compared.factors),
                (
                    "Galaxies by their ",
                    Term("ln Bayes factor", "bayes"),
                    " over the first model, and the ",
                    Term("fraction of the population", "model_fraction"),
                    " that each model describes.",
                ),
                "Histogram of ln Bayes factors, and fractions of the population with 68% "
                "intervals; the numbers are in the table.",
            )
        )
    shifts = [row for row in summary["shifts"] if row.get("log_mass_low") is None]
    if shifts:
        blocks.append(_shifts(shifts, next(iter(summary["models"]))))
    return blocks


def _models(compared: ModelComparison) -> Grid:
    headings: list[Cell] = [
        "model",
        Term("prior", "evidence"),
        Term("verified", "verified"),
        Term("fraction", "model_fraction"),
        Term("Σ ln B", "bayes"),
        Term("preferred by", "preferred"),
    ]
    rows: list[list[Cell]] = []
    for i, (name, row) in enumerate(compared.summary["models"].items()):
        cells: list[Cell] = [
            name,
            plain(row["prior"], "evidence"),
            count(row["verified"], "verified"),
        ]
        if "fraction" in row:
            total, error = row["summed_log_bayes_factor"], row["summed_log_bayes_factor_error"]
            cells.append(with_error(row["fraction"], row["fraction_sigma"], "model_fraction"))
            cells.append(
                with_error(total, error, "bayes", signed=True) if i else Number("0", "bayes")
            )
        else:
            cells += [Number("–", "model_fraction"), Number("–", "bayes")]
        if compared.preferred:
            whole = int(compared.summary["compared"])
            cells.append(fraction(compared.preferred[name], whole, "preferred"))
        else:
            cells.append(Number("–", "preferred"))
        rows.append(cells)
    return Grid("Evidence of the models", headings, rows)


def _shifts(rows: list[dict[str, Any]], first: str) -> Grid:
    kinds = {"estimator": "of the estimators, all fitted", "weighted": "weighted, verified"}
    cells: list[list[Cell]] = [
        [
            str(row["model"]),
            Term(str(row["quantity"]), quantity(str(row["quantity"]))),
            kinds.get(str(row["draws"]), str(row["draws"])),
            count(int(row["galaxies"]), "shift"),
            with_error(row["shift"], row["error"], "shift", signed=True),
            plain(row["scatter"], "shift"),
            plain(row["shift_sigma"], "shift", 2, signed=True),
        ]
        for row in rows
        if None not in (row["shift"], row["error"], row["scatter"], row["shift_sigma"])
    ]
    headings: list[Cell] = ["model", "quantity", "draws", "galaxies"]
    headings += [Term("shift", "shift"), Term("scatter", "shift"), Term("shift / σ68", "shift")]
    return Grid(f"Shift of posterior medians relative to {first}", headings, cells)
