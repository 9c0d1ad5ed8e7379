"""Posteriors of a catalogue under other priors than those of the training."""

from __future__ import annotations

import json

import numpy as np
from astropy.table import Table

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.model_parameters import prior_of
from sedum.infer.posterior import Posterior
from sedum.infer.verify.importance_weights import MIN_ESS, systematic
from sedum.infer.verify.prior_swap import check_swap, swap_prior
from sedum.photometry.row_status import Reason, RowStatus

__all__ = ["SwappedPrior"]


class SwappedPrior:
    """Weights draws to the priors of another run file, and collects diagnostic columns.

    Parameters
    ----------
    posterior
        The estimator that the draws come from.
    run
        The run file with the other priors. Its model must be that of the estimator.
    rows
        Number of rows of the catalogue.
    seed
        Random seed of the resampling.

    Raises
    ------
    SedumError
        If the model differs, or the priors are wider than those of the training; see
        :func:`sedum.infer.verify.prior_swap.check_swap`.
    """

    def __init__(self, posterior: Posterior, run: RunFile, rows: int, seed: int):
        if run.model != posterior.run.model:
            raise SedumError(
                f"priors of run file {run.name!r}: its model differs from that of estimator "
                f"{posterior.source}; give the same model section"
            )
        self.old, self.new, self.seed = posterior.prior, prior_of(run.model, run.priors), seed
        check_swap(self.old, self.new)
        self.columns = {
            f"prior_{name}": np.full(rows, np.nan)
            for name in ("ess", "k_hat", "log_evidence_ratio", "log_evidence_ratio_error")
        }
        self.poor = np.zeros(rows, bool)

    def apply(self, draws: np.ndarray, at: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return equally weighted draws of the rows ``at`` under the other priors, [n, K, d].

        ``keys`` are those of :func:`sedum.survey.prepare.galaxy_keys`, so that the resampling
        depends on the galaxy only, not on the other rows.
        """
        swapped = swap_prior(draws, self.old, self.new)
        for name, column in self.columns.items():
            column[at] = getattr(swapped, name.removeprefix("prior_"))
        self.poor[at] = ~swapped.trusted
        size = draws.shape[1]
        out = draws.copy()
        for i in np.flatnonzero(swapped.ess > 0):
            rng = np.random.default_rng([self.seed, int(keys[i]) % 2**64])
            picks = systematic(swapped.log_weights[i], size, rng.random())
            # In random order, since derived quantities are computed for the first draws only.
            out[i] = draws[i, rng.permutation(picks)]
        return out

    def mark(self, status: RowStatus) -> None:
        """Mark rows that have too few effective draws under the other priors."""
        few = self.poor & (self.columns["prior_ess"] < MIN_ESS)
        status.mark(few, Reason.FEW_EFFECTIVE_DRAWS, f"{MIN_ESS:.0f}")
        status.mark(self.poor, Reason.LONG_TAIL_OF_WEIGHTS)

    def into(self, table: Table) -> None:
        """Add the columns, and change the log-evidence if the table has it."""
        for name, column in self.columns.items():
            table[name] = column
        if "log_evidence" in table.colnames:
            use = ~self.poor
            error = np.hypot(
                table["log_evidence_error"], self.columns["prior_log_evidence_ratio_error"]
            )
            moved = np.asarray(table["log_evidence"]) + self.columns["prior_log_evidence_ratio"]
            table["log_evidence"] = np.where(use, moved, np.nan)
            table["log_evidence_error"] = np.where(use, error, np.nan)

    def describe(self, table: Table) -> None:
        """Add the priors to the provenance of the table."""
        meta = json.loads(table.meta["sedum"])
        meta["swapped_priors"] = {k: v.model_dump(mode="json") for k, v in self.new.specs.items()}
        table.meta["sedum"] = json.dumps(meta, sort_keys=True)
