"""What every part of the run file is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Bounded", "Section", "tag_of"]


class Section(BaseModel):
    """A part of the run file: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bounded(Section):
    """A prior with limits, which must be in order where both are given."""

    @model_validator(mode="after")
    def _ordered(self) -> Bounded:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and not low < high:
            raise ValueError(f"low ({low}) must be below high ({high})")
        return self


def tag_of(value: Any, kinds: Mapping[str, tuple[str, Any]], default: str) -> str:
    """Return the tag of an entry whose ``kind`` chooses its model.

    Parameters
    ----------
    value
        The entry, a mapping or a model.
    kinds
        Tags and models by kind.
    default
        The kind where none is given.
    """
    kind = value.get("kind", default) if isinstance(value, dict) else getattr(value, "kind", None)
    return kinds[kind][0] if isinstance(kind, str) and kind in kinds else str(kind)
