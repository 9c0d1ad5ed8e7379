"""What a catalogue keeps of each posterior: one file for each kind of column."""
