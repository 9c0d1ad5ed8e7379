"""What the run file says of the estimator: its kind, its sizes, how it reads observations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sedum.config.section import Section, tag_of

__all__ = [
    "ESTIMATORS",
    "AnyEstimator",
    "AutoregressiveEstimator",
    "EnsembleEstimator",
    "Estimator",
    "MixtureEstimator",
    "VectorFieldEstimator",
]


class EstimatorCommon(Section):
    """The network that reads an observation; all kinds but ensembles have one."""

    embedding: Literal["mlp", "bands"] = Field(
        default="mlp", description="bands: attention over bands, for any set of them"
    )
    width: int = Field(default=256, ge=8)
    blocks: int = Field(default=3, ge=1)
    heads: int = Field(default=4, ge=1, description="of the attention of embedding bands")

    @model_validator(mode="after")
    def _heads(self) -> EstimatorCommon:
        if self.embedding == "bands" and self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class Estimator(EstimatorCommon):
    """The default: a flow whose parameters are written once for each galaxy."""

    kind: Literal["flow"] = "flow"
    layers: int = Field(default=4, ge=1)
    bins: int = Field(default=8, ge=2)
    components: int = Field(default=16, ge=1, description="normals that the flow starts from")


class AutoregressiveEstimator(EstimatorCommon):
    """Neural spline flow or masked autoregressive flow, of zuko."""

    kind: Literal["nsf", "maf"]
    transforms: int = Field(default=5, ge=1)
    hidden: list[int] = Field(default=[128, 128], min_length=1)
    bins: int = Field(default=8, ge=2, description="of the splines of nsf")


class MixtureEstimator(EstimatorCommon):
    """A mixture density network of full covariances, of zuko."""

    kind: Literal["mixture"]
    components: int = Field(default=10, ge=1)


class VectorFieldEstimator(EstimatorCommon):
    """Flow matching or score-based, of sbi."""

    kind: Literal["flow_matching", "score"]
    hidden: int = Field(default=256, ge=8)
    layers: int = Field(default=4, ge=1)
    steps: int = Field(default=20, ge=1, description="of the integration, for draws")


class EnsembleEstimator(Section):
    """Several estimators, trained one by one, as a mixture."""

    kind: Literal["ensemble"]
    members: list[AnyMember] = Field(min_length=2)
    weights: Literal["uniform", "score"] = Field(
        default="score", description="score: those that predict held-out galaxies best"
    )


#: Tags of the kinds, which differ from keys of the file so that messages can leave them out.
ESTIMATORS: dict[str, tuple[str, type[Section]]] = {
    "flow": ("FlowEstimator", Estimator),
    "nsf": ("AutoregressiveEstimator", AutoregressiveEstimator),
    "maf": ("AutoregressiveEstimator", AutoregressiveEstimator),
    "mixture": ("MixtureEstimator", MixtureEstimator),
    "flow_matching": ("VectorFieldEstimator", VectorFieldEstimator),
    "score": ("VectorFieldEstimator", VectorFieldEstimator),
    "ensemble": ("EnsembleEstimator", EnsembleEstimator),
}


def estimator_kind(value: Any) -> str:
    """Return the tag of an entry of the run file; flow where no kind is given."""
    return tag_of(value, ESTIMATORS, "flow")


AnyMember = Annotated[
    Annotated[Estimator, Tag("FlowEstimator")]
    | Annotated[AutoregressiveEstimator, Tag("AutoregressiveEstimator")]
    | Annotated[MixtureEstimator, Tag("MixtureEstimator")]
    | Annotated[VectorFieldEstimator, Tag("VectorFieldEstimator")],
    Discriminator(estimator_kind),
]
AnyEstimator = Annotated[
    Annotated[Estimator, Tag("FlowEstimator")]
    | Annotated[AutoregressiveEstimator, Tag("AutoregressiveEstimator")]
    | Annotated[MixtureEstimator, Tag("MixtureEstimator")]
    | Annotated[VectorFieldEstimator, Tag("VectorFieldEstimator")]
    | Annotated[EnsembleEstimator, Tag("EnsembleEstimator")],
    Discriminator(estimator_kind),
]
EnsembleEstimator.model_rebuild()
