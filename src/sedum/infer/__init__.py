"""Learning posteriors: the estimator, its training, and the posterior it gives."""

from sedum.infer.posterior import Posterior

__all__ = ["Posterior"]
