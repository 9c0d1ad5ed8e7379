"""What every part of the run file is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Bounded", "Section"]


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
