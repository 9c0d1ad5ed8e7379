"""Results with checksums: a flipped bit is an error or changes nothing."""

import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from astropy.io import fits
from astropy.table import Table

from sedum.errors import SedumError
from sedum.results.concatenate import assemble
from sedum.results.posterior_table import write_table
from sedum.results.provenance import read_metadata
from sedum.tables.read import read_table


def results(folder, name, parts):
    """Write results: in one go, or put together from parts."""
    rng = np.random.default_rng(3)
    written = []
    for k in range(max(parts, 1)):
        n = 40 + 7 * k
        table = Table({"id": [f"g{k}-{i}" for i in range(n)], "status": ["ok"] * n})
        table["redshift_p50"], table["pz"] = rng.random(n), rng.random((n, 3))
        table["redshift_p50"].description = "median"
        table.meta |= {"sedum": '{"run": {}}', "date": "2026-01-01"}
        written.append(folder / (f"part-{k}.parquet" if parts else name))
        write_table(table, written[-1])
    if parts:
        assemble(written, folder / name)
    return folder / name


def attempt(path):
    """Return the error in words, or nothing and what was read."""
    try:
        return "", read_metadata(path), read_table(path)
    except SedumError as error:
        return str(error), None, None


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_checksums_of_fits_are_those_of_the_standard(parts, tmp_path):
    path = results(tmp_path, "a.fits", parts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True) as hdus:
            assert [hdu.verify_checksum() for hdu in hdus] == [1, 1]
            assert [hdu.verify_datasum() for hdu in hdus] == [1, 1]
            assert hdus[1].header["DATASUM"].strip().isdigit()
            assert len(hdus[1].data) == hdus[1].header["NAXIS2"]


@pytest.mark.parametrize("name", ["a.fits", "a.parquet"])
@pytest.mark.parametrize("parts", [0, 2])
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
def test_a_flipped_bit_is_an_error_or_changes_nothing(name, parts, tmp_path):
    path = results(tmp_path, name, parts)
    whole, genuine, told = path.read_bytes(), read_table(path), read_metadata(path)
    rng, errors = np.random.default_rng(4), 0
    for _ in range(150):
        content = bytearray(whole)
        place = rng.integers(len(whole))
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        said, metadata, found = attempt(path)
        if said:
            assert path.name in said
            assert "\n" not in said
            errors += 1
            continue
        assert metadata == told
        assert found.colnames == genuine.colnames
        for column in genuine.colnames:
            np.testing.assert_array_equal(found[column], genuine[column], f"byte {place}")
            assert found[column].unit == genuine[column].unit
    assert errors > 75
    for keep in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        assert path.name in attempt(path)[0]


def test_what_users_select_from_results_is_still_theirs(tmp_path):
    path = results(tmp_path, "a.parquet", 2)
    chosen = parquet.read_table(path).select(["id", "status"]).slice(3, 5)
    parquet.write_table(chosen, Path(path))
    assert "sedum" in read_metadata(path)
