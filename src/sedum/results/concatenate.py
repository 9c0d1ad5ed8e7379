"""Concatenating parts of a posterior catalogue to one file, in the memory of one part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from astropy.table import Table, vstack

from sedum.errors import SedumError
from sedum.results.posterior_table import (
    check_format,
    conventions,
    fits_hdu,
    fits_plus,
    fits_primary,
)
from sedum.results.provenance import TEXT_LENGTH, VOPARQUET_CONTENT, VOPARQUET_VERSION
from sedum.results.schema import from_vounit
from sedum.results.table_seals import PARQUET_SEAL, seal_fits, sealed_schema, verify_parquet
from sedum.storage import atomic_path

__all__ = ["assemble", "read_part", "sample_rows"]

#: FITS files consist of blocks of this many bytes.
_BLOCK = 2880


def read_part(path: Path) -> pa.Table:
    """Read a part and verify its checksums.

    Raises
    ------
    SedumError
        If it is damaged.
    """
    try:
        verify_parquet(path)
        return parquet.read_table(path, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SedumError(f"{path} is damaged ({error}); delete it and fit again") from None


def assemble(parts: Sequence[Path], output: Path) -> None:
    """Write the rows of all parts to one file, in order, atomically.

    Parameters
    ----------
    parts
        Parquet files with the same columns, at least one.
    output
        The file to write: FITS, ECSV or Parquet by its extension.
    """
    kind = check_format(output)
    with atomic_path(output) as temporary:
        if kind == "parquet":
            _to_parquet(parts, temporary)
        elif kind == "fits":
            _to_fits(parts, temporary)
        else:  # text is for few rows
            tables = [_as_astropy(read_part(p)) for p in parts]
            vstack(tables, metadata_conflicts="silent").write(
                temporary, format=kind, overwrite=True
            )


def _to_parquet(parts: Sequence[Path], path: Path) -> None:
    schemas = [parquet.read_schema(part) for part in parts]
    mark = TEXT_LENGTH.encode()
    texts = [key for key in schemas[0].metadata if key.startswith(mark)]
    longest = {
        key.removeprefix(mark).decode(): max(int(schema.metadata[key]) for schema in schemas)
        for key in texts
    }
    metadata = conventions(_as_astropy(schemas[0].empty_table()), longest)
    # As bytes, or the keys of the first part would be kept beside the new ones.
    new = {key.encode(): value for key, value in metadata.items()}
    schema = schemas[0].with_metadata({**schemas[0].metadata, **new})
    schema = sealed_schema(schema)
    with parquet.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for part in parts:
            writer.write_table(read_part(part).cast(schema))


def _to_fits(parts: Sequence[Path], path: Path) -> None:
    """Write a binary table whose rows are appended part by part.

    Text has the same width in all rows of FITS, so the parts are read twice, first for the widths.
    """
    count = 0
    widths: dict[str, int] = {}
    for part in parts:
        table = _as_astropy(read_part(part))
        count += len(table)
        for name in table.colnames:
            if table[name].dtype.kind == "U":
                # Escapes of characters beyond ASCII are wider than the characters.
                ascii_ = np.char.encode(np.asarray(table[name]), "ascii", "backslashreplace")
                widths[name] = max(widths.get(name, 1), ascii_.dtype.itemsize)
    with path.open("wb") as file:
        written = 0
        for part in parts:
            before, data = _fits_bytes(_widened(_as_astropy(read_part(part)), widths), count)
            if not written:
                file.write(before)
            written += file.write(data)
        file.write(b"\0" * (-written % _BLOCK))
    seal_fits(path)


def _fits_bytes(table: Table, rows: int) -> tuple[bytes, bytes]:
    """Return the headers of a FITS file with a number of rows, and the bytes of these rows."""
    from astropy.io import fits

    buffer = BytesIO()
    fits.HDUList([fits_primary(table), fits_hdu(table)]).writeto(buffer)
    content = buffer.getvalue()
    with fits.open(BytesIO(content)) as hdus:
        position = hdus[1].fileinfo()
        size = hdus[1].header["NAXIS1"] * hdus[1].header["NAXIS2"]
        header = hdus[1].header.copy()
    header["NAXIS2"] = rows
    headers = fits_plus(content[: position["hdrLoc"]]) + header.tostring().encode("ascii")
    return headers, content[position["datLoc"] : position["datLoc"] + size]


def _widened(table: Table, widths: dict[str, int]) -> Table:
    for name, width in widths.items():
        values = np.char.encode(np.asarray(table[name]), "ascii", "backslashreplace")
        column = table[name]
        table[name] = np.char.decode(values, "ascii").astype(f"U{width}")
        table[name].description, table[name].unit = column.description, column.unit
    return table


def _as_astropy(part: pa.Table) -> Table:
    """Return a part as an astropy table with units, descriptions and metadata."""
    table = Table()
    for field in part.schema:
        column = part[field.name].combine_chunks()
        if pa.types.is_fixed_size_list(field.type):
            values = column.flatten().to_numpy(zero_copy_only=False)
            values = values.reshape(len(column), field.type.list_size)
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            values = np.array(column.to_pylist() or [""], "U")[: len(column)]
        else:
            values = column.to_numpy(zero_copy_only=False)
        table[field.name] = values
        meta = field.metadata or {}
        table[field.name].description = meta.get(b"description", b"").decode() or None
        table[field.name].unit = from_vounit(meta.get(b"unit", b"").decode())
    # Metadata about the Parquet file itself do not apply to other formats.
    own = (VOPARQUET_CONTENT, VOPARQUET_VERSION, TEXT_LENGTH, PARQUET_SEAL)
    metadata = {k.decode(): v.decode() for k, v in (part.schema.metadata or {}).items()}
    table.meta = {k: v for k, v in metadata.items() if not k.startswith(own)}
    return table


def sample_rows(parts: Sequence[Path], maximum: int, seed: int = 1) -> Table:
    """Return about ``maximum`` rows of all parts, drawn at random, in order."""
    total = sum(parquet.read_metadata(p).num_rows for p in parts)
    rng = np.random.default_rng(seed)
    tables = []
    for table in _each(parts):
        keep = rng.uniform(size=len(table)) < maximum / max(total, 1)
        tables.append(table[keep] if total > maximum else table)
    return vstack(tables, metadata_conflicts="silent") if tables else Table()


def _each(parts: Sequence[Path]) -> Iterator[Table]:
    for part in parts:
        yield _as_astropy(read_part(part))
