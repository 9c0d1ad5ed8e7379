"""Verification of each posterior of a catalogue while it is fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table

from sedum.config import OutputSettings
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.importance_weights import resampled, reweight
from sedum.infer.verify.nested_sampling import NestedResult
from sedum.infer.verify.predictive_check import posterior_predictive
from sedum.photometry.observed import Photometry
from sedum.survey.measures.nested_fallback import NestedFallback

__all__ = ["Verification"]

#: Number of draws for the posterior-predictive check.
_PREDICTED = 50


class Verification:
    """Verifies posteriors, and collects the columns with the results.

    Parameters
    ----------
    posterior, model, output
        The estimator, the forward model, and the section ``output`` of the run file.
    rows
        Number of rows of the catalogue.
    folder, workers
        Folder and processes of nested sampling; see :class:`NestedFallback`.
    """

    def __init__(
        self,
        posterior: Posterior,
        model: Simulator,
        output: OutputSettings,
        rows: int,
        folder: Path | None = None,
        workers: int = 1,
    ):
        self.posterior, self.output = posterior, output
        self.exact = ExactPosterior(model, posterior.noise)
        self.fallback = NestedFallback(self.exact, output.draws, output.seed, folder, workers)
        self.numbers = {
            name: np.full(rows, np.nan)
            for name in ("ess", "k_hat", "log_evidence", "log_evidence_error")
        }
        self.numbers |= {"ppp": np.full(rows, np.nan), "worst_sigma": np.full(rows, np.nan)}
        self.worst = np.full(rows, "", f"U{max(map(len, posterior.noise.bands))}")
        self.verified = np.zeros(rows, bool)
        self.method = np.full(rows, "", "U8")

    def verify(
        self, seen: Photometry, at: np.ndarray, keys: np.ndarray | None = None
    ) -> np.ndarray:
        """Return verified draws of galaxies, and store the results in rows ``at``.

        Parameters
        ----------
        seen
            Observations of n galaxies.
        at
            Rows of the galaxies, [n].
        keys
            Keys of their draws, as for :meth:`Posterior.sample`; the rows if None.
        """
        keys = at if keys is None else keys
        spec, seed, size = self.output.verify, self.output.seed, self.output.draws
        assert spec is not None
        weights = reweight(self.posterior, self.exact, seen, size, seed, keys, spec.rounds)
        for name in ("ess", "k_hat", "log_evidence", "log_evidence_error"):
            self.numbers[name][at] = getattr(weights, name)
        self.verified[at] = weights.verified
        self.method[at] = np.where(weights.refined, "refined", "weighted")
        draws = resampled(weights, seed)
        # The predictive check uses the draws that fit best, even if their weights are not reliable.
        explaining = draws.copy()
        # Unreliable weights do not improve the draws: those of the estimator are kept.
        poor = np.flatnonzero(~weights.verified)
        if len(poor):
            draws[poor] = self.posterior.sample(seen[poor], size, seed, keys[poor])
            self.method[at[poor]] = "flow"
        if spec.nested and len(poor):
            for i, nested in zip(poor, self.fallback.sample(seen[poor]), strict=True):
                draws[i] = explaining[i] = nested.draws
                self._note_nested(at[i], nested)
        self._predict(seen, at, explaining)
        return draws

    def _note_nested(self, row: int, nested: NestedResult) -> None:
        """Store the result of nested sampling of a galaxy."""
        self.numbers["log_evidence"][row] = nested.log_evidence
        self.numbers["log_evidence_error"][row] = nested.log_evidence_error
        self.numbers["ess"][row] = nested.ess
        self.numbers["k_hat"][row] = np.nan
        self.verified[row], self.method[row] = True, "nested"

    def _predict(self, seen: Photometry, at: np.ndarray, draws: np.ndarray) -> None:
        """Store the posterior-predictive check of the draws."""
        some = draws[:, :: max(draws.shape[1] // _PREDICTED, 1)]
        check = posterior_predictive(self.exact, seen, some)
        self.numbers["ppp"][at], self.numbers["worst_sigma"][at] = check.p_value, check.sigma
        self.worst[at] = np.array(self.posterior.noise.bands)[check.worst]

    def into(self, table: Table) -> None:
        """Add the columns to the table."""
        table["verified"] = self.verified
        table["method"] = self.method
        table["worst_band"] = self.worst
        for name, column in self.numbers.items():
            table[name] = column
