"""Fit a small catalogue with the sedum that is installed, as a user would.

    PYTHON .ci/smoke.py

PYTHON is that of an environment into which sedum was installed. The script works in an empty
folder, knows nothing of the checkout, and uses three commands: simulate, train, fit.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from astropy.table import Table

BANDS = ("g", "r", "i")
LOW, HIGH = 0.05, 1.0  # the prior of redshift
GALAXIES = 40
DEPTH = 25.0  # AB, 5 sigma

RUN = f"""\
name: smoke
filters: [sdss_g0, sdss_r0, sdss_i0]
priors:
  redshift: {{kind: uniform, low: {LOW}, high: {HIGH}}}
  log_mass: {{kind: uniform, low: 8, high: 12}}
noise:
  depths: {{sdss_g0: {DEPTH}, sdss_r0: {DEPTH}, sdss_i0: {DEPTH}}}
library: {{size: 2000, chunk: 1000}}
estimator: {{layers: 2, bins: 4, width: 32, blocks: 1}}
training: {{steps: 60, round: 20, batch: 128, device: cpu}}
catalogue:
  id: id
  unit: uJy
  columns:
    sdss_g0: {{value: f_g, error: e_g}}
    sdss_r0: {{value: f_r, error: e_r}}
    sdss_i0: {{value: f_i, error: e_i}}
output: {{draws: 100, derived_draws: 20}}
"""


def write_catalogue(path: Path) -> None:
    """Write galaxies of ordinary brightness and colour; the last lacks a band."""
    rng = np.random.default_rng(1)
    r_flux = 10 ** rng.uniform(0.5, 2.0, GALAXIES)  # µJy
    table = Table({"id": np.arange(GALAXIES) + 1})
    for band, colour in zip(BANDS, (0.5, 1.0, 1.4), strict=True):
        table[f"f_{band}"] = r_flux * colour * rng.normal(1, 0.1, GALAXIES)
        table[f"e_{band}"] = np.full(GALAXIES, 10 ** ((23.9 - DEPTH) / 2.5) / 5)
    table["f_g"][-1] = np.nan
    table.write(path)


def check(path: Path) -> None:
    """Stop with a message unless every galaxy has a redshift within the prior."""
    table = Table.read(path)
    assert list(table["id"]) == list(range(1, GALAXIES + 1)), "rows are missing or out of order"
    status = [str(s).strip() for s in table["status"]]
    assert set(status) == {"ok"}, f"statuses are {sorted(set(status))}"
    low, middle, high = (np.asarray(table[f"redshift_p{p}"]) for p in (16, 50, 84))
    for values in (low, middle, high):
        assert np.isfinite(values).all(), "a redshift is not finite"
        assert ((values >= LOW) & (values <= HIGH)).all(), "a redshift is outside of its prior"
    assert ((low <= middle) & (middle <= high)).all(), "percentiles are out of order"
    assert (low < high).all(), "a posterior has no width"


def main() -> None:
    """Simulate, train, fit, check."""
    found = importlib.util.find_spec("sedum")
    assert found is not None, "sedum is not installed"
    site = Path(sysconfig.get_path("purelib")).resolve()
    assert site in Path(str(found.origin)).resolve().parents, f"{found.origin} was not installed"
    command = Path(sysconfig.get_path("scripts")) / "sedum"
    with tempfile.TemporaryDirectory(prefix="sedum-smoke-") as name:
        folder = Path(name)
        # The grids are made anew, as on a machine that has never seen sedum.
        environment = {**os.environ, "SEDUM_CACHE": str(folder / "cache")}
        environment.pop("PYTHONPATH", None)

        def sedum(*words: str) -> None:
            subprocess.run([command, *words], check=True, cwd=folder, env=environment)

        (folder / "run.yaml").write_text(RUN)
        write_catalogue(folder / "cat.fits")
        sedum("simulate", "run.yaml")
        sedum("train", "run.yaml")
        sedum("fit", "cat.fits", "--run", "run.yaml", "--out", "posteriors.fits")
        check(folder / "posteriors.fits")
    version = importlib.metadata.version("sedum")
    print(f"sedum {version}: {GALAXIES} galaxies fitted by what is installed")


if __name__ == "__main__":
    sys.exit(main())
