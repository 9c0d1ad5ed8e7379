"""How far posteriors can be trusted: recovery and coverage on galaxies with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.check.catalogue_check import check_catalogue as check_catalogue
    from sedum.check.catalogue_scorecard import validate_catalogue as validate_catalogue
    from sedum.check.fit_recalibration import recalibrate as recalibrate
    from sedum.check.mock_scorecard import validate as validate
    from sedum.check.recovery import RecoveryMetrics as RecoveryMetrics
    from sedum.check.recovery import recovery_metrics as recovery_metrics
    from sedum.check.zeropoints import measure_zeropoints as measure_zeropoints

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "RecoveryMetrics": "sedum.check.recovery",
        "recovery_metrics": "sedum.check.recovery",
        "validate": "sedum.check.mock_scorecard",
        "validate_catalogue": "sedum.check.catalogue_scorecard",
        "recalibrate": "sedum.check.fit_recalibration",
        "check_catalogue": "sedum.check.catalogue_check",
        "measure_zeropoints": "sedum.check.zeropoints",
    },
)
