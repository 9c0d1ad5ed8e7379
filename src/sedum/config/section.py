"""The base classes of all sections of the run file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Bounded", "Section", "tag_of"]


class Section(BaseModel):
    """A section of the run file: immutable, and unknown keys are refused.

    Examples
    --------
    >>> class Cut(Section):
    ...     snr: float = 5.0
    >>> Cut(snr=3).snr
    3.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bounded(Section):
    """A prior with limits, where ``low`` must be below ``high`` if both are given.

    Examples
    --------
    >>> class Window(Bounded):
    ...     low: float
    ...     high: float
    >>> Window(low=0, high=1).high
    1.0
    """

    @model_validator(mode="after")
    def _ordered(self) -> Bounded:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and not low < high:
            raise ValueError(f"low ({low}) must be below high ({high})")
        return self


def tag_of(value: Any, kinds: Mapping[str, tuple[str, Any]], default: str) -> str:
    """Return the tag of an entry whose ``kind`` selects its model.

    Parameters
    ----------
    value
        The entry: a mapping or a model.
    kinds
        Tag and model of each kind.
    default
        Kind of an entry that does not give one.

    Examples
    --------
    >>> tag_of({"kind": "flow"}, {"flow": ("FlowSettings", Section)}, "flow")
    'FlowSettings'
    """
    kind = value.get("kind", default) if isinstance(value, dict) else getattr(value, "kind", None)
    return kinds[kind][0] if isinstance(kind, str) and kind in kinds else str(kind)
