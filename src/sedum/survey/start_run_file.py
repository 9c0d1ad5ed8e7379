"""Writing a commented run file, from the template or for a catalogue."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.photometry.catalogue import CatalogueRows, read_catalogue
from sedum.photometry.filters import FilterSet, load_band
from sedum.photometry.layouts import Reading, read_layout
from sedum.storage import atomic_path, check_writable
from sedum.tables.read import TableLike, name_of

__all__ = ["init_run", "template"]

#: Fraction of rows that the proposed selection keeps, and its minimum signal-to-noise.
_KEPT, _MINIMUM_SNR = 0.999, 2.0


def template() -> str:
    """Return the commented run file that ``sedum init`` writes."""
    return (files("sedum") / "config" / "templates" / "run.yaml").read_text()


def init_run(
    path: str | Path,
    *,
    catalogue: TableLike | None = None,
    layout: str | None = None,
    unit: str | None = None,
    filter_file: str | Path | None = None,
    translate: str | Path | None = None,
    zeropoints: str | Path | None = None,
    force: bool = False,
) -> list[str]:
    """Write the commented run file.

    Parameters
    ----------
    path
        Where to write.
    catalogue
        A catalogue (file, astropy Table or DataFrame) from which bands, columns, units, depths
        and a selection are taken; those of 14 HST and JWST bands if None.
    layout, unit, filter_file, translate, zeropoints
        How to read it; see :func:`sedum.photometry.layouts.read_layout`.
    force
        Overwrite an existing file.

    Returns
    -------
    list of str
        What the user should know about the catalogue.

    Raises
    ------
    SedumError
        If the file exists and ``force`` is not set, it cannot be written, or the catalogue
        cannot be read.

    Examples
    --------
    >>> import sedum
    >>> init_run("run.yaml")
    []
    >>> len(sedum.load_run("run.yaml").filters)
    14
    """
    path = check_writable(path)
    if path.exists() and not force:
        raise SedumError(
            f"{path} exists; name another file, or set argument force=True to overwrite it"
        )
    text = template()
    notes: list[str] = []
    if catalogue is None:
        if any(option is not None for option in (layout, unit, filter_file, translate, zeropoints)):
            raise SedumError(
                "argument layout, argument unit and EAZY's files go together with "
                "argument catalogue"
            )
    else:
        reading = read_layout(
            catalogue,
            layout,
            filter_file=filter_file,
            translate=translate,
            zeropoints=zeropoints,
            unit=unit,
        )
        text, notes = _for_catalogue(text, catalogue, reading, path.parent)
        parse_run(yaml.safe_load(text), source=str(path), folder=path.parent)
    with atomic_path(path) as temporary:
        temporary.write_text(text)
    return notes


def _for_catalogue(
    text: str, source: TableLike, reading: Reading, folder: Path
) -> tuple[str, list[str]]:
    """Return the template with the sections of a catalogue, and notes about it."""
    from sedum.observe.learn_noise import MIN_MEASUREMENTS, fit_noise, nominal_noise

    filters = FilterSet([load_band(band) for band in reading.filters])
    rows = read_catalogue(source, reading.catalogue, filters)
    measured = rows.photometry.measured[rows.row_status.ok].sum(axis=0)
    notes = [f"layout {reading.layout}: {len(rows):,} rows, {len(filters)} bands"]
    notes += [reading.note] if reading.note else []
    names = filters.names
    rare = [f"{b} ({c} rows)" for b, c in zip(names, measured, strict=True) if c < MIN_MEASUREMENTS]
    by_wavelength = np.argsort(filters.pivots, kind="stable")
    keep = [int(i) for i in by_wavelength if measured[i] >= MIN_MEASUREMENTS]
    if rare:
        notes += [f"left out, measured in fewer than {MIN_MEASUREMENTS} rows: {', '.join(rare)}"]
    if not keep:
        counts = "; ".join(f"{count} {reason}" for reason, count in rows.row_status.counts()[:3])
        raise SedumError(
            f"{name_of(source)}: no band is measured in {MIN_MEASUREMENTS} rows that can be used "
            f"({counts}); write the run file by hand from that of sedum init without a catalogue"
        )
    bands = [names[i] for i in keep]
    sample = fit_noise(replace(rows, photometry=rows.photometry.of_bands(keep)), bands)
    depths, scatter, shared = nominal_noise(sample)
    band = bands[sample.reference]
    section = reading.catalogue.model_dump(mode="json", exclude_defaults=True)
    section["columns"] = {b: section["columns"][b] for b in bands}
    if "aperture" in section and section["aperture"].get("bands"):
        section["aperture"]["bands"] = [b for b in section["aperture"]["bands"] if b in bands]
    if reading.catalogue.redshift:
        section["use_redshift"] = False
    chosen = [reading.filters[i] for i in keep]
    changes: list[tuple[str, Any]] = [
        ("name", _plain(Path(name_of(source)).stem)),
        (
            "filters",
            [b if isinstance(b, str) else _relative(b.model_dump(), folder) for b in chosen],
        ),
        ("noise.depths", depths),
        ("noise.scatter", scatter),
        ("noise.shared_scatter", shared),
        ("noise.selection", {"band": band, "snr": _selection(rows, keep[sample.reference])}),
        ("catalogue", {"unit": reading.catalogue.unit, **section}),
    ]
    for key, value in changes:
        text = with_key(text, key, value)
    return text, notes


def _selection(rows: CatalogueRows, band: int) -> float:
    """Return the signal-to-noise that nearly all rows exceed in a band, rounded down."""
    good = rows.row_status.ok & rows.photometry.measured[:, band]
    snr = rows.photometry.flux[good, band] / rows.photometry.error[good, band]
    return float(max(np.floor(np.quantile(snr, 1 - _KEPT)), _MINIMUM_SNR))


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_") or "survey"


def _relative(band: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Name a band's file from the folder of the run file, as run files do."""
    return {
        k: os.path.relpath(v, folder.resolve()) if k in ("file", "curve") else v
        for k, v in band.items()
    }


def with_key(text: str, path: str, value: Any) -> str:
    """Return YAML text with the value of one key replaced, comments elsewhere kept.

    Parameters
    ----------
    text
        A document of mappings, two spaces deep in each.
    path
        The key, as ``noise.depths``; it must be there.
    value
        What is to stand under it.
    """
    lines = text.split("\n")
    at, end = -1, len(lines)
    for depth, key in enumerate(path.split(".")):
        start = at + 1
        pattern = re.compile(rf"{'  ' * depth}{re.escape(key)}:")
        at = next(i for i in range(start, end) if pattern.match(lines[i]))
        deeper = "  " * (depth + 1)
        end = next((i for i in range(at + 1, end) if not lines[i].startswith(deeper)), end)
    # What holds mappings, or little, goes on one line; names of bands each have their own.
    flow = None if _compact(value) else False
    body = yaml.safe_dump({key: value}, sort_keys=False, default_flow_style=flow, width=100)
    pad = "  " * depth
    # PyYAML puts the items of a list level with their key; here everything is deeper than it.
    made = [pad + ("  " if line.startswith("- ") else "") + line for line in body.split("\n")[:-1]]
    comment = re.search(r"\s+#.*$", lines[at])
    if comment and len(made) == 1:
        made[0] += comment.group()
    return "\n".join([*lines[:at], *made, *lines[end:]])


def _compact(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    nested = any(isinstance(v, dict | list) for v in inner)
    return nested or (isinstance(value, dict) and len(value) <= 3)
