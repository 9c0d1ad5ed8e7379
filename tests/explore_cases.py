"""A small catalogue for the explorer: a row that cannot be fitted, and a hostile identifier."""

import numpy as np
from astropy.table import Table

import sedum

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
ROWS, UNFIT = 60, 3
#: Runs a script wherever it is taken for HTML.
HOSTILE = '<img src=x onerror="window.struck=1"><script>window.struck=1</script>'


def table_of(n=ROWS):
    rng = np.random.default_rng(2)
    ids = [f"g{i}" for i in range(n)]
    ids[1] = ids[1] + HOSTILE
    columns = {"id": ids, "z": rng.uniform(0.1, 0.9, n)}
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, n)
        columns[f"e_{band}"] = np.full(n, 0.0726)
    columns["f_sdss_r0"][UNFIT] = np.nan
    return Table(columns)


def write_explored(folder, run, posterior, model):
    table_of().write(folder / "cat.parquet")
    posterior.write(folder / "small.safetensors")
    sedum.fit(run, posterior, folder / "cat.parquet", folder / "post.fits", model=model)
