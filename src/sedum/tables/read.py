"""Tables of any common format, as astropy tables.

A catalogue may be a file (FITS, Parquet, HDF5, VOTable, CSV, ECSV, ASCII; gzip where astropy
reads it), a folder of Parquet files, an astropy ``Table`` or a pandas ``DataFrame``.
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

#: What can be read as a catalogue: a path, an astropy Table or a pandas DataFrame.
TableLike: TypeAlias = Any

#: Files that say that a folder is a HATS catalogue or a collection of them.
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
    """Return what messages call a catalogue: its path, or what kind of object it is."""
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def read_table(source: TableLike, extension: str | int | None = None) -> Table:
    """Read a whole table.

    Parameters
    ----------
    source
        A file, whose format its extension says (whitespace-separated text if none is known), a
        folder of Parquet files, an astropy Table or a pandas DataFrame.
    extension
        Name or number of the FITS extension, or path of the group or dataset in HDF5; the
        first table if None.

    Raises
    ------
    SedumError
        If the file is absent, unreadable as that format, or has no rows.
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
    """Return the format that a file's extension says; folders are of Parquet files."""
    if path.is_dir():
        return "parquet"
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return _FORMATS.get(suffix, "ascii")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises inside the body into one line that names the file."""
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
            read = [parquet.read_table(p, columns=schema.names) for p in parquet_files(path)]
            return from_arrow(pa.concat_tables([f.select(schema.names).cast(schema) for f in read]))
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
    """Return the number of the wanted extension, or of the first that holds a table."""
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
    """Return the Parquet files of a folder and of those in it, by name; a file itself.

    Names that begin with a dot or an underscore are those of other things, as everywhere. Of a sky
    catalogue in HATS they are those of its own partitions, without its margin.

    Raises
    ------
    SedumError
        If a folder has none.
    """
    if not path.is_dir():
        return [path]
    path = _primary(path)
    found = [
        part
        for part in sorted(path.rglob("*"))
        if part.suffix.lower() in (".parquet", ".pq")
        and not any(name.startswith((".", "_")) for name in part.relative_to(path).parts)
    ]
    if not found:
        raise SedumError(f"catalogue {path} is a folder without Parquet files")
    return found


def is_sky_catalogue(path: str | Path) -> bool:
    """Say whether a path is a folder in HATS: a catalogue, or one and its margin."""
    return Path(path).is_dir() and any((Path(path) / mark).is_file() for mark in _HATS_MARKS)


def _primary(path: Path) -> Path:
    """Return where the rows are: of a catalogue in HATS, the folder of its own partitions."""
    collection = path / "collection.properties"
    if collection.is_file():
        found = re.search(r"^hats_primary_table_url\s*=\s*(\S+)", collection.read_text(), re.M)
        if found:
            path = path / found.group(1)
    dataset = path / "dataset"
    return dataset if is_sky_catalogue(path) and dataset.is_dir() else path


def parquet_schema(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Return the types that columns of a file, or of all files of a folder, can be read as.

    Numbers of different widths become the widest.

    Parameters
    ----------
    path
        A file or a folder.
    columns
        What is wanted, where it is there; all where None.

    Raises
    ------
    SedumError
        Naming the file and the column in which it differs from the first, in type or unit.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    found: list[Any] = []
    files = parquet_files(path)
    for part in files:
        whole = parquet.read_schema(part)
        names = whole.names if columns is None else [n for n in columns if n in whole.names]
        found.append(pa.schema([whole.field(name) for name in dict.fromkeys(names)]))
    for part, schema in zip(files, found, strict=True):
        odd = set(schema.names) ^ set(found[0].names)
        odd |= {
            f.name
            for f in schema
            if f.name not in odd and _unit_of(f) != _unit_of(found[0].field(f.name))
        }
        if odd:
            raise SedumError(
                f"catalogue {path}: {part.name} and the first of its files differ in column "
                f"{min(odd)!r}, or in its unit; files of one catalogue have the same columns"
            )
    try:
        return pa.unify_schemas(found, promote_options="permissive")
    except pa.ArrowException as error:
        raise SedumError(f"catalogue {path}: its files differ in their columns: {error}") from None


def _unit_of(field: Any) -> bytes:
    return (field.metadata or {}).get(b"unit", b"")


def from_arrow(frame: Any, names: Sequence[str] | None = None) -> Table:
    """Turn an arrow table into an astropy one; nulls are masked, lists of one length are rows.

    ``names`` are those of all columns of the file, for ``meta["columns"]``.
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
    """Return the columns of a table in HDF5, not read yet, and the units of those that have one.

    The table is a group of datasets of one length, or a dataset of records.

    Parameters
    ----------
    file
        The open file.
    path
        For messages.
    extension
        The group or dataset; the first table if None.

    Raises
    ------
    SedumError
        If there is no such table.
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
    """Return the first group that holds columns, or dataset of records, depth first."""
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
            found = _first_table(child)
            if isinstance(found, h5py.Dataset) or len(found):
                return found
    return node


def _read_ascii(path: Path) -> Table:
    """Read whitespace-separated text.

    The names stand in the first line, or in a comment line before the data that has one word
    for each column, the first of them if there are several (EAZY's second holds its codes).
    """
    comments, width = leading_comments(path)
    names = next((words for words in comments if len(words) == width), None)
    if names is None:
        return Table.read(path, format="ascii.basic")
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise SedumError(f"catalogue {path}: column {twice!r} stands twice")
    return Table.read(path, format="ascii.no_header", names=names, comment=r"\s*#")


def leading_comments(path: Path) -> tuple[list[list[str]], int]:
    """Return the words of each comment line before the data, and the number of columns."""
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
    """Say whether a catalogue is a FITS file with a table of that name."""
    if not isinstance(source, str | Path) or not Path(source).is_file():
        return False
    if format_of(Path(source)) != "fits":
        return False
    from astropy.io import fits

    with reading(Path(source)), fits.open(source) as hdus:
        return extension.upper() in [hdu.name for hdu in hdus[1:]]
