"""How far posteriors can be trusted: recovery and coverage on galaxies with known truth."""

from sedum.check.recovery import RecoveryMetrics, recovery_metrics

__all__ = ["RecoveryMetrics", "recovery_metrics"]
