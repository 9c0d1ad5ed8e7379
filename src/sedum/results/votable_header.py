"""A VOTable without data, from which tools of the Virtual Observatory read units of columns."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np
from astropy.table import Column, Table

from sedum.results.schema import vounit

__all__ = ["votable_of"]

_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
#: Names of number types. VOTable has no unsigned integers other than bytes.
_TYPES = {
    "b1": "boolean",
    "u1": "unsignedByte",
    "i1": "short",
    "i2": "short",
    "u2": "int",
    "i4": "int",
    "u4": "long",
    "i8": "long",
    "u8": "long",
    "f4": "float",
    "f8": "double",
}


def votable_of(table: Table, lengths: Mapping[str, int] | None = None) -> bytes:
    """Return a VOTable (version 1.4) with the columns and metadata of a table and no rows.

    FITS and Parquet files carry it, so that units and descriptions reach TOPCAT and astropy.

    Parameters
    ----------
    table
        The table, or its first rows.
    lengths
        Length of the longest text of each column, if they are not those of the table. Astropy's
        reader of VOParquet needs them.
    """
    lengths = lengths or {}
    root = ElementTree.Element("VOTABLE", {"version": "1.4", "xmlns": _NAMESPACE})
    element = ElementTree.SubElement(ElementTree.SubElement(root, "RESOURCE"), "TABLE")
    element.set("name", "posteriors")
    for key, value in table.meta.items():
        attributes = {"datatype": "unicodeChar", "arraysize": "*", "value": str(value)}
        ElementTree.SubElement(element, "PARAM", {"name": str(key), **attributes})
    for name in table.colnames:
        column = table[name]
        field = ElementTree.SubElement(
            element, "FIELD", {"name": name, **_type(column, lengths.get(name))}
        )
        if unit := vounit(column.unit):
            field.set("unit", unit)
        if column.description:
            ElementTree.SubElement(field, "DESCRIPTION").text = column.description
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _type(column: Column, length: int | None) -> dict[str, str]:
    """Return the attributes of a field that describe its type."""
    if column.dtype.kind in "US":
        width = column.dtype.itemsize // (4 if column.dtype.kind == "U" else 1)
        return {"datatype": "unicodeChar", "arraysize": str(length or width or 1)}
    kind = np.dtype(column.dtype)
    attributes = {"datatype": _TYPES[f"{kind.kind}{kind.itemsize}"]}
    if column.ndim == 2:
        attributes["arraysize"] = str(column.shape[1])
    return attributes
