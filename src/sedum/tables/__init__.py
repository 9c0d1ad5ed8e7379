"""Reading tables of any common format: whole, in portions, or single rows."""
