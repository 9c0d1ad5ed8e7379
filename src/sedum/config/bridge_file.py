"""The run file of a bridge: simulations, features, network, correction and the survey."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from sedum.config.catalogue_section import (
    ApertureCorrection,
    BandColumns,
    CatalogueSettings,
    ExtinctionCorrection,
    ReportedLimits,
)
from sedum.config.run_file import resolve_band
from sedum.config.run_sections import Band, CurveBand, EazyBand
from sedum.config.section import Section, tag_of
from sedum.config.yaml_file import FileSchema, YamlFile
from sedum.errors import allowed
from sedum.introduced import Facts, Introduced, listed

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
    """Stars, metals, gas and dust of synthetic photometry."""

    stellar: str = Field(
        default="bc03_miles", description="Name of a stellar library, or the HDF5 file of a grid"
    )
    metal_scatter: float = Field(
        default=0.1,
        ge=0,
        description="Scatter of galaxies about the mass-metallicity relation in dex",
    )
    dust: Literal["surface_density", "mass"] = Field(
        default="surface_density", description="Quantity that the optical depth depends on"
    )
    dust_scatter: float = Field(
        default=0.3, ge=0, description="Scatter of the optical depth in dex"
    )
    dust_slope: float = Field(
        default=0.7, ge=0, description="Slope of the attenuation of old stars"
    )
    birth_clouds: float = Field(
        default=2.0, ge=1, description="Attenuation of young stars relative to old ones"
    )
    log_u: float = Field(
        default=-3.0, ge=-4, le=-1, description="log10 of the ionisation parameter"
    )


class TableSimulation(Section):
    """A table of galaxies with magnitudes or fluxes at 10 pc, and their true properties."""

    kind: Literal["table"]
    name: str | None = None
    file: str
    unit: str = Field(
        default="ABmag", description="Unit of the columns: 'ABmag', or a flux density at 10 pc"
    )
    columns: dict[str, str] = Field(min_length=1, description="Column of each band")
    properties: dict[str, str] = Field(
        default_factory=dict, description="Column of each property whose column has another name"
    )
    extension: str | int | None = None
    missing_beyond: float | None = Field(
        default=90.0, gt=0, description="Magnitudes beyond this, positive or negative, are missing"
    )


class SharkFiles(Section):
    """Output files of Shark: MODEL/SNAPSHOT/SUBVOLUME/galaxies.hdf5."""

    name: str | None = None
    folder: str = Field(description="Folder of the model")
    snapshots: list[int] = Field(min_length=1)
    subvolumes: list[int] | None = Field(
        default=None, description="Numbers of the subvolumes; all subvolumes if not given"
    )
    min_mass: float = Field(default=1e8, gt=0, description="Minimum stellar mass in Msun")
    galaxies: int | None = Field(
        default=None, ge=1, description="Maximum number of galaxies, drawn at random"
    )


class SharkSimulation(SharkFiles):
    """Galaxies of Shark with the photometry of its own pipeline."""

    kind: Literal["shark"]
    photometry: str = Field(
        default="Photometry", description="Folder of the photometry, in the folder of the model"
    )
    light: Literal["ab_dust", "ab_nodust"] = "ab_dust"


class SharkHistories(SharkFiles):
    """Galaxies of Shark with synthetic photometry of their histories in any bands."""

    kind: Literal["shark_histories"]
    synthetic_photometry: SyntheticPhotometrySettings = SyntheticPhotometrySettings()


class PopulationSimulation(Section):
    """Synthetic photometry of the diffstarpop model of histories, calibrated on a simulation."""

    kind: Literal["population"]
    name: str | None = None
    calibration: Literal["tng", "galacticus_in_situ", "galacticus_in_plus_ex_situ", "smdpl_dr1"] = (
        Field(default="tng", description="Simulation whose histories it reproduces")
    )
    galaxies: int = Field(default=50_000, ge=100)
    redshift: tuple[float, float] = Field(
        default=(0.0, 0.1),
        description="Redshift range of the survey, filled by volume if frame is observed",
    )
    halo_mass: tuple[float, float] = Field(
        default=(10.8, 14.5), description="Range of log10 halo mass in Msun"
    )
    flatten: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Power of the halo mass function that haloes are drawn from; 0 is uniform",
    )
    satellites: float = Field(default=0.25, ge=0, lt=1, description="Fraction of satellites")
    min_mass: float = Field(default=1e7, gt=0, description="Minimum surviving stellar mass in Msun")
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
    """A predicted property."""

    property: str = Field(description="Property of the simulation, such as stellar_mass")
    log: bool = Field(default=True, description="Predict log10 of the property")
    floor: float | None = Field(
        default=None,
        description="Lower values are set to this; without it, zeros have no log10",
    )


class RegressionSettings(Section):
    """Training settings of all regressors."""

    held_out: float = Field(
        default=0.1, gt=0, lt=0.5, description="Fraction of galaxies whose error stops the training"
    )
    noise: bool = Field(
        default=False, description="Perturb magnitudes by the errors of survey galaxies"
    )
    missing: bool = Field(default=False, description="Remove bands that survey galaxies lack")
    reweight: bool = Field(default=False, description="Weight galaxies to match the survey")


class SingleLayerSettings(RegressionSettings):
    """Networks of one hidden layer, fully connected, an ensemble over seeds."""

    kind: Literal["single_layer"] = "single_layer"
    width: int = Field(default=64, ge=1, le=4096)
    activation: Literal["relu", "tanh", "gelu", "silu"] = "relu"
    weight_decay: float = Field(default=1e-4, ge=0)
    members: int = Field(default=8, ge=1, le=256)
    epochs: int = Field(default=200, ge=1, description="Maximum number of epochs")
    patience: int = Field(
        default=15, ge=1, description="Number of epochs without progress before training stops"
    )
    batch: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)


class TreeSettings(RegressionSettings):
    """Gradient-boosted trees of scikit-learn, as a control."""

    kind: Literal["trees"]
    iterations: int = Field(default=500, ge=1)
    leaves: int = Field(default=31, ge=2)
    learning_rate: float = Field(default=0.05, gt=0)


class FlowRegressionSettings(RegressionSettings):
    """The conditional flow of sedum, which gives the full posterior of the targets."""

    kind: Literal["flow"]
    layers: int = Field(default=2, ge=1)
    bins: int = Field(default=8, ge=2)
    components: int = Field(default=4, ge=1)
    width: int = Field(default=96, ge=8)
    blocks: int = Field(default=2, ge=1)
    steps: int = Field(default=3000, ge=1)
    batch: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    draws: int = Field(
        default=200, ge=10, description="Number of draws for each median and percentile"
    )


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
    knots: int = Field(default=3, ge=2, le=12, description="Number of knots of the spline")
    degree: int = Field(default=2, ge=0, le=6, description="Degree of the polynomial")
    folds: int = Field(
        default=5,
        ge=2,
        description="Number of folds, so that no galaxy is used for its own correction",
    )


class AuditSettings(Section):
    """Limits for features, by the range of the simulation that the survey must lie in."""

    tail: float = Field(
        default=0.001,
        ge=0,
        lt=0.2,
        description="Fraction cut from each end of the simulation's range",
    )
    margin: float = Field(default=0.1, ge=0, description="Margin in mag that is added to the range")
    drop_beyond: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="A feature is dropped if a larger fraction of the survey is outside",
    )
    keep: list[str] = Field(default_factory=list, description="Features that are never dropped")


class RestFitSettings(Section):
    """Absolute magnitudes by a fit of sedum at the known redshift."""

    run: str = Field(description="Run file of the fit, for the same bands")
    estimator: str
    draws: int = Field(default=100, ge=10)


class SurveySettings(Section):
    """The survey whose galaxies are predicted."""

    file: str | None = None
    catalogue: CatalogueSettings
    magnitudes: Literal["apparent", "absolute"] = "apparent"
    rest_fit: RestFitSettings | None = None
    min_snr: float = Field(
        default=2.0, gt=0, description="Minimum signal-to-noise; a band below it is missing"
    )
    floor: float = Field(default=0.0, ge=0, description="Error in mag that is added in quadrature")
    reference: dict[str, str] = Field(
        default_factory=dict, description="Column of known values of each target"
    )
    reference_error: dict[str, str] = Field(
        default_factory=dict, description="Column of the errors of known values of each target"
    )
    reference_is_log: bool = Field(
        default=True, description="Whether the columns of targets with log: true hold log10"
    )


class BridgeFile(Introduced, YamlFile):
    """The run file of a bridge."""

    name: str = "bridge"
    seed: int = Field(default=1, ge=0)
    frame: Literal["rest", "observed"] = Field(
        default="rest",
        description="Frame of magnitudes; observed is m - distance modulus, without k-corrections",
    )
    cosmology: Literal["Planck18", "Planck15", "WMAP9"] = "Planck18"
    bands: dict[str, Band] = Field(min_length=1, description="Band of each short name")
    simulations: list[Simulation] = Field(min_length=1)
    targets: dict[str, TargetSettings] = Field(
        default_factory=lambda: {"log_mass": TargetSettings(property="stellar_mass")}, min_length=1
    )
    features: list[str] | None = Field(
        default=None,
        description="Features such as M_r, u-r, z; by default, those of GAMA that the bands allow",
    )
    regression: Regression = SingleLayerSettings()
    correction: CorrectionSettings = CorrectionSettings()
    audit: AuditSettings = AuditSettings()
    perturbations: int = Field(
        default=32, ge=2, description="Number of perturbations that propagate photometric errors"
    )
    survey: SurveySettings | None = None

    def _facts(self) -> Facts:
        facts = {"bands": listed(list(self.bands)), "targets": listed(list(self.targets))}
        return self.name, facts | {"simulations": str(len(self.simulations))}

    @field_validator("bands")
    @classmethod
    def _short(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not re.fullmatch(r"\w+", name):
                raise ValueError(
                    f"band {name!r}: short names are of letters, digits and '_', so that "
                    "features such as u-r can be parsed"
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


def _resolve_paths(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings of a bridge with relative paths of files joined to a folder."""

    def join(section: Any, *keys: str) -> Any:
        if not isinstance(section, dict):
            return section
        absolute = {k: str(folder / section[k]) for k in keys if isinstance(section.get(k), str)}
        return {**section, **absolute}

    data = dict(data)
    if isinstance(data.get("bands"), dict):
        data["bands"] = {k: resolve_band(v, folder) for k, v in data["bands"].items()}
    if isinstance(data.get("simulations"), list):
        data["simulations"] = [join(s, "file", "folder") for s in data["simulations"]]
    if isinstance(data.get("survey"), dict):
        survey = join(data["survey"], "file")
        data["survey"] = {**survey, "rest_fit": join(survey.get("rest_fit"), "run", "estimator")}
    return data


_SCHEMA = FileSchema(BridgeFile, _SECTIONS, _KINDS, _resolve_paths)


def load(path: str | Path) -> BridgeFile:
    """Read and check the run file of a bridge.

    Relative paths in the file are relative to its own folder.

    Parameters
    ----------
    path
        The run file, in YAML.

    Raises
    ------
    SedumError
        One line that names the file, the key, its value and what is allowed.

    Examples
    --------
    >>> from importlib.resources import files
    >>> load(files("sedum") / "config" / "templates" / "bridge.yaml").name
    'bridge'
    """
    return _SCHEMA.load(path)


def parse(data: Any, source: str = "run file", folder: Path | None = None) -> BridgeFile:
    """Check the run file of a bridge that is a mapping already; see :func:`load`.

    Parameters
    ----------
    data
        The mapping of sections.
    source
        Its name in error messages.
    folder
        The folder that relative paths are relative to; the working folder if None.

    Raises
    ------
    SedumError
        One line that names the source, the key, its value and what is allowed.
    """
    return _SCHEMA.parse(data, source, folder)
