"""Where a table of results comes from: the run file and all else, out of any format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sedum.config import RunFile, parse_run
from sedum.errors import SedumError
from sedum.tables.read import format_of, parquet_files

__all__ = [
    "TEXT_LENGTH",
    "VOPARQUET_CONTENT",
    "VOPARQUET_VERSION",
    "fits_key",
    "now",
    "read_metadata",
    "read_provenance",
    "swapped_run",
]

VOPARQUET_VERSION = "IVOA.VOTable-Parquet.version"
VOPARQUET_CONTENT = "IVOA.VOTable-Parquet.content"
#: What the metadata of Parquet that say how long texts are begin with, as astropy reads them.
TEXT_LENGTH = "table::len::"
#: Metadata of tables that sedum writes; keywords of FITS are their first eight letters.
_KEYS = ("sedum", "catalogue", "date", "pz_grid", "quantiles")


def now() -> str:
    """Return the time in UTC as ISO 8601; that of ``SOURCE_DATE_EPOCH`` where it is set.

    The variable is the usual way to make files that are the same byte for byte.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def fits_key(name: str) -> str:
    """Return the keyword of FITS for a name: upper case and at most eight letters."""
    return name.upper()[:8]


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata of a table that sedum wrote, without its rows.

    Parameters
    ----------
    path
        FITS, Parquet or ECSV; a folder of Parquet files, or a sky catalogue in HATS.

    Returns
    -------
    dict
        Those of ``sedum`` (JSON), ``catalogue``, ``date``, ``pz_grid`` and ``quantiles`` (JSON)
        that the file has.

    Raises
    ------
    SedumError
        If the file cannot be read.
    """
    path = Path(path)
    reader = _READERS.get(format_of(path))
    if reader is None:
        raise SedumError(f"{path}: results are FITS, Parquet or ECSV, by the file's extension")
    try:
        found = reader(path)
    except SedumError:
        raise
    except Exception as error:  # whatever the formats' readers raise of damaged files
        raise SedumError(f"cannot read {path}: {error}") from None
    return {key: found[key] for key in _KEYS if key in found}


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return where a table that sedum wrote comes from; the same of any format.

    Parameters
    ----------
    path
        As for :func:`read_metadata`.

    Returns
    -------
    dict
        For posterior catalogues: ``run`` (the run file, as a mapping), ``fingerprint`` (hashes
        of what the estimator was trained with), ``estimator`` (the hash of its weights),
        ``versions``, ``catalogue`` (the file that was fitted), ``date`` (UTC), and
        ``swapped_priors`` where others took the place of those trained with.

    Raises
    ------
    SedumError
        If the file cannot be read, or has no provenance.
    """
    found = read_metadata(path)
    if "sedum" not in found:
        raise SedumError(f"{path} does not say where it comes from; sedum's tables do")
    try:
        told = json.loads(found["sedum"])
    except ValueError:
        raise SedumError(f"{path}: its provenance is damaged; it is no JSON") from None
    return {**told, **{key: found[key] for key in ("catalogue", "date") if key in found}}


def swapped_run(run: RunFile, provenance: Mapping[str, Any]) -> RunFile | None:
    """Return a run file with the priors that took the place of its own; None where none did."""
    swapped = provenance.get("swapped_priors")
    return parse_run({**run.model_dump(mode="json"), "priors": swapped}) if swapped else None


def _of_fits(path: Path) -> dict[str, str]:
    from astropy.io import fits

    header = fits.getheader(path, 1)
    return {key: header[fits_key(key)] for key in _KEYS if fits_key(key) in header}


def _of_parquet(path: Path) -> dict[str, str]:
    import pyarrow.parquet as parquet

    metadata = parquet.read_schema(parquet_files(path)[0]).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}


def _of_ecsv(path: Path) -> dict[str, str]:
    from itertools import takewhile

    from astropy.table import meta

    with path.open() as file:
        lines = [line[2:].rstrip("\n") for line in takewhile(lambda s: s[:1] == "#", file)]
    # The first two lines are the version and a rule.
    header = meta.get_header_from_yaml(lines[2:])
    return {key: str(value) for key, value in dict(header.get("meta", {})).items()}


_READERS = {"fits": _of_fits, "parquet": _of_parquet, "ascii.ecsv": _of_ecsv}
