"""What was run: bands, model, priors, noise, estimator, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sedum.config import External, NoiseCommon, RegionNoise, RunFile
from sedum.config.noise import Noise
from sedum.errors import SedumError
from sedum.photometry.filters import load_band
from sedum.report.definitions import quantity, readable_unit
from sedum.report.figures.calibration import plot_loss
from sedum.report.figures.gallery import Gallery
from sedum.report.parts import Block, Cell, Folded, Grid, Number, Section, Term, Text, count, plain
from sedum.survey.results import Results
from sedum.survey.table import describe_column

__all__ = ["run_section", "written"]

_HASH = 12


def run_section(results: Results, history: Mapping[str, Any], gallery: Gallery) -> Section:
    """Return the section; ``history`` is that of the estimator's training, empty if not known."""
    run = results.run
    blocks: list[Block] = [_bands(run), _model(run), _priors(results), _noise(run)]
    blocks += [_settings("Estimator", run.estimator.model_dump(mode="json"))]
    blocks += _training(run, history, gallery)
    blocks += [_output(run), _provenance(results), Folded("The complete run file", run.to_yaml())]
    return Section("run", "What was run", blocks)


def written(results: Results) -> str:
    """Return when the results were made: as they say, or when their file was last written."""
    told = results.provenance.get("date")
    if told:
        return str(told)
    at = datetime.fromtimestamp(results.path.stat().st_mtime, UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _bands(run: RunFile) -> Grid:
    depths = _depths(run.noise)
    headings: list[Cell] = ["band", Term("pivot [Å]", "pivot"), Term("width [Å]", "width")]
    headings += [Term("depth [AB mag]", "depth")] if depths else []
    rows: list[list[Cell]] = []
    for i, band in enumerate(run.filters):
        name = band if isinstance(band, str) else band.name
        cells: list[Cell] = [name]
        try:
            curve = load_band(band, f"filters[{i}]")
        except SedumError:  # its file is not on this machine
            cells += ["curve not found", ""]
        else:
            cells += [
                Number(f"{curve.pivot:,.0f}", "pivot", curve.pivot),
                Number(f"{curve.width:,.0f}", "width", curve.width),
            ]
        if depths:
            low, high = depths[name]
            text = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
            cells.append(Number(text, "depth", low))
        rows.append(cells)
    return Grid("Bands", headings, rows)


def _depths(noise: NoiseCommon) -> dict[str, tuple[float, float]]:
    """Return the least and greatest depth of each band, where the run file has them."""
    if isinstance(noise, Noise):
        return {band: (depth, depth) for band, depth in noise.depths.items()}
    if isinstance(noise, RegionNoise):
        bands = noise.regions[0].depths
        every = {band: [r.depths[band] for r in noise.regions] for band in bands}
        return {band: (min(depths), max(depths)) for band, depths in every.items()}
    return {}


def _model(run: RunFile) -> Grid:
    return _settings("Forward model", run.model.model_dump(mode="json"))


def _noise(run: RunFile) -> Grid:
    content = run.noise.model_dump(mode="json")
    content.pop("depths", None)  # stand beside the bands
    content.pop("regions", None)
    return _settings("Noise", content)


def _output(run: RunFile) -> Grid:
    return _settings("Fit and output", run.output.model_dump(mode="json"))


def _settings(caption: str, content: Mapping[str, Any]) -> Grid:
    rows: list[list[Cell]] = [[key, _value(value)] for key, value in _flat(content)]
    return Grid(caption, ["setting", "value"], rows)


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of nested mappings, keys joined by dots."""
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for i, entry in enumerate(value):
                yield from _flat(entry, f"{prefix}{key}[{i}].")
        else:
            yield f"{prefix}{key}", value


def _value(value: Any) -> Cell:
    """Return a setting as it is shown: numbers link to what settings are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return Number(f"{value:g}" if isinstance(value, float) else f"{value:,}", "setting", value)
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
        if value and numbers:
            return Number(", ".join(f"{v:g}" for v in value), "setting")
        return ", ".join(str(v) for v in value) or "none"
    return str(value)


def _priors(results: Results) -> Grid:
    run = results.run
    specs = {name: run.prior(name).model_dump(mode="json") for name in run.model.parameters()}
    caption = "Parameters and their priors"
    swapped = results.provenance.get("swapped_priors")
    if swapped:
        specs |= swapped
        caption += ": the ones that took the place of those trained with (--priors-from)"
    rows: list[list[Cell]] = []
    for name, spec in specs.items():
        unit, text = describe_column(name)
        spec = dict(spec)
        kind = spec.pop("kind")
        rows.append([Term(name, quantity(name)), text, readable_unit(unit), _prior(kind, spec)])
    return Grid(caption, ["parameter", "meaning", "unit", "prior"], rows)


def _prior(kind: str, spec: Mapping[str, Any]) -> Cell:
    define = f"prior {kind}"
    values = {k: v for k, v in spec.items() if v is not None}
    match kind:
        case "uniform" | "log_uniform" | "universe_age":
            text = f"{values['low']:g} to {values['high']:g}"
        case "fixed":
            text = f"{values['value']:g}"
        case "tabulated":
            text = f"{values['x'][0]:g} to {values['x'][-1]:g}, {len(values['x'])} points"
        case _:
            text = ", ".join(f"{k} {v:g}" for k, v in values.items())
    return (Term(kind.replace("_", " "), define), " ", Number(text, define))


def _training(run: RunFile, history: Mapping[str, Any], gallery: Gallery) -> list[Block]:
    blocks: list[Block] = [_settings("Training", run.training.model_dump(mode="json"))]
    if isinstance(run.model, External):
        blocks.append(Text.of("The forward model is a simulator of somebody's own."))
    losses = [float(x) for x in history.get("losses", [])]
    if not losses:
        told = "How the training went is in the estimator, which was not found beside the results"
        blocks.append(Text.of(f"{told}; name it with --estimator.", kind="note"))
        return blocks
    steps = int(history["steps_per_round"])
    blocks.append(
        Text.of(
            "The estimator was trained for ",
            count(steps * len(losses), "steps"),
            " steps; its best held-out loss was ",
            plain(min(losses), "loss"),
            " nat per galaxy.",
        )
    )
    blocks.append(
        gallery.add(
            "training-loss",
            plot_loss(losses, steps),
            (Term("Held-out loss", "loss"), " during training."),
            "Line plot of the held-out loss, in nat per galaxy, against training steps; it ends at "
            f"{losses[-1]:.3f}.",
        )
    )
    return blocks


def _provenance(results: Results) -> Grid:
    rows: list[list[Cell]] = [["results", results.path.name]]
    if "catalogue" in results.provenance:
        rows.append(["catalogue", str(results.provenance["catalogue"])])
    rows.append(["date", Number(written(results), "date")])
    for name, version in results.provenance.get("versions", {}).items():
        rows.append([f"version of {name}", Number(str(version), "version")])
    for part, digest in results.provenance.get("fingerprint", {}).items():
        rows.append([f"fingerprint of {part}", Number(str(digest)[:_HASH], "fingerprint")])
    return Grid("Provenance", ["what", "value"], rows)
