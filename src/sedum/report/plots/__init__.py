"""Figures for papers and the terminal's tables that go with them, in one style."""
