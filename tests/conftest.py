"""Fixtures shared by all tests.

The grid cache goes to a folder of the test session, so that tests neither need nor touch the
user's own. Statistical tests state their false-alarm rate beside the check.
"""

from __future__ import annotations

import os
from pathlib import Path

# OpenMP reads these when torch is loaded. Threads that spin at the end of every small operation
# make the tests many times slower where another process is busy.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
import torch
from hypothesis import settings

from run_cases import run_settings

settings.register_profile("sedum", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("sedum")
# Two tests at a time, as `make test` runs them, have one core each.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
# Files that are made twice, or made again after a kill, can then be the same byte for byte.
os.environ["SOURCE_DATE_EPOCH"] = "1767225600"

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    # Processes that run tests side by side share it.
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "grid-cache"
    folder.mkdir(exist_ok=True)
    before = os.environ.get("SEDUM_CACHE")
    os.environ["SEDUM_CACHE"] = str(folder)
    yield folder
    if before is None:
        os.environ.pop("SEDUM_CACHE")
    else:
        os.environ["SEDUM_CACHE"] = before


@pytest.fixture(scope="session")
def shared_data():
    if not SHARED.is_dir():
        pytest.skip(f"the survey catalogues are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def small_run():
    from sedum.config import parse_run

    return parse_run(run_settings())


@pytest.fixture(scope="session")
def small_model(small_run):
    from sedum.galaxies.model import GalaxyModel

    return GalaxyModel.from_run(small_run)


@pytest.fixture(scope="session")
def small_library(small_run, small_model, tmp_path_factory):
    from sedum.library.generate import simulate

    path = tmp_path_factory.mktemp("library") / "small.h5"
    simulate(small_run, path, model=small_model)
    return path


@pytest.fixture(scope="session")
def small_posterior(small_run, small_library):
    from sedum.infer.training.train import train
    from sedum.library.library_file import Library

    return train(small_run, Library.read(small_library))


@pytest.fixture(scope="session")
def dask_client(cache):
    """A client of two worker processes of one thread each."""
    pytest.importorskip("distributed", reason="needs sedum[survey]")
    from sedum.parallel.dask_cluster import connected

    with connected(workers=2) as client:
        yield client


@pytest.fixture(scope="session")
def explored(small_run, small_posterior, small_model, tmp_path_factory):
    """A catalogue, its estimator and results, under the names that the explorer looks for."""
    from explore_cases import write_explored

    folder = tmp_path_factory.mktemp("explored")
    write_explored(folder, small_run, small_posterior, small_model)
    return folder


@pytest.fixture(scope="session")
def explorer(explored):
    pytest.importorskip("bokeh", reason="the explorer needs bokeh")
    from sedum.report.explorer.explore import explore

    made = explore(explored / "post.fits")
    yield made
    made.stop()


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)
