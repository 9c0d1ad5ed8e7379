"""The run file: one YAML document that describes an analysis completely.

The command line, the Python interface and every stored artefact share it. Each section is a
small model with the defaults that a user would otherwise have to look up; unknown keys are
refused. :func:`load_run` turns every mistake into one line that names the path of the key,
what was found there and what is allowed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from sedum.errors import SedumError, allowed
from sedum.messages import describe

__all__ = ["RunFile", "load_run", "parse_run"]


class Section(BaseModel):
    """A part of the run file: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# --- filters ---------------------------------------------------------------------------------


class EazyBand(Section):
    """A curve of an EAZY ``FILTER.RES`` file, counted from 1."""

    name: str
    eazy: int = Field(gt=0)
    file: Path


class CurveBand(Section):
    """A two-column file: wavelength in Angstrom and photon transmission."""

    name: str
    curve: Path


Band = str | EazyBand | CurveBand


# --- priors ----------------------------------------------------------------------------------


class Bounded(Section):
    """A prior with limits, which must be in order where both are given."""

    @model_validator(mode="after")
    def _ordered(self) -> Bounded:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and not low < high:
            raise ValueError(f"low ({low}) must be below high ({high})")
        return self


class Fixed(Section):
    """A parameter that is known: it takes no part in the inference."""

    kind: Literal["fixed"]
    value: float


class Uniform(Bounded):
    """Flat between two limits."""

    kind: Literal["uniform"]
    low: float
    high: float


class LogUniform(Bounded):
    """Flat in the logarithm between two positive limits."""

    kind: Literal["log_uniform"]
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class Normal(Bounded):
    """A normal distribution, truncated where limits are given."""

    kind: Literal["normal"]
    mean: float
    sigma: float = Field(gt=0)
    low: float | None = None
    high: float | None = None


class StudentT(Bounded):
    """Student's t distribution, truncated where limits are given."""

    kind: Literal["student_t"]
    mean: float = 0.0
    sigma: float = Field(gt=0)
    dof: float = Field(gt=0)
    low: float | None = None
    high: float | None = None


class Tabulated(Section):
    """A density given at points and linear between them; it need not be normalised."""

    kind: Literal["tabulated"]
    x: list[float] = Field(min_length=2)
    density: list[float] = Field(min_length=2)

    @model_validator(mode="after")
    def _density(self) -> Tabulated:
        if len(self.x) != len(self.density):
            raise ValueError(f"x has {len(self.x)} values and density {len(self.density)}")
        if any(b <= a for a, b in zip(self.x, self.x[1:], strict=False)):
            raise ValueError("x must increase")
        if min(self.density) < 0 or max(self.density) <= 0:
            raise ValueError("density must not be negative, nor zero everywhere")
        return self


class DirichletQuantiles(Section):
    """Times by which equal fractions of the mass had formed, from a Dirichlet distribution.

    The intervals between the times, as fractions of the age of the Universe, are
    Dirichlet(``concentration``) distributed: the prior of Dense Basis (Iyer et al. 2019).
    """

    kind: Literal["dirichlet"]
    concentration: float = Field(default=1.0, gt=0)


class MainSequence(Bounded):
    """log10 specific star-formation rate, Student-t about a star-forming sequence.

    The centre is ``at_1e10 + slope * (log_mass - 10) + evolution * log10(1 + z)``.
    """

    kind: Literal["main_sequence"]
    at_1e10: float = -10.0
    slope: float = -0.1
    evolution: float = 2.5
    sigma: float = Field(default=0.5, gt=0)
    dof: float = Field(default=2.0, gt=0)
    low: float = -14.0
    high: float = -7.0


class UniverseAge(Bounded):
    """An age in Gyr, flat between ``low`` and the smaller of ``high`` and the Universe's age."""

    kind: Literal["universe_age"]
    low: float = Field(default=0.01, gt=0)
    high: float = Field(default=14.0, gt=0)


class MassMetallicity(Bounded):
    """log10 metallicity, normal about a relation with mass and truncated to the grid.

    The centre is ``at_1e10 + slope * (log_mass - 10)``.
    """

    kind: Literal["mass_metallicity"]
    at_1e10: float = -2.0
    slope: float = 0.4
    sigma: float = Field(default=0.4, gt=0)
    low: float = -4.0
    high: float = -1.39


PriorSpec = Annotated[
    Fixed
    | Uniform
    | LogUniform
    | Normal
    | StudentT
    | Tabulated
    | DirichletQuantiles
    | MainSequence
    | MassMetallicity
    | UniverseAge,
    Field(discriminator="kind"),
]


# --- model -----------------------------------------------------------------------------------


class DenseBasis(Section):
    """Mass-assembly quantiles and a present star-formation rate (Iyer et al. 2019)."""

    kind: Literal["dense_basis"] = "dense_basis"
    quantiles: int = Field(default=3, ge=1, le=9)


class DelayedTau(Section):
    """Star-formation rate proportional to t exp(-t / tau) since ``age``."""

    kind: Literal["delayed_tau"]


class Model(Section):
    """The components of the forward model."""

    stellar: Literal["bc03_miles"] = "bc03_miles"
    history: Annotated[DenseBasis | DelayedTau, Field(discriminator="kind")] = DenseBasis()
    nebular: bool = True
    birth_cloud_age: float = Field(default=10.0, gt=0, le=25.0, description="Myr")
    dust: Literal["calzetti", "none"] = "calzetti"
    igm: Literal["inoue14", "none"] = "inoue14"
    cosmology: str = "Planck18"

    @field_validator("cosmology")
    @classmethod
    def _known(cls, value: str) -> str:
        known = ("WMAP1", "WMAP3", "WMAP5", "WMAP7", "WMAP9", "Planck13", "Planck15", "Planck18")
        if value not in known:
            raise ValueError(f"found {value!r}{allowed(value, known)}")
        return value

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this model needs, in order."""
        names = ["redshift", "log_mass", "log_z"]
        if self.dust != "none":
            names.append("av")
        if self.history.kind == "dense_basis":
            names += ["log_ssfr", "quantiles"]
        else:
            names += ["age", "log_tau"]
        if self.nebular:
            names.append("log_u")
        return names


def default_prior(name: str) -> Any:
    """Return the default prior of a parameter: the set of Harvey et al. (2026), and log U."""
    return {
        "redshift": Uniform(kind="uniform", low=0.01, high=14.0),
        "log_mass": Uniform(kind="uniform", low=4.0, high=12.0),
        "log_z": Uniform(kind="uniform", low=-4.0, high=-1.39),
        "av": LogUniform(kind="log_uniform", low=1e-3, high=5.0),
        "log_ssfr": Uniform(kind="uniform", low=-12.0, high=-7.0),
        "quantiles": DirichletQuantiles(kind="dirichlet", concentration=1.0),
        "age": UniverseAge(kind="universe_age"),
        "log_tau": Uniform(kind="uniform", low=-2.0, high=1.3),
        "log_u": Uniform(kind="uniform", low=-4.0, high=-1.0),
    }[name]


# --- observation -----------------------------------------------------------------------------


class Selection(Section):
    """The survey's cut on what it observed: signal-to-noise in one band."""

    band: str
    snr: float = Field(gt=0)


class Noise(Section):
    """Errors drawn from survey depths; the same numbers define the likelihood."""

    depths: dict[str, float] = Field(description="5-sigma AB magnitude per band")
    scatter: float = Field(default=0.05, ge=0, description="dex, independent in each band")
    shared_scatter: float = Field(default=0.05, ge=0, description="dex, common to all bands")
    floor: float | dict[str, float] = Field(default=0.02, description="fraction of model flux")
    missing: float = Field(default=0.05, ge=0, lt=1, description="chance that a band is missing")
    redshift_given: float = Field(default=0.2, ge=0, le=1, description="share with known z")
    redshift_error: float = Field(default=0.001, gt=0, description="of 1 + z")
    selection: Selection | None = None

    @field_validator("floor")
    @classmethod
    def _floor(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        for v in value.values() if isinstance(value, dict) else [value]:
            if not 0 <= v < 1:
                raise ValueError(f"a calibration floor is a fraction in [0, 1), not {v}")
        return value


class Library(Section):
    """How many galaxies to simulate, and in what portions."""

    size: int = Field(default=200_000, gt=0)
    chunk: int = Field(default=10_000, gt=0)
    seed: int = Field(default=1, ge=0)


class Estimator(Section):
    """The conditional density estimator."""

    layers: int = Field(default=4, ge=1)
    bins: int = Field(default=8, ge=2)
    width: int = Field(default=256, ge=8)
    blocks: int = Field(default=3, ge=1)


class Training(Section):
    """Optimisation."""

    steps: int = Field(default=20_000, gt=0)
    batch: int = Field(default=512, gt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    averaging: float = Field(default=0.999, ge=0, lt=1, description="decay of averaged weights")
    clip: float = Field(default=5.0, gt=0, description="largest norm of the gradient")
    held_out: float = Field(default=0.05, gt=0, lt=1, description="share of the galaxies")
    patience: int = Field(default=20, gt=0, description="rounds without improvement")
    round: int = Field(default=500, gt=0, description="steps between validations")
    seed: int = Field(default=1, ge=0)
    device: str = "auto"

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            raise ValueError(f"found {value!r}; allowed: auto, cpu, cuda, cuda:0 and so on, mps")
        return value


class Column(Section):
    """Where a band's measurement stands in the catalogue."""

    value: str
    error: str


class Catalogue(Section):
    """How to read a catalogue."""

    columns: dict[str, Column]
    unit: str = Field(default="uJy", description="a flux-density unit, 'ABmag' or 'zeropoint'")
    zeropoint: float | None = Field(default=None, description="AB magnitude of one flux unit")
    missing: list[float] = Field(default=[-99.0], description="values that mean 'not observed'")
    id: str | None = None
    redshift: str | None = None
    use_redshift: bool = Field(default=False, description="give the redshift to the estimator")

    @model_validator(mode="after")
    def _zeropoint(self) -> Catalogue:
        if (self.unit == "zeropoint") != (self.zeropoint is not None):
            raise ValueError("unit: zeropoint and a zeropoint: value go together")
        return self


class Output(Section):
    """What to write of each posterior."""

    draws: int = Field(default=1000, gt=1)
    derived_draws: int = Field(default=200, gt=1)
    save_draws: bool = False
    seed: int = Field(default=1, ge=0)


class RunFile(Section):
    """A whole analysis."""

    name: str = "run"
    filters: list[Band] = Field(min_length=1)
    model: Model = Model()
    priors: dict[str, PriorSpec] = Field(default_factory=dict)
    noise: Noise
    library: Library = Library()
    estimator: Estimator = Estimator()
    training: Training = Training()
    catalogue: Catalogue | None = None
    output: Output = Output()

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not re.fullmatch(r"[\w.-]+", value):
            raise ValueError(f"found {value!r}; allowed: letters, digits, '.', '_' and '-'")
        return value

    def band_names(self) -> list[str]:
        """Return the names of the bands, in order."""
        return [b if isinstance(b, str) else b.name for b in self.filters]

    @model_validator(mode="after")
    def _consistent(self) -> RunFile:
        names = self.band_names()
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"filters: band {name!r} is listed twice")
        self._check_bands("noise.depths", list(self.noise.depths), names, complete=True)
        if isinstance(self.noise.floor, dict):
            self._check_bands("noise.floor", list(self.noise.floor), names)
        if self.noise.selection:
            self._check_bands("noise.selection.band", [self.noise.selection.band], names)
        if self.catalogue:
            self._check_bands("catalogue.columns", list(self.catalogue.columns), names)
            if not self.catalogue.columns:
                raise ValueError("catalogue.columns: map at least one band")
        needed = self.model.parameters()
        for name in self.priors:
            if name not in needed:
                raise ValueError(
                    f"priors.{name}: the model has no such parameter{allowed(name, needed)}"
                )
        quantiles = self.priors.get("quantiles")
        if quantiles is not None and quantiles.kind != "dirichlet":
            raise ValueError(f"priors.quantiles.kind: found {quantiles.kind!r}; allowed: dirichlet")
        for name, prior in self.priors.items():
            if name != "quantiles" and prior.kind == "dirichlet":
                raise ValueError(f"priors.{name}.kind: 'dirichlet' is only for quantiles")
        return self

    @staticmethod
    def _check_bands(path: str, found: list[str], known: list[str], complete: bool = False) -> None:
        for name in found:
            if name not in known:
                raise ValueError(f"{path}: {name!r} is not among the filters{allowed(name, known)}")
        if complete and (absent := [n for n in known if n not in found]):
            raise ValueError(f"{path}: missing for {', '.join(absent)}")

    def prior(self, name: str) -> Any:
        """Return the prior of a parameter, the default one where the file gives none."""
        return self.priors.get(name, default_prior(name))

    def to_yaml(self) -> str:
        """Return the complete run file, defaults included, as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_run(path: str | Path) -> RunFile:
    """Read and check a run file.

    Relative paths inside the file (filter curves) are taken from the file's own folder.

    Raises
    ------
    SedumError
        One line that names the file, the key, what was found and what is allowed.
    """
    path = Path(path)
    try:
        text = path.read_text()
    except OSError as error:
        raise SedumError(
            f"cannot read run file {path}: {error.strerror}; make one with 'sedum init'"
        ) from None
    except UnicodeDecodeError:
        raise SedumError(f"run file {path} is not text; make one with 'sedum init'") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise SedumError(f"{path}{where}: not valid YAML: {problem}") from None
    return parse_run(data, source=str(path), folder=path.parent)


def parse_run(data: Any, source: str = "run file", folder: Path | None = None) -> RunFile:
    """Check a run file that is already a mapping; see :func:`load_run`."""
    if not isinstance(data, dict):
        raise SedumError(f"{source}: expected a mapping of sections, found {type(data).__name__}")
    if folder is not None:
        data = _anchor_paths(data, folder)
    try:
        return RunFile.model_validate(data)
    except ValidationError as error:
        raise SedumError(f"{source}: {describe(error, RunFile, _SECTIONS, _KINDS)}") from None


def _anchor_paths(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the relative paths of filter curves relative to the run file instead."""
    bands = data.get("filters")
    if not isinstance(bands, list):
        return data
    anchored = []
    for band in bands:
        if isinstance(band, dict):
            band = {
                k: str(folder / v) if k in ("file", "curve") and isinstance(v, str) else v
                for k, v in band.items()
            }
        anchored.append(band)
    return {**data, "filters": anchored}


def _by_kind(*models: type[Section]) -> dict[str, type[BaseModel]]:
    """Return models of a discriminated union by the value of their ``kind``."""
    return {m.model_fields["kind"].annotation.__args__[0]: m for m in models}  # type: ignore[union-attr]


_PRIORS = _by_kind(
    Fixed,
    Uniform,
    LogUniform,
    Normal,
    StudentT,
    Tabulated,
    DirichletQuantiles,
    MainSequence,
    MassMetallicity,
    UniverseAge,
)
_HISTORIES = _by_kind(DenseBasis, DelayedTau)

#: The kinds that can be chosen below a key.
_KINDS = {"priors": list(_PRIORS), "history": list(_HISTORIES)}

#: Which keys are allowed where: by the kind, tag or section that stands in a key's path.
_SECTIONS: dict[str, type[BaseModel]] = {
    **_PRIORS,
    **_HISTORIES,
    "EazyBand": EazyBand,
    "CurveBand": CurveBand,
    "model": Model,
    "noise": Noise,
    "selection": Selection,
    "library": Library,
    "estimator": Estimator,
    "training": Training,
    "catalogue": Catalogue,
    "columns": Column,
    "output": Output,
}
