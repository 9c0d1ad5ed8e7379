"""Writing posterior catalogues, with units, descriptions and provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.library.library_file import versions
from sedum.photometry.row_status import most_frequent_first
from sedum.results.provenance import (
    TEXT_LENGTH,
    VOPARQUET_CONTENT,
    VOPARQUET_VERSION,
    fits_key,
    now,
)
from sedum.results.schema import describe_column, describe_output, vounit
from sedum.results.table_seals import prepare_seal, seal_fits, sealed_schema
from sedum.results.votable_header import votable_of
from sedum.storage import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.io.fits import BinTableHDU, PrimaryHDU

__all__ = [
    "PERCENTILES",
    "arrow_table",
    "as_stored",
    "check_format",
    "conventions",
    "count_status",
    "describe",
    "describe_column",
    "fits_hdu",
    "fits_plus",
    "fits_primary",
    "text_lengths",
    "write_table",
]

#: Percentiles that every catalogue has.
PERCENTILES = (16, 50, 84)
#: Bytes of a card of a FITS header, and of a block of a FITS file.
_CARD, _BLOCK = 80, 2880
_FORMATS = {".fits": "fits", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}


def check_format(path: Path) -> str:
    """Return the astropy name of the format of a path, by its extension.

    Raises
    ------
    SedumError
        If the format is unknown, or does not keep units and metadata.
    """
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise SedumError(
            f"cannot write {path}: unknown extension {suffix!r}; allowed: {', '.join(_FORMATS)}"
        )
    return _FORMATS[suffix]


def describe(table: Table, run: RunFile, posterior: Posterior) -> None:
    """Give the columns their units and descriptions, and the table its provenance.

    Columns that have a description keep it.
    """
    for name in table.colnames:
        if table[name].description:
            continue
        unit, table[name].description = describe_output(name)
        table[name].unit = unit or None
    table.meta["sedum"] = json.dumps(
        {
            "run": run.model_dump(mode="json"),
            "fingerprint": posterior.fingerprint,
            "estimator": posterior.digest(),
            "versions": versions(),
        },
        sort_keys=True,
    )
    table.meta["date"] = now()


def write_table(table: Table, path: str | Path) -> None:
    """Write a table atomically, in the format of the extension, with floats in 32 bits."""
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
    """Return a table with floats in 32 bits, except identifiers and catalogue redshifts."""
    stored = table.copy(copy_data=False)
    for name in stored.colnames:
        if name not in ("id", "redshift_catalogue") and stored[name].dtype == np.float64:
            stored[name] = stored[name].astype(np.float32)
    return stored


def count_status(table: Table) -> list[tuple[str, int]]:
    """Return each status and the number of rows that have it, ``ok`` first, then by frequency."""
    values, counts = np.unique(np.asarray(table["status"]), return_counts=True)
    return most_frequent_first((str(v), int(c)) for v, c in zip(values, counts, strict=True))


def _write_fits(table: Table, path: Path) -> None:
    from astropy.io import fits

    fits.HDUList([fits_primary(table), fits_hdu(table)]).writeto(path, overwrite=True)
    with path.open("r+b") as file:
        start = fits_plus(file.read(_BLOCK))
        file.seek(0)
        file.write(start)
    seal_fits(path)


def fits_primary(table: Table) -> PrimaryHDU:
    """Return the primary HDU that goes before a table, with a VOTable that describes it.

    TOPCAT calls this FITS-plus. It takes units and descriptions from the VOTable if the cards are
    in the order of :func:`fits_plus`. Other readers ignore the primary HDU.
    """
    from astropy.io import fits

    hdu = fits.PrimaryHDU(np.frombuffer(votable_of(table), np.uint8))
    hdu.header["EXTEND"] = True
    prepare_seal(hdu.header)
    hdu.header.set("VOTMETA", True, "table metadata in VOTable format", after="EXTEND")
    hdu.header.add_comment("The bytes here are a VOTable that describes the table of the extension")
    return hdu


def fits_plus(start: bytes) -> bytes:
    """Return the start of a file with VOTMETA right after NAXIS1, where TOPCAT looks for it.

    Astropy always writes EXTEND at that position.
    """
    cards = [start[i : i + _CARD] for i in range(0, len(start), _CARD)]
    if not (cards[4].startswith(b"EXTEND ") and cards[5].startswith(b"VOTMETA ")):
        raise ValueError("astropy wrote the cards of the primary header in another order")
    cards[4:6] = cards[5], cards[4]
    return b"".join(cards)


def fits_hdu(table: Table) -> BinTableHDU:
    """Return a table as a FITS extension, with its metadata in cards, continued if necessary.

    ``TUNIT = 'log(solMass)'`` would be valid for a logarithm, but astropy warns of it. Such units
    are given in the description (TCOMM, and where astropy looks for it) and in the VOTable before
    the table.
    """
    from astropy.io import fits

    plain = table.copy(copy_data=False)
    plain.meta = {}
    # FITS holds only ASCII; escapes keep other identifiers distinct.
    for name in plain.colnames:
        description = _ascii(plain[name].description or "")
        if plain[name].dtype.kind == "U" and not all(str(v).isascii() for v in plain[name]):
            plain[name] = [str(v).encode("ascii", "backslashreplace").decode() for v in plain[name]]
        plain[name].description = description
    for name in plain.colnames:
        if (unit := vounit(plain[name].unit)).startswith("log("):
            plain[name].description += f" [{unit}]"
            plain[name].unit = None
    hdu = fits.table_to_hdu(plain)
    for i, name in enumerate(plain.colnames):
        hdu.header[f"TCOMM{i + 1}"] = plain[name].description
    for key, value in table.meta.items():
        hdu.header[fits_key(key)] = _ascii(str(value))
    prepare_seal(hdu.header)
    for line in _astropy_columns(plain):
        hdu.header.add_comment(line)
    return hdu


def _astropy_columns(table: Table) -> list[str]:
    """Return the lines of COMMENT from which astropy reads descriptions."""
    from astropy.table.meta import get_yaml_from_table

    bare = table[:0]
    bare.meta = {"__serialized_columns__": {}}
    lines = ["--BEGIN-ASTROPY-SERIALIZED-COLUMNS--"]
    for line in get_yaml_from_table(bare):
        # A card holds 72 characters; a backslash continues a line.
        pieces = [line[i : i + 70] for i in range(0, len(line), 70)] or [""]
        lines += [f"{piece}\\" for piece in pieces[:-1]] + pieces[-1:]
    return [*lines, "--END-ASTROPY-SERIALIZED-COLUMNS--"]


def _ascii(text: str) -> str:
    """Return text for FITS headers, which hold only ASCII."""
    return text.replace("Å", "Angstrom").encode("ascii", "backslashreplace").decode()


def _write_parquet(table: Table, path: Path) -> None:
    import pyarrow.parquet as parquet

    stored = arrow_table(table)
    sealed = stored.cast(sealed_schema(stored.schema))
    parquet.write_table(sealed, path, write_page_checksum=True)


def arrow_table(table: Table) -> pa.Table:
    """Return a table for Parquet, with units and descriptions in VOParquet and in the fields.

    VOParquet 1.0, a convention of the IVOA, is a VOTable without data in the file's metadata.
    """
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
        meta = {"description": column.description or "", "unit": vounit(column.unit)}
        fields.append(pa.field(name, array.type, metadata=meta))
        arrays.append(array)
    metadata: dict[str, str] = {k: str(v) for k, v in table.meta.items()}
    stored = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    lengths = text_lengths(stored)
    return stored.replace_schema_metadata({**metadata, **conventions(table, lengths)})


def conventions(table: Table, lengths: Mapping[str, int]) -> dict[str, str | bytes]:
    """Return the Parquet metadata from which other tools read units and descriptions.

    Parameters
    ----------
    table
        The table, or its first rows.
    lengths
        Length of the longest text of each text column.
    """
    # Astropy's reader of Parquet needs the lengths of texts.
    known: dict[str, str | bytes] = {f"{TEXT_LENGTH}{k}": str(v) for k, v in lengths.items()}
    return known | {VOPARQUET_VERSION: "1.0", VOPARQUET_CONTENT: votable_of(table, lengths)}


def text_lengths(table: pa.Table) -> dict[str, int]:
    """Return the length of the longest text of each text column, at least one."""
    import pyarrow as pa
    import pyarrow.compute as compute

    return {
        field.name: max(compute.max(compute.utf8_length(table[field.name])).as_py() or 0, 1)
        for field in table.schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    }
