"""The components of the forward model, as the run file names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from sedum.config.history_section import AnySFH, DenseBasisSFH
from sedum.config.parameters import parameter
from sedum.config.section import Section
from sedum.errors import allowed

__all__ = [
    "DUST_PARAMETERS",
    "AnyModel",
    "DustSettings",
    "ExternalModelSettings",
    "ModelSettings",
    "default_prior",
]

LIBRARIES = ("bc03_miles", "popstar")
GRID_SUFFIXES = (".hdf5", ".h5")
COSMOLOGIES = ("WMAP1", "WMAP3", "WMAP5", "WMAP7", "WMAP9", "Planck13", "Planck15", "Planck18")

#: What each attenuation law adds to A_V.
DUST_PARAMETERS: dict[str, list[str]] = {
    "none": [],
    "calzetti": [],
    "smc": [],
    "milky_way": [],
    "power_law": ["dust_slope"],
    "charlot_fall": ["dust_slope", "dust_slope_birth"],
    "salim": ["dust_delta", "dust_bump"],
}
EMISSION_PARAMETERS: dict[str, list[str]] = {
    "none": [],
    "draine_li": ["qpah", "umin", "gamma"],
    "modified_black_body": ["dust_temperature", "dust_beta"],
}


def _known_cosmology(value: str) -> str:
    if value not in COSMOLOGIES:
        raise ValueError(f"found {value!r}{allowed(value, COSMOLOGIES)}")
    return value


Cosmology = Annotated[str, AfterValidator(_known_cosmology)]


class DustSettings(Section):
    """Attenuation, and the emission of what it absorbs."""

    law: Literal["none", "calzetti", "smc", "milky_way", "power_law", "charlot_fall", "salim"] = (
        "calzetti"
    )
    birth_clouds: bool = Field(default=False, description="attenuate young stars eta times as much")
    emission: Literal["none", "draine_li", "modified_black_body"] = "none"

    @model_validator(mode="after")
    def _possible(self) -> DustSettings:
        if self.law == "none" and (self.birth_clouds or self.emission != "none"):
            raise ValueError("without a law, dust has neither birth_clouds nor emission")
        return self

    @property
    def two_components(self) -> bool:
        """Whether young stars are attenuated more than others."""
        return self.birth_clouds or self.law == "charlot_fall"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        if self.law == "none":
            return []
        eta = ["eta"] if self.two_components else []
        return ["av", *eta, *DUST_PARAMETERS[self.law], *EMISSION_PARAMETERS[self.emission]]


class ModelSettings(Section):
    """The components of the forward model."""

    stellar: str = Field(default="bc03_miles", description="a library, or a grid's HDF5 file")
    history: AnySFH = DenseBasisSFH()
    metallicity: Literal["single", "spread"] = "single"
    nebular: bool = True
    ionisation: Literal["free", "grid"] = Field(
        default="free", description="log_u a parameter, or as the grid's only one"
    )
    gas_metallicity: Literal["stellar", "free"] = "stellar"
    escape: bool = Field(default=False, description="let a share of young stars be seen bare")
    birth_cloud_age: float = Field(default=10.0, gt=0, le=25.0, description="Myr")
    dust: DustSettings = DustSettings()
    igm: Literal["inoue14", "madau95", "none"] = "inoue14"
    damping_wing: bool = False
    agn: bool = False
    milky_way: bool = Field(default=False, description="reddening of the observed bands")
    resolving_power: float = Field(default=334.0, ge=50, le=5000)
    cosmology: Cosmology = "Planck18"

    @field_validator("dust", mode="before")
    @classmethod
    def _law_alone(cls, value: Any) -> Any:
        return {"law": value} if isinstance(value, str) else value

    @field_validator("stellar")
    @classmethod
    def _library(cls, value: str) -> str:
        if value not in LIBRARIES and not value.endswith(GRID_SUFFIXES):
            raise ValueError(
                f"found {value!r}{allowed(value, LIBRARIES)}, or a grid's file (.hdf5 or .h5)"
            )
        return value

    @model_validator(mode="after")
    def _gas(self) -> ModelSettings:
        if not self.nebular and (self.gas_metallicity == "free" or self.escape):
            raise ValueError("gas_metallicity and escape need nebular: true")
        if self.damping_wing and self.igm == "none":
            raise ValueError("damping_wing needs an igm")
        return self

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this model needs, in order."""
        names = ["redshift", "log_mass", "log_z"]
        names += ["log_z_spread"] if self.metallicity == "spread" else []
        names += self.dust.parameters()
        names += self.history.parameters()
        if self.nebular:
            names += ["log_u"] if self.ionisation == "free" else []
            names += ["log_z_gas"] if self.gas_metallicity == "free" else []
            names += ["f_esc"] if self.escape else []
        names += ["neutral_fraction"] if self.damping_wing else []
        names += ["agn_fraction", "agn_torus", "agn_slope", "agn_av"] if self.agn else []
        names += ["ebv_mw"] if self.milky_way else []
        return names


class ExternalModelSettings(Section):
    """A simulator of one's own: its parameters, each with a prior in the run file.

    Commands cannot run it; in Python, ``simulate`` and ``fit`` take it as ``model``.
    """

    kind: Literal["external"]
    name: str = Field(description="what fluxes depend on: change it with the simulator")
    parameter_names: list[str] = Field(min_length=1)
    cosmology: Cosmology = "Planck18"

    def parameters(self) -> list[str]:
        """Return the names of the parameters, in order."""
        return list(self.parameter_names)


def model_kind(value: Any) -> str:
    """Say which of the two an entry of the run file is."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "external" if kind == "external" else "sedum"


AnyModel = Annotated[
    Annotated[ModelSettings, Tag("sedum")] | Annotated[ExternalModelSettings, Tag("external")],
    Discriminator(model_kind),
]


def default_prior(name: str) -> Any:
    """Return the default prior of a parameter, or of an entry that stands for several."""
    return parameter(name).prior
