"""Checksums of results: CHECKSUM and DATASUM in FITS, and of the metadata of Parquet.

The pages of a Parquet file have checksums of its format, which pyarrow writes and verifies. Its
footer has none: column names, units and provenance are sealed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sedum.storage import digest
from sedum.tables.read import format_of, parquet_files

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.io.fits import Header

__all__ = [
    "PARQUET_SEAL",
    "prepare_seal",
    "seal_fits",
    "sealed_schema",
    "verify_parquet",
    "verify_table",
]

#: Keys of the seals in the metadata of Parquet and of its columns, and what the first one covers.
PARQUET_SEAL, _FIELD_SEAL = "sedum_sha256", b"sha256"
_SEALED = (b"sedum", b"catalogue", b"date", b"pz_grid", b"quantiles")
_CARD, _BLOCK = 80, 2880
#: Bytes that are summed together: a multiple of a block.
_PIECE = 1024 * _BLOCK
_ONES = 0xFFFFFFFF
_DAMAGED = "its checksum is not that of its content; the file is damaged, or was edited"


# --- FITS ------------------------------------------------------------------------------------


def prepare_seal(header: Header) -> None:
    """Add the cards of the checksums, which :func:`seal_fits` fills."""
    header["CHECKSUM"] = ("0" * 16, "checksum of the HDU")
    header["DATASUM"] = ("0".ljust(10), "checksum of the data")


def seal_fits(path: Path) -> None:
    """Write the checksums of the FITS standard into a finished file with prepared cards.

    Source: FITS Standard 4.0, section 4.4.2.7 and appendix J.
    """
    with path.open("r+b") as file:
        for start, data, stop in list(_hdus(path)):
            file.seek(data)
            datasum = _sum(file, stop - data)
            file.seek(start)
            header = bytearray(file.read(data - start))
            _fill(header, "DATASUM", str(datasum).ljust(10))
            _fill(header, "CHECKSUM", "0" * 16)
            total = _add(_sum_of(bytes(header)), datasum)
            _fill(header, "CHECKSUM", _encoded(_ONES - total))
            file.seek(start)
            file.write(header)


def _hdus(path: Path) -> Iterator[tuple[int, int, int]]:
    """Yield where each HDU starts, where its data start, and where it ends."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        places = [hdu.fileinfo() for hdu in hdus]
    for place in places:
        yield place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]


def _fill(header: bytearray, key: str, value: str) -> None:
    """Replace the text of a card in place."""
    for at in range(0, len(header), _CARD):
        if header[at : at + 10] == f"{key:8s}= ".encode():
            header[at + 10 : at + 12 + len(value)] = f"'{value}'".encode()
            return
    raise ValueError(f"the header has no card {key}")


def _sum_of(content: bytes) -> int:
    """Return the ones' complement sum of 32-bit words."""
    return _folded(int(np.frombuffer(content, ">u4").sum(dtype=np.uint64)))


def _folded(total: int) -> int:
    while total > _ONES:
        total = (total & _ONES) + (total >> 32)
    return total


def _add(one: int, two: int) -> int:
    return _folded(one + two)


def _sum(file: Any, length: int) -> int:
    total = 0
    while length > 0:
        piece = file.read(min(_PIECE, length))
        if not piece:
            raise ValueError("it is cut short")
        length -= len(piece)
        total = _add(total, _sum_of(piece + bytes(-len(piece) % 4)))
    return total


def _encoded(value: int) -> str:
    """Return a sum as the 16 letters and digits of a card CHECKSUM."""
    punctuation = {*range(0x3A, 0x41), *range(0x5B, 0x61)}
    characters = np.zeros((4, 4), int)
    for i in range(4):
        byte = (value >> (24 - 8 * i)) & 0xFF
        four = [byte // 4 + 0x30 + (byte % 4 if k == 0 else 0) for k in range(4)]
        while any(c in punctuation for c in four):
            for k in (0, 2):
                if four[k] in punctuation or four[k + 1] in punctuation:
                    four[k] += 1
                    four[k + 1] -= 1
        characters[:, i] = four
    text = "".join(map(chr, characters.ravel()))
    # The value of a card begins at its 12th byte: words are aligned after a turn by one.
    return text[-1] + text[:-1]


def _verify_fits(path: Path) -> None:
    """Verify the sum of a FITS file that sedum sealed.

    The sum of each sealed HDU is zero, and so is that of the file. No header is parsed, since
    damaged ones have failed in many ways.
    """
    with path.open("rb") as file:
        start = file.read(_BLOCK)
        if not (b"VOTMETA =" in start and (b"CHECKSUM=" in start or b"DATASUM =" in start)):
            return
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        if size % _BLOCK or _sum(file, size) not in (0, _ONES):
            raise ValueError(_DAMAGED)


# --- Parquet ---------------------------------------------------------------------------------


def sealed_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with a checksum of its provenance, and one of each column's description.

    Tables of some of its rows or columns, which users make, keep valid checksums.
    """
    import pyarrow as pa

    fields = [
        field.with_metadata({**(field.metadata or {}), _FIELD_SEAL: _field_digest(field)})
        for field in schema
    ]
    metadata = {**(schema.metadata or {}), PARQUET_SEAL.encode(): _metadata_digest(schema)}
    return pa.schema(fields, metadata=metadata)


def _field_digest(field: pa.Field) -> bytes:
    import pyarrow as pa

    kind, length = field.type, None
    if pa.types.is_fixed_size_list(kind):  # its item changes its name when it is stored
        kind, length = kind.value_type, kind.list_size
    stored = [_text(field.metadata, key) for key in (b"unit", b"description")]
    return digest([field.name, str(kind), length, *stored]).encode()


def _metadata_digest(schema: pa.Schema) -> bytes:
    return digest([_text(schema.metadata, key) for key in _SEALED]).encode()


def _text(metadata: Any, key: bytes) -> str:
    return (metadata or {}).get(key, b"").decode(errors="backslashreplace")


def verify_parquet(path: Path) -> None:
    """Verify the checksums of the footer of a Parquet file, if it has any.

    Raises
    ------
    ValueError
        If the footer is not what was written.
    """
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
    groups = sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    recorded = (schema.metadata or {}).get(PARQUET_SEAL.encode())
    good = groups == metadata.num_rows and recorded in (None, _metadata_digest(schema))
    seals = [(field.metadata or {}).get(_FIELD_SEAL) for field in schema]
    # Columns of users have none; that all have lost theirs is damage.
    good = good and (recorded is None or not len(schema) or any(seals))
    for field, own in zip(schema, seals, strict=True):
        good = good and own in (None, _field_digest(field))
    if not good:
        raise ValueError(_DAMAGED)


# --- any results -----------------------------------------------------------------------------


def verify_table(path: Path) -> None:
    """Verify the checksums of a table, as far as its format and writer gave it any.

    All of a FITS file is read for it, at the speed of the disk; of Parquet, the footers. The
    pages of Parquet are verified as they are read.

    Raises
    ------
    ValueError
        If a checksum is wrong.
    """
    kind = format_of(path)
    if kind == "parquet":
        for file in parquet_files(path):
            verify_parquet(file)
    elif kind == "fits" and path.suffix != ".gz":
        _verify_fits(path)
