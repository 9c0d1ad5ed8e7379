"""The bridge from the command line: the whole path, and what it refuses."""

import json

import numpy as np
import pytest
import yaml
from astropy.table import Table

from bridge_cases import run_mapping, simulation_table, survey_table
from sedum.cli.main import run

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def command(folder, monkeypatch, capsys):
    """Return what runs a command in the folder, in this process: exit code, output, errors."""

    def call(*words):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["sedum", "bridge", *words])
        with pytest.raises(SystemExit) as left:
            run()
        told = capsys.readouterr()
        return left.value.code, told.out, told.err

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge-cli")
    simulation_table(400).write(folder / "sim.fits")
    survey_table(120).write(folder / "survey.fits")
    (folder / "bridge.yaml").write_text(yaml.safe_dump(run_mapping("sim.fits", "survey.fits")))
    return folder


def test_train_validate_apply(folder, command):
    code, out, err = command("train", "bridge.yaml", "-q")
    assert code == 0, err
    assert "5 features, 400 galaxies" in out
    code, out, err = command("validate", "bridge.yaml", "-q", "--folds", "2")
    assert code == 0, err
    assert "corrected out of fold" in out
    card = json.loads((folder / "tiny-validation.json").read_text())
    assert abs(card["survey"]["log_mass"]["after"]["bias"]) < 0.03
    for name in ("tiny-validation-log_mass.png", "tiny-validation-log_mass-features.png"):
        assert (folder / name).stat().st_size > 20_000
    code, out, err = command("apply", "bridge.yaml", "-o", "masses.parquet", "-q")
    assert code == 0, err
    table = Table.read(folder / "masses.parquet")
    assert len(table) == 120
    assert np.isfinite(table["log_mass"]).all()
    # The same command, the same result.
    command("apply", "bridge.yaml", "-o", "again.parquet", "-q")
    again = Table.read(folder / "again.parquet")
    np.testing.assert_array_equal(again["log_mass_error"], table["log_mass_error"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "none.yaml"], "cannot read run file none.yaml"),
        (["apply", "bridge.yaml", "none.fits", "-b", "tiny.safetensors"], "does not exist"),
        (["apply", "bridge.yaml", "-o", "masses.xyz"], "masses.xyz"),
        (["validate", "bridge.yaml", "-b", "sim.fits"], "damaged or not safetensors"),
        (["init", "bridge.yaml"], "bridge.yaml exists"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(folder, command, arguments, message):
    if not (folder / "tiny.safetensors").exists():
        command("train", "bridge.yaml", "-q")
    code, _, err = command(*arguments)
    assert code == 2
    assert message in err.replace("\n", " ")
    assert "Traceback" not in err


def test_the_template_is_a_valid_run_file(folder, command):
    from sedum.config.bridge_file import load

    code, _, _ = command("init", "new.yaml")
    assert code == 0
    assert load(folder / "new.yaml").regression.kind == "single_layer"
