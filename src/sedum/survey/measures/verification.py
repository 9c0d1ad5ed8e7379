"""How far each posterior of a catalogue can be trusted, checked while it is fitted."""

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

#: Draws behind the posterior-predictive check.
_PREDICTED = 50


class Verification:
    """Verifies posteriors, and keeps the columns that say how far each can be trusted.

    Parameters
    ----------
    posterior, model, output
        The estimator, the forward model, and the section of the run file.
    rows
        Of the catalogue.
    folder, workers
        For nested sampling; see :class:`NestedFallback`.
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
        """Return verified draws of some galaxies, and note what was found in their rows.

        ``keys`` fix the draws of each, as for :meth:`Posterior.sample`; the rows where None.
        """
        keys = at if keys is None else keys
        spec, seed, size = self.output.verify, self.output.seed, self.output.draws
        assert spec is not None
        found = reweight(self.posterior, self.exact, seen, size, seed, keys, spec.rounds)
        for name in ("ess", "k_hat", "log_evidence", "log_evidence_error"):
            self.numbers[name][at] = getattr(found, name)
        self.verified[at] = found.verified
        self.method[at] = np.where(found.refined, "refined", "weighted")
        draws = resampled(found, seed)
        # Judged by the draws that explain the data best, whether or not their weights are right.
        explaining = draws.copy()
        # Weights that cannot be trusted improve nothing: those draws stay as the estimator's.
        poor = np.flatnonzero(~found.verified)
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
        """Note that a galaxy was sampled otherwise."""
        self.numbers["log_evidence"][row] = nested.log_evidence
        self.numbers["log_evidence_error"][row] = nested.log_evidence_error
        self.numbers["ess"][row] = nested.ess
        self.numbers["k_hat"][row] = np.nan
        self.verified[row], self.method[row] = True, "nested"

    def _predict(self, seen: Photometry, at: np.ndarray, draws: np.ndarray) -> None:
        """Note whether the models of the draws explain the data."""
        some = draws[:, :: max(draws.shape[1] // _PREDICTED, 1)]
        found = posterior_predictive(self.exact, seen, some)
        self.numbers["ppp"][at], self.numbers["worst_sigma"][at] = found.p_value, found.sigma
        self.worst[at] = np.array(self.posterior.noise.bands)[found.worst]

    def into(self, table: Table) -> None:
        """Add the columns to the table."""
        table["verified"] = self.verified
        table["method"] = self.method
        table["worst_band"] = self.worst
        for name, column in self.numbers.items():
            table[name] = column
