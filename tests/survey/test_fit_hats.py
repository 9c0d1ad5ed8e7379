"""Sky catalogues in HATS on Dask: partitions, margins, draws, kills, resumption."""

import json
import os
import signal
import subprocess
import sys
import time
from threading import Thread

import numpy as np
import pyarrow.parquet as parquet
import pytest
import yaml

import sedum
import sedum.survey.fit_hats as fit_hats_module
from run_cases import run_settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.parallel import dask_cluster as cluster
from sedum.results.hats_files import Partition
from sedum.storage import locked
from sedum.survey.hats_partitions import lazy_hats_posteriors
from sedum.tables.read import is_sky_catalogue

lsdb = pytest.importorskip("lsdb", reason="needs sedum[survey]")
pytestmark = pytest.mark.slow

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
ROWS = 300


@pytest.fixture(scope="module")
def frame():
    import pandas as pd

    rng = np.random.default_rng(1)
    columns = {"ra": rng.uniform(0, 90, ROWS), "dec": rng.uniform(0, 60, ROWS)}
    columns |= {"id": np.arange(ROWS) + 7, "z": rng.uniform(0.1, 0.9, ROWS)}
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, ROWS)
        columns[f"e_{band}"] = np.full(ROWS, 0.0726)
    columns["f_sdss_r0"][5] = np.nan
    columns["unused"] = np.ones(ROWS)
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def catalogue(frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("sky") / "cat"
    made = lsdb.from_dataframe(frame, partition_rows=100, margin_threshold=7200.0)
    made.write_catalog(path, catalog_name="cat", progress_bar=False)
    return path


@pytest.fixture(scope="module")
def fitted(catalogue, dask_client, small_run, small_posterior, tmp_path_factory):
    """The folder of a whole fit, and its summary."""
    out = tmp_path_factory.mktemp("fitted") / "out"
    return out, sedum.fit(small_run, small_posterior, catalogue, out, client=dask_client)


def content(path):
    """Return the bytes of all partitions and what describes them, but for the date."""
    files = sorted(p.relative_to(path) for p in path.rglob("*") if p.is_file())
    return {
        str(p): "\n".join(
            line
            for line in (path / p).read_text().splitlines()
            if not line.startswith("hats_creation_date")
        )
        if p.suffix in (".properties", ".csv") or p.name == "properties"
        else (path / p).read_bytes()
        for p in files
        if p.suffix != ".fits"  # with the date of writing
    }


def rows_of(catalog):
    return catalog.compute(progress_bar=False).sort_values("id").reset_index(drop=True)


def test_partitions_margin_and_draws_are_kept(
    fitted, catalogue, frame, small_run, small_posterior, small_model, tmp_path
):
    from hats.io.validation import is_valid_collection

    out, done = fitted
    before, after = lsdb.open_catalog(catalogue), lsdb.open_catalog(out)
    assert done.rows == len(after) == ROWS
    assert dict(done.status) == {"ok": ROWS - 1, "selection band sdss_r0 not observed": 1}
    assert len(done.sample) == ROWS
    assert is_valid_collection(out, strict=True, verbose=False)
    assert after.get_healpix_pixels() == before.get_healpix_pixels()
    assert before.npartitions > 1
    assert len(after.margin) == len(before.margin) > 0
    assert after.margin.get_healpix_pixels() == before.margin.get_healpix_pixels()
    found = rows_of(after)
    frame.to_parquet(tmp_path / "plain.parquet")
    plain = sedum.fit(
        small_run,
        small_posterior,
        tmp_path / "plain.parquet",
        tmp_path / "plain.fits",
        model=small_model,
    ).read()
    assert list(found["status"]) == list(plain["status"])
    np.testing.assert_allclose(
        found["log_mass_p50"].to_numpy(float, na_value=np.nan), plain["log_mass_p50"], rtol=1e-5
    )
    np.testing.assert_array_equal(found["ra"], frame["ra"])
    assert not list(out.parent.glob("*.parts"))


def test_units_descriptions_and_provenance_are_in_the_files(fitted, small_run):
    out, _ = fitted
    for path in [*out.rglob("Npix=*.parquet"), *out.rglob("_common_metadata")]:
        schema = parquet.read_schema(path)
        assert schema.field("log_mass_p50").metadata == {
            b"description": b"log10 stellar mass formed, 50th percentile",
            b"unit": b"log(solMass)",
        }
        assert schema.field("ra").metadata[b"unit"] == b"deg"
        told = json.loads(schema.metadata[b"sedum"])
        assert told["run"]["name"] == small_run.name
        assert {"sedum", "torch"} <= set(told["versions"])
        assert schema.metadata[b"catalogue"] == b"cat"
    properties = (out / "out" / "hats.properties").read_text()
    assert "prov_progenitor=cat\n" in properties
    assert f"hats_builder=sedum v{sedum.__version__}" in properties


def test_lazy_catalogue_goes_on_with_the_verbs_of_lsdb(
    catalogue, fitted, dask_client, small_run, small_posterior
):
    whole = rows_of(lsdb.open_catalog(fitted[0]))
    lazy = lazy_hats_posteriors(small_run, small_posterior, catalogue)
    cone = lazy.cone_search(20.0, 30.0, 15 * 3600)
    assert 0 < cone.npartitions <= lazy.npartitions
    found = rows_of(cone[["id", "redshift_p50", "ra", "dec"]])
    there = whole.set_index("id").loc[found["id"]]
    # Here on this process's threads, there on one: sums round.
    np.testing.assert_allclose(
        found["redshift_p50"].to_numpy(float), there["redshift_p50"].to_numpy(float), rtol=1e-5
    )
    # On a cluster, of a catalogue that was searched before.
    some = lsdb.open_catalog(catalogue).cone_search(20.0, 30.0, 15 * 3600)
    with dask_client.as_current():
        on_workers = lazy_hats_posteriors(small_run, small_posterior, some)
        assert len(on_workers.compute(progress_bar=False)) == len(found)


def test_a_worker_that_is_killed_loses_nothing(
    catalogue, fitted, dask_client, small_run, small_posterior, tmp_path
):
    out, records = tmp_path / "out", tmp_path / "out.parts"
    before = set(dask_client.run(os.getpid).values())
    found = []

    def kill():
        while not (list(records.glob("_out*.json")) or out.exists()):
            time.sleep(0.002)
        for pid in before:  # all of them: those in their place have to be given the estimator
            os.kill(pid, signal.SIGKILL)
        found.append(len(list(records.glob("_out*.json"))))

    killer = Thread(target=kill)
    killer.start()
    sedum.fit(small_run, small_posterior, catalogue, out, client=dask_client)
    killer.join()
    assert found[0] < 15, "it was done before the workers were killed"
    assert not before & set(dask_client.run(os.getpid).values())
    assert content(out) == content(fitted[0])


def test_a_fit_that_is_killed_goes_on(
    catalogue, fitted, dask_client, small_run, small_posterior, tmp_path, monkeypatch
):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run_settings()))
    small_posterior.write(tmp_path / "small.safetensors")
    code = (
        "import sys, sedum\n"
        "sedum.fit(sedum.load_run('run.yaml'), sedum.Posterior.read('small.safetensors'),"
        " sys.argv[1], 'out', scheduler=sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(catalogue), dask_client.scheduler.address]
    out, records = tmp_path / "out", tmp_path / "out.parts"
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(records.glob("_out*.json"))) < 2:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not out.exists()
    before = {p.name: p.stat().st_mtime_ns for p in records.glob("_out*.json")}
    assert 2 <= len(before) < 15, "it was done before it could be killed"
    other = small_run.model_copy(update={"name": "other"})
    with pytest.raises(SedumError, match=r"holds parts of another fit \(its run file differ"):
        sedum.fit(other, small_posterior, catalogue, out, client=dask_client)
    # A partition that was damaged since is fitted again.
    damaged = Partition.from_facts(json.loads((records / sorted(before)[0]).read_text())["facts"])
    table = tmp_path / "out.parts" / "collection" / sorted(before)[0].split("-")[0][1:]
    file = bytearray(damaged.path(table).read_bytes())
    file[len(file) // 2] ^= 0xFF
    damaged.path(table).write_bytes(bytes(file))
    again, kept = [], fit_hats_module._kept

    def noting(table, parts):
        whole, missing = kept(table, parts)
        again.extend(missing)
        return whole, missing

    monkeypatch.setattr(fit_hats_module, "_kept", noting)
    done = sedum.fit(small_run, small_posterior, catalogue, out, client=dask_client)
    assert len(again) == 15 - len(before) + 1
    assert done.rows == ROWS
    assert content(out) == content(fitted[0])
    assert not (tmp_path / "out.parts").exists()


def test_empty_partitions_and_catalogues_without_margin(
    catalogue, fitted, dask_client, small_run, small_posterior, tmp_path
):
    some = lsdb.open_catalog(catalogue / "cat").query("id < 12")
    assert some.npartitions > 5 > 0
    sedum.fit(small_run, small_posterior, some, tmp_path / "out", client=dask_client)
    after = lsdb.open_catalog(tmp_path / "out")
    assert after.margin is None
    assert 0 < after.npartitions <= 5
    found, whole = rows_of(after), rows_of(lsdb.open_catalog(fitted[0]))
    assert list(found["id"]) == [7, 8, 9, 10, 11]
    there = whole.iloc[:5]
    np.testing.assert_allclose(
        found["redshift_p50"].to_numpy(float), there["redshift_p50"].to_numpy(float), rtol=1e-5
    )
    with pytest.raises(SedumError, match="sky catalogue cat has no rows"):
        lazy_hats_posteriors(small_run, small_posterior, some.query("id < 0"))


def test_other_priors_and_draws(
    catalogue, frame, dask_client, small_run, small_posterior, small_model, tmp_path
):
    narrower = parse_run(
        run_settings(priors={"redshift": {"kind": "uniform", "low": 0.2, "high": 0.8}})
    )
    output = small_run.output.model_copy(update={"save_draws": True, "draws": 400})
    run = small_run.model_copy(update={"output": output})
    sedum.fit(
        run, small_posterior, catalogue, tmp_path / "out", priors=narrower, client=dask_client
    )
    found = rows_of(lsdb.open_catalog(tmp_path / "out"))
    frame.to_parquet(tmp_path / "plain.parquet")
    plain = sedum.fit(
        run,
        small_posterior,
        tmp_path / "plain.parquet",
        tmp_path / "plain-out.parquet",
        model=small_model,
        priors=narrower,
    ).read()
    assert list(found["status"]) == list(plain["status"])
    for name in ("redshift_p50", "prior_ess"):
        np.testing.assert_allclose(
            found[name].to_numpy(float, na_value=np.nan), plain[name], rtol=1e-4
        )
    good = int(np.flatnonzero(plain["status"] == "ok")[0])
    np.testing.assert_allclose(
        found["redshift_draws"].iloc[good], plain["redshift_draws"][good], rtol=1e-4
    )
    schema = parquet.read_schema(tmp_path / "out" / "out" / "dataset" / "_common_metadata")
    assert "swapped_priors" in json.loads(schema.metadata[b"sedum"])


def test_what_cannot_be_fitted_is_said_before_any_work(
    catalogue, small_run, small_posterior, tmp_path, monkeypatch
):
    def fit(source=catalogue, out=tmp_path / "out", run=small_run, **options):
        return sedum.fit(run, small_posterior, source, out, **options)

    with pytest.raises(SedumError, match="is no catalogue in HATS"):
        lazy_hats_posteriors(small_run, small_posterior, tmp_path)
    with pytest.raises(SedumError, match="needs an output folder"):
        fit(out=None)
    with pytest.raises(SedumError, match="exists; delete it"):
        fit(out=tmp_path)
    nameless = small_run.catalogue.model_copy(update={"id": None})
    with pytest.raises(SedumError, match=r"catalogue.id: name the column"):
        fit(run=small_run.model_copy(update={"catalogue": nameless}))
    absent = small_run.catalogue.model_copy(update={"redshift": "zspec"})
    with pytest.raises(SedumError, match=r"a partition of sky catalogue cat.*'zspec'"):
        fit(run=small_run.model_copy(update={"catalogue": absent}))
    monkeypatch.setattr(cluster, "_PATIENCE", 0.1)
    with pytest.raises(SedumError, match=r"no Dask scheduler at tcp://127.0.0.1:1"):
        fit(scheduler="tcp://127.0.0.1:1")
    with locked(tmp_path / "out", "fitting to"), pytest.raises(SedumError, match="another process"):
        fit()
    monkeypatch.setitem(sys.modules, "lsdb", None)
    with pytest.raises(SedumError, match=r"needs the package lsdb; pip install 'sedum\[survey\]'"):
        fit()
    assert is_sky_catalogue(catalogue)
    assert not is_sky_catalogue(tmp_path)
