"""Simulated galaxies: read from files, or drawn and given their light."""
