"""Comparison of models, as tables for the terminal and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rich.table import Table as RichTable

from sedum.comparison.compared_models import Comparison
from sedum.report.plots.style import CYCLE, GREY, figure, label, save, styled

__all__ = ["comparison_tables", "plot_comparison"]

#: More galaxies than this are drawn fainter.
_MANY = 1000
#: What the two kinds of draws are called.
_KINDS = {"estimator": "all fitted (68%)", "weighted": "verified (68%)"}
#: ln Bayes factors beyond which their axis is logarithmic.
_WIDE = 20.0


def comparison_tables(comparison: Comparison) -> list[RichTable]:
    """Return models, shifts and, where there was any, nested sampling, for the terminal."""
    tables = [_models(comparison), _shifts(comparison)]
    return [*tables, _nested(comparison)] if len(comparison.nested) else tables


def _table(title: str, first: list[str], rest: list[str]) -> RichTable:
    made = RichTable(title=title, title_justify="left", box=None)
    for name in first:
        made.add_column(name, no_wrap=True)
    for name in rest:
        made.add_column(name, justify="right")
    return made


def _models(comparison: Comparison) -> RichTable:
    title = f"{comparison.compared.sum():,} galaxies compared, of {comparison.fitted:,} fitted"
    rest = ["verified", "fraction", "most likely", "Σ ln B", "galaxies preferring it"]
    table = _table(title, ["model"], rest)
    chances = np.stack(
        [np.asarray(comparison.table[f"probability_{m}"]) for m in comparison.models], axis=1
    )
    best = chances[comparison.compared].argmax(axis=1)
    for k, (name, entry) in enumerate(comparison.summary()["models"].items()):
        row = [name, f"{entry['verified']:,}"]
        if comparison.fractions is not None:
            row += [
                f"{entry['fraction']:.3f} ± {entry['fraction_sigma']:.3f}",
                f"{entry['fraction_most_likely']:.3f}",
                f"{entry['summed_log_bayes_factor']:+.1f} ± "
                f"{entry['summed_log_bayes_factor_error']:.1f}"
                if k
                else "",
                f"{np.mean(best == k):.1%}",
            ]
        table.add_row(*row)
    return table


def _shifts(comparison: Comparison) -> RichTable:
    title = f"shift of medians relative to {comparison.models[0]}"
    rest = ["galaxies", "shift", "scatter", "shift/σ", "scatter/σ"]
    table = _table(title, ["model", "quantity", "draws"], rest)
    for row in comparison.shifts():
        if np.isfinite(row["log_mass_low"]):
            continue
        table.add_row(
            str(row["model"]),
            str(row["quantity"]),
            str(row["draws"]),
            f"{row['galaxies']:,}",
            f"{row['shift']:+.3f} ± {row['error']:.3f}",
            f"{row['scatter']:.3f}",
            f"{row['shift_sigma']:+.2f}",
            f"{row['scatter_sigma']:.2f}",
        )
    return table


def _nested(comparison: Comparison) -> RichTable:
    table = _table(
        "ln evidence, by weights and by nested sampling",
        ["row", "model"],
        ["weights", "nested", "difference", "effective draws", "verified"],
    )
    for row in comparison.nested:
        table.add_row(
            str(row["row"]),
            str(row["model"]),
            f"{row['log_evidence']:.2f} ± {row['log_evidence_error']:.2f}",
            f"{row['log_evidence_nested']:.2f}",
            f"{row['difference']:+.2f}",
            f"{row['ess']:.0f}",
            "yes" if row["verified"] else "no",
        )
    return table


def plot_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Draw Bayes factors, fractions of the population, and shifts against mass.

    Parameters
    ----------
    comparison
        The comparison.
    path
        Where to write; the extension chooses the format.
    """
    columns = max(3, len(comparison.quantities))
    with styled():
        fig = figure(3.7 * columns, 6.8)
        axes = fig.subplots(2, columns)
        _factors(axes[0, 0], comparison)
        _factors_with_mass(axes[0, 1], comparison)
        _fractions(axes[0, 2], comparison)
        for axis, quantity in zip(axes[1], comparison.quantities, strict=False):
            _shift(axis, comparison, quantity)
        for axis in [*axes[0, 3:], *axes[1, len(comparison.quantities) :]]:
            axis.axis("off")
        compared, fitted = int(comparison.compared.sum()), comparison.fitted
        fig.suptitle(
            f"models compared with {comparison.models[0]}: {compared:,} galaxies whose evidence is "
            f"verified, of {fitted:,} fitted"
        )
        return save(fig, path)


def _colours(comparison: Comparison) -> dict[str, str]:
    """Return a colour for each model, the first one's blue."""
    return dict(
        zip(comparison.models, CYCLE * (len(comparison.models) // len(CYCLE) + 1), strict=False)
    )


def _absent(axis: Axes, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=GREY)
    axis.set(xticks=[], yticks=[])


def _factors(axis: Axes, comparison: Comparison) -> None:
    """Draw the distributions of the Bayes factors."""
    if not comparison.compared.any():
        _absent(axis, "no galaxy compared")
        return
    factors = {m: comparison.log_bayes_factor(m) for m in comparison.models[1:]}
    reach = _reach(comparison)
    even = np.linspace(-1, 1, 42)
    wide = np.sinh(even * np.arcsinh(reach))
    edges = list(even * reach if reach < _WIDE else wide)
    for model, values in factors.items():
        axis.hist(
            values, edges, histtype="step", lw=1.4, color=_colours(comparison)[model], label=model
        )
    axis.axvline(0, color="black", lw=0.6)
    _stretch(axis, "x", reach)
    axis.set(xlabel=f"ln Bayes factor over {comparison.models[0]}", ylabel="galaxies")
    axis.legend(fontsize=8)


def _reach(comparison: Comparison) -> float:
    """Return the maximum absolute ln Bayes factor, at least 2."""
    factors = [np.abs(comparison.log_bayes_factor(m)).max() for m in comparison.models[1:]]
    return float(max(2.0, *factors))


def _stretch(axis: Axes, which: str, reach: float) -> None:
    """Scale the axis of ln Bayes factors: linear, or linear only within ±1 for large values."""
    scale = axis.xaxis if which == "x" else axis.yaxis
    if reach >= _WIDE:
        axis.set(**{f"{which}scale": "symlog"})
        scale.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set(**{f"{which}lim": (-1.1 * reach, 1.1 * reach)})


def _factors_with_mass(axis: Axes, comparison: Comparison) -> None:
    name = f"log_mass_{comparison.models[0]}_p50"
    if name not in comparison.table.colnames or not comparison.compared.any():
        _absent(
            axis, "no galaxy compared" if not comparison.compared.any() else "no log_mass asked for"
        )
        return
    mass = np.asarray(comparison.table[name], float)[comparison.compared]
    for model in comparison.models[1:]:
        axis.plot(
            mass,
            comparison.log_bayes_factor(model),
            **_points(_colours(comparison)[model], len(mass)),
        )
    axis.axhline(0, color="black", lw=0.6)
    _stretch(axis, "y", _reach(comparison))
    axis.set(
        xlabel=f"{label('log_mass')}, {comparison.models[0]}",
        ylabel=f"ln Bayes factor over {comparison.models[0]}",
    )


def _fractions(axis: Axes, comparison: Comparison) -> None:
    fractions = comparison.fractions
    if fractions is None:
        _absent(axis, "no galaxy compared")
        return
    at = np.arange(len(comparison.models))
    for k, model in enumerate(comparison.models):
        spread = [[fractions.mean[k] - fractions.low[k]], [fractions.high[k] - fractions.mean[k]]]
        colour = _colours(comparison)[model]
        axis.errorbar(at[k], fractions.mean[k], yerr=np.maximum(spread, 0), fmt="o", color=colour)
    axis.plot(at, fractions.most_likely, "_", color="black", ms=14, label="most likely")
    axis.set_xticks(at, comparison.models)
    axis.set(ylim=(-0.03, 1.03), xlim=(-0.5, len(at) - 0.5))
    axis.set_ylabel("fraction of the population (bars: 68%)")
    axis.legend(fontsize=8)


def _shift(axis: Axes, comparison: Comparison, quantity: str) -> None:
    """Draw the shifts of a quantity against mass: galaxies, and the median in bins."""
    rows = comparison.shifts()
    drawn = False
    for model in comparison.models[1:]:
        colour = _colours(comparison)[model]
        shift, _, mass = comparison.shift(model, quantity)
        known = np.isfinite(mass)
        axis.plot(mass[known], shift[known], **_points(colour, len(shift)))
        drawn |= bool(known.any())
        for kind, fill, offset in (("estimator", "none", -0.04), ("weighted", colour, 0.04)):
            use = [
                r
                for r in rows
                if (r["model"], r["quantity"], r["draws"]) == (model, quantity, kind)
                and np.isfinite(r["log_mass_low"])
            ]
            axis.errorbar(
                [(r["log_mass_low"] + r["log_mass_high"]) / 2 + offset for r in use],
                [r["shift"] for r in use],
                yerr=[r["scatter"] for r in use],
                fmt="s",
                color=colour,
                mfc=fill,
                mec=colour if fill == "none" else "black",
                ecolor=colour if fill == "none" else "black",
                ms=6,
                elinewidth=1.0,
                label=f"{model}, {_KINDS[kind]}",
                zorder=3,
            )
            drawn |= bool(use)
    if not drawn:
        _absent(axis, "too few galaxies, or no log_mass")
        return
    axis.axhline(0, color="black", lw=0.6)
    axis.set_xlabel(f"{label('log_mass')}, {comparison.models[0]}")
    axis.set_ylabel(f"shift of {label(quantity)}")
    axis.legend(fontsize=7)


def _points(colour: str, count: int) -> dict[str, Any]:
    faint = 0.25 if count > _MANY else 0.6
    return {"ls": "none", "marker": ".", "ms": 4, "alpha": faint, "color": colour}
