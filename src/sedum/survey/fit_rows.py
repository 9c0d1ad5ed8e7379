"""Fitting rows that were read: each keeps its place, with its posterior or the reason for none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from sedum.config import RunFile
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.verify.typicality import Typicality
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.row_status import Reason
from sedum.progress import progress
from sedum.results.posterior_table import describe
from sedum.survey.measures.prior_bounds import PriorBounds
from sedum.survey.measures.summaries import Summaries
from sedum.survey.measures.swapped_prior import SwappedPrior
from sedum.survey.measures.typicality_columns import TypicalityColumns, typicality_asked_for
from sedum.survey.measures.verification import Verification
from sedum.survey.prepare import PreparedCatalogue, prepare_rows

__all__ = ["RowFitter"]

#: Galaxies that are verified together, between two steps of the progress bar.
_VERIFIED_TOGETHER = 64
#: Draws that tell whether the network gives finite ones.
_TRIED = 4


@dataclass
class RowFitter:
    """Turns rows of a catalogue into rows of a posterior catalogue.

    Attributes
    ----------
    run
        The run file.
    posterior
        The estimator that was trained for it.
    model
        The forward model of both.
    priors
        A run file whose priors replace those of the training, or None.
    folder
        Where results of nested sampling are kept until the caller removes it; None to keep none.
    workers
        Processes for nested sampling.
    typicality
        The mock galaxies that rows are compared with. They are made for the first rows where
        the run file asks for typicality, and kept for the next.
    """

    run: RunFile
    posterior: Posterior
    model: Simulator
    priors: RunFile | None = None
    folder: Path | None = None
    workers: int = 1
    typicality: Typicality | None = None

    def fit(self, rows: CatalogueRows, *, show_progress: bool = False) -> Table:
        """Return the posterior catalogue of n rows, in their order."""
        ready = prepare_rows(self.run, self.posterior, rows, self.model)
        posterior, output = self.posterior, self.run.output
        status, photometry, n = ready.status, ready.photometry, len(ready)
        good, keys = ready.good, ready.keys
        other = SwappedPrior(posterior, self.priors, n, output.seed) if self.priors else None
        summaries = Summaries(posterior.prior if other is None else other.new, output, n)
        # A parameter that is also asked for as a derived quantity keeps its own draws.
        derived = [name for name in summaries.names if name not in posterior.names]
        verification = self._verification(n)
        if self.typicality is None:
            self.typicality = typicality_asked_for(posterior, self.model, output, show_progress)
        typical = TypicalityColumns(self.typicality, output, n) if self.typicality else None
        bounds = PriorBounds(posterior.prior, n)
        with progress(len(good), "fitting", "galaxies", show_progress) as advance:
            for some, draws in self._draws(ready, verification):
                at = good[some]
                finite = np.isfinite(draws).all(axis=(1, 2))
                if not finite.all():
                    status.mark(np.isin(np.arange(n), at[~finite]), Reason.DRAWS_NOT_FINITE)
                    advance(int((~finite).sum()))
                    at, draws = at[finite], draws[finite]
                if not len(at):
                    continue
                if other is not None:
                    draws = other.apply(draws, at, keys[at])
                for j, name in enumerate(posterior.names):
                    summaries.note(name, draws[..., j], at)
                part = draws[:, : output.derived_draws]
                for name, values in self._derived(part, derived).items():
                    summaries.note(name, values, at)
                bounds.note(draws, at)
                if typical is not None:
                    typical.note(photometry[at], at, keys[at])
                advance(len(at))
        if other is not None:
            other.mark(status)
            summaries.blank(other.poor)
        table = self._table(ready)
        summaries.into(table)
        bounds.into(table)
        for columns in (verification, typical, other):
            if columns is not None:
                columns.into(table)
        summaries.lists_into(table)
        describe(table, self.run, posterior)
        if other is not None:
            other.describe(table)
        return table

    def _verification(self, rows: int) -> Verification | None:
        output = self.run.output
        if not output.verify:
            return None
        return Verification(self.posterior, self.model, output, rows, self.folder, self.workers)

    def _draws(
        self, ready: PreparedCatalogue, verification: Verification | None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield draws of the good rows, portion by portion, verified where that is asked for."""
        good, keys, output = ready.good, ready.keys, self.run.output
        if verification is None:
            seen = ready.photometry[good]
            yield from self.posterior.stream(seen, output.draws, output.seed, keys=keys[good])
            return
        for start in range(0, len(good), _VERIFIED_TOGETHER):
            some = slice(start, min(start + _VERIFIED_TOGETHER, len(good)))
            at = good[some]
            few = self.posterior.sample(ready.photometry[at], _TRIED, output.seed, keys[at])
            usable = np.isfinite(few).all(axis=(1, 2))
            draws = np.full((len(at), output.draws, few.shape[2]), np.nan)
            if usable.any():
                rows = at[usable]
                draws[usable] = verification.verify(ready.photometry[rows], rows, keys[rows])
            yield some, draws

    def _derived(self, draws: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        """Return derived quantities of draws [n, draws, d], each [n, draws]."""
        values = self.model.derived(draws.reshape(-1, draws.shape[2]), names)
        return {name: column.reshape(draws.shape[:2]) for name, column in values.items()}

    def _table(self, ready: PreparedCatalogue) -> Table:
        """Return the columns that do not depend on draws."""
        rows, seen = ready.rows, ready.photometry
        table = Table({"id": Column(rows.ids), "status": Column(ready.status.text())})
        table["n_bands"] = seen.measured.sum(axis=1).astype(np.int16)
        if self.posterior.noise.spec.limits is not None:
            table["n_limits"] = seen.upper.sum(axis=1).astype(np.int16)
        table["n_errors_raised"] = ready.errors_raised.astype(np.int16)
        if self.run.catalogue is not None and self.run.catalogue.redshift is not None:
            table["redshift_catalogue"] = rows.catalogue_redshift
        return table
