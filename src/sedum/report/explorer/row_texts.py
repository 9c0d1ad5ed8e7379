"""What stands of a galaxy in a posterior catalogue, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from sedum.infer.verify.importance_weights import GOOD_K, LEAST_ESS
from sedum.photometry.row_status import OK, Reason

__all__ = ["Tone", "status_meaning", "trust_in_words"]

#: How a statement is coloured: in order, to be wary of, or neither.
Tone = Literal["good", "poor", "plain"]

_METHODS = {
    "weighted": "draws of the estimator, weighted by the exact likelihood",
    "refined": "draws refined by adaptive importance sampling",
    "flow": "draws of the estimator alone; their weights cannot be trusted",
    "nested": "draws of nested sampling",
}
#: Posterior-predictive probabilities below which the models do not explain the data.
_UNEXPLAINED = 0.01


def status_meaning(status: str) -> str:
    """Return what the status of a row means and what can be done; empty for ``ok``."""
    if status == OK:
        return ""
    reason = Reason.of(status)
    return f"{reason.meaning} {reason.remedy}" if reason else "The row could not be fitted."


def trust_in_words(row: Mapping[str, Any]) -> list[tuple[Tone, str]]:
    """Say how far the posterior of a row can be trusted, statement by statement.

    Parameters
    ----------
    row
        The columns of one row of a posterior catalogue; those that are absent were not asked
        for, and that is said too.
    """
    if row["status"] != OK:
        return []
    said: list[tuple[Tone, str]] = []
    if "verified" in row:
        good = bool(row["verified"])
        text = "verified: agrees with the exact likelihood" if good else "not verified"
        method = _METHODS.get(str(row.get("method", "")))
        said.append(("good" if good else "poor", f"{text} ({method})" if method else text))
        said.extend(_weights(row))
    else:
        said.append(("plain", "verification was not asked for (output: {verify: {}})"))
    said.extend(_fit(row))
    if row.get("at_edge"):
        said.append(("poor", f"piles up at a bound of the prior: {row['at_edge']}"))
    if np.isfinite(row.get("prior_ess", np.nan)):
        text = f"under other priors than those trained with: {row['prior_ess']:.0f} effective draws"
        said.append(("plain", text))
    return said


def _weights(row: Mapping[str, Any]) -> list[tuple[Tone, str]]:
    said: list[tuple[Tone, str]] = []
    ess, k_hat = (float(row.get(name, np.nan)) for name in ("ess", "k_hat"))
    if np.isfinite(ess):
        enough = ess >= LEAST_ESS
        text = f"effective sample size {ess:,.0f}"
        said.append(
            ("good" if enough else "poor", text if enough else f"{text}, below {LEAST_ESS:.0f}")
        )
    if np.isfinite(k_hat):
        good = k_hat < GOOD_K
        text = f"Pareto k {k_hat:.2f}, {'below' if good else 'not below'} {GOOD_K}"
        said.append(("good" if good else "poor", text))
    evidence = float(row.get("log_evidence", np.nan))
    if np.isfinite(evidence):
        error = float(row.get("log_evidence_error", np.nan))
        said.append(("plain", f"ln evidence {evidence:.2f} ± {error:.2f}"))
    return said


def _fit(row: Mapping[str, Any]) -> list[tuple[Tone, str]]:
    """Say whether the models explain the data, and whether such data are usual."""
    said: list[tuple[Tone, str]] = []
    ppp = float(row.get("ppp", np.nan))
    if np.isfinite(ppp):
        text = f"posterior-predictive p = {ppp:.3f}"
        poor = ppp < _UNEXPLAINED
        said.append(
            ("poor" if poor else "good", f"{text}: no draw explains the data" if poor else text)
        )
    sigma = float(row.get("worst_sigma", np.nan))
    if np.isfinite(sigma):
        text = f"farthest from the models: {row['worst_band']}, {sigma:+.1f}σ"
        said.append(("poor" if abs(sigma) > 3 else "plain", text))
    typical = float(row.get("typicality", np.nan))
    if np.isfinite(typical) and "in_distribution" in row:
        good = bool(row["in_distribution"])
        text = "like the simulated galaxies" if good else "unlike the simulated galaxies"
        said.append(("good" if good else "poor", f"{text} (typicality p = {typical:.2g})"))
    return said
