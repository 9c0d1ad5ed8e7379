"""The columns of a galaxy in a posterior catalogue, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from sedum.infer.verify.importance_weights import GOOD_K, MIN_ESS
from sedum.photometry.row_status import OK, Reason

__all__ = ["Tone", "status_meaning", "verification_lines"]

#: The colour of a statement: good, poor, or neither.
Tone = Literal["good", "poor", "plain"]

_METHODS = {
    "weighted": "draws of the estimator, weighted by the exact likelihood",
    "refined": "draws refined by adaptive importance sampling",
    "flow": "draws of the estimator alone; their weights are not reliable",
    "nested": "draws of nested sampling",
}
#: Posterior-predictive probabilities below which the models do not explain the data.
_UNEXPLAINED = 0.01


def status_meaning(status: str) -> str:
    """Return the meaning and remedy of the status of a row; empty for ``ok``."""
    if status == OK:
        return ""
    reason = Reason.of(status)
    return f"{reason.meaning} {reason.remedy}" if reason else "The row could not be fitted."


def verification_lines(row: Mapping[str, Any]) -> list[tuple[Tone, str]]:
    """Return statements about the reliability of the posterior of a row.

    Parameters
    ----------
    row
        The columns of one row of a posterior catalogue. A statement says which checks were not
        requested.
    """
    if row["status"] != OK:
        return []
    statements: list[tuple[Tone, str]] = []
    if "verified" in row:
        good = bool(row["verified"])
        text = "verified: agrees with the exact likelihood" if good else "not verified"
        method = _METHODS.get(str(row.get("method", "")))
        statements.append(("good" if good else "poor", f"{text} ({method})" if method else text))
        statements.extend(_weights(row))
    else:
        statements.append(
            ("plain", "not verified: verification was not requested (output: {verify: {}})")
        )
    statements.extend(_fit(row))
    if row.get("at_edge"):
        statements.append(("poor", f"at an edge of the prior: {row['at_edge']}"))
    if np.isfinite(row.get("prior_ess", np.nan)):
        text = f"priors differ from those of the training: {row['prior_ess']:.0f} effective draws"
        statements.append(("plain", text))
    return statements


def _weights(row: Mapping[str, Any]) -> list[tuple[Tone, str]]:
    statements: list[tuple[Tone, str]] = []
    ess, k_hat = (float(row.get(name, np.nan)) for name in ("ess", "k_hat"))
    if np.isfinite(ess):
        enough = ess >= MIN_ESS
        text = f"effective sample size {ess:,.0f}"
        statements.append(
            ("good" if enough else "poor", text if enough else f"{text}, below {MIN_ESS:.0f}")
        )
    if np.isfinite(k_hat):
        good = k_hat < GOOD_K
        text = f"Pareto k {k_hat:.2f}, {'below' if good else 'not below'} {GOOD_K}"
        statements.append(("good" if good else "poor", text))
    evidence = float(row.get("log_evidence", np.nan))
    if np.isfinite(evidence):
        error = float(row.get("log_evidence_error", np.nan))
        statements.append(("plain", f"ln evidence {evidence:.2f} ± {error:.2f}"))
    return statements


def _fit(row: Mapping[str, Any]) -> list[tuple[Tone, str]]:
    """Return statements about the fit and the typicality of the data."""
    statements: list[tuple[Tone, str]] = []
    ppp = float(row.get("ppp", np.nan))
    if np.isfinite(ppp):
        text = f"posterior-predictive p = {ppp:.3f}"
        poor = ppp < _UNEXPLAINED
        statements.append(
            ("poor" if poor else "good", f"{text}: no draw explains the data" if poor else text)
        )
    sigma = float(row.get("worst_sigma", np.nan))
    if np.isfinite(sigma):
        text = f"worst band: {row['worst_band']}, {sigma:+.1f}σ from the models"
        statements.append(("poor" if abs(sigma) > 3 else "plain", text))
    typical = float(row.get("typicality", np.nan))
    if np.isfinite(typical) and "in_distribution" in row:
        good = bool(row["in_distribution"])
        text = "like the simulated galaxies" if good else "unlike the simulated galaxies"
        statements.append(("good" if good else "poor", f"{text} (typicality p = {typical:.2g})"))
    return statements
