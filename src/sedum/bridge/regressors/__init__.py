"""Regressors of galaxy properties on magnitudes and colours."""
