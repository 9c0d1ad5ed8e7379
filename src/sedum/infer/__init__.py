"""Learning posteriors: the estimator, its training, and the posterior it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.infer.posterior import Posterior as Posterior
    from sedum.infer.training.train import train as train
    from sedum.infer.training.tune import tune as tune

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Posterior": "sedum.infer.posterior",
        "train": "sedum.infer.training.train",
        "tune": "sedum.infer.training.tune",
    },
)
