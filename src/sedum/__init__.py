"""sedum: posteriors of galaxy properties from survey photometry, learned from simulations.

Run file
    load_run            Read a run file, which describes an analysis completely.
    init_run            Write a commented run file, with the bands and columns of a catalogue.
    RunFile             A run file that was checked.
    SedumError          A mistake in the input, with its remedy.

Data
    FilterSet           Bands, in the order of the fluxes.
    Photometry          Observed fluxes and errors of many galaxies.
    read_catalogue      Read a catalogue as photometry.

Simulated galaxies
    GalaxyModel         The forward model: photometry, spectra and derived quantities.
    NoiseModel          Errors, missing bands, limits and selection of a survey.
    fit_noise           Learn the noise of a survey from its catalogue.
    simulate            Make a library of simulated galaxies.
    Library             A library: parameters and noiseless fluxes.

Posteriors
    train               Train a posterior estimator on a library.
    Posterior           A trained estimator: samples, densities, storage.
    fit                 Fit a catalogue: a table, a file, a folder, or HATS.
    predict             Photometry, spectra and histories that posteriors predict.
    PosteriorCatalogue  A posterior catalogue on disk, read a few columns at a time.

Checks
    validate            Judge an estimator on mock galaxies.
    validate_catalogue  Judge an estimator by known redshifts and other estimates.
    recalibrate         Correct posteriors that are too narrow or biased.
    check_catalogue     Compare a catalogue with the simulations.
    measure_zeropoints  Measure zero-points on galaxies of known redshift.
    compare             Compare models by their evidence.

Look
    write_report        Write an HTML report of a posterior catalogue.
    explore             Explore a posterior catalogue in the browser.

Sub-packages hold the rest: ``sedum.config`` (every section of a run file), ``sedum.galaxies``
(grids, tabulated histories), ``sedum.photometry``, ``sedum.priors``, ``sedum.library``,
``sedum.infer``, ``sedum.results``, ``sedum.survey``, ``sedum.check``, and ``sedum.bridge``:
networks trained on galaxies of simulations and carried to surveys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach
from sedum._version import __version__
from sedum.parallel.threads import wait_passively

if TYPE_CHECKING:
    from sedum.check.catalogue_check import check_catalogue as check_catalogue
    from sedum.check.catalogue_scorecard import validate_catalogue as validate_catalogue
    from sedum.check.fit_recalibration import recalibrate as recalibrate
    from sedum.check.mock_scorecard import validate as validate
    from sedum.check.zeropoints import measure_zeropoints as measure_zeropoints
    from sedum.comparison.compare_models import compare as compare
    from sedum.config.run_file import RunFile as RunFile
    from sedum.config.run_file import load_run as load_run
    from sedum.errors import SedumError as SedumError
    from sedum.galaxies.model import GalaxyModel as GalaxyModel
    from sedum.infer.posterior import Posterior as Posterior
    from sedum.infer.training.train import train as train
    from sedum.library.generate import simulate as simulate
    from sedum.library.library_file import Library as Library
    from sedum.observe.learn_noise import fit_noise as fit_noise
    from sedum.observe.noise_model import NoiseModel as NoiseModel
    from sedum.photometry.catalogue import read_catalogue as read_catalogue
    from sedum.photometry.filters import FilterSet as FilterSet
    from sedum.photometry.observed import Photometry as Photometry
    from sedum.report.explorer.explore import explore as explore
    from sedum.report.page.html_report import write_report as write_report
    from sedum.results.posterior_catalogue import PosteriorCatalogue as PosteriorCatalogue
    from sedum.survey.fit import fit as fit
    from sedum.survey.predict import predict as predict
    from sedum.survey.start_run_file import init_run as init_run

#: Where each name is defined, grouped by task as in the text above.
_HOMES = {
    # Run file
    "load_run": "sedum.config.run_file",
    "init_run": "sedum.survey.start_run_file",
    "RunFile": "sedum.config.run_file",
    "SedumError": "sedum.errors",
    # Data
    "FilterSet": "sedum.photometry.filters",
    "Photometry": "sedum.photometry.observed",
    "read_catalogue": "sedum.photometry.catalogue",
    # Simulated galaxies
    "GalaxyModel": "sedum.galaxies.model",
    "NoiseModel": "sedum.observe.noise_model",
    "fit_noise": "sedum.observe.learn_noise",
    "simulate": "sedum.library.generate",
    "Library": "sedum.library.library_file",
    # Posteriors
    "train": "sedum.infer.training.train",
    "Posterior": "sedum.infer.posterior",
    "fit": "sedum.survey.fit",
    "predict": "sedum.survey.predict",
    "PosteriorCatalogue": "sedum.results.posterior_catalogue",
    # Checks
    "validate": "sedum.check.mock_scorecard",
    "validate_catalogue": "sedum.check.catalogue_scorecard",
    "recalibrate": "sedum.check.fit_recalibration",
    "check_catalogue": "sedum.check.catalogue_check",
    "measure_zeropoints": "sedum.check.zeropoints",
    "compare": "sedum.comparison.compare_models",
    # Look
    "write_report": "sedum.report.page.html_report",
    "explore": "sedum.report.explorer.explore",
}

#: Sub-packages with names of their own, as in ``sedum.bridge.train``.
_PACKAGES = (
    *("bridge", "check", "comparison", "config", "galaxies", "infer", "library", "observe"),
    *("photometry", "priors", "report", "results", "survey"),
)

# Before torch is loaded, for notebooks and scripts, too.
wait_passively()

__getattr__, __dir__, _names = attach(__name__, _HOMES, _PACKAGES)
__all__ = ["__version__", *_names]
