"""Read tables of any common format as astropy tables.

A catalogue may be a file (FITS, Parquet, HDF5, VOTable, CSV, ECSV, ASCII; with gzip where astropy
supports it), a folder of Parquet files, an astropy ``Table`` or a pandas ``DataFrame``.
"""

from __future__ import annotations

import gzip
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from sedum.errors import SedumError, nearest

__all__ = [
    "TableLike",
    "fits_hdu_number",
    "format_of",
    "from_arrow",
    "has_extension",
    "hdf5_columns",
    "is_sky_catalogue",
    "leading_comments",
    "name_of",
    "parquet_files",
    "parquet_schema",
    "read_table",
    "reading",
]

#: Anything that can be read as a catalogue: a path, an astropy Table or a pandas DataFrame.
TableLike: TypeAlias = Any

#: Files by which a folder is recognised as a HATS catalogue or a collection of them.
_HATS_MARKS = ("collection.properties", "hats.properties", "properties")
_FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".fz": "fits",
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".hdf": "hdf5",
}


def name_of(source: TableLike) -> str:
    """Return the name of a catalogue for messages: its path, or the type of an object in memory.

    Examples
    --------
    >>> name_of("survey.fits"), name_of(Table())
    ('survey.fits', 'Table')
    """
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def read_table(source: TableLike, extension: str | int | None = None) -> Table:
    """Read a whole table.

    Parameters
    ----------
    source
        A file whose format follows from its name (whitespace-separated text if the ending is not
        known), a folder of Parquet files, an astropy Table or a pandas DataFrame.
    extension
        Name or number of the FITS extension, or path of the group or dataset in an HDF5 file. None
        reads the first table.

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    SedumError
        If the file is missing, cannot be read in its format, or has no rows.

    Examples
    --------
    >>> from astropy.table import Table
    >>> Table({"id": [1, 2], "flux_r": [3.1, 0.4]}).write("survey.csv")
    >>> read_table("survey.csv")["flux_r"].tolist()
    [3.1, 0.4]
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.exists():
            raise SedumError(f"catalogue {path} does not exist")
        with reading(path):
            table = _read_file(path, format_of(path), extension)
    else:
        table = _from_memory(source)
    if len(table) == 0:
        raise SedumError(f"catalogue {name_of(source)} has no rows")
    return table


def format_of(path: Path) -> str:
    """Return the format of a file by its name. A folder is one of Parquet files.

    Examples
    --------
    >>> format_of(Path("survey.fits.gz")), format_of(Path("survey.cat"))
    ('fits', 'ascii')
    """
    if path.is_dir():
        return "parquet"
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return _FORMATS.get(suffix, "ascii")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any exception of a reader in the body into one line that names the file.

    Parameters
    ----------
    path
        File that the body reads.

    Raises
    ------
    SedumError
        If the body raises any other exception than this one or a lack of memory.

    Examples
    --------
    >>> with reading(Path("survey.fits")):
    ...     raise ValueError("no header")
    Traceback (most recent call last):
    ...
    sedum.errors.SedumError: catalogue survey.fits cannot be read as fits: no header
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (MemoryError, KeyboardInterrupt, SedumError):
        raise
    except Exception as error:  # readers of foreign formats raise nearly anything
        first = (str(error).strip().splitlines() or ["unknown cause"])[0][:120]
        raise SedumError(f"catalogue {path} cannot be read as {format_of(path)}: {first}") from None


def _read_file(path: Path, kind: str, extension: str | int | None) -> Table:
    match kind:
        case "parquet":
            import pyarrow as pa
            import pyarrow.parquet as parquet

            schema = parquet_schema(path)
            verified = {"page_checksum_verification": True}  # of pages that have one
            parts = [
                parquet.read_table(p, columns=schema.names, **verified) for p in parquet_files(path)
            ]
            parts = [part.select(schema.names).cast(schema) for part in parts]
            return from_arrow(pa.concat_tables(parts))
        case "fits":
            return Table.read(path, format="fits", hdu=fits_hdu_number(path, extension))
        case "hdf5":
            return _read_hdf5(path, extension)
        case "ascii":
            return _read_ascii(path)
    return Table.read(path, format=kind)


def _from_memory(source: Any) -> Table:
    if isinstance(source, Table):
        return source
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):  # a pandas DataFrame
        return Table.from_pandas(source)
    raise SedumError(
        "a catalogue is a file, an astropy Table or a pandas DataFrame, not "
        f"{type(source).__name__}"
    )


def fits_hdu_number(path: Path, extension: str | int | None) -> int:
    """Return the number of a FITS extension, or of the first one that holds a table.

    Parameters
    ----------
    path
        FITS file.
    extension
        Name or number of the extension; None for the first table.

    Raises
    ------
    SedumError
        If there is no such table; the message names those that the file has.

    Examples
    --------
    >>> Table({"flux": [1.0]}).write("survey.fits")
    >>> fits_hdu_number(Path("survey.fits"), None)
    1
    """
    from astropy.io import fits

    with fits.open(path) as hdus:
        tables = [i for i, h in enumerate(hdus) if isinstance(h, fits.BinTableHDU | fits.TableHDU)]
        if extension is None:
            if not tables:
                raise SedumError(f"catalogue {path} holds no table")
            return tables[0]
        for i in tables:
            if extension in (i, hdus[i].name) or str(extension).upper() == hdus[i].name:
                return i
        names = [hdus[i].name or str(i) for i in tables]
        raise SedumError(
            f"catalogue.extension: {path} has no table {extension!r}"
            f"{nearest(str(extension), names) or ';'} it holds {', '.join(names)}"
        )


def parquet_files(path: Path) -> list[Path]:
    """Return the Parquet files of a folder and its subfolders in order of name, or the file itself.

    Names that begin with a dot or an underscore are ignored, as other readers do. In a HATS
    catalogue these are the files of its own partitions, without its margin.

    Parameters
    ----------
    path
        Parquet file or folder.

    Raises
    ------
    SedumError
        If a folder contains no Parquet file.

    Examples
    --------
    >>> parquet_files(Path("survey.parquet"))
    [...Path('survey.parquet')]
    """
    if not path.is_dir():
        return [path]
    path = _primary(path)
    parts = [
        part
        for part in sorted(path.rglob("*"))
        if part.suffix.lower() in (".parquet", ".pq")
        and not any(name.startswith((".", "_")) for name in part.relative_to(path).parts)
    ]
    if not parts:
        raise SedumError(f"catalogue {path} is a folder without Parquet files")
    return parts


def is_sky_catalogue(path: str | Path) -> bool:
    """Return whether a path is a folder in HATS format: a catalogue, or a catalogue and its margin.

    Examples
    --------
    >>> is_sky_catalogue("survey.fits")
    False
    """
    return Path(path).is_dir() and any((Path(path) / mark).is_file() for mark in _HATS_MARKS)


def _primary(path: Path) -> Path:
    """Return the folder of the rows: in HATS, that of the catalogue's own partitions."""
    collection = path / "collection.properties"
    if collection.is_file():
        primary = re.search(r"^hats_primary_table_url\s*=\s*(\S+)", collection.read_text(), re.M)
        if primary:
            path = path / primary.group(1)
    dataset = path / "dataset"
    return dataset if is_sky_catalogue(path) and dataset.is_dir() else path


def parquet_schema(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Return the common column types of a Parquet file or of all files of a folder.

    Numbers of different widths become the widest.

    Parameters
    ----------
    path
        File or folder.
    columns
        Names of the columns to read, if they are present; None for all.

    Returns
    -------
    pyarrow.Schema
        Names and types of the columns.

    Raises
    ------
    SedumError
        If a file differs from the first in the type or unit of a column; the message names both.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.parquet
    >>> pa.parquet.write_table(pa.table({"flux": [1.0], "id": [7]}), "survey.parquet")
    >>> parquet_schema(Path("survey.parquet"), ["id"]).names
    ['id']
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    schemas: list[Any] = []
    files = parquet_files(path)
    for part in files:
        whole = parquet.read_schema(part)
        names = whole.names if columns is None else [n for n in columns if n in whole.names]
        schemas.append(pa.schema([whole.field(name) for name in dict.fromkeys(names)]))
    for part, schema in zip(files, schemas, strict=True):
        differing = set(schema.names) ^ set(schemas[0].names)
        differing |= {
            f.name
            for f in schema
            if f.name not in differing and _unit_of(f) != _unit_of(schemas[0].field(f.name))
        }
        if differing:
            raise SedumError(
                f"catalogue {path}: {part.name} and the first of its files differ in column "
                f"{min(differing)!r}, or in its unit; files of one catalogue have the same columns"
            )
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        raise SedumError(f"catalogue {path}: its files differ in their columns: {error}") from None


def _unit_of(field: Any) -> bytes:
    return (field.metadata or {}).get(b"unit", b"")


def from_arrow(frame: Any, names: Sequence[str] | None = None) -> Table:
    """Convert an Arrow table to an astropy Table.

    Nulls become masked values; lists of a fixed length become columns of that many values a row.

    Parameters
    ----------
    frame
        Arrow table.
    names
        Names of all columns of the file, stored as ``meta["columns"]``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from_arrow(pa.table({"flux": [1.0, 2.0]})).colnames
    ['flux']
    """
    columns = {}
    for name in frame.column_names:
        arrow = frame[name].combine_chunks()
        kind = str(arrow.type)
        if kind.startswith("fixed_size_list") and not arrow.null_count:
            values = arrow.flatten().to_numpy(zero_copy_only=False)
            columns[name] = Column(values.reshape(len(arrow), arrow.type.list_size))
        elif arrow.null_count and kind.startswith(("int", "uint", "bool")):
            mask = arrow.is_null().to_numpy(zero_copy_only=False)
            filled = arrow.fill_null(False if kind == "bool" else 0)
            columns[name] = MaskedColumn(filled.to_numpy(zero_copy_only=False), mask=mask)
        else:
            columns[name] = Column(arrow.to_numpy(zero_copy_only=False), copy=False)
        unit = (frame.schema.field(name).metadata or {}).get(b"unit", b"").decode()
        if unit:
            columns[name].unit = unit
    table = Table(columns, copy=False) if columns else Table({"": np.zeros(len(frame))})
    if names is not None:
        table.meta["columns"] = list(names)
    return table


def _read_hdf5(path: Path, extension: str | int | None) -> Table:
    import h5py

    with h5py.File(path, "r") as file:
        columns, units = hdf5_columns(file, path, extension)
        return Table({name: Column(v[:], unit=units.get(name)) for name, v in columns.items()})


def hdf5_columns(
    file: Any, path: Path, extension: str | int | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the columns of an HDF5 table, not read yet, and their units.

    The table is a group of datasets of one length, or a dataset of records.

    Parameters
    ----------
    file
        Open HDF5 file.
    path
        Its path, for messages.
    extension
        Path of the group or dataset; None for the first table.

    Returns
    -------
    columns, units : dict
        Datasets by column, and the units of those columns that have one.

    Raises
    ------
    SedumError
        If there is no such table, or its columns differ in length.

    Examples
    --------
    >>> import h5py
    >>> with h5py.File("survey.h5", "w") as file:
    ...     file["flux"] = [1.0, 2.0]
    ...     file["flux"].attrs["unit"] = "uJy"
    ...     columns, units = hdf5_columns(file, Path("survey.h5"))
    >>> list(columns), units
    (['flux'], {'flux': 'uJy'})
    """
    import h5py

    if extension is not None and str(extension) not in file:
        known = ", ".join(list(file)[:20])
        raise SedumError(f"catalogue.extension: {path} has no {extension!r}; it holds {known}")
    node = file[str(extension)] if extension is not None else _first_table(file)
    if isinstance(node, h5py.Dataset):
        if not node.dtype.names:
            raise SedumError(f"catalogue {path}: {node.name} holds no columns with names")
        return {name: node.fields(name) for name in node.dtype.names}, {}
    data = {k: v for k, v in node.items() if isinstance(v, h5py.Dataset) and v.ndim >= 1}
    if not data:
        raise SedumError(
            f"catalogue {path} holds no table at {node.name}; name its group by catalogue.extension"
        )
    if len({len(v) for v in data.values()}) > 1:
        raise SedumError(f"catalogue {path}: the columns of {node.name} differ in length")
    units = {}
    for name, dataset in data.items():
        unit = dataset.attrs.get("unit", dataset.attrs.get("units"))
        if isinstance(unit, str | bytes) and unit:
            units[name] = unit.decode() if isinstance(unit, bytes) else unit
    return data, units


def _first_table(node: Any) -> Any:
    """Return the first group of columns or dataset of records, searching depth first."""
    import h5py

    if any(
        isinstance(v, h5py.Dataset) and v.ndim == 1 and not v.dtype.names for v in node.values()
    ):
        return node
    for child in node.values():
        if isinstance(child, h5py.Dataset):
            if child.dtype.names:
                return child
        else:
            table = _first_table(child)
            if isinstance(table, h5py.Dataset) or len(table):
                return table
    return node


def _read_ascii(path: Path) -> Table:
    """Read whitespace-separated text.

    The column names are in the first line, or in the first comment line before the data that has
    one word for each column. (The second such line of EAZY holds the codes of the columns.)
    """
    comments, width = leading_comments(path)
    names = next((words for words in comments if len(words) == width), None)
    if names is None:
        return Table.read(path, format="ascii.basic")
    if len(set(names)) < len(names):
        repeated = next(n for n in names if names.count(n) > 1)
        raise SedumError(f"catalogue {path}: two columns have the name {repeated!r}")
    return Table.read(path, format="ascii.no_header", names=names, comment=r"\s*#")


def leading_comments(path: Path) -> tuple[list[list[str]], int]:
    r"""Return the words of each comment line before the data, and the number of columns.

    Examples
    --------
    >>> _ = Path("survey.cat").write_text("# id flux\n7 1.5\n")
    >>> leading_comments(Path("survey.cat"))
    ([['id', 'flux']], 2)
    """
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    comments: list[list[str]] = []
    with opener(path, "rt", errors="strict") as file:
        for line in file:
            if line.lstrip().startswith("#"):
                comments.append(line.lstrip().lstrip("#").split())
            elif line.strip():
                return comments, len(line.split())
    return comments, 0


def has_extension(source: TableLike, extension: str) -> bool:
    """Return whether a catalogue is a FITS file with a table of a given name.

    Examples
    --------
    >>> has_extension("survey.csv", "KRON")
    False
    """
    if not isinstance(source, str | Path) or not Path(source).is_file():
        return False
    if format_of(Path(source)) != "fits":
        return False
    from astropy.io import fits

    with reading(Path(source)), fits.open(source) as hdus:
        return extension.upper() in [hdu.name for hdu in hdus[1:]]
