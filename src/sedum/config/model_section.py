"""The section of the run file on the forward model."""

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

#: Parameters of each attenuation law besides A_V.
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
    """Attenuation by dust, and the infrared emission of what the dust absorbs.

    Examples
    --------
    >>> DustSettings(law="salim", emission="draine_li").parameters()
    ['av', 'dust_delta', 'dust_bump', 'qpah', 'umin', 'gamma']
    """

    law: Literal["none", "calzetti", "smc", "milky_way", "power_law", "charlot_fall", "salim"] = (
        Field(default="calzetti", description="Attenuation law")
    )
    birth_clouds: bool = Field(
        default=False,
        description="Whether young stars and gas are attenuated eta times as much as other stars",
    )
    emission: Literal["none", "draine_li", "modified_black_body"] = Field(
        default="none", description="Infrared emission, with the luminosity that dust absorbs"
    )

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
        """Return the names of the prior entries that dust needs."""
        if self.law == "none":
            return []
        eta = ["eta"] if self.two_components else []
        return ["av", *eta, *DUST_PARAMETERS[self.law], *EMISSION_PARAMETERS[self.emission]]


class ModelSettings(Section):
    """The components of the forward model.

    Examples
    --------
    >>> ModelSettings(history={"kind": "constant"}, nebular=False).parameters()
    ['redshift', 'log_mass', 'log_z', 'av', 'age', 'quiet_fraction']
    """

    stellar: str = Field(
        default="bc03_miles",
        description="Stellar library that sedum grids lists, or the HDF5 file of a grid",
    )
    history: AnySFH = Field(default=DenseBasisSFH(), description="Star-formation history")
    metallicity: Literal["single", "spread"] = Field(
        default="single",
        description="Metallicity of the stars: one value log_z, or a normal distribution of log Z "
        "of width log_z_spread",
    )
    nebular: bool = Field(
        default=True, description="Whether to include nebular continuum and lines"
    )
    ionisation: Literal["free", "grid"] = Field(
        default="free",
        description="Ionisation parameter: the parameter log_u, or the only value of the grid",
    )
    gas_metallicity: Literal["stellar", "free"] = Field(
        default="stellar",
        description="Metallicity of the gas: that of the stars, or the parameter log_z_gas",
    )
    escape: bool = Field(
        default=False,
        description="Whether a fraction f_esc of the young stars is seen without gas and dust",
    )
    birth_cloud_age: float = Field(
        default=10.0,
        gt=0,
        le=25.0,
        description="Age in Myr up to which stars are in birth clouds and ionise gas",
    )
    dust: DustSettings = Field(
        default=DustSettings(), description="Attenuation and emission of dust"
    )
    igm: Literal["inoue14", "madau95", "none"] = Field(
        default="inoue14",
        description="Absorption by the intergalactic medium: Inoue et al. (2014) or Madau (1995)",
    )
    damping_wing: bool = Field(
        default=False,
        description="Whether neutral gas absorbs redward of Lyman alpha, with the parameter "
        "neutral_fraction",
    )
    agn: bool = Field(
        default=False, description="Whether to add an active nucleus, with four parameters agn_…"
    )
    milky_way: bool = Field(
        default=False,
        description="Whether the parameter ebv_mw reddens the observed bands; "
        "catalogue.extinction instead corrects the fluxes",
    )
    resolving_power: float = Field(
        default=334.0,
        ge=50,
        le=5000,
        description="Resolving power λ/Δλ of the wavelength cells in which spectra are computed",
    )
    cosmology: Cosmology = Field(
        default="Planck18", description="Cosmology, by its name in astropy"
    )

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
    """A simulator of your own: its parameters, each with a prior in the run file.

    Commands cannot run it. In Python, ``simulate`` and ``fit`` take it as ``model``.

    Examples
    --------
    >>> spec = ExternalModelSettings(kind="external", name="mine", parameter_names=["redshift"])
    >>> spec.parameters()
    ['redshift']
    """

    kind: Literal["external"]
    name: str = Field(
        description="Name and version of the simulator; change it whenever its fluxes change"
    )
    parameter_names: list[str] = Field(
        min_length=1, description="Names of the parameters, in the order of the simulator"
    )
    cosmology: Cosmology = Field(
        default="Planck18", description="Cosmology, by its name in astropy"
    )

    def parameters(self) -> list[str]:
        """Return the names of the parameters, in order."""
        return list(self.parameter_names)


def model_kind(value: Any) -> str:
    """Return the tag of a model: ``external`` or ``sedum``."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "external" if kind == "external" else "sedum"


AnyModel = Annotated[
    Annotated[ModelSettings, Tag("sedum")] | Annotated[ExternalModelSettings, Tag("external")],
    Discriminator(model_kind),
]


def default_prior(name: str) -> Any:
    """Return the default prior of a parameter, or of a prior entry that stands for several.

    Examples
    --------
    >>> default_prior("redshift")
    UniformPrior(kind='uniform', low=0.01, high=14.0)
    """
    return parameter(name).prior
