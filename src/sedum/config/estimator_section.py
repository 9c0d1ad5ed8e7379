"""What the run file says of the estimator: its kind, its sizes, how it reads observations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sedum.config.section import Section, tag_of

__all__ = [
    "ESTIMATORS",
    "AnyEstimator",
    "AutoregressiveSettings",
    "EnsembleSettings",
    "FlowSettings",
    "MixtureSettings",
    "VectorFieldSettings",
]


class EstimatorSettings(Section):
    """The network that reads an observation; all kinds but ensembles have one."""

    embedding: Literal["mlp", "bands"] = Field(
        default="mlp", description="bands: attention over bands, for any set of them"
    )
    width: int = Field(default=256, ge=8)
    blocks: int = Field(default=3, ge=1)
    heads: int = Field(default=4, ge=1, description="of the attention of embedding bands")

    @model_validator(mode="after")
    def _heads(self) -> EstimatorSettings:
        if self.embedding == "bands" and self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class FlowSettings(EstimatorSettings):
    """The default: a flow whose parameters are written once for each galaxy."""

    kind: Literal["flow"] = "flow"
    layers: int = Field(default=4, ge=1)
    bins: int = Field(default=8, ge=2)
    components: int = Field(default=16, ge=1, description="normals that the flow starts from")


class AutoregressiveSettings(EstimatorSettings):
    """Neural spline flow or masked autoregressive flow, of zuko."""

    kind: Literal["nsf", "maf"]
    transforms: int = Field(default=5, ge=1)
    hidden: list[int] = Field(default=[128, 128], min_length=1)
    bins: int = Field(default=8, ge=2, description="of the splines of nsf")


class MixtureSettings(EstimatorSettings):
    """A mixture density network of full covariances, of zuko."""

    kind: Literal["mixture"]
    components: int = Field(default=10, ge=1)


class VectorFieldSettings(EstimatorSettings):
    """Flow matching or score-based, of sbi."""

    kind: Literal["flow_matching", "score"]
    hidden: int = Field(default=256, ge=8)
    layers: int = Field(default=4, ge=1)
    steps: int = Field(default=20, ge=1, description="of the integration, for draws")


class EnsembleSettings(Section):
    """Several estimators, trained one by one, as a mixture."""

    kind: Literal["ensemble"]
    members: list[AnyMember] = Field(min_length=2)
    weights: Literal["uniform", "score"] = Field(
        default="score", description="score: those that predict held-out galaxies best"
    )


#: Tags of the kinds, which differ from keys of the file so that messages can leave them out.
ESTIMATORS: dict[str, tuple[str, type[Section]]] = {
    "flow": ("FlowSettings", FlowSettings),
    "nsf": ("AutoregressiveSettings", AutoregressiveSettings),
    "maf": ("AutoregressiveSettings", AutoregressiveSettings),
    "mixture": ("MixtureSettings", MixtureSettings),
    "flow_matching": ("VectorFieldSettings", VectorFieldSettings),
    "score": ("VectorFieldSettings", VectorFieldSettings),
    "ensemble": ("EnsembleSettings", EnsembleSettings),
}


def estimator_kind(value: Any) -> str:
    """Return the tag of an entry of the run file; flow where no kind is given."""
    return tag_of(value, ESTIMATORS, "flow")


AnyMember = Annotated[
    Annotated[FlowSettings, Tag("FlowSettings")]
    | Annotated[AutoregressiveSettings, Tag("AutoregressiveSettings")]
    | Annotated[MixtureSettings, Tag("MixtureSettings")]
    | Annotated[VectorFieldSettings, Tag("VectorFieldSettings")],
    Discriminator(estimator_kind),
]
AnyEstimator = Annotated[
    Annotated[FlowSettings, Tag("FlowSettings")]
    | Annotated[AutoregressiveSettings, Tag("AutoregressiveSettings")]
    | Annotated[MixtureSettings, Tag("MixtureSettings")]
    | Annotated[VectorFieldSettings, Tag("VectorFieldSettings")]
    | Annotated[EnsembleSettings, Tag("EnsembleSettings")],
    Discriminator(estimator_kind),
]
EnsembleSettings.model_rebuild()
