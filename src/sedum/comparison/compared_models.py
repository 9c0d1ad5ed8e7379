"""The result of a comparison of models: its table, the population, and shifts of quantities."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.table import Table

from sedum.comparison.model_evidence import ModelFractions, SelectedFraction
from sedum.config import RunFile
from sedum.infer.posterior import Posterior
from sedum.introduced import Facts, Introduced, listed
from sedum.library.library_file import versions
from sedum.photometry.row_status import OK
from sedum.results.schema import describe_column
from sedum.storage import write_json

__all__ = ["Comparison", "WeightedModel", "comparison_table"]

#: Width of the bins of mass in dex, and the minimum number of galaxies in one.
_BIN, _MINIMUM = 1.0, 10
#: Standard error of the median of a normal distribution, in units of that of the mean.
_MEDIAN = 1.2533


class WeightedModel(Protocol):
    """Results under one model; arrays have one entry for each row, NaN where there is none."""

    name: str
    log_evidence: np.ndarray
    log_evidence_error: np.ndarray
    ess: np.ndarray
    k_hat: np.ndarray
    verified: np.ndarray
    nested: np.ndarray
    weighted: dict[str, np.ndarray]
    estimated: dict[str, np.ndarray]


@dataclass(frozen=True, repr=False)
class Comparison(Introduced):
    """Models compared on a catalogue.

    Attributes
    ----------
    models
        Names of the models. The others are compared with the first.
    table
        The table that was written, with one row for each row of the catalogue.
    quantities
        Parameters and derived quantities whose shifts between the models were measured.
    prior_odds
        Prior probabilities of the models, [models].
    selected
        The fraction of each model's galaxies that the survey would detect, by model.
    fractions
        Fractions of the population that the models describe; None if no row has an evidence
        under every model.
    fitted
        Number of rows that could be fitted under every model.
    nested
        Evidence by importance weights and by nested sampling, one row for each galaxy and model.
    """

    models: list[str]
    table: Table
    quantities: list[str]
    prior_odds: np.ndarray
    selected: dict[str, SelectedFraction]
    fractions: ModelFractions | None
    fitted: int
    nested: Table

    def _facts(self) -> Facts:
        count = int(self.compared.sum())
        rows = f"{count:,} of {len(self.table):,} rows"
        return "", {"models": listed(self.models), "compared": rows}

    @property
    def compared(self) -> np.ndarray:
        """Whether the evidence of each row is known under every model, [n]."""
        return np.asarray(self.table["status"]) == OK

    def log_bayes_factor(self, model: str) -> np.ndarray:
        """Return ln p(data | model) - ln p(data | first model) of the compared rows, [compared]."""
        first, other = (f"log_evidence_{m}" for m in (self.models[0], model))
        return np.asarray(self.table[other] - self.table[first], float)[self.compared]

    def summed(self, model: str) -> tuple[float, float]:
        """Return the summed ln Bayes factor of a model over the first, and its error.

        It compares "this model describes all of these galaxies" with "the first model describes
        all of them". The errors of the selected fractions are common to all galaxies.
        """
        names = (self.models[0], model)
        errors = [np.asarray(self.table[f"log_evidence_error_{m}"], float) for m in names]
        own = sum(float((e[self.compared] ** 2).sum()) for e in errors)
        common = sum((self.compared.sum() * self.selected[m].error) ** 2 for m in names)
        return float(self.log_bayes_factor(model).sum()), float(np.sqrt(own + common))

    def shifts(self) -> Table:
        """Return how posterior medians depend on the model, overall and in bins of mass.

        There is one row for each model but the first, quantity, bin of the first model's
        log_mass (NaN for all galaxies), and kind of draws: draws of the ``estimator``, for all
        fitted rows, and ``weighted`` draws, for rows verified under both models. ``shift`` and
        ``scatter`` are the median and half the central 68% of the difference from the first
        model, in the unit of the quantity. With ``_sigma`` they are in units of half the central
        68% of the first model's posterior. ``error`` is the standard error of the shift.
        """
        rows = [
            row
            for model in self.models[1:]
            for quantity in self.quantities
            for kind in ("estimator", "weighted")
            for row in self._shift_rows(model, quantity, kind)
        ]
        return Table(rows=rows) if rows else Table()

    def _shift_rows(self, model: str, quantity: str, kind: str) -> list[dict[str, Any]]:
        shift, sigma, mass = self.shift(model, quantity, kind)
        edges = _edges(mass)
        bins = [(np.nan, np.nan, np.ones(len(shift), bool))]
        bins += [(low, low + _BIN, (mass >= low) & (mass < low + _BIN)) for low in edges]
        rows = []
        for low, high, inside in bins:
            count = int(inside.sum())
            if count < (_MINIMUM if np.isfinite(low) else 1):
                continue
            (centre, scatter), (relative, spread) = (
                _middle(x[inside]) for x in (shift, shift / sigma)
            )
            rows.append(
                {
                    "model": model,
                    "quantity": quantity,
                    "draws": kind,
                    "log_mass_low": low,
                    "log_mass_high": high,
                    "galaxies": count,
                    "shift": centre,
                    "error": _MEDIAN * scatter / np.sqrt(count),
                    "scatter": scatter,
                    "shift_sigma": relative,
                    "scatter_sigma": spread,
                }
            )
        return rows

    def shift(
        self, model: str, quantity: str, kind: str = "weighted"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return shifts of medians, sigma and log_mass of the first model, of the usable rows.

        Each is [usable]. ``log_mass`` is NaN if it is not among the quantities.
        """
        first = self.models[0]
        middle, low, high = (self._column(quantity, first, kind, p) for p in (50, 16, 84))
        shift = self._column(quantity, model, kind, 50) - middle
        sigma = (high - low) / 2
        mass = np.full(len(shift), np.nan)
        if "log_mass" in self.quantities:
            mass = self._column("log_mass", first, kind, 50)
        use = np.isfinite(shift) & (sigma > 0)
        if kind == "weighted":
            for name in (first, model):
                use &= np.asarray(self.table[f"verified_{name}"])
        return shift[use], sigma[use], mass[use]

    def _column(self, quantity: str, model: str, kind: str, percentile: int) -> np.ndarray:
        middle = "_estimator" if kind == "estimator" else ""
        return np.asarray(self.table[f"{quantity}_{model}{middle}_p{percentile}"], float)

    def summary(self) -> dict[str, Any]:
        """Return everything but the table of galaxies, ready for JSON."""
        verified = {m: int(np.asarray(self.table[f"verified_{m}"]).sum()) for m in self.models}
        models: dict[str, Any] = {}
        for k, name in enumerate(self.models):
            entry: dict[str, Any] = {
                "prior": float(self.prior_odds[k]),
                "verified": verified[name],
                "log_selected_fraction": self.selected[name].log_fraction,
                "log_selected_fraction_error": self.selected[name].error,
            }
            if self.fractions is not None:
                total, error = self.summed(name) if k else (0.0, 0.0)
                entry |= {
                    "fraction": float(self.fractions.mean[k]),
                    "fraction_sigma": float(self.fractions.sigma[k]),
                    "fraction_16_84": [float(self.fractions.low[k]), float(self.fractions.high[k])],
                    "fraction_most_likely": float(self.fractions.most_likely[k]),
                    "summed_log_bayes_factor": total,
                    "summed_log_bayes_factor_error": error,
                }
            models[name] = entry
        return {
            "rows": len(self.table),
            "fitted": self.fitted,
            "compared": int(self.compared.sum()),
            "models": models,
            "shifts": _records(self.shifts()),
            "nested": _records(self.nested),
        }

    def write_summary(self, path: str | Path) -> None:
        """Write :meth:`summary` to a JSON file, atomically."""
        write_json(path, self.summary())


def _edges(mass: np.ndarray) -> np.ndarray:
    """Return the lower edges of the bins that hold all masses, in dex."""
    if not np.isfinite(mass).any():
        return np.empty(0)
    return np.arange(np.floor(np.nanmin(mass)), np.nanmax(mass), _BIN)


def _middle(values: np.ndarray) -> tuple[float, float]:
    """Return the median and half of the central 68%."""
    low, middle, high = np.percentile(values, [16, 50, 84])
    return float(middle), float(high - low) / 2


def _records(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table for JSON: None for NaN and infinities."""

    def plain(value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        return None if isinstance(value, float) and not np.isfinite(value) else value

    return [{n: plain(row[n]) for n in table.colnames} for row in table]


def comparison_table(
    table: Table,
    weighted_models: Sequence[WeightedModel],
    probabilities: np.ndarray,
    run: RunFile,
    posteriors: Mapping[str, Posterior],
) -> Table:
    """Add the columns of a comparison to a table of identifiers and status, and describe them.

    Parameters
    ----------
    table
        A table with the columns ``id`` and ``status``, n rows.
    weighted_models
        The results under each model.
    probabilities
        Posterior probabilities of the models, [n, models].
    run, posteriors
        The run file and the estimators, for the provenance.

    Returns
    -------
    Table
        The same table, with the columns added.
    """
    table["id"].description = "identifier, or row number, in the catalogue"
    table["status"].description = "ok, or why the models were not compared"

    def add(name: str, values: np.ndarray, description: str, unit: str = "") -> None:
        table[name] = values
        table[name].description = description
        table[name].unit = unit or None

    for k, one in enumerate(weighted_models):
        name = one.name
        add(f"probability_{name}", probabilities[:, k], f"posterior probability of {name}")
        if k:
            factor = one.log_evidence - weighted_models[0].log_evidence
            error = np.hypot(one.log_evidence_error, weighted_models[0].log_evidence_error)
            against = f"{name} over {weighted_models[0].name}"
            add(f"log_bayes_factor_{name}", factor, f"ln Bayes factor of {against}")
            add(f"log_bayes_factor_error_{name}", error, "its standard error")
    for one in weighted_models:
        name = one.name
        add(
            f"log_evidence_{name}",
            one.log_evidence,
            f"ln p(observation) under {name}, given that the survey selected it",
        )
        add(f"log_evidence_error_{name}", one.log_evidence_error, "its standard error")
        add(f"ess_{name}", one.ess, f"effective draws of the weights under {name}")
        add(f"k_hat_{name}", one.k_hat, "Pareto shape of their tail; reliable below 0.7")
        add(f"verified_{name}", one.verified, f"whether the weights under {name} are reliable")
        add(f"nested_{name}", one.nested, "whether the evidence comes from nested sampling")
    for one in weighted_models:
        for quantity in one.weighted:
            unit, text = describe_column(quantity)
            for kind, store in (("", one.weighted), ("_estimator", one.estimated)):
                how = "draws of the estimator" if kind else "weighted draws"
                for j, percentile in enumerate((16, 50, 84)):
                    add(
                        f"{quantity}_{one.name}{kind}_p{percentile}",
                        store[quantity][:, j],
                        f"{text}, {one.name}, {percentile}th percentile of {how}",
                        unit,
                    )
    table.meta["sedum"] = json.dumps(
        {
            "catalogue": run.model_dump(mode="json")["catalogue"],
            "models": {
                name: {"run": p.run.model_dump(mode="json"), "fingerprint": p.fingerprint}
                for name, p in posteriors.items()
            },
            "versions": versions(),
        },
        sort_keys=True,
    )
    return table
