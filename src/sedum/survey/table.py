"""The posterior catalogue as a file: units, descriptions and provenance travel with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from sedum.config import RunFile, parameter
from sedum.errors import SedumError
from sedum.galaxies.derived import describe_derived
from sedum.infer.posterior import Posterior
from sedum.library.store import versions
from sedum.photometry.status import most_frequent_first
from sedum.storage import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.io.fits import BinTableHDU

__all__ = [
    "PERCENTILES",
    "arrow_table",
    "as_stored",
    "check_format",
    "count_status",
    "describe",
    "fits_hdu",
    "write_table",
]

PERCENTILES = (16, 50, 84)
_FORMATS = {".fits": "fits", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}


def describe_column(name: str) -> tuple[str, str]:
    """Return unit and description of a parameter or derived quantity."""
    try:
        known = parameter(name)
    except KeyError:
        try:
            return describe_derived(name)
        except SedumError:  # a parameter of somebody else's simulator
            return "", name
    return known.unit, known.description


def check_format(path: Path) -> str:
    """Return the astropy name of the format that a path's extension stands for.

    Raises
    ------
    SedumError
        If the extension is not one that keeps units and metadata.
    """
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise SedumError(
            f"cannot write {path}: unknown extension {suffix!r}; allowed: {', '.join(_FORMATS)}"
        )
    return _FORMATS[suffix]


#: The columns that say how far a posterior can be trusted.
_TRUST = {
    "verified": "whether the posterior agrees with the exact likelihood",
    "method": "weighted or refined draws, those of the flow alone, or of nested sampling",
    "ess": "effective sample size of the importance weights",
    "k_hat": "Pareto shape of the weights' tail; trusted below 0.7",
    "log_evidence": "ln p(observation) under model, priors and noise",
    "log_evidence_error": "its standard error",
    "prior_ess": "effective draws under the other priors that were asked for",
    "prior_k_hat": "Pareto shape of the tail of their weights; trusted below 0.7",
    "prior_log_evidence_ratio": "ln evidence under the other priors / under those trained with",
    "prior_log_evidence_ratio_error": "its standard error",
    "ppp": "posterior-predictive tail probability of chi squared: near zero where no draw fits",
    "worst_band": "the band that lies farthest from the models",
    "worst_sigma": "how far, in sigma; positive where the observed flux is higher",
    "typicality": "share of simulated galaxies that are less typical: a p-value",
    "in_distribution": "whether typicality is above the run file's level",
    "at_edge": "parameters whose posterior piles up at a bound of the prior",
}


def describe(table: Table, run: RunFile, posterior: Posterior) -> None:
    """Give the columns their units and descriptions, and the table its provenance."""
    table["id"].description = "identifier, or row number, in the catalogue"
    table["status"].description = "ok, or why the row was not fitted"
    table["n_bands"].description = "number of bands measured"
    if "n_limits" in table.colnames:
        table["n_limits"].description = "number of bands with an upper limit only"
    if "redshift_catalogue" in table.colnames:
        table["redshift_catalogue"].description = "redshift in the catalogue"
    for name, text in _TRUST.items():
        if name in table.colnames:
            table[name].description = text
    for name in table.colnames:
        stem, _, ending = name.rpartition("_")
        if ending == "draws" or (ending[:1] == "p" and ending[1:].isdigit()):
            unit, text = describe_column(stem)
            what = "posterior draws" if ending == "draws" else f"{ending[1:]}th percentile"
            table[name].unit = unit or None
            table[name].description = f"{text}, {what}"
    table.meta["sedum"] = json.dumps(
        {
            "run": run.model_dump(mode="json"),
            "fingerprint": posterior.fingerprint,
            "versions": versions(),
        },
        sort_keys=True,
    )


def write_table(table: Table, path: str | Path) -> None:
    """Write a table by extension, atomically; floats are stored in 32 bits."""
    path = Path(path)
    kind = check_format(path)
    stored = as_stored(table)
    with atomic_path(path) as temporary:
        if kind == "fits":
            _write_fits(stored, temporary)
        elif kind == "parquet":
            _write_parquet(stored, temporary)
        else:
            stored.write(temporary, format=kind, overwrite=True)


def as_stored(table: Table) -> Table:
    """Return a table with floats in 32 bits, but for identifiers and redshifts."""
    stored = table.copy(copy_data=False)
    for name in stored.colnames:
        if name not in ("id", "redshift_catalogue") and stored[name].dtype == np.float64:
            stored[name] = stored[name].astype(np.float32)
    return stored


def count_status(table: Table) -> list[tuple[str, int]]:
    """Return each status and how many rows have it, ``ok`` first, then by frequency."""
    values, counts = np.unique(np.asarray(table["status"]), return_counts=True)
    return most_frequent_first((str(v), int(c)) for v, c in zip(values, counts, strict=True))


def _write_fits(table: Table, path: Path) -> None:
    from astropy.io import fits

    fits.HDUList([fits.PrimaryHDU(), fits_hdu(table)]).writeto(path, overwrite=True)


def fits_hdu(table: Table) -> BinTableHDU:
    """Return a table as a FITS extension; provenance goes to COMMENT cards, of any length."""
    from astropy.io import fits

    plain = table.copy(copy_data=False)
    provenance = plain.meta.pop("sedum", "")
    # Keywords of FITS are upper case and at most eight letters.
    plain.meta = {key.upper()[:8]: value for key, value in plain.meta.items()}
    # FITS holds ASCII alone; escapes keep other identifiers apart.
    for name in plain.colnames:
        if plain[name].dtype.kind == "U" and not all(str(v).isascii() for v in plain[name]):
            plain[name] = [str(v).encode("ascii", "backslashreplace").decode() for v in plain[name]]
    # FITS has no name for a logarithmic unit; the description says log10.
    for name in plain.colnames:
        if plain[name].unit is not None and "dex" in str(plain[name].unit):
            inner = str(plain[name].unit)
            plain[name].description = f"{plain[name].description} [{inner}]"
            plain[name].unit = None
    hdu = fits.table_to_hdu(plain)
    for i, name in enumerate(plain.colnames):
        hdu.header[f"TCOMM{i + 1}"] = (
            (plain[name].description or "").encode("ascii", "replace").decode()
        )
    if provenance:
        hdu.header.add_comment("sedum provenance (JSON): " + provenance)
    return hdu


def _write_parquet(table: Table, path: Path) -> None:
    import pyarrow.parquet as parquet

    parquet.write_table(arrow_table(table), path, write_page_checksum=True)


def arrow_table(table: Table) -> pa.Table:
    """Return a table for Parquet, with units and descriptions as field metadata."""
    import pyarrow as pa

    fields, arrays = [], []
    for name in table.colnames:
        column = table[name]
        if column.ndim == 2:
            array = pa.FixedSizeListArray.from_arrays(
                pa.array(np.asarray(column).ravel()), column.shape[1]
            )
        else:
            array = pa.array(
                np.asarray(column).tolist()
                if column.dtype.kind in "SU"
                else np.ascontiguousarray(column).astype(column.dtype.newbyteorder("="))
            )
        meta = {"description": column.description or "", "unit": str(column.unit or "")}
        fields.append(pa.field(name, array.type, metadata=meta))
        arrays.append(array)
    schema = pa.schema(fields, metadata={k: str(v) for k, v in table.meta.items()})
    return pa.Table.from_arrays(arrays, schema=schema)
