"""Sky catalogues in HATS: partitions and margins kept, the same draws as of a plain file."""

import numpy as np
import pytest

import sedum
from sedum.errors import SedumError
from sedum.survey import sky

lsdb = pytest.importorskip("lsdb", reason="needs sedum[survey]")
BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]


@pytest.fixture(scope="module")
def frame():
    import pandas as pd

    rng = np.random.default_rng(1)
    n = 300
    columns = {"ra": rng.uniform(0, 90, n), "dec": rng.uniform(0, 60, n), "id": np.arange(n) + 7}
    columns["z"] = rng.uniform(0.1, 0.9, n)
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, n)
        columns[f"e_{band}"] = np.full(n, 0.0726)
    columns["f_sdss_r0"][5] = np.nan
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def catalogue(frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("sky") / "cat"
    made = lsdb.from_dataframe(frame, partition_rows=100, margin_threshold=7200.0)
    made.write_catalog(path, catalog_name="cat", progress_bar=False)
    return path


def test_partitions_margin_and_draws_are_kept(
    catalogue, frame, small_run, small_posterior, small_model, tmp_path
):
    count = sedum.fit_sky(small_run, small_posterior, catalogue, tmp_path / "out", workers=1)
    before, after = lsdb.open_catalog(catalogue), lsdb.open_catalog(tmp_path / "out")
    assert count == len(frame)
    assert after.get_healpix_pixels() == before.get_healpix_pixels()
    assert before.npartitions > 1
    assert after.margin is not None
    assert len(after.margin) == len(before.margin)
    found = after.compute().set_index("id").sort_index()
    frame.to_parquet(tmp_path / "plain.parquet")
    plain = sedum.fit(
        small_run,
        small_posterior,
        tmp_path / "plain.parquet",
        tmp_path / "plain.fits",
        model=small_model,
        show_progress=False,
    )
    assert list(found["status"]) == list(plain["status"])
    assert (found["status"] != "ok").sum() == 1
    np.testing.assert_allclose(
        found["log_mass_p50"].to_numpy(float, na_value=np.nan), plain["log_mass_p50"], rtol=1e-5
    )
    np.testing.assert_array_equal(found["ra"], frame["ra"])


def test_what_cannot_be_fitted_is_said_before_any_work(
    catalogue, small_run, small_posterior, tmp_path
):
    with pytest.raises(SedumError, match="is no catalogue in HATS"):
        sedum.fit_sky(small_run, small_posterior, tmp_path, tmp_path / "out")
    with pytest.raises(SedumError, match="exists; delete it"):
        sedum.fit_sky(small_run, small_posterior, catalogue, tmp_path)
    nameless = small_run.catalogue.model_copy(update={"id": None})
    with pytest.raises(SedumError, match=r"catalogue.id: name the column"):
        sedum.fit_sky(
            small_run.model_copy(update={"catalogue": nameless}),
            small_posterior,
            catalogue,
            tmp_path / "out",
        )
    with pytest.raises(SedumError, match="no Dask scheduler at"):
        sedum.fit_sky(
            small_run, small_posterior, catalogue, tmp_path / "out", scheduler="tcp://127.0.0.1:1"
        )
    assert sky.is_sky_catalogue(catalogue)
    assert not sky.is_sky_catalogue(tmp_path)
