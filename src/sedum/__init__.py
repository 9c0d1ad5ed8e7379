"""sedum: posteriors of galaxy properties from survey photometry, learned from simulations.

Names are imported when first used, so that ``import sedum`` and ``sedum --help`` are quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sedum._version import __version__

if TYPE_CHECKING:
    from sedum.bridge.apply import apply_bridge as apply_bridge
    from sedum.bridge.bridge import Bridge as Bridge
    from sedum.bridge.simulated import SimulatedGalaxies as SimulatedGalaxies
    from sedum.bridge.simulations import simulate_bridge as simulate_bridge
    from sedum.bridge.train import train_bridge as train_bridge
    from sedum.bridge.validate import validate_bridge as validate_bridge
    from sedum.check.recalibrate import recalibrate as recalibrate
    from sedum.check.recovery import recovery as recovery
    from sedum.check.scorecard import validate as validate
    from sedum.cli.init import init_run as init_run
    from sedum.config import RunFile as RunFile
    from sedum.config import load_run as load_run
    from sedum.config.bridge import load_bridge as load_bridge
    from sedum.config.bridge import parse_bridge as parse_bridge
    from sedum.demo import run_demo as run_demo
    from sedum.errors import SedumError as SedumError
    from sedum.galaxies.grid import list_grids as list_grids
    from sedum.galaxies.grid_files import write_grid as write_grid
    from sedum.galaxies.model import GalaxyModel as GalaxyModel
    from sedum.galaxies.simulator import Simulator as Simulator
    from sedum.galaxies.tabulated import TabulatedHistories as TabulatedHistories
    from sedum.infer.posterior import Posterior as Posterior
    from sedum.infer.train import train as train
    from sedum.infer.tune import tune as tune
    from sedum.library.generate import simulate as simulate
    from sedum.library.store import Library as Library
    from sedum.library.synthesizer import SynthesizerModel as SynthesizerModel
    from sedum.observe.learn import fit_noise as fit_noise
    from sedum.observe.noise import NoiseModel as NoiseModel
    from sedum.photometry.catalogue import read_catalogue as read_catalogue
    from sedum.photometry.filters import FilterSet as FilterSet
    from sedum.photometry.filters import list_filters as list_filters
    from sedum.photometry.observed import Photometry as Photometry
    from sedum.report.explore import explore as explore
    from sedum.report.report import write_report as write_report
    from sedum.survey.catalogue_check import check_catalogue as check_catalogue
    from sedum.survey.compare import compare as compare
    from sedum.survey.fit import fit as fit
    from sedum.survey.fit_sky import fit_sky as fit_sky
    from sedum.survey.parts import fit_survey as fit_survey
    from sedum.survey.provenance import read_provenance as read_provenance
    from sedum.survey.qp import to_qp as to_qp
    from sedum.survey.quantiles import quantile_draws as quantile_draws
    from sedum.survey.recovered import recover as recover
    from sedum.survey.results import Results as Results
    from sedum.survey.scorecard import validate_catalogue as validate_catalogue
    from sedum.survey.sky import sky_posteriors as sky_posteriors
    from sedum.survey.zeropoints import measure_zeropoints as measure_zeropoints

_HOMES = {
    "Bridge": "sedum.bridge.bridge",
    "FilterSet": "sedum.photometry.filters",
    "GalaxyModel": "sedum.galaxies.model",
    "Library": "sedum.library.store",
    "NoiseModel": "sedum.observe.noise",
    "Photometry": "sedum.photometry.observed",
    "Posterior": "sedum.infer.posterior",
    "Results": "sedum.survey.results",
    "RunFile": "sedum.config",
    "SedumError": "sedum.errors",
    "SimulatedGalaxies": "sedum.bridge.simulated",
    "Simulator": "sedum.galaxies.simulator",
    "SynthesizerModel": "sedum.library.synthesizer",
    "TabulatedHistories": "sedum.galaxies.tabulated",
    "apply_bridge": "sedum.bridge.apply",
    "check_catalogue": "sedum.survey.catalogue_check",
    "compare": "sedum.survey.compare",
    "explore": "sedum.report.explore",
    "fit": "sedum.survey.fit",
    "fit_noise": "sedum.observe.learn",
    "fit_sky": "sedum.survey.fit_sky",
    "fit_survey": "sedum.survey.parts",
    "init_run": "sedum.cli.init",
    "list_filters": "sedum.photometry.filters",
    "list_grids": "sedum.galaxies.grid",
    "load_bridge": "sedum.config.bridge",
    "load_run": "sedum.config",
    "measure_zeropoints": "sedum.survey.zeropoints",
    "parse_bridge": "sedum.config.bridge",
    "quantile_draws": "sedum.survey.quantiles",
    "read_catalogue": "sedum.photometry.catalogue",
    "read_provenance": "sedum.survey.provenance",
    "recalibrate": "sedum.check.recalibrate",
    "recover": "sedum.survey.recovered",
    "recovery": "sedum.check.recovery",
    "run_demo": "sedum.demo",
    "simulate": "sedum.library.generate",
    "simulate_bridge": "sedum.bridge.simulations",
    "sky_posteriors": "sedum.survey.sky",
    "to_qp": "sedum.survey.qp",
    "train": "sedum.infer.train",
    "train_bridge": "sedum.bridge.train",
    "tune": "sedum.infer.tune",
    "validate": "sedum.check.scorecard",
    "validate_bridge": "sedum.bridge.validate",
    "validate_catalogue": "sedum.survey.scorecard",
    "write_grid": "sedum.galaxies.grid_files",
    "write_report": "sedum.report.report",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sedum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
