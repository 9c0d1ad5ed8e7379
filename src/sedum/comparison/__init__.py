"""Models compared by their evidence."""
