"""Columns of catalogues of no known layout: pairs of value and error by ordinary names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Table

from sedum.errors import SedumError, allowed
from sedum.photometry.filters import list_filters

__all__ = ["OrdinaryNames", "ordinary_names", "parse_bands"]

#: Names of a value and of its error, where {} stands for the band, without regard to case; and
#: whether they are magnitudes, fluxes, or what the numbers look like.
_PATTERNS = [
    *(
        (value, error, "magnitude")
        for value, error in [
            ("mag_auto_{}", "magerr_auto_{}"),
            ("mag_{}", "magerr_{}"),
            ("mag_{}", "mag_err_{}"),
            ("mag_{}", "e_mag_{}"),
            ("mag_{}", "err_mag_{}"),
            ("{}_mag", "{}_magerr"),
            ("{}_mag", "{}_mag_err"),
            ("{}_mag", "e_{}_mag"),
            ("{}_mag", "{}_err"),
            ("{}mag", "e_{}mag"),
            ("{}mag", "{}magerr"),
            ("{}mag_auto", "{}magerr_auto"),
            ("petromag_{}", "petromagerr_{}"),
            ("modelmag_{}", "modelmagerr_{}"),
            ("cmodelmag_{}", "cmodelmagerr_{}"),
            ("psfmag_{}", "psfmagerr_{}"),
        ]
    ),
    # Of 2MASS and WISE, whose magnitudes are Vega.
    ("{}_m", "{}_msigcom", "Vega magnitude"),
    ("{}_m", "{}_cmsig", "Vega magnitude"),
    ("{}_m_ext", "{}_msig_ext", "Vega magnitude"),
    ("{}mpro", "{}sigmpro", "Vega magnitude"),
    *(
        (value, error, "flux")
        for value, error in [
            ("flux_auto_{}", "fluxerr_auto_{}"),
            ("flux_{}", "fluxerr_{}"),
            ("flux_{}", "flux_err_{}"),
            ("flux_{}", "err_flux_{}"),
            ("flux_{}", "e_flux_{}"),
            ("{}_flux", "{}_fluxerr"),
            ("{}_flux", "{}_flux_err"),
            ("{}_flux", "{}_err"),
            ("{}_flux", "e_{}_flux"),
            ("f_{}", "e_{}"),
            ("f_{}", "ef_{}"),
            ("f_{}", "f_{}_err"),
            ("f_{}", "err_{}"),
        ]
    ),
    *(
        ("{}", error, "either")
        for error in [
            "err_{}",
            "{}_err",
            "{}err",
            "e_{}",
            "{}_e",
            "{}_error",
            "error_{}",
            "e{}",
            "sigma_{}",
            "{}_sigma",
            "d{}",
            "unc_{}",
            "{}_unc",
        ]
    ),
]
#: Filters of sedpy by the name of a survey and the letter of a band.
_SURVEYS = {
    "sdss": {b: f"sdss_{b}0" for b in "ugriz"},
    "ps1": {b: f"panstarrs_{b}" for b in "grizy"},
    "panstarrs": {b: f"panstarrs_{b}" for b in "grizy"},
    "des": {b: f"decam_{b}" for b in "griz"} | {"y": "decam_Y"},
    "decam": {b: f"decam_{b}" for b in "ugriz"} | {"y": "decam_Y"},
    "hsc": {b: f"hsc_{b}" for b in "grizy"},
    "lsst": {b: f"lsst_baseline_{b}" for b in "ugrizy"},
    "2mass": {"j": "twomass_J", "h": "twomass_H", "k": "twomass_Ks", "ks": "twomass_Ks"},
    "twomass": {"j": "twomass_J", "h": "twomass_H", "k": "twomass_Ks", "ks": "twomass_Ks"},
    "vista": {b.lower(): f"vista_vircam_{b}" for b in ("Z", "Y", "J", "H", "Ks")},
    "viking": {b.lower(): f"vista_vircam_{b}" for b in ("Z", "Y", "J", "H", "Ks")},
    "ukidss": {b.lower(): f"ukirt_wfcam_{b}" for b in ("J", "H", "K")},
    "galex": {"fuv": "galex_FUV", "nuv": "galex_NUV"},
    "wise": {f"w{i}": f"wise_w{i}" for i in range(1, 5)},
    "irac": {f"ch{i}": f"spitzer_irac_ch{i}" for i in range(1, 5)}
    | {str(i): f"spitzer_irac_ch{i}" for i in range(1, 5)},
}
#: Where a name has the band alone, the surveys it is taken for, in this order.
_USUAL = ("sdss", "2mass", "galex", "wise", "irac")
_IDENTIFIERS = ("id", "objid", "object_id", "source_id", "sourceid", "number", "catid", "name")
_REDSHIFTS = ("z_spec", "zspec", "specz", "spec_z", "redshift", "z_best", "zbest")
#: Values that stand for "not observed" in many catalogues.
_MISSING = (-9999.0, -999.0, -99.9, -99.0, -9.99, 99.0, 99.9, 99.99, 999.0, 9999.0)


@dataclass(frozen=True)
class OrdinaryNames:
    """What the names of columns say.

    Attributes
    ----------
    columns
        Columns of value and error of each band, by the name of its filter.
    unit
        Unit of the values.
    mapping
        Other keys of the ``catalogue`` section.
    assumed
        What was assumed, one text each.
    """

    columns: dict[str, dict[str, str]]
    unit: str
    mapping: dict[str, Any]
    assumed: list[str]


def parse_bands(text: str) -> dict[str, str]:
    """Return the filters of the bands of ``u=sdss_u0,g=sdss_g0``.

    Raises
    ------
    SedumError
        If the text is not of that form.

    Examples
    --------
    >>> parse_bands("u=sdss_u0, J=twomass_J")
    {'u': 'sdss_u0', 'J': 'twomass_J'}
    """
    bands: dict[str, str] = {}
    for part in text.split(","):
        label, separator, name = (word.strip() for word in part.partition("="))
        if not (label and separator and name) or label in bands:
            raise SedumError(
                f"argument bands: expected BAND=FILTER,BAND=FILTER,… with each band once; {part!r} "
                "is not"
            )
        bands[label] = name
    return bands


def ordinary_names(
    table: Table, bands: Mapping[str, str] | None = None, unit: str | None = None
) -> OrdinaryNames | None:
    """Return what the names of columns say; None if they pair no value and error.

    Parameters
    ----------
    table
        The catalogue, or some of its rows.
    bands
        The filter of each band, as columns name it. None guesses the filters by the names.
    unit
        Unit of the values. None takes that of the columns, or magnitudes where the names or the
        numbers say so.

    Raises
    ------
    SedumError
        If a band has no columns, a filter is not known, or fluxes have no unit.

    Examples
    --------
    >>> table = Table({"mag_auto_g": [17.0], "magerr_auto_g": [0.01]})
    >>> named = ordinary_names(table)
    >>> named.columns, named.unit
    ({'sdss_g0': {'value': 'mag_auto_g', 'error': 'magerr_auto_g'}}, 'ABmag')
    """
    pairs = _pairs(table.colnames)
    assumed: list[str] = []
    if bands is None:
        wanted = {label: name for label in pairs if (name := _guess(label))}
        wanted = {label: name for label, name in wanted.items() if _is_first(label, name, wanted)}
        guesses = [f"{pairs[label][0]} is {name}" for label, name in wanted.items()]
        assumed += [f"filters by the names of columns: {', '.join(guesses)}"] if guesses else []
    else:
        wanted = dict(bands)
        for label, name in wanted.items():
            if _found(label, pairs) is None:
                raise SedumError(
                    f"argument bands: no columns of value and error for {label!r}"
                    f"{allowed(label, list(pairs))}"
                )
            if name not in list_filters():
                raise SedumError(
                    f"argument bands: unknown filter {name!r}{allowed(name, list_filters())}"
                )
    if not wanted:
        return None
    columns: dict[str, dict[str, str]] = {}
    kinds: set[str] = set()
    vega: list[str] = []
    for label, name in wanted.items():
        value, error, kind = pairs[str(_found(label, pairs))]
        columns[name] = {"value": value, "error": error}
        if kind == "Vega magnitude" and unit is None:
            columns[name]["unit"] = "Vegamag"
            vega.append(value)
            continue
        kinds.add(_kind(table, value, error) if kind == "either" else kind.split()[-1])
    ignored = [pairs[label][0] for label in pairs if pairs[label][0] not in _values(columns)]
    if ignored:
        assumed.append(f"not used, name their filters by --bands: {', '.join(ignored)}")
    if vega:
        assumed.append(f"Vega magnitudes, as 2MASS and WISE give them: {', '.join(vega)}")
    unit, said = _unit(table, columns, kinds or {"magnitude"}, unit)
    assumed += [said] if said else []
    mapping = _other(table, columns, assumed)
    return OrdinaryNames(columns, unit, mapping, assumed)


def _values(columns: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {pair["value"] for pair in columns.values()}


@cache
def _compiled() -> list[tuple[re.Pattern[str], str, str]]:
    """Return the patterns of errors, with those of values and kinds.

    An error names its band with fewer mistakes than a value, which may be nothing but a letter.
    """
    return [
        (re.compile(re.escape(error).replace(r"\{\}", "(.+)"), re.IGNORECASE), value, kind)
        for value, error, kind in _PATTERNS
    ]


def _pairs(names: list[str]) -> dict[str, tuple[str, str, str]]:
    """Return columns of value and error, and their kind, by what stands for the band."""
    by_lower = {name.lower(): name for name in names}
    pairs: dict[str, tuple[str, str, str]] = {}
    used: set[str] = set()
    for pattern, value, kind in _compiled():
        for name in names:
            match = pattern.fullmatch(name)
            column = by_lower.get(value.format(match[1]).lower()) if match else None
            if match is None or column is None or column == name or {column, name} & used:
                continue
            if match[1] not in pairs and column.lower() not in (*_REDSHIFTS, *_IDENTIFIERS):
                pairs[match[1]] = (column, name, kind)
                used |= {column, name}
    order = {name: i for i, name in enumerate(names)}
    return dict(sorted(pairs.items(), key=lambda item: order[item[1][0]]))


def _found(label: str, pairs: Mapping[str, Any]) -> str | None:
    """Return the label of the columns that a user means: by itself, or without regard to case."""
    if label in pairs:
        return label
    same = [other for other in pairs if other.lower() == label.lower()]
    return same[0] if len(same) == 1 else None


def _guess(label: str) -> str | None:
    """Return the filter that what stands for the band in a column's name means."""
    known = {name.lower(): name for name in list_filters()}
    text = label.lower()
    if text in known:
        return known[text]
    for survey, letters in _SURVEYS.items():
        for rest in (text.removeprefix(survey), text.removesuffix(survey)):
            if rest != text and rest.strip("_-") in letters:
                return letters[rest.strip("_-")]
    wide = re.fullmatch(r"(?:.*_)?(f\d{3,4}(?:w|m|lp|n))", text)
    if wide:
        for camera in ("jwst", "acs_wfc", "wfc3_ir", "wfc3_uvis"):
            if f"{camera}_{wide[1]}" in known:
                return known[f"{camera}_{wide[1]}"]
    for survey in _USUAL:
        if text in _SURVEYS[survey] and not text.isdigit():
            return _SURVEYS[survey][text]
    return None


def _is_first(label: str, name: str, wanted: Mapping[str, str]) -> bool:
    return next(other for other, filter_ in wanted.items() if filter_ == name) == label


def _numbers(table: Table, name: str) -> np.ndarray:
    """Return the finite numbers of a column; none if it holds something else."""
    column = table[name]
    try:
        values: Any = np.ma.array(column, dtype=float, copy=True)
    except (TypeError, ValueError):
        return np.empty(0)
    return np.asarray(np.ma.masked_invalid(values).compressed(), float)


def _kind(table: Table, value: str, error: str) -> str:
    """Return whether numbers look like magnitudes: between 5 and 35, with errors below 2."""
    if str(table[value].unit or "").lower() in ("mag", "mag(ab)", "abmag"):
        return "magnitude"
    if table[value].unit is not None:
        return "flux"
    values, errors = _numbers(table, value), _numbers(table, error)
    values = values[~np.isin(values, _MISSING)]
    if not len(values) or not len(errors):
        return "flux"
    low, middle, high = np.percentile(values, [5, 50, 95])
    return "magnitude" if 5 < low <= middle <= high < 35 and np.median(errors) < 2 else "flux"


def _unit(
    table: Table, columns: Mapping[str, Mapping[str, str]], kinds: set[str], unit: str | None
) -> tuple[str, str]:
    """Return the unit of the values, and what is assumed about it."""
    if unit is not None:
        return unit, ""
    if len(kinds) > 1:
        raise SedumError(
            "the catalogue has magnitudes and fluxes; name the bands of one kind by --bands, or "
            "write units for each band in catalogue.columns"
        )
    if kinds == {"magnitude"}:
        return "ABmag", "other magnitudes are AB; where they are Vega, give --unit Vegamag"
    named = {str(table[pair["value"]].unit) for pair in columns.values()}
    if len(named) == 1 and (one := named.pop()) != "None":
        try:
            units.Unit(one)
        except ValueError:
            raise SedumError(f"unit {one!r} of the columns is not known; give --unit") from None
        return one, ""
    raise SedumError(
        "the columns of fluxes have no unit; give --unit, such as uJy, nJy, Jy, mJy or "
        "'erg / (s cm2 Hz)'"
    )


def _other(
    table: Table, columns: Mapping[str, Mapping[str, str]], assumed: list[str]
) -> dict[str, Any]:
    """Return the columns of identifiers and redshifts, and the values that mean "missing"."""
    mapping: dict[str, Any] = {}
    bands = _values(columns) | {pair["error"] for pair in columns.values()}
    by_lower = {name.lower(): name for name in table.colnames if name not in bands}
    for key, names in (("id", _IDENTIFIERS), ("redshift", (*_REDSHIFTS, "z"))):
        there = [by_lower[name] for name in names if name in by_lower]
        if there:
            mapping[key] = there[0]
            assumed.append(f"{key} is the column {there[0]}")
    values = np.concatenate([_numbers(table, name) for name in sorted(_values(columns))])
    missing = [value for value in _MISSING if (values == value).any()]
    if missing:
        mapping["missing"] = missing
        assumed.append(f"values that mean 'not observed': {', '.join(f'{v:g}' for v in missing)}")
    return mapping
