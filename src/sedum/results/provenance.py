"""The provenance of tables that sedum wrote, read from any format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sedum.config import RunFile, parse_run
from sedum.errors import SedumError
from sedum.results.table_seals import verify_table
from sedum.tables.read import format_of, parquet_files

__all__ = [
    "TEXT_LENGTH",
    "VOPARQUET_CONTENT",
    "VOPARQUET_VERSION",
    "fits_key",
    "now",
    "provenance_in",
    "read_metadata",
    "read_provenance",
    "swapped_run",
]

VOPARQUET_VERSION = "IVOA.VOTable-Parquet.version"
VOPARQUET_CONTENT = "IVOA.VOTable-Parquet.content"
#: Prefix of the Parquet metadata with the lengths of texts, as astropy reads them.
TEXT_LENGTH = "table::len::"
#: Metadata of tables that sedum writes; FITS keywords are their first eight letters.
_KEYS = ("sedum", "catalogue", "date", "pz_grid", "quantiles")


def now() -> str:
    """Return the time in UTC as ISO 8601, or that of ``SOURCE_DATE_EPOCH`` if it is set.

    Setting the variable is the usual way to make files reproducible byte for byte.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def fits_key(name: str) -> str:
    """Return the FITS keyword of a name: upper case, at most eight letters."""
    return name.upper()[:8]


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata of a table that sedum wrote, without its rows.

    Parameters
    ----------
    path
        A FITS, Parquet or ECSV file, a folder of Parquet files, or a catalogue in HATS.

    Returns
    -------
    dict
        The metadata ``sedum`` (JSON), ``catalogue``, ``date``, ``pz_grid`` and ``quantiles``
        (JSON), as far as the file has them.

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
        verify_table(path)
        metadata = reader(path)
    except SedumError:
        raise
    except Exception as error:  # readers raise many kinds of errors for damaged files
        first = (str(error).strip().splitlines() or ["unknown cause"])[0][:200]
        raise SedumError(f"cannot read {path}: {first}") from None
    return {key: metadata[key] for key in _KEYS if key in metadata}


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the provenance of a table that sedum wrote, in any format.

    Parameters
    ----------
    path
        As for :func:`read_metadata`.

    Returns
    -------
    dict
        For posterior catalogues: ``run`` (the run file, as a mapping), ``fingerprint`` (hashes
        of the settings that the estimator was trained with), ``estimator`` (the hash of its
        weights), ``versions``, ``catalogue`` (the file that was fitted) and ``date`` (UTC); and
        ``swapped_priors`` if other priors replaced those of the training.

    Raises
    ------
    SedumError
        If the file cannot be read, or has no provenance.

    Examples
    --------
    >>> import sedum
    >>> table = sedum.fit(run, posterior, catalogue, "posteriors.fits")
    >>> read_provenance("posteriors.fits")["run"]["filters"]
    ['sdss_g0', 'sdss_r0', 'sdss_i0']
    """
    found = provenance_in(read_metadata(path), path)
    if not found:
        raise SedumError(f"{path} does not say where it comes from; sedum's tables do")
    return found


def provenance_in(metadata: Mapping[str, str], path: str | Path) -> dict[str, Any]:
    """Return the provenance in metadata that were read from ``path``; empty without any.

    Raises
    ------
    SedumError
        If it is damaged.
    """
    if "sedum" not in metadata:
        return {}
    try:
        content = json.loads(metadata["sedum"])
        if not isinstance(content, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise SedumError(f"{path}: its provenance is damaged; it is no JSON") from None
    return {**content, **{key: metadata[key] for key in ("catalogue", "date") if key in metadata}}


def swapped_run(run: RunFile, provenance: Mapping[str, Any]) -> RunFile | None:
    """Return a run file with the priors that replaced its own; None if none did."""
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
    # The first two lines are the version and a ruler.
    header = meta.get_header_from_yaml(lines[2:])
    return {key: str(value) for key, value in dict(header.get("meta", {})).items()}


_READERS = {"fits": _of_fits, "parquet": _of_parquet, "ascii.ecsv": _of_ecsv}
