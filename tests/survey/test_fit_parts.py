"""Catalogues of any size: parts, resumption, kills, locks, damaged parts."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table, vstack

import sedum
from part_cases import ROWS, catalogue
from sedum.errors import SedumError
from sedum.results.posterior_table import write_table
from sedum.results.provenance import read_provenance
from sedum.survey.fit_rows import RowFitter
from sedum.survey.prepare import galaxy_keys
from sedum.tables.read import read_table


def same(a, b, rtol=0.0):
    assert a.colnames == b.colnames
    for name in a.colnames:
        x, y = np.asarray(a[name]), np.asarray(b[name])
        if rtol and x.dtype.kind == "f":
            np.testing.assert_allclose(x, y, rtol=rtol, err_msg=name)
        else:
            np.testing.assert_array_equal(x, y, err_msg=name)


@pytest.fixture
def fitted(small_run, small_posterior, small_model, tmp_path):
    def call(source, out, **options):
        return sedum.fit(
            small_run, small_posterior, source, tmp_path / out, model=small_model, **options
        )

    return call


@pytest.mark.parametrize("ending", ["fits", "parquet", "ecsv"])
def test_parts_give_what_the_whole_gives(
    ending, fitted, small_run, small_posterior, small_model, tmp_path
):
    source = catalogue(tmp_path / "cat.fits")
    whole = tmp_path / f"whole.{ending}"
    table = sedum.fit(small_run, small_posterior, read_table(source), model=small_model)
    table.meta["catalogue"] = source.name
    write_table(table, whole)
    done = fitted(source, f"parts.{ending}", part_rows=40)
    assert done.rows == ROWS
    assert dict(done.status) == {"ok": ROWS - 1, "selection band sdss_r0 not observed": 1}
    a, b = Table.read(whole), Table.read(tmp_path / f"parts.{ending}")
    # The forward model's sums round by how many galaxies go through it together.
    same(a, b, rtol=1e-5)
    for name in a.colnames:
        assert a[name].description == b[name].description
        assert a[name].unit == b[name].unit
    told = [read_provenance(tmp_path / f"{name}.{ending}") for name in ("whole", "parts")]
    dates = [one.pop("date") for one in told]
    assert told[0] == told[1]
    assert dates[0] <= dates[1]
    assert not (tmp_path / f"parts.{ending}.parts").exists()
    assert len(done.shown) == ROWS


def test_workers_give_the_same(fitted, tmp_path):
    source = catalogue(tmp_path / "cat.parquet")
    fitted(source, "one.parquet", part_rows=50)
    fitted(source, "two.parquet", part_rows=50, workers=2)
    # Sums round by the number of threads.
    same(Table.read(tmp_path / "one.parquet"), Table.read(tmp_path / "two.parquet"), rtol=1e-5)


def test_folders_in_and_out(fitted, tmp_path):
    source = catalogue(tmp_path / "cat.parquet")
    fitted(source, "one.parquet", part_rows=50)
    (tmp_path / "cat").mkdir()
    whole = Table.read(source)
    whole[:70].write(tmp_path / "cat" / "a.parquet")
    whole[70:].write(tmp_path / "cat" / "b.parquet")
    done = fitted(tmp_path / "cat", "many", part_rows=50)
    assert (done.path, done.rows) == (tmp_path / "many", ROWS)
    assert sorted(p.name for p in done.path.iterdir()) == [f"part-{i:06}.parquet" for i in range(3)]
    parts = [Table.read(p) for p in sorted(done.path.iterdir())]
    same(Table.read(tmp_path / "one.parquet"), vstack(parts, metadata_conflicts="silent"))
    with pytest.raises(SedumError, match="many exists; delete it"):
        fitted(tmp_path / "cat", "many")
    with pytest.raises(SedumError, match="exists; delete it"):
        fitted(tmp_path / "cat", "cat")


def test_identifiers_that_are_missing_in_one_part_alone(fitted, tmp_path):
    table = Table.read(catalogue(tmp_path / "full.fits"))
    ids = MaskedColumn(table["id"], mask=np.arange(ROWS) == 90)
    table.replace_column("id", ids)
    table.to_pandas().astype({"id": "Int64"}).to_parquet(tmp_path / "cat.parquet")
    done = fitted(tmp_path / "cat.parquet", "out.parquet", part_rows=40)
    assert dict(done.status)["no identifier"] == 1
    found = Table.read(tmp_path / "out.parquet")
    assert found["id"].tolist() == [-1 if i == 90 else i + 1000 for i in range(ROWS)]


def test_outputs_in_the_way_of_catalogues_are_refused(fitted, tmp_path):
    (tmp_path / "cat").mkdir()
    catalogue(tmp_path / "cat" / "a.parquet")
    with pytest.raises(SedumError, match="lies in the catalogue"):
        fitted(tmp_path / "cat", "cat/out.parquet")
    (tmp_path / "cat").rename(tmp_path / "sky.parts")
    with pytest.raises(SedumError, match="lies in the catalogue"):
        fitted(tmp_path / "sky.parts", "sky")
    with pytest.raises(SedumError, match=r"sky.parts is in the way.* it holds a.parquet"):
        fitted(catalogue(tmp_path / "b.fits"), "sky")
    assert (tmp_path / "sky.parts" / "a.parquet").is_file()


def test_draws_depend_on_the_identifier_alone(fitted, tmp_path):
    names = np.array([f"é{i}" for i in range(ROWS)])
    fitted(catalogue(tmp_path / "a.parquet", ids=names), "a-out.parquet")
    table = Table.read(tmp_path / "a.parquet")[::-1]
    table.write(tmp_path / "b.parquet")
    fitted(tmp_path / "b.parquet", "b-out.parquet", part_rows=37)
    a = Table.read(tmp_path / "a-out.parquet")
    b = Table.read(tmp_path / "b-out.parquet")[::-1]
    assert list(b["id"]) == list(names)
    # Percentiles of the same draws; networks round by the rows they see together.
    good = np.asarray(a["status"]) == "ok"
    np.testing.assert_allclose(a["log_mass_p50"][good], b["log_mass_p50"][good], rtol=1e-5)
    assert galaxy_keys(np.array([5, -3])).tolist() == [5, -3]
    assert len(set(galaxy_keys(names).tolist())) == ROWS


def test_interrupted_fits_go_on_and_damaged_parts_are_made_again(fitted, monkeypatch, tmp_path):
    source = catalogue(tmp_path / "cat.fits")
    fitted(source, "whole.parquet", part_rows=40)
    made = []
    real = RowFitter.fit

    def failing(self, rows, **options):
        made.append(len(rows))
        if len(made) == 3:
            raise KeyboardInterrupt
        return real(self, rows, **options)

    monkeypatch.setattr(RowFitter, "fit", failing)
    with pytest.raises(KeyboardInterrupt):
        fitted(source, "out.parquet", part_rows=40)
    assert not (tmp_path / "out.parquet").exists()
    folder = tmp_path / "out.parquet.parts"
    damaged = folder / "part-000001.parquet"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 3] ^= 0xFF
    damaged.write_bytes(bytes(content))
    fitted(source, "out.parquet", part_rows=40)
    assert made[3:] == [40, 40, 10]  # the damaged one, the interrupted one and the last
    same(Table.read(tmp_path / "whole.parquet"), Table.read(tmp_path / "out.parquet"))


def test_parts_of_another_fit_are_refused(fitted, tmp_path):
    source = catalogue(tmp_path / "cat.fits")
    (tmp_path / "out.fits.parts").mkdir()
    (tmp_path / "out.fits.parts" / "_parts.json").write_text('{"run file": "another"}')
    (tmp_path / "out.fits.parts" / "part-000000.parquet").write_text("")
    with pytest.raises(SedumError, match=r"parts of another fit \(its run file, estimator"):
        fitted(source, "out.fits")
    # A fit that failed before its first part, as of a mistake in the run file, is in nobody's way.
    (tmp_path / "out.fits.parts" / "part-000000.parquet").unlink()
    assert fitted(source, "out.fits").rows == ROWS


def test_a_corrected_run_file_follows_one_that_failed(
    small_run, small_posterior, small_model, tmp_path
):
    source = catalogue(tmp_path / "cat.fits")
    wrong = small_run.model_copy(
        update={"catalogue": small_run.catalogue.model_copy(update={"redshift": "absent"})}
    )
    out = tmp_path / "out.fits"
    with pytest.raises(SedumError, match="absent"):
        sedum.fit(wrong, small_posterior, source, out, model=small_model)
    assert (tmp_path / "out.fits.parts").is_dir()
    assert sedum.fit(small_run, small_posterior, source, out, model=small_model).rows == ROWS
    assert not (tmp_path / "out.fits.parts").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "none.fits", "does not exist"),
        (lambda p: catalogue(p / "out.fits"), "is the catalogue itself"),
        (lambda p: _empty(p), "has no rows"),
    ],
)
def test_catalogues_that_cannot_be_fitted(make, message, fitted, tmp_path):
    with pytest.raises(SedumError, match=message):
        fitted(make(tmp_path), "out.fits")


def _empty(folder):
    path = folder / "empty.parquet"
    Table.read(catalogue(folder / "full.parquet"))[:0].write(path)
    return path


def test_one_row(fitted, tmp_path):
    table = Table.read(catalogue(tmp_path / "cat.fits"))[:1]
    table.write(tmp_path / "one.csv")
    assert fitted(tmp_path / "one.csv", "out.fits").rows == 1
