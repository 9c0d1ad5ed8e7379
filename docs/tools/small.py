"""The estimator that all tutorials share: small enough to be trained while the pages are built.

It is trained for 15 seconds; a good one takes some minutes. It is made once, in
``docs/_build/small``, and every notebook reads it from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.table import Table
from stale import code_digest

import sedum
from sedum.config import parse_run
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train_to_file
from sedum.observe.mock_survey import mock_survey

#: Short names of the bands, of which columns are made.
BANDS = {
    "sdss_u0": "u",
    "sdss_g0": "g",
    "sdss_r0": "r",
    "sdss_i0": "i",
    "sdss_z0": "z",
    "twomass_J": "J",
    "twomass_Ks": "Ks",
}

RUN = """\
name: small
filters: [sdss_u0, sdss_g0, sdss_r0, sdss_i0, sdss_z0, twomass_J, twomass_Ks]

model:
  history: {kind: delayed_tau}
  dust: {law: calzetti}

priors:
  redshift: {kind: uniform, low: 0.02, high: 0.8}
  log_mass: {kind: uniform, low: 8.5, high: 12}
  log_z: {kind: mass_metallicity}
  av: {kind: uniform, low: 0, high: 2}
  log_tau: {kind: uniform, low: -1, high: 1}
  log_u: {kind: fixed, value: -2.5}

noise:
  depths:                        # 5 sigma, AB
    sdss_u0: 24.2
    sdss_g0: 25.2
    sdss_r0: 25.0
    sdss_i0: 24.6
    sdss_z0: 23.8
    twomass_J: 22.8
    twomass_Ks: 22.2
  floor: 0.03                    # error of calibration and models, as a fraction
  selection: {band: sdss_r0, snr: 5}

library: {size: 20000, chunk: 5000}
estimator: {layers: 3, components: 8, width: 96, blocks: 2}
training: {steps: 1500, round: 100, batch: 256, device: cpu}

catalogue:
  id: id
  unit: uJy
  redshift: z_spec               # copied to the output
  columns:
    sdss_u0: {value: f_u, error: e_u}
    sdss_g0: {value: f_g, error: e_g}
    sdss_r0: {value: f_r, error: e_r}
    sdss_i0: {value: f_i, error: e_i}
    sdss_z0: {value: f_z, error: e_z}
    twomass_J: {value: f_J, error: e_J}
    twomass_Ks: {value: f_Ks, error: e_Ks}

output:
  draws: 500
  derived_draws: 100
"""

_BUILD = Path(__file__).resolve().parents[1] / "_build" / "small"


def settings(**changes: Any) -> dict[str, Any]:
    """Return the run file as a mapping, sections in ``changes`` merged; None removes a key."""
    data = yaml.safe_load(RUN)
    for section, value in changes.items():
        if isinstance(value, dict) and isinstance(data.get(section), dict):
            merged = {**data[section], **value}
            data[section] = {k: v for k, v in merged.items() if v is not None}
        else:
            data[section] = value
    return data


@contextmanager
def _alone(folder: Path):
    """Let one process at a time make the estimator."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _made(data: dict[str, Any]) -> tuple[Path, Path]:
    """Return the files of library and estimator of a run file, made where they are not yet."""
    run = parse_run(data)
    said = hashlib.sha256((code_digest() + run.to_yaml()).encode()).hexdigest()[:12]
    folder = _BUILD / said
    library, estimator = folder / "library.h5", folder / "estimator.safetensors"
    with _alone(folder):
        model = GalaxyModel.from_run(run)
        sedum.simulate(run, library, model=model, show_progress=False)
        train_to_file(run, library, estimator, model=model, show_progress=False)
    return library, estimator


def workspace() -> Path:
    """Go to an empty folder with run.yaml, and its library and estimator as they would be."""
    library, estimator = _made(settings())
    folder = Path(tempfile.mkdtemp(prefix="sedum-tutorial-"))
    os.chdir(folder)
    Path("run.yaml").write_text(RUN)
    shutil.copyfile(library, "small.h5")
    shutil.copyfile(estimator, "small.safetensors")
    return folder


def trained(name: str, **changes: Any) -> sedum.Posterior:
    """Return the estimator of a changed run file, and write it to NAME.safetensors here."""
    _, estimator = _made(settings(name=name, **changes))
    shutil.copyfile(estimator, f"{name}.safetensors")
    return sedum.Posterior.read(f"{name}.safetensors")


def mock_catalogue(
    path: str | Path, galaxies: int, seed: int = 12, model: GalaxyModel | None = None
) -> Table:
    """Write a catalogue of mock galaxies as a survey would measure them, and return it.

    One galaxy in four has a known redshift. Columns ``true_*`` hold what no survey knows.
    """
    run = parse_run(settings())
    posterior = sedum.Posterior.read("small.safetensors")
    model = model or GalaxyModel.from_run(run)
    theta, seen = mock_survey(model, posterior.noise, galaxies, seed)
    table = Table({"id": np.arange(1, galaxies + 1)})
    for i, short in enumerate(BANDS.values()):
        there = seen.observed[:, i]
        table[f"f_{short}"] = np.where(there, seen.flux[:, i], np.nan).astype(np.float32)
        table[f"e_{short}"] = np.where(there, seen.error[:, i], np.nan).astype(np.float32)
        table[f"f_{short}"].unit = table[f"e_{short}"].unit = "uJy"
    names = model.prior.names
    redshift = theta[:, names.index("redshift")]
    known = np.random.default_rng(seed).random(galaxies) < 0.25
    table["z_spec"] = np.where(known, redshift.round(4), -99.0)
    for j, name in enumerate(names):
        table[f"true_{name}"] = theta[:, j]
    derived = model.derived(theta, ["log_mass_surviving", "log_sfr_100"])
    for name, values in derived.items():
        table[f"true_{name}"] = values
    table.write(path, overwrite=True)
    return table
