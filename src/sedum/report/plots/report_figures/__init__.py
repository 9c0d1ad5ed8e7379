"""The figures of the report, each made from numbers alone."""
