"""Figures and tables of a bridge: residuals, errors, features, shift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rich.table import Table

from sedum.bridge.validate_bridge import BridgeValidation
from sedum.report.plots.style import BLUE, GREY, ORANGE, figure, save, styled

__all__ = ["audit_table", "plot_bridge", "plot_features", "survey_table", "within_table"]

#: Points behind each step of a running median, and the most points that are drawn one by one.
_RUNNING, _MANY = 15, 3000


def survey_table(card: dict[str, Any]) -> Table:
    """Return residuals on the survey before and after the correction, for the terminal."""
    table = _measures("survey, predicted − reference")
    for name, row in card.items():
        _row(table, f"{name}, as predicted", row["before"])
        _row(table, f"{name}, corrected out of fold", row["after"])
        _row(table, f"{name}, corrected in sample", row["in_sample"])
    return table


def within_table(card: dict[str, Any]) -> Table:
    """Return residuals within and across simulations, for the terminal."""
    table = _measures("simulation, predicted − true")
    for name, row in card.get("within", {}).items():
        _row(table, f"{name}, out of fold", row)
    for simulation, both in card.get("across", {}).items():
        for when in ("before", "after"):
            for name, row in both[when].items():
                _row(table, f"{name} of {simulation} by the others, {when} correction", row)
    return table


def _measures(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for heading in ("galaxies", "bias", "scatter", "NMAD", "beyond 0.5", "scatter of the rest"):
        table.add_column(heading, justify="right")
    return table


def _row(table: Table, name: str, row: dict[str, Any]) -> None:
    if not row.get("galaxies"):
        return
    table.add_row(
        name,
        f"{row['galaxies']:,}",
        f"{row['bias']:+.3f}",
        f"{row['scatter']:.3f} ± {row['scatter_error']:.3f}",
        f"{row['nmad']:.3f} ± {row['nmad_error']:.3f}",
        f"{row['outliers']:.1%}",
        f"{row['clipped']:.3f}",
    )


def audit_table(audit: list[dict[str, Any]]) -> Table:
    """Return the range audit for the terminal."""
    table = Table(title="features of the survey in the simulation's range", box=None)
    table.title_justify = "left"
    table.add_column("feature", no_wrap=True)
    for heading in ("from", "to", "measured", "outside", ""):
        table.add_column(heading, justify="right")
    for feature in audit:
        table.add_row(
            feature["name"],
            f"{feature['low']:.2f}",
            f"{feature['high']:.2f}",
            f"{feature['measured']:,}",
            f"{feature['outside']:.1%}",
            f"dropped: {feature['dropped']}" if feature["dropped"] else "",
        )
    return table


def plot_bridge(validation: BridgeValidation, path: str | Path, target: int = 0) -> Path | None:
    """Draw one target of a survey with known values; None where there are none.

    One-to-one with its running median, residuals before and after the out-of-fold correction,
    errors against brightness, and how the residuals compare with the errors.
    """
    if validation.survey is None or validation.prediction is None or validation.corrected is None:
        return None
    truth = validation.survey.reference[:, target]
    value = validation.corrected[:, target]
    rows = np.flatnonzero(np.isfinite(truth) & np.isfinite(value))
    if len(rows) < 20:
        return None
    name = _label(validation, target)
    truth, value, raw = truth[rows], value[rows], validation.prediction.raw[rows, target]
    measured = validation.card["survey"][validation.bridge.targets[target]]
    with styled():
        fig = figure(9.6, 7.6)
        (one, residuals), (errors, pulls) = fig.subplots(2, 2)
        limits = np.percentile([*truth, *value], [0.2, 99.8]) + np.array([-0.2, 0.2])
        one.plot(limits, limits, color=GREY, lw=0.8)
        one.plot(truth, value, ".", color=BLUE, ms=4, alpha=0.6)
        _running(one, truth, value, ORANGE)
        after = measured["after"]
        one.set(
            xlim=limits,
            ylim=limits,
            xlabel=f"{name}, reference",
            ylabel=f"{name}, predicted and corrected",
            title=f"{len(rows)} galaxies: NMAD {after['nmad']:.3f}, scatter {after['scatter']:.3f}",
        )
        for values, colour, text in (
            (raw - truth, GREY, "before"),
            (value - truth, BLUE, "after, out of fold"),
        ):
            residuals.plot(raw, values, ".", color=colour, ms=3, alpha=0.5)
            _running(residuals, raw, values, colour, text)
        spread = max(4 * after["nmad"], abs(measured["before"]["bias"]) + 3 * after["nmad"])
        residuals.axhline(0, color="black", lw=0.6)
        residuals.set(
            ylim=(-spread, spread),
            xlabel=f"{name}, predicted",
            ylabel="predicted − reference [dex]" if _is_log(validation, target) else "residual",
            title=f"residual correction ({validation.bridge.run.correction.kind})",
        )
        residuals.legend()
        _draw_errors(errors, validation, target)
        _draw_pulls(pulls, validation, rows, value - truth, target)
        return save(fig, path)


def _label(validation: BridgeValidation, target: int) -> str:
    name = validation.bridge.targets[target]
    settings = validation.bridge.run.targets[name]
    if settings.property == "stellar_mass" and settings.log:
        return r"$\log_{10} M_\star/{\rm M}_\odot$"
    return (
        rf"$\log_{{10}}$ {settings.property}"
        if settings.log
        else settings.property.replace("_", " ")
    )


def _is_log(validation: BridgeValidation, target: int) -> bool:
    return validation.bridge.run.targets[validation.bridge.targets[target]].log


def _running(axis: Axes, x: np.ndarray, y: np.ndarray, colour: str, text: str = "") -> None:
    bins = int(np.clip(len(x) // _RUNNING, 1, 12))
    parts = np.array_split(np.argsort(x), bins)
    middle = [np.median(x[p]) for p in parts]
    low, half, high = np.array([np.percentile(y[p], [16, 50, 84]) for p in parts]).T
    axis.fill_between(middle, low, high, color=colour, alpha=0.2, lw=0)
    axis.plot(middle, half, color=colour, lw=1.8, label=text or None)


def _draw_errors(axis: Axes, validation: BridgeValidation, target: int) -> None:
    """Draw the errors of all galaxies against their brightness."""
    assert validation.survey is not None
    assert validation.prediction is not None
    magnitude = validation.survey.magnitude
    band = int(np.isfinite(magnitude).sum(0).argmax())
    good = np.isfinite(magnitude[:, band]) & np.isfinite(validation.prediction.raw[:, target])
    rows = np.flatnonzero(good)
    if len(rows) > _MANY:
        rows = np.random.default_rng(1).choice(rows, _MANY, replace=False)
    x = magnitude[rows, band]
    for values, colour, text in (
        (validation.prediction.photometric, BLUE, "photometry"),
        (validation.prediction.model, ORANGE, "model"),
        (validation.prediction.total, "black", "in quadrature"),
        (validation.prediction.linear, GREY, "linear sum"),
    ):
        y = values[rows, target]
        if text == "photometry":
            axis.plot(x, y, ".", color=colour, ms=2, alpha=0.25)
        bins = np.array_split(np.argsort(x), int(np.clip(len(x) // _RUNNING, 1, 15)))
        middle = [np.median(x[p]) for p in bins]
        axis.plot(middle, [np.median(y[p]) for p in bins], color=colour, lw=1.5, label=text)
    axis.set_yscale("log")
    bands = validation.survey.magnitude.shape[1]
    name = list(validation.bridge.run.bands)[band] if bands else ""
    axis.set(xlabel=f"$M_{{\\rm {name}}}$ [AB mag]", ylabel="1σ error [dex]", title="error budget")
    axis.invert_xaxis()
    axis.legend()


def _draw_pulls(
    axis: Axes, validation: BridgeValidation, rows: np.ndarray, residual: np.ndarray, target: int
) -> None:
    """Draw residuals in units of the total error, with the normal distribution."""
    assert validation.prediction is not None
    pull = residual / validation.prediction.total[rows, target]
    edges = np.linspace(-5, 5, 41)
    axis.hist(np.clip(pull, -5, 5), edges.tolist(), density=True, color=BLUE, alpha=0.5)
    x = np.linspace(-5, 5, 201)
    axis.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color="black", lw=1)
    measured = validation.card["survey"][validation.bridge.targets[target]]
    axis.set(
        xlabel="residual / total error (beyond ±5 at the ends)",
        ylabel="density",
        title=f"coverage {measured['coverage_68']:.1%} at 1σ, {measured['coverage_95']:.1%} at 2σ",
    )


def plot_features(validation: BridgeValidation, path: str | Path, target: int = 0) -> Path:
    """Draw the importance of each feature, and its shift from simulation to survey."""
    name = validation.bridge.targets[target]
    importance = validation.card["importance"][name]
    names = sorted(importance, key=lambda f: importance[f]["permutation"])
    at = np.arange(len(names))
    shift = validation.card.get("shift", {}).get("features", {})
    with styled():
        fig = figure(9.6, 0.22 * len(names) + 1.8)
        chart, distance = fig.subplots(1, 2, sharey=True)
        permuted = [importance[f]["permutation"] for f in names]
        slopes = [importance[f]["saliency"] for f in names]
        chart.barh(at + 0.2, permuted, 0.4, color=BLUE, label="permutation: error added")
        if all(s is not None for s in slopes):
            text = "saliency: |gradient| × spread"
            chart.barh(at - 0.2, slopes, 0.4, color=ORANGE, label=text)
        chart.set_yticks(at, names)
        chart.set(xlabel=f"{_label(validation, target)} [dex]", title="importance")
        chart.legend(loc="lower right")
        moved = [shift.get(f, {}).get("median_shift", np.nan) for f in names]
        apart = [shift.get(f, {}).get("ks", np.nan) for f in names]
        distance.barh(at + 0.2, moved, 0.4, color=BLUE, label="shift of the median [σ]")
        distance.barh(at - 0.2, apart, 0.4, color=ORANGE, label="KS distance")
        distance.axvline(0, color="black", lw=0.6)
        title = "survey against simulation"
        if "shift" in validation.card:
            title += f": distinguished for {validation.card['shift']['accuracy']:.0%}"
        distance.set(title=title, xlabel="of the survey's features")
        distance.legend(loc="lower center", bbox_to_anchor=(0.5, -0.02))
        return save(fig, path)
