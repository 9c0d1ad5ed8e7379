"""How objects introduce themselves: one line, and a small table in notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["Facts", "Introduced", "listed"]

#: What an object is called, which may be empty, and facts about it by name.
Facts = tuple[str, dict[str, str]]


class Introduced:
    """An object with a short introduction, made from the facts that a subclass gives.

    Examples
    --------
    >>> class Survey(Introduced):
    ...     def _facts(self):
    ...         return "deep", {"bands": listed(["g", "r", "i", "z"]), "galaxies": "1,200"}
    >>> Survey()
    <Survey deep: bands g, r, i and 1 more; galaxies 1,200>
    """

    def _facts(self) -> Facts:
        raise NotImplementedError

    def __repr__(self) -> str:
        name, facts = self._facts()
        title = " ".join([type(self).__name__, *filter(None, [name])])
        return f"<{title}: {'; '.join(f'{k} {v}' for k, v in facts.items())}>"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        name, facts = self._facts()
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(key)}</th>'
            f'<td style="text-align: left">{escape(value)}</td></tr>'
            for key, value in facts.items()
        )
        return f"<p><b>{escape(type(self).__name__)}</b> {escape(name)}</p><table>{rows}</table>"


def listed(names: Sequence[str], shown: int = 3) -> str:
    """Return the first names, and how many more there are.

    Examples
    --------
    >>> listed(["g", "r"]), listed([])
    ('g, r', 'none')
    """
    if not names:
        return "none"
    more = len(names) - shown
    text = ", ".join(map(str, names[:shown]))
    return f"{text} and {more} more" if more > 0 else text
