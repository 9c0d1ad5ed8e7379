"""Posteriors checked galaxy by galaxy against the exact likelihood of the forward model."""
