"""What the report shows of a catalogue, collected in one pass and from the files beside it."""
