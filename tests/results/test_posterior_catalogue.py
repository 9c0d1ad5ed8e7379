"""Posterior catalogues read back: columns, provenance, samples, folders."""

import numpy as np
import pytest
from astropy.table import Table

import sedum
from part_cases import ROWS, catalogue
from sedum.errors import SedumError
from sedum.results.posterior_catalogue import PosteriorCatalogue


@pytest.fixture(scope="module")
def fitted(small_run, small_posterior, small_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    source = catalogue(folder / "cat.parquet")

    def call(out):
        sedum.fit(small_run, small_posterior, source, folder / out, model=small_model, part_rows=50)
        return folder / out

    return call


@pytest.mark.parametrize("name", ["a.fits", "a.parquet", "a.ecsv", "folder"])
def test_every_format_reads_back_the_same(name, fitted, small_run):
    path = fitted(name)
    results = PosteriorCatalogue.open(path)
    assert results.rows == ROWS
    assert results.run == small_run
    assert "redshift" in results.quantities()
    assert "50th percentile" in results.columns["log_mass_p50"].description
    assert all(info.description for info in results.columns.values())
    table = results.read(["id", "status", "log_mass_p50"])
    assert table["id"].tolist() == list(range(1000, 1000 + ROWS))
    assert table["status"].dtype.kind == "U"
    assert np.flatnonzero(~np.isfinite(table["log_mass_p50"])).tolist() == [3]
    some = results.sample(["id"], 40)
    assert 15 < len(some) < 70  # binomial of mean 40: beyond 4.5 sigma once in 10^5
    np.testing.assert_array_equal(some["id"], some["row"] + 1000)
    with pytest.raises(SedumError, match="has no column 'redshift_p5'"):
        results.read(["redshift_p5"])


def test_what_is_not_of_sedum_is_refused(tmp_path):
    with pytest.raises(SedumError, match="do not exist"):
        PosteriorCatalogue.open(tmp_path / "none.fits")
    Table({"a": [1.0]}).write(tmp_path / "other.parquet")
    with pytest.raises(SedumError, match="no posterior catalogue"):
        PosteriorCatalogue.open(tmp_path / "other.parquet")
    (tmp_path / "other.fits").write_text("not FITS")
    with pytest.raises(SedumError, match=r"cannot (be )?read"):
        PosteriorCatalogue.open(tmp_path / "other.fits")
