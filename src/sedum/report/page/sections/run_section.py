"""The analysis: bands, model, priors, noise, estimator, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sedum.config import ExternalModelSettings, NoiseSettings, RegionNoise, RunFile
from sedum.config.noise_section import DepthNoise
from sedum.errors import SedumError
from sedum.photometry.filters import load_band
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.glossary import quantity, readable_unit
from sedum.report.page.page_parts import (
    Block,
    Cell,
    Folded,
    Grid,
    Number,
    Section,
    Term,
    Text,
    count,
    minus,
    plain,
)
from sedum.report.plots.loss_plot import draw_losses
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import describe_column

__all__ = ["run_section", "written"]

_HASH = 12


def run_section(
    results: PosteriorCatalogue, history: Mapping[str, Any], gallery: Gallery
) -> Section:
    """Return the section; ``history`` is the training record, empty if not known."""
    run = results.run
    bands = _bands(run)
    blocks: list[Block] = [_description(run, bands), bands, _priors(results)]
    blocks += _training(history, gallery)
    blocks += [
        _settings("Forward model: settings", run.model.model_dump(mode="json")),
        _noise(run),
        _settings("Estimator: settings", run.estimator.model_dump(mode="json")),
        _settings("Training: settings", run.training.model_dump(mode="json")),
        _settings("Fit and output: settings", run.output.model_dump(mode="json")),
        _provenance(results),
        Folded("The complete run file", run.to_yaml()),
    ]
    return Section("run", "Analysis", blocks)


def written(results: PosteriorCatalogue) -> str:
    """Return the recorded date of the results, or when their file was last written."""
    date = results.provenance.get("date")
    if date:
        return str(date)
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


def _depths(noise: NoiseSettings) -> dict[str, tuple[float, float]]:
    """Return the minimum and maximum depth of each band, if the run file has depths."""
    if isinstance(noise, DepthNoise):
        return {band: (depth, depth) for band, depth in noise.depths.items()}
    if isinstance(noise, RegionNoise):
        bands = noise.regions[0].depths
        every = {band: [r.depths[band] for r in noise.regions] for band in bands}
        return {band: (min(depths), max(depths)) for band, depths in every.items()}
    return {}


def _noise(run: RunFile) -> Grid:
    content = run.noise.model_dump(mode="json")
    content.pop("depths", None)  # shown with the bands
    content.pop("regions", None)
    return _settings("Noise: settings", content)


def _settings(caption: str, content: Mapping[str, Any]) -> Grid:
    rows: list[list[Cell]] = [[key, _value(value)] for key, value in _flat(content)]
    return Grid(caption, ["setting", "value"], rows, folded=True)


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
    """Return a setting as it is shown; numbers link to their definition."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return Number(f"{value:g}" if isinstance(value, float) else f"{value:,}", "setting", value)
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
        if value and numeric:
            return Number(", ".join(f"{v:g}" for v in value), "setting")
        return ", ".join(str(v) for v in value) or "none"
    return str(value)


def _priors(results: PosteriorCatalogue) -> Grid:
    run = results.run
    specs = {name: run.prior(name).model_dump(mode="json") for name in run.model.parameters()}
    caption = "Parameters and their priors"
    swapped = results.provenance.get("swapped_priors")
    if swapped:
        specs |= swapped
        caption += ": these replace the priors of the training (--priors-from)"
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
    return (Term(kind.replace("_", " "), define), " ", Number(minus(text), define))


def _description(run: RunFile, bands: Grid) -> Text:
    """Return a description of the analysis in one or two sentences."""
    pivots = [c for row in bands.rows for c in row if isinstance(c, Number) and c.define == "pivot"]
    parts: list[Cell] = [count(len(run.filters), "setting"), " bands"]
    if pivots:
        ends = [f(pivots, key=lambda p: p.sort or 0.0) for f in (min, max)]
        parts += [" with pivot wavelengths from ", ends[0], " to ", ends[1], " Å"]
    model = run.model
    if isinstance(model, ExternalModelSettings):
        parts.append(f"; the forward model is the external simulator {model.name}")
    else:
        gas = "with" if model.nebular else "without"
        agn = ", an active nucleus" if model.agn else ""
        parts.append(
            f"; stars of {model.stellar}, star-formation history {model.history.kind}, {gas} gas, "
            f"dust {model.dust.law}, dust emission {model.dust.emission}, intergalactic medium "
            f"{model.igm}{agn}, cosmology {model.cosmology}"
        )
    parts += [
        f". Noise: {getattr(run.noise, 'kind', 'depths')}; estimator: {run.estimator.kind}; ",
        "library: ",
        count(run.library.size, "setting"),
        " simulated galaxies. Percentiles are of ",
        count(run.output.draws, "setting"),
        " draws for each galaxy, those of derived quantities of ",
        count(min(run.output.derived_draws, run.output.draws), "setting"),
        ".",
    ]
    return Text(tuple(parts))


def _training(history: Mapping[str, Any], gallery: Gallery) -> list[Block]:
    blocks: list[Block] = []
    losses = [float(x) for x in history.get("losses", [])]
    if not losses:
        text = "The training record is in the estimator, which was not found beside the results"
        blocks.append(Text.of(f"{text}; sedum report --estimator names it.", kind="note"))
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
            draw_losses(losses, steps),
            (Term("Held-out loss", "loss"), " during training."),
            "Line plot of the held-out loss, in nat per galaxy, against training steps; it ends at "
            f"{losses[-1]:.3f}.",
        )
    )
    return blocks


def _provenance(results: PosteriorCatalogue) -> Grid:
    rows: list[list[Cell]] = [["results", results.path.name]]
    if "catalogue" in results.provenance:
        rows.append(["catalogue", str(results.provenance["catalogue"])])
    rows.append(["date", Number(written(results), "date")])
    for name, version in results.provenance.get("versions", {}).items():
        rows.append([f"version of {name}", Number(str(version), "version")])
    for part, digest in results.provenance.get("fingerprint", {}).items():
        rows.append([f"fingerprint of {part}", Number(str(digest)[:_HASH], "fingerprint")])
    return Grid("Provenance: files, versions, fingerprints", ["item", "value"], rows, folded=True)
