"""The command line: the whole path, messages, exit codes, and interruption."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from astropy.table import Table

from command_line import sedum
from run_cases import run_settings

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]


def write_run(folder, **changes):
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(run_settings(**changes)))
    return path


def write_catalogue(folder, n=12):
    rng = np.random.default_rng(2)
    columns = {"id": np.arange(n), "z": np.full(n, 0.4)}
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, n)
        columns[f"e_{band}"] = np.full(n, 0.0726)
    Table(columns).write(folder / "cat.fits", overwrite=True)
    return folder / "cat.fits"


def test_help_names_every_command_without_heavy_imports(tmp_path):
    text = sedum("--help", cwd=tmp_path)
    for command in (
        "init",
        "inspect",
        "simulate",
        "train",
        "tune",
        "fit",
        "show",
        "explore",
        "zeropoints",
        "demo",
    ):
        assert command in text
    code = (
        "import sys, sedum, sedum.cli.main\n"
        "heavy = {'torch', 'astropy', 'matplotlib', 'scipy', 'numpy', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_whole_path(tmp_path):
    write_run(tmp_path)
    write_catalogue(tmp_path)
    assert "3,000 galaxies, 3 bands" in sedum("simulate", "run.yaml", cwd=tmp_path)
    assert "held-out loss" in sedum("train", "run.yaml", "-q", cwd=tmp_path)
    text = sedum("fit", "cat.fits", "--run", "run.yaml", cwd=tmp_path)
    assert "12  ok" in text
    assert len(Table.read(tmp_path / "cat-posterior.fits")) == 12
    assert (tmp_path / "cat-posterior.png").stat().st_size > 10_000
    # Hardly trained, it may be at fault: the exit code is 1 then, and faults are printed.
    text = sedum("validate", "run.yaml", "--galaxies", "100", cwd=tmp_path, check=[0, 1])
    assert "nat more than the prior" in text
    card = json.loads((tmp_path / "small-validation" / "scorecard.json").read_text())
    assert card["galaxies"] == 100
    text = sedum("validate", "run.yaml", "--catalogue", "cat.fits", cwd=tmp_path, check=[0, 1])
    assert "redshift hidden, against known ones" in text
    card = json.loads((tmp_path / "small-validation" / "catalogue-scorecard.json").read_text())
    assert card["redshift"]["all"]["galaxies"] == 12
    text = sedum("validate", "run.yaml", "--redshift", "z", cwd=tmp_path, check=2)
    assert "need --catalogue" in text
    text = sedum("show", "cat.fits", "--run", "run.yaml", "--row", "3", cwd=tmp_path)
    assert "cat.fits, row 3, id 3, catalogue redshift 0.4" in text
    assert (tmp_path / "small-galaxies" / "galaxy-3.png").stat().st_size > 50_000
    names = {p.name for p in tmp_path.iterdir()}
    assert {"small.h5", "small.safetensors", "small-loss.png"} <= names
    assert not any("partial" in n or "checkpoint" in n or "parts" in n for n in names)


def test_train_without_a_library_and_tune(tmp_path):
    write_run(tmp_path, training={"steps": 20}, library={"size": 2000})
    text = sedum("train", "run.yaml", "--simulate", "-q", cwd=tmp_path)
    assert "held-out loss" in text
    assert not (tmp_path / "small.h5").exists()
    text = sedum("train", "run.yaml", "--simulate", "-l", "x.h5", cwd=tmp_path, check=2)
    assert "exclude each other" in text
    pytest.importorskip("optuna", reason="the package optuna is not installed")
    sedum("simulate", "run.yaml", "-q", cwd=tmp_path)
    text = sedum("tune", "run.yaml", "--trials", "2", "--steps", "5", "-q", cwd=tmp_path)
    assert "the best of 2 trials" in text
    tuned = yaml.safe_load((tmp_path / "small-tuned.yaml").read_text())
    assert tuned["training"]["steps"] == 20
    assert (tmp_path / "small-tuned.png").stat().st_size > 10_000


def test_init_filters_and_grids(tmp_path):
    assert "wrote mine.yaml" in sedum("init", "mine.yaml", cwd=tmp_path)
    assert "exists" in sedum("init", "mine.yaml", cwd=tmp_path, check=2)
    sedum("init", "mine.yaml", "--force", cwd=tmp_path)
    text = sedum("filters", "f444w", cwd=tmp_path)
    assert "jwst_f444w" in text
    assert "44,0" in text
    assert "no filter" in sedum("filters", "zzzz", cwd=tmp_path, check=2)
    assert "bc03_miles" in sedum("grids", cwd=tmp_path)
    assert sedum("--version", cwd=tmp_path).startswith("sedum 0.")


def test_mistakes_exit_with_two_and_one_line(tmp_path):
    assert "sedum init" in sedum("simulate", "absent.yaml", cwd=tmp_path, check=2)
    write_run(tmp_path, filters=["sdss_g0", "sdss_r0", "sdss_ii0"], catalogue={"columns": {}})
    assert "run.yaml" in sedum("simulate", "run.yaml", cwd=tmp_path, check=2)
    write_run(tmp_path)
    text = sedum("train", "run.yaml", cwd=tmp_path, check=2)
    assert "sedum simulate" in text
    text = sedum("fit", "cat.fits", "--run", "run.yaml", cwd=tmp_path, check=2)
    assert "sedum train" in text
    text = sedum("fit", "cat.fits", "-r", "run.yaml", "-o", "out.txt", cwd=tmp_path, check=2)
    assert "allowed: .fits, .ecsv, .parquet" in text
    assert "No such command" in sedum("simulat", cwd=tmp_path, check=2)
    (tmp_path / "small.h5").write_bytes(b"not a library")
    assert "small.h5" in sedum("train", "run.yaml", cwd=tmp_path, check=2)


def test_unknown_band_is_named(tmp_path):
    bands = ["sdss_g0", "sdss_r0", "sdss_ii0"]
    settings = run_settings(filters=bands)
    settings["noise"]["depths"] = dict.fromkeys(bands, 25.0)
    del settings["catalogue"]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    text = sedum("simulate", "run.yaml", cwd=tmp_path, check=2)
    assert "filters[2]: unknown band 'sdss_ii0'; did you mean sdss_i0" in text


def test_interrupted_simulation_goes_on_to_the_same_bytes(tmp_path):
    size = {"size": 60_000, "chunk": 1000}
    write_run(tmp_path, library=size)
    words = [sys.executable, "-c", "from sedum.cli.main import run; run()"]
    process = subprocess.Popen(
        [*words, "simulate", "run.yaml", "-q"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A test runner in the background may have handed down an ignored Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    parts = tmp_path / "small.h5.parts"
    deadline = time.monotonic() + 120
    while len(list(parts.glob("0*.safetensors"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted" in message
    assert "Traceback" not in message
    assert not (tmp_path / "small.h5").exists()
    sedum("simulate", "run.yaml", "-q", cwd=tmp_path)
    sedum("simulate", "run.yaml", "-q", "-o", "other.h5", cwd=tmp_path)
    assert (tmp_path / "small.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


def test_quick_demo(tmp_path):
    text = sedum("demo", "--quick", "--galaxies", "40", cwd=tmp_path, COLUMNS="120")
    for heading in ("R²", "bias", "scatter", "68% cov.", "95% cov."):
        assert heading in text
    folder = tmp_path / "demo"
    for name in ("recovery", "coverage", "sed", "corner", "losses"):
        content = (folder / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
    table = Table.read(folder / "posterior-catalogue.fits")
    assert len(table) == 40
    # Run again, everything is found and nothing is simulated or trained twice.
    started = (folder / "library.h5").stat().st_mtime_ns
    sedum("demo", "--quick", "--galaxies", "40", cwd=tmp_path)
    assert (folder / "library.h5").stat().st_mtime_ns == started


def test_recalibrate_and_undo(tmp_path):
    write_run(tmp_path, training={"steps": 20}, library={"size": 2000})
    sedum("train", "run.yaml", "--simulate", "-q", cwd=tmp_path)
    trained = (tmp_path / "small.safetensors").read_bytes()
    few = ("--galaxies", "500", "--judged", "100", "-q")
    text = sedum("recalibrate", "run.yaml", *few, "--force", cwd=tmp_path)
    assert "nat per galaxy of 100 that were not fitted" in text
    assert (tmp_path / "small.safetensors").read_bytes() != trained
    assert (tmp_path / "small-recalibration.png").stat().st_size > 10_000
    assert "as it was trained" in sedum("recalibrate", "run.yaml", "--undo", cwd=tmp_path)
    assert (tmp_path / "small.safetensors").read_bytes() == trained
    text = sedum("recalibrate", "run.yaml", "--undo", cwd=tmp_path, check=2)
    assert "has no recalibration" in text
