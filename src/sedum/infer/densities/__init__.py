"""Conditional density estimators, and the numbers that they are drawn from."""
