"""The run file as a whole: reading it, and saying what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, model_validator

from sedum.config import history_section as histories
from sedum.config import prior_section as priors
from sedum.config.catalogue_section import (
    ApertureCorrection,
    BandColumns,
    CatalogueSettings,
    ExtinctionCorrection,
    ReportedLimits,
)
from sedum.config.estimator_section import ESTIMATORS, AnyEstimator, FlowSettings
from sedum.config.model_section import (
    GRID_SUFFIXES,
    AnyModel,
    DustSettings,
    ExternalModelSettings,
    ModelSettings,
    default_prior,
)
from sedum.config.noise_section import (
    NOISES,
    AnyNoise,
    DepthRegion,
    MissingPattern,
    MissingSettings,
    SelectionSettings,
    TemplateErrorSettings,
    UpperLimitSettings,
)
from sedum.config.prior_section import AnyPrior
from sedum.config.run_sections import (
    Band,
    CurveBand,
    EazyBand,
    FeatureSettings,
    LibrarySettings,
    OutputSettings,
    PzSettings,
    TrainingSettings,
    TypicalitySettings,
    VerifySettings,
)
from sedum.config.section import Section
from sedum.config.yaml_file import FileSchema, YamlFile
from sedum.errors import SedumError, allowed
from sedum.introduced import Facts, Introduced, listed
from sedum.storage import read_text, unsealed, warn_unsealed

__all__ = ["RunFile", "load_run", "parse_run", "resolve_band"]


class RunFile(Introduced, YamlFile):
    """A complete analysis.

    Examples
    --------
    >>> from sedum.config import parse_run
    >>> run = parse_run({"filters": ["sdss_r0"], "noise": {"depths": {"sdss_r0": 25.0}}})
    >>> run.band_names()
    ['sdss_r0']
    >>> run.model.stellar
    'bc03_miles'
    >>> run.prior("av").kind
    'log_uniform'
    """

    name: str = Field(default="run", description="Name of the analysis: letters, digits, . _ and -")
    filters: list[Band] = Field(
        min_length=1,
        description="The bands, in the order in which fluxes are stored: names that sedum filters "
        "lists, or filter curves in files",
    )
    model: AnyModel = Field(default=ModelSettings(), description="The forward model")
    priors: dict[str, AnyPrior] = Field(
        default_factory=dict, description="Priors by parameter, in place of the default priors"
    )
    noise: AnyNoise = Field(description="The noise of the survey")
    features: FeatureSettings = Field(
        default=FeatureSettings(), description="Inputs of the estimator"
    )
    library: LibrarySettings = Field(
        default=LibrarySettings(), description="Simulated galaxies to train on"
    )
    estimator: AnyEstimator = Field(
        default=FlowSettings(), description="The network that estimates posteriors"
    )
    training: TrainingSettings = Field(
        default=TrainingSettings(), description="How the estimator is trained"
    )
    catalogue: CatalogueSettings | None = Field(
        default=None, description="How to read the catalogue to fit"
    )
    output: OutputSettings = Field(
        default=OutputSettings(), description="What is written of each posterior"
    )

    def _facts(self) -> Facts:
        facts = {"bands": listed(self.band_names()), "noise": self.noise.kind}
        facts |= {"estimator": self.estimator.kind}
        facts["catalogue"] = "described" if self.catalogue is not None else "none"
        return self.name, facts

    def band_names(self) -> list[str]:
        """Return the names of the bands, in order."""
        return [b if isinstance(b, str) else b.name for b in self.filters]

    @model_validator(mode="after")
    def _consistent(self) -> RunFile:
        names = self.band_names()
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"filters: band {name!r} is listed twice")
        for path, bands, complete in self.noise.mentioned():
            self._check_bands(path, bands, names, complete)
        for path, bands in self.catalogue.mentioned() if self.catalogue else []:
            self._check_bands(path, bands, names)
        needed = self.model.parameters()
        for name in self.priors:
            if name not in needed:
                raise ValueError(
                    f"priors.{name}: the model has no such parameter{allowed(name, needed)}"
                )
        if isinstance(self.model, ExternalModelSettings):
            absent = [name for name in needed if name not in self.priors]
            if absent:
                raise ValueError(f"priors: missing for {', '.join(absent)} of the external model")
        for name, prior in self.priors.items():
            self._check_kind(name, prior.kind)
        return self

    @staticmethod
    def _check_kind(name: str, kind: str) -> None:
        """Raise an error for priors that only other parameters can have."""
        for only, suffixes in _ONLY_FOR.items():
            fits = name.endswith(suffixes)
            if kind == only and not fits:
                raise ValueError(f"priors.{name}.kind: {only!r} is only for {suffixes[0]}")
            if only == "dirichlet" and fits and kind != only:
                raise ValueError(f"priors.{name}.kind: found {kind!r}; allowed: dirichlet")

    @staticmethod
    def _check_bands(path: str, given: list[str], known: list[str], complete: bool = False) -> None:
        for name in given:
            if name not in known:
                raise ValueError(f"{path}: {name!r} is not among the filters{allowed(name, known)}")
        if complete and (absent := [n for n in known if n not in given]):
            raise ValueError(f"{path}: missing for {', '.join(absent)}")

    def embeds_bands(self) -> bool:
        """Return whether the estimator reads bands by their wavelengths (``embedding: bands``)."""
        return getattr(self.estimator, "embedding", "mlp") == "bands"

    def prior(self, name: str) -> Any:
        """Return the prior of a parameter, the default one where the file gives none."""
        return self.priors[name] if name in self.priors else default_prior(name)


def _resolve_paths(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the run file with its relative paths joined to a folder."""
    data = dict(data)
    model, noise, bands = data.get("model"), data.get("noise"), data.get("filters")
    if isinstance(model, dict) and str(model.get("stellar", "")).endswith(GRID_SUFFIXES):
        data["model"] = {**model, "stellar": str(folder / model["stellar"])}
    if isinstance(noise, dict) and isinstance(noise.get("file"), str):
        data["noise"] = {**noise, "file": str(folder / noise["file"])}
    catalogue = data.get("catalogue")
    if isinstance(catalogue, dict) and isinstance(catalogue.get("offsets"), str):
        data["catalogue"] = {**catalogue, "offsets": read_offsets(folder / catalogue["offsets"])}
    if isinstance(bands, list):
        data["filters"] = [resolve_band(band, folder) for band in bands]
    return data


def resolve_band(band: Any, folder: Path) -> Any:
    """Return the entry of a band with its relative path taken from a folder."""
    if not isinstance(band, dict):
        return band
    return {
        k: str(folder / v) if k in ("file", "curve") and isinstance(v, str) else v
        for k, v in band.items()
    }


def read_offsets(path: Path) -> dict[str, float]:
    """Read the magnitudes to add to each band: ``offsets: {band: {offset: 0.02}}`` in YAML."""
    text = read_text(path, "catalogue.offsets")
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        content = None
    try:
        document, whole = unsealed(content if isinstance(content, dict) else {})
    except (ValueError, TypeError):
        raise SedumError(
            f"catalogue.offsets: {path} is damaged, or was edited after 'sedum zeropoints' wrote "
            "it; measure again, or remove its line checksum if the edit is yours"
        ) from None
    try:
        stored = document["offsets"]
        if not whole and "sedum" in document:  # not written by hand
            warn_unsealed(path, "catalogue.offsets: file", "sedum zeropoints")
        return {str(band): float(entry["offset"]) for band, entry in stored.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SedumError(
            f"catalogue.offsets: {path} is not a file of zero-points; it should hold "
            "offsets: {band: {offset: 0.02}}"
        ) from None


def _by_kind(*models: type[Section]) -> dict[str, type[BaseModel]]:
    """Return models of a discriminated union by the value of their ``kind``."""
    return {m.model_fields["kind"].annotation.__args__[0]: m for m in models}  # type: ignore[union-attr]


_PRIORS = _by_kind(
    priors.FixedPrior,
    priors.UniformPrior,
    priors.LogUniformPrior,
    priors.NormalPrior,
    priors.StudentTPrior,
    priors.TabulatedPrior,
    priors.DirichletPrior,
    priors.MainSequencePrior,
    priors.MassMetallicityPrior,
    priors.UniverseAgePrior,
)
_HISTORIES = _by_kind(*histories.HISTORIES)

#: Kinds of priors that mean something for some parameters only, by how their names end.
_ONLY_FOR = {
    "dirichlet": ("quantiles", "sfr_fractions"),
    "main_sequence": ("log_ssfr",),
    "mass_metallicity": ("log_z", "log_z_gas"),
    "universe_age": ("age",),
}

#: The kinds that can be chosen below a key.
_KINDS = {
    "priors": list(_PRIORS),
    "history": list(_HISTORIES),
    "components": [kind for kind in _HISTORIES if kind != "sum"],
    "noise": list(NOISES),
    "estimator": list(ESTIMATORS),
    "members": [kind for kind in ESTIMATORS if kind != "ensemble"],
}

#: Which keys are allowed where: by the kind, tag or section that stands in a key's path.
_SECTIONS: dict[str, type[BaseModel]] = {
    **_PRIORS,
    **_HISTORIES,
    "EazyBand": EazyBand,
    "CurveBand": CurveBand,
    "model": ModelSettings,
    "dust": DustSettings,
    "external": ExternalModelSettings,
    **dict(NOISES.values()),
    "noise": NOISES["depths"][1],
    "selection": SelectionSettings,
    "limits": UpperLimitSettings,
    "MissingSettings": MissingSettings,
    "patterns": MissingPattern,
    "regions": DepthRegion,
    "template_error": TemplateErrorSettings,
    "features": FeatureSettings,
    "library": LibrarySettings,
    **dict(ESTIMATORS.values()),
    "estimator": FlowSettings,
    "training": TrainingSettings,
    "catalogue": CatalogueSettings,
    "columns": BandColumns,
    "aperture": ApertureCorrection,
    "extinction": ExtinctionCorrection,
    "catalogue.limits": ReportedLimits,
    "output": OutputSettings,
    "pz": PzSettings,
    "typicality": TypicalitySettings,
    "verify": VerifySettings,
}

_SCHEMA = FileSchema(RunFile, _SECTIONS, _KINDS, _resolve_paths)


def load_run(path: str | Path) -> RunFile:
    """Read and check a run file.

    Relative paths in the file, such as those of filter curves, are relative to its folder.

    Parameters
    ----------
    path
        The YAML file.

    Returns
    -------
    RunFile
        The checked run file, with defaults filled in.

    Raises
    ------
    SedumError
        If the file cannot be read or is invalid. The message is one line that names the file, the
        key, its value and what is allowed.

    Examples
    --------
    >>> from sedum import load_run
    >>> _ = Path("run.yaml").write_text(run.to_yaml())
    >>> load_run("run.yaml").band_names()
    ['sdss_g0', 'sdss_r0', 'sdss_i0']
    """
    return _SCHEMA.load(path)


def parse_run(data: Any, source: str = "run file", folder: Path | None = None) -> RunFile:
    """Check a run file that is a mapping already; see :func:`load_run`.

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

    Examples
    --------
    >>> parse_run(run.model_dump(mode="json")) == run
    True
    """
    return _SCHEMA.parse(data, source, folder)
