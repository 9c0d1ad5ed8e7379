"""Fitting catalogues, single galaxies of them, and what their posteriors predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.survey.fit_output import FitSummary as FitSummary
    from sedum.survey.hats_partitions import lazy_hats_posteriors as lazy_hats_posteriors
    from sedum.survey.measures.quantiles import quantile_draws as quantile_draws
    from sedum.survey.qp_ensemble import to_qp as to_qp
    from sedum.survey.start_run_file import init_run as init_run

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "lazy_hats_posteriors": "sedum.survey.hats_partitions",
        "to_qp": "sedum.survey.qp_ensemble",
        "quantile_draws": "sedum.survey.measures.quantiles",
        "init_run": "sedum.survey.start_run_file",
        "FitSummary": "sedum.survey.fit_output",
    },
)
