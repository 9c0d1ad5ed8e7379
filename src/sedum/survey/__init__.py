"""Fitting catalogues, single galaxies of them, and what their posteriors predict."""

from typing import Any

from sedum.survey.fit import fit

__all__ = ["fit", "lazy_hats_posteriors", "to_qp"]


def __getattr__(name: str) -> Any:
    # Imported when they are used: LSDB and qp are optional, and slow to import.
    if name == "lazy_hats_posteriors":
        from sedum.survey.hats_partitions import lazy_hats_posteriors

        return lazy_hats_posteriors
    if name == "to_qp":
        from sedum.survey.qp_ensemble import to_qp

        return to_qp
    raise AttributeError(f"module 'sedum.survey' has no attribute {name!r}")
