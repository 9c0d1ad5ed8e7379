"""sedum: posteriors of galaxy properties from survey photometry, learned from simulations.

Names are imported when first used, so that ``import sedum`` and ``sedum --help`` are quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sedum._version import __version__

if TYPE_CHECKING:
    from sedum.bridge.apply_bridge import apply_bridge as apply_bridge
    from sedum.bridge.simulations.simulate import simulate_bridge as simulate_bridge
    from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies as SimulatedGalaxies
    from sedum.bridge.train_bridge import train_bridge as train_bridge
    from sedum.bridge.trained_bridge import Bridge as Bridge
    from sedum.bridge.validate_bridge import validate_bridge as validate_bridge
    from sedum.check.catalogue_check import check_catalogue as check_catalogue
    from sedum.check.catalogue_scorecard import validate_catalogue as validate_catalogue
    from sedum.check.fit_recalibration import recalibrate as recalibrate
    from sedum.check.mock_scorecard import validate as validate
    from sedum.check.recovery import recovery_metrics as recovery_metrics
    from sedum.check.zeropoints import measure_zeropoints as measure_zeropoints
    from sedum.comparison.compare_models import compare as compare
    from sedum.config import RunFile as RunFile
    from sedum.config import load_run as load_run
    from sedum.config.bridge_file import load_bridge as load_bridge
    from sedum.config.bridge_file import parse_bridge as parse_bridge
    from sedum.demo import run_demo as run_demo
    from sedum.errors import SedumError as SedumError
    from sedum.galaxies.histories.tabulated import TabulatedHistories as TabulatedHistories
    from sedum.galaxies.model import GalaxyModel as GalaxyModel
    from sedum.galaxies.simulator import Simulator as Simulator
    from sedum.galaxies.stellar_grids.grid import list_grids as list_grids
    from sedum.galaxies.stellar_grids.grid_files import write_grid as write_grid
    from sedum.infer.posterior import Posterior as Posterior
    from sedum.infer.training.train import train as train
    from sedum.infer.training.tune import tune as tune
    from sedum.library.generate import simulate as simulate
    from sedum.library.library_file import Library as Library
    from sedum.library.synthesizer_model import SynthesizerModel as SynthesizerModel
    from sedum.observe.learn_noise import fit_noise as fit_noise
    from sedum.observe.noise_model import NoiseModel as NoiseModel
    from sedum.photometry.catalogue import read_catalogue as read_catalogue
    from sedum.photometry.filters import FilterSet as FilterSet
    from sedum.photometry.filters import list_filters as list_filters
    from sedum.photometry.observed import Photometry as Photometry
    from sedum.report.explorer.explore import explore as explore
    from sedum.report.page.html_report import write_report as write_report
    from sedum.results.posterior_catalogue import PosteriorCatalogue as PosteriorCatalogue
    from sedum.results.provenance import read_provenance as read_provenance
    from sedum.survey.fit import fit as fit
    from sedum.survey.measures.quantiles import quantile_draws as quantile_draws
    from sedum.survey.predict import predict as predict
    from sedum.survey.qp_ensemble import to_qp as to_qp
    from sedum.survey.start_run_file import init_run as init_run

_HOMES = {
    "Bridge": "sedum.bridge.trained_bridge",
    "FilterSet": "sedum.photometry.filters",
    "GalaxyModel": "sedum.galaxies.model",
    "Library": "sedum.library.library_file",
    "NoiseModel": "sedum.observe.noise_model",
    "Photometry": "sedum.photometry.observed",
    "Posterior": "sedum.infer.posterior",
    "PosteriorCatalogue": "sedum.results.posterior_catalogue",
    "RunFile": "sedum.config",
    "SedumError": "sedum.errors",
    "SimulatedGalaxies": "sedum.bridge.simulations.simulated_galaxies",
    "Simulator": "sedum.galaxies.simulator",
    "SynthesizerModel": "sedum.library.synthesizer_model",
    "TabulatedHistories": "sedum.galaxies.histories.tabulated",
    "apply_bridge": "sedum.bridge.apply_bridge",
    "check_catalogue": "sedum.check.catalogue_check",
    "compare": "sedum.comparison.compare_models",
    "explore": "sedum.report.explorer.explore",
    "fit": "sedum.survey.fit",
    "fit_noise": "sedum.observe.learn_noise",
    "init_run": "sedum.survey.start_run_file",
    "list_filters": "sedum.photometry.filters",
    "list_grids": "sedum.galaxies.stellar_grids.grid",
    "load_bridge": "sedum.config.bridge_file",
    "load_run": "sedum.config",
    "measure_zeropoints": "sedum.check.zeropoints",
    "parse_bridge": "sedum.config.bridge_file",
    "quantile_draws": "sedum.survey.measures.quantiles",
    "read_catalogue": "sedum.photometry.catalogue",
    "read_provenance": "sedum.results.provenance",
    "recalibrate": "sedum.check.fit_recalibration",
    "predict": "sedum.survey.predict",
    "recovery_metrics": "sedum.check.recovery",
    "run_demo": "sedum.demo",
    "simulate": "sedum.library.generate",
    "simulate_bridge": "sedum.bridge.simulations.simulate",
    "to_qp": "sedum.survey.qp_ensemble",
    "train": "sedum.infer.training.train",
    "train_bridge": "sedum.bridge.train_bridge",
    "tune": "sedum.infer.training.tune",
    "validate": "sedum.check.mock_scorecard",
    "validate_bridge": "sedum.bridge.validate_bridge",
    "validate_catalogue": "sedum.check.catalogue_scorecard",
    "write_grid": "sedum.galaxies.stellar_grids.grid_files",
    "write_report": "sedum.report.page.html_report",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sedum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
