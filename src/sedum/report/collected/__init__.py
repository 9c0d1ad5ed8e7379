"""Data of the report: counts and samples of a catalogue, and the files beside it."""
