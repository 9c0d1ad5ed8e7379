"""Tables of any common format: whole, in portions, or by single rows."""
