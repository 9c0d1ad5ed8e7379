"""The run file of a bridge: simulations, features, network, correction and the survey."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from sedum.config.catalogue_section import (
    ApertureCorrection,
    BandColumns,
    CatalogueSettings,
    ExtinctionCorrection,
    ReportedLimits,
)
from sedum.config.run_file import anchored_band, read_mapping
from sedum.config.run_sections import Band, CurveBand, EazyBand
from sedum.config.section import Section, tag_of
from sedum.config.validation_messages import describe
from sedum.errors import SedumError, allowed

__all__ = [
    "BridgeFile",
    "CorrectionSettings",
    "FlowRegressionSettings",
    "PopulationSimulation",
    "RestFitSettings",
    "SharkHistories",
    "SharkSimulation",
    "Simulation",
    "SingleLayerSettings",
    "SurveySettings",
    "SyntheticPhotometrySettings",
    "TableSimulation",
    "TargetSettings",
    "TreeSettings",
    "load",
    "parse",
]


class SyntheticPhotometrySettings(Section):
    """How histories are lit: stars, the metals they form with, gas and dust."""

    stellar: str = Field(default="bc03_miles", description="a library, or a grid's HDF5 file")
    metal_scatter: float = Field(
        default=0.1, ge=0, description="dex about the mass-metallicity relation, of a galaxy"
    )
    dust: Literal["surface_density", "mass"] = Field(
        default="surface_density", description="what the optical depth is tied to"
    )
    dust_scatter: float = Field(default=0.3, ge=0, description="dex, in optical depth")
    dust_slope: float = Field(default=0.7, ge=0, description="of the attenuation of old stars")
    birth_clouds: float = Field(default=2.0, ge=1, description="attenuation of young stars / old")
    log_u: float = Field(default=-3.0, ge=-4, le=-1, description="log10 ionisation parameter")


class TableSimulation(Section):
    """A table of galaxies with magnitudes or fluxes at 10 pc, and their true properties."""

    kind: Literal["table"]
    name: str | None = None
    file: str
    unit: str = Field(default="ABmag", description="'ABmag', or a flux density at 10 pc")
    columns: dict[str, str] = Field(min_length=1, description="band: column")
    properties: dict[str, str] = Field(
        default_factory=dict, description="property: column, where they are named otherwise"
    )
    extension: str | int | None = None
    missing_beyond: float | None = Field(default=90.0, gt=0, description="of magnitudes")


class SharkFiles(Section):
    """Which of Shark's outputs: MODEL/SNAPSHOT/SUBVOLUME/galaxies.hdf5."""

    name: str | None = None
    folder: str = Field(description="the folder of the model")
    snapshots: list[int] = Field(min_length=1)
    subvolumes: list[int] | None = Field(default=None, description="all there are if not given")
    min_mass: float = Field(default=1e8, gt=0, description="stellar mass in Msun")
    galaxies: int | None = Field(default=None, ge=1, description="the most to use, at random")


class SharkSimulation(SharkFiles):
    """Galaxies of Shark with the photometry that its own light pipeline gave them."""

    kind: Literal["shark"]
    photometry: str = Field(default="Photometry", description="folder, inside that of the model")
    light: Literal["ab_dust", "ab_nodust"] = "ab_dust"


class SharkHistories(SharkFiles):
    """Galaxies of Shark, their histories lit by sedum in any bands."""

    kind: Literal["shark_histories"]
    synthetic_photometry: SyntheticPhotometrySettings = SyntheticPhotometrySettings()


class PopulationSimulation(Section):
    """The diffstarpop model of histories, calibrated on a simulation, lit by sedum."""

    kind: Literal["population"]
    name: str | None = None
    calibration: Literal["tng", "galacticus_in_situ", "galacticus_in_plus_ex_situ", "smdpl_dr1"] = (
        Field(default="tng", description="the simulation whose histories it reproduces")
    )
    galaxies: int = Field(default=50_000, ge=100)
    redshift: tuple[float, float] = Field(
        default=(0.0, 0.1), description="of the survey; filled by volume where frame is observed"
    )
    halo_mass: tuple[float, float] = Field(default=(10.8, 14.5), description="log10 Msun")
    flatten: float = Field(
        default=0.3, ge=0, le=1, description="power of the halo mass function; 0 is uniform"
    )
    satellites: float = Field(default=0.25, ge=0, lt=1, description="share that are satellites")
    min_mass: float = Field(default=1e7, gt=0, description="surviving stellar mass in Msun")
    synthetic_photometry: SyntheticPhotometrySettings = SyntheticPhotometrySettings()

    @model_validator(mode="after")
    def _ordered(self) -> PopulationSimulation:
        for name in ("redshift", "halo_mass"):
            low, high = getattr(self, name)
            if not 0 <= low < high:
                raise ValueError(f"{name}: expected [low, high], found [{low}, {high}]")
        return self


_SIMULATIONS: dict[str, tuple[str, Any]] = {
    "table": ("table", TableSimulation),
    "shark": ("shark", SharkSimulation),
    "shark_histories": ("shark_histories", SharkHistories),
    "population": ("population", PopulationSimulation),
}
Simulation = Annotated[
    Annotated[TableSimulation, Tag("table")]
    | Annotated[SharkSimulation, Tag("shark")]
    | Annotated[SharkHistories, Tag("shark_histories")]
    | Annotated[PopulationSimulation, Tag("population")],
    Discriminator(lambda v: tag_of(v, _SIMULATIONS, "none given")),
]


class TargetSettings(Section):
    """What is predicted."""

    property: str = Field(description="of the simulation, such as stellar_mass")
    log: bool = Field(default=True, description="predict its log10")
    floor: float | None = Field(
        default=None, description="lower values count as this one; without it they are left out"
    )


class RegressionSettings(Section):
    """What all regressors are trained with."""

    held_out: float = Field(default=0.1, gt=0, lt=0.5, description="share that stops the training")
    noise: bool = Field(default=False, description="perturb galaxies by errors of the survey's")
    missing: bool = Field(default=False, description="hide bands that survey galaxies lack")
    reweight: bool = Field(default=False, description="weigh galaxies towards the survey's")


class SingleLayerSettings(RegressionSettings):
    """Networks of one hidden layer, fully connected, an ensemble over seeds."""

    kind: Literal["single_layer"] = "single_layer"
    width: int = Field(default=64, ge=1, le=4096)
    activation: Literal["relu", "tanh", "gelu", "silu"] = "relu"
    weight_decay: float = Field(default=1e-4, ge=0)
    members: int = Field(default=8, ge=1, le=256)
    epochs: int = Field(default=200, ge=1, description="the most")
    patience: int = Field(default=15, ge=1, description="epochs without progress until it stops")
    batch: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)


class TreeSettings(RegressionSettings):
    """Gradient-boosted trees of scikit-learn, as a control."""

    kind: Literal["trees"]
    iterations: int = Field(default=500, ge=1)
    leaves: int = Field(default=31, ge=2)
    learning_rate: float = Field(default=0.05, gt=0)


class FlowRegressionSettings(RegressionSettings):
    """sedum's conditional flow: the full posterior of the targets."""

    kind: Literal["flow"]
    layers: int = Field(default=2, ge=1)
    bins: int = Field(default=8, ge=2)
    components: int = Field(default=4, ge=1)
    width: int = Field(default=96, ge=8)
    blocks: int = Field(default=2, ge=1)
    steps: int = Field(default=3000, ge=1)
    batch: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    draws: int = Field(default=200, ge=10, description="behind each median and percentile")


_REGRESSORS: dict[str, tuple[str, Any]] = {
    "single_layer": ("single_layer", SingleLayerSettings),
    "trees": ("trees", TreeSettings),
    "flow": ("flow", FlowRegressionSettings),
}
Regression = Annotated[
    Annotated[SingleLayerSettings, Tag("single_layer")]
    | Annotated[TreeSettings, Tag("trees")]
    | Annotated[FlowRegressionSettings, Tag("flow")],
    Discriminator(lambda v: tag_of(v, _REGRESSORS, "single_layer")),
]


class CorrectionSettings(Section):
    """Smooth function of the predicted value that is subtracted from it."""

    kind: Literal["spline", "polynomial", "none"] = "spline"
    knots: int = Field(default=3, ge=2, le=12, description="of the spline")
    degree: int = Field(default=2, ge=0, le=6, description="of the polynomial")
    folds: int = Field(default=5, ge=2, description="no galaxy corrects itself")


class AuditSettings(Section):
    """Which features may be used, by where the survey's values lie among the simulation's."""

    tail: float = Field(
        default=0.001, ge=0, lt=0.2, description="share cut from either end of the simulation"
    )
    margin: float = Field(default=0.1, ge=0, description="mag allowed beyond")
    drop_beyond: float = Field(
        default=0.05, gt=0, le=1, description="share of survey values outside that drops a feature"
    )
    keep: list[str] = Field(default_factory=list, description="features never dropped")


class RestFitSettings(Section):
    """Absolute magnitudes by sedum's own fit at the known redshift."""

    run: str = Field(description="run file of the fit, for the same bands")
    estimator: str
    draws: int = Field(default=100, ge=10)


class SurveySettings(Section):
    """The catalogue to predict for."""

    file: str | None = None
    catalogue: CatalogueSettings
    magnitudes: Literal["apparent", "absolute"] = "apparent"
    rest_fit: RestFitSettings | None = None
    min_snr: float = Field(default=2.0, gt=0, description="below it a band counts as missing")
    floor: float = Field(default=0.0, ge=0, description="mag, added to errors in quadrature")
    reference: dict[str, str] = Field(default_factory=dict, description="target: column")
    reference_error: dict[str, str] = Field(default_factory=dict, description="target: column")
    reference_is_log: bool = Field(
        default=True, description="columns of targets with log: true hold log10 already"
    )


class BridgeFile(Section):
    """A whole bridge."""

    name: str = "bridge"
    seed: int = Field(default=1, ge=0)
    frame: Literal["rest", "observed"] = Field(
        default="rest", description="observed: m - distance modulus, without k-corrections"
    )
    cosmology: Literal["Planck18", "Planck15", "WMAP9"] = "Planck18"
    bands: dict[str, Band] = Field(min_length=1, description="short name: band")
    simulations: list[Simulation] = Field(min_length=1)
    targets: dict[str, TargetSettings] = Field(
        default_factory=lambda: {"log_mass": TargetSettings(property="stellar_mass")}, min_length=1
    )
    features: list[str] | None = Field(
        default=None, description="M_r, u-r, z; those of GAMA that the bands allow if not given"
    )
    regression: Regression = SingleLayerSettings()
    correction: CorrectionSettings = CorrectionSettings()
    audit: AuditSettings = AuditSettings()
    perturbations: int = Field(default=32, ge=2, description="behind errors; by linear at 10^7")
    survey: SurveySettings | None = None

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not re.fullmatch(r"[\w.-]+", value):
            raise ValueError(f"found {value!r}; allowed: letters, digits, '.', '_' and '-'")
        return value

    @field_validator("bands")
    @classmethod
    def _short(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not re.fullmatch(r"\w+", name):
                raise ValueError(
                    f"band {name!r}: short names are of letters, digits and '_', so that "
                    "features such as u-r can be told"
                )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> BridgeFile:
        for i, simulation in enumerate(self.simulations):
            if isinstance(simulation, TableSimulation):
                self._known(f"simulations[{i}].columns", list(simulation.columns))
            elif self.frame == "observed" and isinstance(simulation, SharkSimulation):
                raise ValueError(
                    f"simulations[{i}]: Shark's own photometry is at rest; frame: observed needs "
                    "shark_histories or population"
                )
            if self.frame == "observed" and isinstance(simulation, TableSimulation):
                raise ValueError(
                    f"simulations[{i}]: a table is at rest; frame: observed needs histories"
                )
        if self.survey is not None:
            self._check_survey(self.survey)
        return self

    def _check_survey(self, survey: SurveySettings) -> None:
        for key, bands in survey.catalogue.mentioned():
            self._known(f"survey.{key}", bands)
        for key in ("reference", "reference_error"):
            for name in getattr(survey, key):
                if name not in self.targets:
                    known = allowed(name, self.targets)
                    raise ValueError(f"survey.{key}: {name!r} is not among the targets{known}")
        for name in survey.reference_error:
            if name not in survey.reference:
                raise ValueError(f"survey.reference_error: {name!r} has no survey.reference")
        apparent = survey.magnitudes == "apparent"
        if apparent and survey.catalogue.redshift is None:
            raise ValueError("survey.catalogue.redshift: needed for the distance of apparent bands")
        if self.frame == "rest" and apparent and survey.rest_fit is None:
            raise ValueError(
                "survey: apparent magnitudes need k-corrections at frame: rest; give "
                "survey.rest_fit, magnitudes: absolute, or frame: observed"
            )
        if self.frame == "observed" and (not apparent or survey.rest_fit is not None):
            raise ValueError("frame: observed needs apparent magnitudes and no survey.rest_fit")

    def _known(self, key: str, bands: list[str]) -> None:
        for band in bands:
            if band not in self.bands:
                raise ValueError(
                    f"{key}: {band!r} is not among the bands{allowed(band, self.bands)}"
                )

    def to_yaml(self) -> str:
        """Return the complete run file, defaults included, as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


_KINDS = {
    "simulations": list(_SIMULATIONS),
    "regression": list(_REGRESSORS),
}
_SECTIONS: dict[str, Any] = {
    **{kind: model for kind, (_, model) in _SIMULATIONS.items()},
    **{kind: model for kind, (_, model) in _REGRESSORS.items()},
    "EazyBand": EazyBand,
    "CurveBand": CurveBand,
    "synthetic_photometry": SyntheticPhotometrySettings,
    "targets": TargetSettings,
    "regression": SingleLayerSettings,
    "correction": CorrectionSettings,
    "audit": AuditSettings,
    "survey": SurveySettings,
    "rest_fit": RestFitSettings,
    "catalogue": CatalogueSettings,
    "columns": BandColumns,
    "aperture": ApertureCorrection,
    "extinction": ExtinctionCorrection,
    "limits": ReportedLimits,
}


def load(path: str | Path) -> BridgeFile:
    """Read and check the run file of a bridge; relative paths are taken from its folder.

    Raises
    ------
    SedumError
        One line that names the file, the key, what was found and what is allowed.
    """
    path = Path(path)
    return parse(read_mapping(path), source=str(path), folder=path.parent)


def parse(data: Any, source: str = "run file", folder: Path | None = None) -> BridgeFile:
    """Check a bridge's run file that is already a mapping; see :func:`load`."""
    if not isinstance(data, dict):
        raise SedumError(f"{source}: expected a mapping of sections, found {type(data).__name__}")
    if folder is not None:
        data = _anchored(data, folder)
    try:
        return BridgeFile.model_validate(data)
    except ValidationError as error:
        raise SedumError(f"{source}: {describe(error, BridgeFile, _SECTIONS, _KINDS)}") from None


def _anchored(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the relative paths in a run file relative to its own folder instead."""

    def join(section: Any, *keys: str) -> Any:
        if not isinstance(section, dict):
            return section
        found = {k: str(folder / section[k]) for k in keys if isinstance(section.get(k), str)}
        return {**section, **found}

    data = dict(data)
    if isinstance(data.get("bands"), dict):
        data["bands"] = {k: anchored_band(v, folder) for k, v in data["bands"].items()}
    if isinstance(data.get("simulations"), list):
        data["simulations"] = [join(s, "file", "folder") for s in data["simulations"]]
    if isinstance(data.get("survey"), dict):
        survey = join(data["survey"], "file")
        data["survey"] = {**survey, "rest_fit": join(survey.get("rest_fit"), "run", "estimator")}
    return data
