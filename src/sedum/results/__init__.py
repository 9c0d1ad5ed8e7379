"""Posterior catalogues: their columns, writing them, and reading them back."""
