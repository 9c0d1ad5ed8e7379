"""Figures of what checks found: recovery, calibration, redshifts, zero-points."""
