"""Writing a commented run file, from the template or for a catalogue."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.observe.noise_file import SurveySample
from sedum.photometry.catalogue import CatalogueRows, read_catalogue
from sedum.photometry.filters import FilterSet, load_band
from sedum.photometry.layouts import Reading, read_layout
from sedum.storage import atomic_path, check_writable
from sedum.survey.proposed_priors import propose_priors
from sedum.tables.read import TableLike, name_of

__all__ = ["init_run", "template"]

#: Fraction of rows that the proposed selection keeps, and its minimum signal-to-noise.
_KEPT, _MINIMUM_SNR = 0.999, 2.0
#: Fraction of the rows that a band of detection has at least, of those of the best band; and the
#: quantile of signal-to-noise by which these bands are compared.
_NEARLY_ALL, _WEAKEST = 0.99, 0.01
#: The noise of a run file for a catalogue: errors and missing bands of similar galaxies.
_NOISE = {
    "kind": "bootstrap",
    "file": "",
    "floor": 0.02,
    "missing": {"rate": 0.05, "band_dropout": 0.2},
    "redshift_given": 0.2,
    "redshift_error": 0.001,
    "selection": {},
}


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
    bands: Mapping[str, str] | None = None,
    force: bool = False,
) -> list[str]:
    """Write the commented run file, and the noise of a catalogue beside it.

    Parameters
    ----------
    path
        Where to write.
    catalogue
        A catalogue (file, astropy Table or DataFrame) from which bands, columns, units, noise,
        a selection and the range of redshifts are taken; those of 14 HST and JWST bands if None.
        Its noise is learned and written to ``NAME-noise.h5`` beside the run file.
    layout, unit, filter_file, translate, zeropoints, bands
        How to read it; see :func:`sedum.photometry.layouts.read_layout`.
    force
        Overwrite an existing file.

    Returns
    -------
    list of str
        What the user should know about the catalogue, and what was assumed.

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
        options = (layout, unit, filter_file, translate, zeropoints, bands)
        if any(option is not None for option in options):
            raise SedumError(
                "argument layout, argument unit, argument bands and EAZY's files go together with "
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
            bands=bands,
        )
        text, notes, sample = _for_catalogue(text, catalogue, reading, path.parent)
        noise = path.parent / yaml.safe_load(text)["noise"]["file"]
        check_writable(noise)
        sample.write(noise)
        notes.append(f"noise of the catalogue: {noise}")
        parse_run(yaml.safe_load(text), source=str(path), folder=path.parent)
    with atomic_path(path) as temporary:
        temporary.write_text(text)
    return notes


def _for_catalogue(
    text: str, source: TableLike, reading: Reading, folder: Path
) -> tuple[str, list[str], SurveySample]:
    """Return the template with the sections of a catalogue, notes about it, and its noise."""
    from sedum.observe.learn_noise import MIN_MEASUREMENTS, fit_noise

    filters = FilterSet([load_band(band) for band in reading.filters])
    rows = read_catalogue(source, reading.catalogue, filters)
    measured = rows.photometry.measured[rows.row_status.ok].sum(axis=0)
    notes = [f"layout {reading.layout}: {len(rows):,} rows, {len(filters)} bands"]
    notes += reading.notes
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
    kept = replace(rows, photometry=rows.photometry.of_bands(keep))
    detection = _detection(kept)
    band = bands[detection]
    sample = fit_noise(kept, bands, reference=band, source=name_of(source))
    snr = _selection(kept, detection)
    notes.append(f"galaxies are detected in {band}: nearly all have S/N above {snr:g} there")
    priors, assumed = propose_priors(kept, detection)
    notes += assumed
    name = _plain(Path(name_of(source)).stem)
    section = reading.catalogue.model_dump(mode="json", exclude_defaults=True)
    section["columns"] = {b: section["columns"][b] for b in bands}
    if "aperture" in section and section["aperture"].get("bands"):
        section["aperture"]["bands"] = [b for b in section["aperture"]["bands"] if b in bands]
    if reading.catalogue.redshift:
        section["use_redshift"] = False
    chosen = [reading.filters[i] for i in keep]
    changes: list[tuple[str, Any]] = [
        ("name", name),
        (
            "filters",
            [b if isinstance(b, str) else _relative(b.model_dump(), folder) for b in chosen],
        ),
        *priors.items(),
        ("noise", _NOISE | {"file": f"{name}-noise.h5", "selection": {"band": band, "snr": snr}}),
        ("catalogue", {"unit": reading.catalogue.unit, **section}),
    ]
    for key, value in changes:
        text = with_key(text, key, value)
    return text, notes, sample


def _detection(rows: CatalogueRows) -> int:
    """Return the index of the band in which galaxies seem to be detected.

    A survey has a limit of signal-to-noise there, and only there: of the bands that nearly all
    rows have, it is the one in which the least significant galaxies are the most significant.
    """
    seen = rows.photometry[rows.row_status.ok]
    count = seen.measured.sum(axis=0)
    snr = np.where(seen.measured, seen.flux / seen.error, np.nan)
    weakest = np.nanquantile(snr, _WEAKEST, axis=0)
    return int(np.argmax(np.where(count >= _NEARLY_ALL * count.max(), weakest, -np.inf)))


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
