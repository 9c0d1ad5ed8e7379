"""Regressors trained on galaxy simulations and carried to surveys."""
