"""The simulated galaxies of a run file: read from files, or computed from histories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sedum.bridge.simulations.population import draw_population
from sedum.bridge.simulations.shark_files import read_shark, read_shark_histories
from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies
from sedum.bridge.simulations.simulation_tables import read_simulation_table
from sedum.bridge.simulations.synthetic_photometry import SyntheticPhotometry
from sedum.config.bridge_file import (
    BridgeFile,
    PopulationSimulation,
    SharkHistories,
    SharkSimulation,
    Simulation,
    TableSimulation,
)
from sedum.errors import SedumError
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.photometry.filters import FilterSet, load_band
from sedum.progress import progress
from sedum.storage import digest

__all__ = ["bridge_filters", "galaxies_of", "simulate"]

#: Number of galaxies whose photometry is computed together.
_PORTION = 5000


def bridge_filters(run: BridgeFile) -> FilterSet:
    """Return the bands of a bridge under their short names."""
    curves = [load_band(band, f"bands.{name}") for name, band in run.bands.items()]
    return FilterSet([replace(f, name=n) for f, n in zip(curves, run.bands, strict=True)])


def simulate(run: BridgeFile, *, show_progress: bool = False) -> SimulatedGalaxies:
    """Read or generate the galaxies of all simulations of a run file.

    Raises
    ------
    SedumError
        If a simulation cannot be read, lacks what it needs, or has no galaxies.
    """
    parts = [
        _one(run, spec, i, show_progress=show_progress) for i, spec in enumerate(run.simulations)
    ]
    return SimulatedGalaxies.concatenate(parts)


def galaxies_of(
    run: BridgeFile, path: str | Path, *, show_progress: bool = False
) -> SimulatedGalaxies:
    """Return the simulated galaxies of a file, which is written if it does not exist.

    Raises
    ------
    SedumError
        If the file was made with other simulations, bands or frame.
    """
    path = Path(path)
    identity = _identity(run)
    if path.exists():
        galaxies = SimulatedGalaxies.read(path)
        if galaxies.about.get("identity") != identity:
            raise SedumError(
                f"{path} was made with other simulations, bands, frame or seed than the run file "
                "says; delete it, or name another file"
            )
        return galaxies
    made = simulate(run, show_progress=show_progress)
    made = replace(made, about={**made.about, "identity": identity})
    made.write(path)
    return made


def _identity(run: BridgeFile) -> str:
    stored = run.model_dump(mode="json", include={"seed", "frame", "cosmology", "simulations"})
    return digest({**stored, "filters": bridge_filters(run).digest()})


def _one(
    run: BridgeFile, spec: Simulation, index: int, *, show_progress: bool
) -> SimulatedGalaxies:
    bands = list(run.bands)
    if isinstance(spec, TableSimulation):
        return read_simulation_table(spec, bands)
    if isinstance(spec, SharkSimulation):
        return read_shark(spec, {k: str(v) for k, v in run.bands.items()})
    if isinstance(spec, SharkHistories):
        return _shark_galaxies(run, spec, index, show_progress=show_progress)
    return _population_galaxies(run, spec, index, show_progress=show_progress)


def _shark_galaxies(
    run: BridgeFile, spec: SharkHistories, index: int, *, show_progress: bool
) -> SimulatedGalaxies:
    name = spec.name or Path(spec.folder).name
    rng = np.random.default_rng([run.seed, index])
    parts = list(read_shark_histories(spec))
    total = sum(len(p["stellar_mass"]) for _, p in parts)
    fraction = min(1.0, spec.galaxies / total) if spec.galaxies is not None else 1.0
    photometry: SyntheticPhotometry | None = None
    made = []
    for histories, properties in parts:
        z = properties.get("redshift", np.zeros(len(histories)))
        if run.frame == "rest":
            z = np.zeros(len(z))
        if photometry is None:
            photometry = SyntheticPhotometry(
                bridge_filters(run), spec.synthetic_photometry, float(z.max()), run.cosmology
            )
        keep = np.flatnonzero(rng.uniform(size=len(z)) < fraction)
        log_z = photometry.limited(np.log10(np.maximum(histories.metallicity[keep], 1e-9)))
        limited = TabulatedHistories(histories.edges, histories.rate[keep], 10**log_z)
        kept = {f"shark_{k}": v[keep] for k, v in properties.items()}
        made.append(
            _with_photometry(photometry, limited, z[keep], rng, name, run, kept, show_progress)
        )
    one = SimulatedGalaxies.concatenate(made)
    return SimulatedGalaxies.make(name, one.bands, one.magnitude, one.properties, one.redshift)


def _population_galaxies(
    run: BridgeFile, spec: PopulationSimulation, index: int, *, show_progress: bool
) -> SimulatedGalaxies:
    name = spec.name or spec.calibration
    at_rest = run.frame == "rest"
    drawn = draw_population(spec, at_rest, run.cosmology, run.seed + 1000 * index)
    rng = np.random.default_rng([run.seed, index])
    formed = drawn.rate @ np.diff(drawn.edges)
    # A galaxy that formed less than this cannot reach the minimum surviving mass.
    keep = formed > spec.min_mass
    rate, z = drawn.rate[keep], drawn.redshift[keep]
    if not keep.any():
        raise SedumError(f"simulation {name}: no galaxy above {spec.min_mass:g} Msun")
    photometry = SyntheticPhotometry(
        bridge_filters(run),
        spec.synthetic_photometry,
        0.0 if at_rest else spec.redshift[1],
        run.cosmology,
    )
    histories = photometry.enriched(drawn.edges, rate, z, rng)
    properties = {k: v[keep] for k, v in drawn.properties.items()}
    made = _with_photometry(photometry, histories, z, rng, name, run, properties, show_progress)
    heavy = made.properties["stellar_mass"] > spec.min_mass
    if not heavy.any():
        raise SedumError(f"simulation {name}: no galaxy above {spec.min_mass:g} Msun")
    return made[heavy]


def _with_photometry(
    photometry: SyntheticPhotometry,
    histories: TabulatedHistories,
    redshift: np.ndarray,
    rng: np.random.Generator,
    name: str,
    run: BridgeFile,
    properties: dict[str, np.ndarray],
    show_progress: bool,
) -> SimulatedGalaxies:
    magnitudes, derived_parts = [], []
    n = len(histories)
    with progress(n, f"photometry of {name}", "galaxies", show_progress) as advance:
        for start in range(0, n, _PORTION):
            rows = slice(start, start + _PORTION)
            magnitude, derived = photometry.compute(histories[rows], redshift[rows], rng)
            magnitudes.append(magnitude)
            derived_parts.append(derived)
            advance(len(magnitude))
    joined = {k: np.concatenate([part[k] for part in derived_parts]) for k in derived_parts[0]}
    about = {"synthetic_photometry": photometry.spec.model_dump(mode="json"), "frame": run.frame}
    return SimulatedGalaxies.make(
        name, list(run.bands), np.concatenate(magnitudes), {**properties, **joined}, redshift, about
    )
