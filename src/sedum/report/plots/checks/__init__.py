"""Figures of checks: recovery, calibration, redshifts, zero-points."""
