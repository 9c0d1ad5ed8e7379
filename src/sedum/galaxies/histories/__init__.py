"""Star-formation histories: parametric, binned, and tabulated."""
