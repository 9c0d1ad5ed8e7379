"""Every function that takes a run file and an estimator refuses one that was trained otherwise."""

import numpy as np
import pytest
from astropy.table import Table

from bridge_cases import run_mapping
from run_cases import run_settings
from sedum.bridge.survey_rows import read_survey
from sedum.check.catalogue_check import check_catalogue
from sedum.check.catalogue_scorecard import validate_catalogue
from sedum.check.zeropoints import measure_zeropoints
from sedum.config import parse_run
from sedum.config.bridge_file import parse
from sedum.errors import SedumError
from sedum.infer.trained_model import trained_model
from sedum.survey.fit import fit
from sedum.survey.hats_partitions import PartitionFitter
from sedum.survey.prepare import prepare

#: Run files that the estimator of the tests was not trained for, and what differs.
OTHERS = {
    "noise": {"noise": {"floor": 0.07}},
    "priors": {"priors": {"redshift": {"kind": "uniform", "low": 0.05, "high": 0.9}}},
    "model": {"model": {"dust": "none"}},
    "features": {"features": {"colours": False}},
}
BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]


def table():
    columns = {"id": np.arange(50), "z": np.full(50, 0.4)}
    for band in BANDS:
        columns[f"f_{band}"], columns[f"e_{band}"] = np.full(50, 9.0), np.full(50, 0.07)
    return Table(columns)


def rest_fit(run, posterior, folder):
    """Read the survey of a bridge whose magnitudes come from a fit."""
    posterior.write(folder / "small.safetensors")
    (folder / "run.yaml").write_text(run.to_yaml())
    bands = {"g": "sdss_g0", "r": "sdss_r0", "i": "sdss_i0"}
    data = run_mapping("none.fits", bands=bands, features=["M_r", "g-i"])
    data["simulations"][0]["columns"] = {b: b for b in bands}
    catalogue = run.catalogue.model_dump(mode="json", exclude_none=True)
    catalogue["columns"] = {b: catalogue["columns"][name] for b, name in bands.items()}
    files = {"run": str(folder / "run.yaml"), "estimator": str(folder / "small.safetensors")}
    data["survey"] = {"catalogue": catalogue, "rest_fit": files}
    return read_survey(parse(data), table())


def hats(run, posterior, folder):
    return PartitionFitter(run, posterior, None, "sky", [])


DOORS = {
    "fit": lambda run, posterior, folder: fit(run, posterior, table()),
    "fit to a file": lambda run, posterior, folder: fit(
        run, posterior, _written(folder), folder / "out.fits"
    ),
    "fit of HATS": hats,
    "prepare": lambda run, posterior, folder: prepare(run, posterior, table()),
    "trained model": lambda run, posterior, folder: trained_model(run, posterior),
    "check": lambda run, posterior, folder: check_catalogue(run, posterior, table()),
    "zero-points": lambda run, posterior, folder: measure_zeropoints(run, posterior, table()),
    "validate": lambda run, posterior, folder: validate_catalogue(run, posterior, table()),
    "rest-frame fit": rest_fit,
}


def _written(folder):
    table().write(folder / "cat.fits")
    return folder / "cat.fits"


@pytest.mark.parametrize("part", OTHERS)
@pytest.mark.parametrize("door", DOORS)
def test_an_estimator_of_another_run_file_is_refused(door, part, small_posterior, tmp_path):
    run = parse_run(run_settings(**OTHERS[part]))
    with pytest.raises(SedumError, match=f"was made with another run file: its .*{part}"):
        DOORS[door](run, small_posterior, tmp_path)
    assert not (tmp_path / "out.fits").exists()


def test_its_own_run_file_is_accepted(small_run, small_posterior):
    assert trained_model(small_run, small_posterior).prior.names == small_posterior.names
