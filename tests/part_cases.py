"""A catalogue of a few parts."""

import numpy as np
from astropy.table import Table

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
ROWS = 130


def catalogue(path, n=ROWS, ids=None):
    rng = np.random.default_rng(2)
    columns = {"id": ids if ids is not None else np.arange(n) + 1000, "z": rng.uniform(0.1, 0.9, n)}
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, n)
        columns[f"e_{band}"] = np.full(n, 0.0726)
    columns["f_sdss_r0"][3] = np.nan
    Table(columns).write(path, overwrite=True)
    return path
