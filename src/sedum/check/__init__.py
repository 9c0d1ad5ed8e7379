"""How far posteriors can be trusted: recovery and coverage on galaxies with known truth."""

from sedum.check.recovery import Recovery, recovery

__all__ = ["Recovery", "recovery"]
