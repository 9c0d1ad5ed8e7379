"""Column layouts of public catalogues, and the sections of a run file that read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from astropy.table import Table

from sedum import config
from sedum.errors import SedumError, allowed
from sedum.photometry.eazy_files import eazy_columns, read_eazy_offsets, read_translate
from sedum.photometry.filters import list_filters
from sedum.photometry.ordinary_names import ordinary_names
from sedum.tables.read import (
    TableLike,
    has_extension,
    leading_comments,
    name_of,
    read_table,
)

__all__ = ["Reading", "describe_layouts", "read_layout", "recognise"]


@dataclass(frozen=True)
class Reading:
    """How to read one catalogue: the sections ``filters`` and ``catalogue`` of a run file.

    Attributes
    ----------
    layout
        Name of the layout.
    filters
        Bands of the catalogue.
    catalogue
        The ``catalogue`` section.
    notes
        What the user should know about the layout, and what was assumed.

    Examples
    --------
    >>> columns = {f"F{n}W_KRON": [1.0] for n in (115, 150, 200)}
    >>> errors = {f"F{n}W_KRON_e": [0.1] for n in (115, 150, 200)}
    >>> reading = read_layout(Table({**columns, **errors}))
    >>> reading.layout, reading.filters
    ('jades', ['jwst_f115w', 'jwst_f150w', 'jwst_f200w'])
    """

    layout: str
    filters: list[config.Band]
    catalogue: config.CatalogueSettings
    notes: list[str]


#: Usual names of spectroscopic-redshift columns, for layouts that do not name one.
_SPECTROSCOPIC = ["z_spec", "zspec", "specz", "spec_z"]


@cache
def _layouts() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((files("sedum") / "photometry" / "layouts.yaml").read_text())


def describe_layouts() -> dict[str, str]:
    """Return the layouts that are known, with the survey and paper of each.

    Examples
    --------
    >>> describe_layouts()["jades"]
    'JADES (Rieke et al. 2023, Eisenstein et al. 2023), Kron fluxes of the extension KRON'
    """
    return {name: layout["about"] for name, layout in _layouts().items()}


def recognise(columns: list[str]) -> str | None:
    """Return the layout that matches most bands of a table, or None if none matches.

    A layout matches if the table has fluxes and errors of at least three of its bands.

    Examples
    --------
    >>> names = [f"F{n}W_KRON{end}" for n in (115, 150, 200) for end in ("", "_e")]
    >>> recognise(names)
    'jades'
    """
    best, maximum = None, 2
    for name, layout in _layouts().items():
        if name == "eazy":
            matched = len(eazy_columns(columns, {})[0])
        else:
            matched = len(_bands(layout, columns, measured_only=True))
        if matched > maximum:
            best, maximum = name, matched
    return best


def read_layout(
    source: TableLike,
    layout: str | None = None,
    *,
    filter_file: str | Path | None = None,
    translate: str | Path | None = None,
    zeropoints: str | Path | None = None,
    unit: str | None = None,
    bands: Mapping[str, str] | None = None,
) -> Reading:
    """Determine how to read a catalogue.

    Parameters
    ----------
    source
        The catalogue.
    layout
        Its layout, one of :func:`describe_layouts`. None recognises it by its columns.
    filter_file
        EAZY's ``FILTER.RES``, for layout ``eazy``.
    translate, zeropoints
        EAZY's translate and zero-point files, if there are any.
    unit
        Unit of the fluxes if it differs from that of the layout.
    bands
        For catalogues of no known layout: the filter of each band, as columns name it. None
        guesses the filters by ordinary names of columns.

    Returns
    -------
    Reading
        The sections of a run file that read the catalogue.

    Raises
    ------
    SedumError
        If the layout is unknown, the columns have neither the names of a layout nor ordinary
        ones, or the table has none of the layout's bands.

    Examples
    --------
    >>> names = [f"F{n}W_KRON{end}" for n in (115, 150, 200) for end in ("", "_e")]
    >>> read_layout(Table({name: [1.0] for name in names}), "jades").catalogue.unit
    'nJy'
    """
    known = _layouts()
    if layout is not None and layout not in known:
        raise SedumError(f"unknown layout {layout!r}{allowed(layout, known)}")
    extension = known[layout]["mapping"].get("extension") if layout else None
    if extension is not None and not has_extension(source, extension):
        extension = None
    table = read_table(source, extension)
    if layout is None and bands is None:
        layout = "eazy" if translate or filter_file else recognise(table.colnames)
    if layout is None:
        return _ordinary(source, table, bands, unit)
    mapping = dict(known[layout]["mapping"])
    if "extension" in mapping and extension is None:
        del mapping["extension"]
    if layout == "eazy":
        filters, mapping = _eazy(source, table, mapping, filter_file, translate, zeropoints)
    else:
        filters, mapping = _named(known[layout], table, mapping)
    if not filters:
        raise SedumError(f"{name_of(source)}: layout {layout} finds no band with flux and error")
    if unit is not None:
        mapping["unit"] = unit
        mapping.pop("zeropoint", None)
    catalogue = config.CatalogueSettings.model_validate(mapping)
    note = known[layout].get("note")
    return Reading(layout, filters, catalogue, [note] if note else [])


def _ordinary(
    source: TableLike, table: Table, bands: Mapping[str, str] | None, unit: str | None
) -> Reading:
    """Read a catalogue of no known layout by ordinary names of its columns."""
    named = ordinary_names(table, bands, unit)
    if named is None:
        raise SedumError(
            f"{name_of(source)}: its columns are of no known layout; name one "
            f"({', '.join(_layouts())}), or the filters of its bands by argument bands "
            "(g=sdss_g0,r=sdss_r0), or write catalogue.columns by hand; none are pairs of value "
            "and error such as mag_g and magerr_g"
        )
    mapping = {"unit": named.unit, "columns": named.columns, **named.mapping}
    catalogue = config.CatalogueSettings.model_validate(mapping)
    return Reading("ordinary names", list(named.columns), catalogue, named.assumed)


def _bands(
    layout: dict[str, Any], columns: list[str], measured_only: bool = False
) -> dict[str, tuple[str, str | float]]:
    """Return the columns of value and error by band, in the order of the layout."""
    there = set(columns)
    labels = layout.get("bands") or {name: name for name in list_filters()}
    bands: dict[str, tuple[str, str | float]] = {}
    for label, band in labels.items():
        value = _first(layout["value"], label, there)
        error = _first(layout["error"], label, there)
        if not isinstance(value, str) or error is None or band in bands:
            continue
        if isinstance(error, str) or not measured_only:
            bands[band] = (value, error)
    return bands


def _first(patterns: list[str | float], label: str, there: set[str]) -> str | float | None:
    """Return the first pattern whose column exists, or that is a number."""
    for pattern in patterns:
        if not isinstance(pattern, str):
            return pattern
        if pattern.format(label) in there:
            return pattern.format(label)
    return None


def _named(
    layout: dict[str, Any], table: Table, mapping: dict[str, Any]
) -> tuple[list[config.Band], dict[str, Any]]:
    bands = _bands(layout, table.colnames)
    mapping["columns"] = {b: {"value": v, "error": e} for b, (v, e) in bands.items()}
    if "scaled" in layout and "aperture" in mapping:
        scaled = [b for b, (v, _) in bands.items() if v.endswith(layout["scaled"])]
        mapping["aperture"] = {**mapping["aperture"], "bands": scaled}
    return list(bands), _existing(mapping, table)


def _existing(mapping: dict[str, Any], table: Table) -> dict[str, Any]:
    """Remove the keys of a mapping whose columns the table does not have."""
    there = set(table.colnames)
    kept = dict(mapping)
    for key in ("id", "redshift", "redshift_error"):
        if key in kept and kept[key] not in there:
            del kept[key]
    spectroscopic = [name for name in _SPECTROSCOPIC if name in there]
    if "redshift" not in kept and spectroscopic:
        kept["redshift"] = spectroscopic[0]
    if "aperture" in kept:
        named = [kept["aperture"].get("total"), kept["aperture"].get("offset")]
        if not any(name in there for name in named):
            del kept["aperture"]
    if "extinction" in kept and kept["extinction"]["ebv"] not in there:
        del kept["extinction"]
    if "require" in kept:
        kept["require"] = {name: v for name, v in kept["require"].items() if name in there}
    return kept


def _eazy(
    source: TableLike,
    table: Table,
    mapping: dict[str, Any],
    filter_file: str | Path | None,
    translate: str | Path | None,
    zeropoints: str | Path | None,
) -> tuple[list[config.Band], dict[str, Any]]:
    if filter_file is None:
        raise SedumError(
            "layout eazy: give EAZY's FILTER.RES file, to which the filter numbers refer"
        )
    codes = _second_header(source, len(table.colnames))
    words = read_translate(translate) if translate else {}
    numbers, others = eazy_columns(table.colnames, words, codes)
    filters: list[config.Band] = []
    columns, names = {}, {}
    for number, (flux, error) in numbers.items():
        name = flux.removeprefix("f_").removeprefix("F_")
        name = f"eazy_{number}" if name == f"F{number}" else name
        names[number] = name
        path = Path(filter_file).resolve()
        filters.append(config.EazyBand(name=name, eazy=number, file=path))
        columns[name] = {"value": flux, "error": error}
    mapping["columns"] = columns
    mapping["id"] = others.get("id", mapping["id"])
    mapping["redshift"] = others.get("z_spec", mapping["redshift"])
    if zeropoints is not None:
        offsets = read_eazy_offsets(zeropoints)
        mapping["offsets"] = {names[n]: o for n, o in offsets.items() if n in names}
    return filters, _existing(mapping, table)


def _second_header(source: TableLike, width: int) -> list[str] | None:
    """Return the words of a second header line with one word for each column, if there is one."""
    if not isinstance(source, str | Path):
        return None
    try:
        comments, _ = leading_comments(Path(source))
    except (OSError, UnicodeDecodeError):  # a binary table has no such lines
        return None
    headers = [words for words in comments if len(words) == width]
    return headers[1] if len(headers) > 1 else None
