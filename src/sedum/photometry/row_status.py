"""What stands against each row of a catalogue, if anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sedum.photometry.row_reasons import OK, Reason

__all__ = ["OK", "Reason", "RowStatus", "most_frequent_first"]


def most_frequent_first(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return statuses and how many rows have each: ``ok`` first, then by frequency."""
    return sorted(counts, key=lambda p: (p[0] != OK, -p[1]))


class RowStatus:
    """One status for each of n rows: ``ok``, or the first reason why it cannot be fitted.

    Reasons are numbered, so that millions of rows cost two bytes each.

    Parameters
    ----------
    rows
        The number of rows.
    """

    def __init__(self, rows: int):
        self._code = np.zeros(rows, np.int16)
        self._reasons = [OK]

    def mark(self, rows: np.ndarray, reason: Reason | str, name: object = "") -> None:
        """Give rows a reason, unless they have one already.

        Parameters
        ----------
        rows
            A mask, [n].
        reason
            The reason, or a status as text.
        name
            The band, column or model that the reason names.
        """
        if not rows.any():
            return
        if isinstance(reason, Reason):
            reason = reason.text(name)
        if reason not in self._reasons:
            self._reasons.append(reason)
        self._code[rows & (self._code == 0)] = self._reasons.index(reason)

    @property
    def ok(self) -> np.ndarray:
        """True where nothing stands against the row, [n]."""
        return self._code == 0

    def text(self) -> np.ndarray:
        """Return the status of each row in words, [n]."""
        return np.array(self._reasons)[self._code]

    def counts(self) -> list[tuple[str, int]]:
        """Return each status that occurs and how many rows have it, ``ok`` first."""
        counts = np.bincount(self._code, minlength=len(self._reasons))
        pairs = [(r, int(c)) for r, c in zip(self._reasons, counts, strict=True) if c]
        return most_frequent_first(pairs)

    def copy(self) -> RowStatus:
        """Return an independent copy."""
        return self[:]

    @classmethod
    def concatenate(cls, parts: Sequence[RowStatus]) -> RowStatus:
        """Join parts in order."""
        whole = cls(0)
        codes = []
        for part in parts:
            for reason in part._reasons:
                if reason not in whole._reasons:
                    whole._reasons.append(reason)
            renumber = np.array([whole._reasons.index(r) for r in part._reasons], np.int16)
            codes.append(renumber[part._code])
        whole._code = np.concatenate(codes) if codes else whole._code
        return whole

    def __len__(self) -> int:
        return len(self._code)

    def __getitem__(self, rows: slice | np.ndarray) -> RowStatus:
        part = RowStatus(0)
        part._code, part._reasons = self._code[rows].copy(), list(self._reasons)
        return part
