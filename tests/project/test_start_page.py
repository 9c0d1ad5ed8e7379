"""The start page followed word for word, on a catalogue as a user has it."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.table import Table

from command_line import sedum
from survey_cases import survey_table

ROOT = Path(__file__).parents[2]
#: What makes it quick: the words of the commands are those of the page.
SMALL = {
    "library": {"size": 6000, "chunk": 3000, "seed": 1},
    "training": {"steps": 60, "batch": 256, "round": 30, "seed": 1, "device": "cpu"},
    "output": {"draws": 50, "derived_draws": 10},
}


def commands(page):
    """Return the commands under "Fit your catalogue", as lists of words."""
    text = (ROOT / page).read_text().split("## Fit your catalogue")[1]
    block = re.search(r"```\n(.*?)```", text, re.DOTALL)[1]
    return [line.split("#")[0].split()[1:] for line in block.splitlines()]


@pytest.mark.parametrize("page", ["docs/start.md", "README.md"])
def test_pages_give_the_same_commands(page):
    assert commands(page) == commands("docs/start.md")
    assert [words[0] for words in commands(page)] == [
        *("init", "inspect", "simulate", "train", "validate", "fit", "report")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [{}, {"optical": "mag_auto_{}", "optical_error": "magerr_auto_{}"}]
)
def test_start_page_on_sdss_and_2mass(tmp_path, names):
    survey_table(120, **names).write(tmp_path / "cat.fits")
    for words in commands("docs/start.md"):
        if words[0] == "validate":
            words = [*words, "--galaxies", "100"]
        said = sedum(*words, cwd=tmp_path)
        if words[0] == "init":
            assert "noise of the catalogue: cat-noise.h5" in said
            settings = yaml.safe_load((tmp_path / "run.yaml").read_text())
            assert settings["catalogue"]["columns"]["twomass_J"]["unit"] == "Vegamag"
            assert settings["priors"]["redshift"]["high"] < 1
            assert "jwst" not in yaml.safe_dump(settings)
            (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings | SMALL))
        if words[0] == "inspect":
            fraction = float(re.search(r"forecast: ([\d.]+)% of 120 rows will be fitted", said)[1])
            assert fraction > 95
            if names:
                return  # the rest is the same, whatever the columns are called
        if words[0] == "train":
            assert re.search(r"forecast: [\d.]+% of 120 galaxies that the noise", said)
    table = Table.read(tmp_path / "posteriors.fits")
    assert len(table) == 120
    assert np.mean(table["status"] == "ok") > 0.95


@pytest.mark.slow
def test_a_fit_of_no_row_is_an_error_that_names_the_remedy(tmp_path, small_run, small_posterior):
    small_posterior.write(tmp_path / "e.safetensors")
    (tmp_path / "run.yaml").write_text(small_run.to_yaml())
    columns = {"id": np.arange(3), "z": np.full(3, 0.1)}
    for band in small_run.band_names():
        columns |= {f"f_{band}": np.full(3, 1e9), f"e_{band}": np.full(3, 1.0)}
    Table(columns).write(tmp_path / "bright.fits")
    said = sedum(
        *("fit", "bright.fits", "--run", "run.yaml"),
        *("--estimator", "e.safetensors", "--out", "out.fits"),
        cwd=tmp_path,
        check=2,
    )
    assert "no row of bright.fits was fitted; 3 rows: flux outside the training range" in said
    assert "Check the unit" in said
    assert len(Table.read(tmp_path / "out.fits")) == 3
