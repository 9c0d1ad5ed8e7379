"""Bounds of the flow's parameters, the same in torch and in the compiled kernels."""

__all__ = ["FIRST_LIMIT", "LATER_LIMIT", "WIDTH_LIMIT"]

#: Largest |log| of a diagonal element. The first map brings a posterior of any width, down to
#: exp(-9) of the prior, to order one; the later ones refine.
FIRST_LIMIT, LATER_LIMIT = 9.0, 3.0
#: The same of the widths of a mixture's components.
WIDTH_LIMIT = 2.0
