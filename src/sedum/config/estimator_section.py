"""The section of the run file on the estimator: its kind, its size, its input network."""

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
    """The network that reads an observation, common to all kinds but ensembles."""

    embedding: Literal["mlp", "bands"] = Field(
        default="mlp",
        description="Network that reads the photometry: mlp, a residual network of fixed bands, "
        "or bands, attention over any set of bands by their wavelengths",
    )
    width: int = Field(default=256, ge=8, description="Number of units in each hidden layer")
    blocks: int = Field(default=3, ge=1, description="Number of residual or attention blocks")
    heads: int = Field(
        default=4, ge=1, description="Number of attention heads, for embedding: bands"
    )

    @model_validator(mode="after")
    def _heads(self) -> EstimatorSettings:
        if self.embedding == "bands" and self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class FlowSettings(EstimatorSettings):
    """The default estimator: a hypernetwork flow.

    A network computes all parameters of a normalising flow once for each galaxy, so drawing from
    the flow costs little.

    Examples
    --------
    >>> FlowSettings(layers=2, width=64).kind
    'flow'
    """

    kind: Literal["flow"] = "flow"
    layers: int = Field(default=4, ge=1, description="Number of layers of the flow")
    bins: int = Field(default=8, ge=2, description="Number of bins of each spline")
    components: int = Field(
        default=16,
        ge=1,
        description="Number of normal distributions in the mixture that is transformed",
    )


class AutoregressiveSettings(EstimatorSettings):
    """A neural spline flow or masked autoregressive flow, from the zuko package.

    Examples
    --------
    >>> AutoregressiveSettings(kind="nsf").transforms
    5
    """

    kind: Literal["nsf", "maf"]
    transforms: int = Field(default=5, ge=1, description="Number of transforms of the flow")
    hidden: list[int] = Field(
        default=[128, 128], min_length=1, description="Units in the hidden layers of each transform"
    )
    bins: int = Field(default=8, ge=2, description="Number of bins of each spline, for nsf")


class MixtureSettings(EstimatorSettings):
    """A mixture density network with full covariances, from the zuko package.

    Examples
    --------
    >>> MixtureSettings(kind="mixture", components=5).components
    5
    """

    kind: Literal["mixture"]
    components: int = Field(
        default=10, ge=1, description="Number of normal distributions in the mixture"
    )


class VectorFieldSettings(EstimatorSettings):
    """Flow matching or a score-based diffusion model, from the sbi package.

    Examples
    --------
    >>> VectorFieldSettings(kind="score").steps
    20
    """

    kind: Literal["flow_matching", "score"]
    hidden: int = Field(default=256, ge=8, description="Units in each hidden layer")
    layers: int = Field(default=4, ge=1, description="Number of hidden layers")
    steps: int = Field(
        default=20, ge=1, description="Number of integration steps when drawing samples"
    )


class EnsembleSettings(Section):
    """Several estimators that are trained separately and combined as a mixture.

    Examples
    --------
    >>> members = [{"kind": "flow"}, {"kind": "maf"}]
    >>> EnsembleSettings(kind="ensemble", members=members).weights
    'score'
    """

    kind: Literal["ensemble"]
    members: list[AnyMember] = Field(min_length=2, description="The estimators")
    weights: Literal["uniform", "score"] = Field(
        default="score",
        description="Weights of the members: equal, or by how well they predict held-out galaxies",
    )


#: Tags of the kinds. They differ from keys of the file so that messages can omit them.
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
    """Return the tag of an entry of the run file; that of ``flow`` if no kind is given."""
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
