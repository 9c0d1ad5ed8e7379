"""Commands that turn posterior catalogues into other things."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def qp(
    results: Annotated[Path, typer.Argument(help="A posterior catalogue: FITS, Parquet or ECSV.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="HDF5 to write. [default: RESULTS-pz.hdf5]")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write p(z) of a posterior catalogue as a qp ensemble, for photo-z tools.

    It needs the catalogue's column pz (output.pz of the run file), or draws or quantiles of the
    redshift, and sedum's optional extra qp. In Python, qp.read gives the ensemble: densities on a
    grid, row by row of the catalogue, with id, status, z_mode, z_median and z_spec beside them.

    Rows that were not fitted keep their place with a flat density; fitted, beside it, is false.

    Python: sedum.survey.to_qp("posteriors.fits", "pz.hdf5")
    """
    from sedum.survey.qp_ensemble import to_qp

    target = out or results.absolute().with_name(f"{results.stem}-pz.hdf5")
    done = to_qp(results, target, show_progress=not quiet)
    print(f"{done.path}: {done.rows:,} densities, from {done.source}")
    if done.flat:
        print(f"{done.flat:,} of them are flat: rows without a posterior on the grid")
