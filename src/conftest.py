"""What the examples in docstrings may use without making it: they run as tests.

``run``, ``library``, ``posterior`` and ``catalogue`` are a small run file, its library of
simulated galaxies, the estimator trained on it, and a table of 20 mock galaxies with the columns
that the run file names. Examples run in a folder of their own. An example with the comment
``# needs PACKAGE`` is skipped where that optional package is not installed.
"""

from __future__ import annotations

import os
import re
from functools import cache

import numpy as np
import pytest

_BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]


@pytest.fixture(scope="session")
def _cache(tmp_path_factory):
    """Keep converted grids in a folder of the session, as the tests do."""
    os.environ.setdefault("SEDUM_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def _example(request, doctest_namespace, tmp_path, monkeypatch, _cache):
    """Give an example its names and an empty folder."""
    monkeypatch.chdir(tmp_path)
    doctest_namespace["np"] = np
    source = getattr(request.node, "dtest", None)
    used = "".join(example.source for example in source.examples) if source else ""
    for package in re.findall(r"# needs (\w+)", used):
        pytest.importorskip(package)
    for name in ("run", "library", "posterior", "catalogue"):
        if name in used and f"{name} =" not in used:
            doctest_namespace[name] = _made(name)


@cache
def _made(name):
    import sedum
    from sedum.config import parse_run
    from sedum.galaxies.model import GalaxyModel
    from sedum.observe.mock_survey import mock_survey

    if name == "run":
        return parse_run(
            {
                "filters": _BANDS,
                "priors": {
                    "redshift": {"kind": "uniform", "low": 0.05, "high": 1.0},
                    "log_mass": {"kind": "uniform", "low": 8.0, "high": 12.0},
                },
                "noise": {"depths": dict.fromkeys(_BANDS, 25.0)},
                "library": {"size": 2000, "chunk": 1000},
                "estimator": {"layers": 2, "bins": 4, "width": 32, "blocks": 1},
                "training": {"steps": 60, "round": 20, "batch": 128, "device": "cpu"},
                "catalogue": {
                    "id": "id",
                    "unit": "uJy",
                    "redshift": "z",
                    "columns": {b: {"value": f"f_{b}", "error": f"e_{b}"} for b in _BANDS},
                },
                "output": {"draws": 64, "derived_draws": 16},
            }
        )
    if name == "library":
        return sedum.simulate(_made("run"), "library.h5", show_progress=False)
    if name == "posterior":
        return sedum.train(_made("run"), _made("library"), show_progress=False)
    from astropy.table import Table

    run = _made("run")
    model = GalaxyModel.from_run(run)
    theta, seen = mock_survey(model, _made("posterior").noise, 20, seed=1)
    table = Table({"id": np.arange(20), "z": theta[:, model.prior.names.index("redshift")]})
    for i, band in enumerate(_BANDS):
        table[f"f_{band}"], table[f"e_{band}"] = seen.flux[:, i], seen.error[:, i]
    return table
