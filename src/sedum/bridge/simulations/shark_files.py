"""Galaxies of the semi-analytic model Shark (Lagos et al. 2018, 2019) from its output files.

Masses in ``galaxies.hdf5`` are in Msun/h and its star-formation rates in Msun/Gyr/h; those of
``star_formation_histories.hdf5`` are in Msun/yr/h.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies
from sedum.config.bridge_file import SharkFiles, SharkHistories, SharkSimulation
from sedum.errors import SedumError, allowed
from sedum.galaxies.histories.tabulated import TabulatedHistories

__all__ = ["BANDS", "read_shark", "read_shark_histories"]

#: The bands of its photometry in the order of the files, by their sedpy names if they have one.
BANDS = (
    *("galex_FUV", "galex_NUV", "sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0"),
    *("vista_vircam_Y", "vista_vircam_J", "vista_vircam_H", "vista_vircam_Ks", "wise_w1"),
    *("spitzer_irac_ch1", "spitzer_irac_ch2", "wise_w2", "spitzer_irac_ch3"),
    *("spitzer_irac_ch4", "wise_w3", "wise_w4", "herschel_pacs_70", "herschel_pacs_100"),
    *("herschel_pacs_160", "herschel_spire_250", "herschel_spire_350", "scuba_450"),
    *("herschel_spire_500", "scuba_850", "alma_band9", "alma_band8", "alma_band7"),
    *("alma_band6", "alma_band5", "alma_band4"),
)
_PARTS = ("disks", "bulges_mergers", "bulges_diskins")
#: Entries of the photometry outside these limits mean that there is no light.
_BRIGHTEST, _FAINTEST = -90.0, 90.0
_GYR = 1e9


@dataclass(frozen=True)
class _Subvolume:
    """The content of one ``galaxies.hdf5``."""

    path: Path
    h: float
    volume: float
    ids: np.ndarray
    properties: dict[str, np.ndarray]


def read_shark(spec: SharkSimulation, bands: dict[str, str]) -> SimulatedGalaxies:
    """Read galaxies with the photometry of Shark's own pipeline.

    Parameters
    ----------
    spec
        Settings that select the files.
    bands
        The band (``sedpy`` name) of each short name.

    Raises
    ------
    SedumError
        If a file, a dataset or a band is absent, or files of a subvolume disagree in number.
    """
    wanted = []
    for short, band in bands.items():
        if band not in BANDS:
            raise SedumError(
                f"bands.{short}: Shark has no photometry in {band!r}{allowed(band, BANDS)}; with "
                "simulations.kind: shark_histories any band is possible"
            )
        wanted.append(BANDS.index(band))
    name = spec.name or Path(spec.folder).name
    parts = []
    for folder in _folders(spec):
        subvolume = _read_galaxies(folder)
        light = _photometry_file(spec, folder)
        with _opened(light) as file:
            group = f"SED/{spec.light}/total"
            table = _dataset(file, light, group)
            _require_same_count(table.shape[-1], light, subvolume)
            if table.ndim != 2 or table.shape[0] <= max(wanted):
                raise SedumError(
                    f"{light}: {group} has shape {table.shape}; expected [{len(BANDS)} bands, "
                    f"{len(subvolume.ids)} galaxies]"
                )
            rows = np.argsort(np.argsort(wanted))
            magnitude = np.asarray(table[sorted(wanted)], float)[rows].T
        bad = ~((magnitude > _BRIGHTEST) & (magnitude < _FAINTEST))
        magnitude[bad] = np.nan
        keep = subvolume.properties["stellar_mass"] >= spec.min_mass
        if keep.any():
            properties = {k: v[keep] for k, v in subvolume.properties.items()}
            parts.append(SimulatedGalaxies.make(name, list(bands), magnitude[keep], properties))
    return _joined(parts, spec, name)


def read_shark_histories(
    spec: SharkHistories,
) -> Iterator[tuple[TabulatedHistories, dict[str, np.ndarray]]]:
    """Yield histories, and properties by name, of the galaxies of each subvolume.

    Lookback time is measured from the snapshot. The metallicity of a step is the mean over disc
    and bulges, weighted by their star formation.

    Raises
    ------
    SedumError
        As for :func:`read_shark`, and if the time steps are not contiguous.
    """
    any_history = False
    for folder in _folders(spec):
        subvolume = _read_galaxies(folder)
        path = folder / "star_formation_histories.hdf5"
        with _opened(path) as file:
            edges, order = _steps(file, path)
            rate = np.zeros((len(subvolume.ids), len(order)))
            metals = np.zeros_like(rate)
            for part in _PARTS:
                formed = _dataset(file, path, f"{part}/star_formation_rate_histories")
                _require_same_count(formed.shape[0], path, subvolume)
                rates = np.maximum(np.asarray(formed, float)[:, order], 0) / subvolume.h
                z = np.asarray(_dataset(file, path, f"{part}/metallicity_histories"), float)
                rate += rates
                metals += rates * z[:, order]
        z = np.divide(metals, rate, out=np.full_like(rate, 1e-4), where=rate > 0)
        keep = (subvolume.properties["stellar_mass"] >= spec.min_mass) & (rate.sum(1) > 0)
        if keep.any():
            any_history = True
            properties = {k: v[keep] for k, v in subvolume.properties.items()}
            yield TabulatedHistories(edges, rate[keep], z[keep]), properties
    if not any_history:
        raise SedumError(f"{spec.folder}: no galaxy above {spec.min_mass:g} Msun")


def _folders(spec: SharkFiles) -> list[Path]:
    """Return the folders of all requested snapshots and subvolumes."""
    top = Path(spec.folder)
    if not top.is_dir():
        raise SedumError(f"simulations.folder: {top} is not a folder")
    folders: list[Path] = []
    for snapshot in spec.snapshots:
        folder = top / str(snapshot)
        if not folder.is_dir():
            known = [p.name for p in sorted(top.iterdir()) if p.name.isdigit()]
            raise SedumError(f"{top} has no snapshot {snapshot}{allowed(str(snapshot), known)}")
        if spec.subvolumes is None:
            inside = [p for p in folder.iterdir() if (p / "galaxies.hdf5").is_file()]
            if not inside:
                raise SedumError(f"{folder}: no subvolume with a galaxies.hdf5")
            folders += sorted(inside, key=lambda p: (len(p.name), p.name))
        else:
            folders += [folder / str(number) for number in spec.subvolumes]
    return folders


def _photometry_file(spec: SharkSimulation, folder: Path) -> Path:
    top = Path(spec.folder)
    place = top / spec.photometry / folder.relative_to(top)
    files = sorted(place.glob("Shark-SED-*.hdf5"))
    if not files:
        raise SedumError(f"{place}: no Shark-SED-*.hdf5; is its photometry elsewhere?")
    if len(files) > 1:
        raise SedumError(f"{place}: {len(files)} files Shark-SED-*.hdf5; leave only the one to use")
    return files[0]


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if not path.is_file():
        raise SedumError(f"{path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise SedumError(f"{path} is damaged or not HDF5 ({error})") from None


def _dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    if name not in file or not isinstance(file[name], h5py.Dataset):
        raise SedumError(f"{path} has no dataset {name!r}")
    return file[name]


def _read_galaxies(folder: Path) -> _Subvolume:
    path = folder / "galaxies.hdf5"
    with _opened(path) as file:
        h = float(_dataset(file, path, "cosmology/h")[()])
        volume = float(_dataset(file, path, "run_info/effective_volume")[()])

        def column(name: str) -> np.ndarray:
            return np.asarray(_dataset(file, path, f"galaxies/{name}"), float)

        disk, bulge = column("mstars_disk"), column("mstars_bulge")
        mass = (disk + bulge) / h
        properties = {
            "stellar_mass": mass,
            "sfr": (column("sfr_disk") + column("sfr_burst")) / h / _GYR,
            "bulge_to_total": np.divide(bulge / h, mass, out=np.zeros_like(mass), where=mass > 0),
        }
        there = file["galaxies"]
        for name in ("type", "mean_stellar_age", "redshift"):
            if name in there:
                properties[name] = column(name)
        metals = [f"mstars_metals_{part}" for part in ("disk", "bulge")]
        if all(name in there for name in metals):
            total = sum(column(name) for name in metals) / h
            properties["metallicity"] = np.divide(
                total, mass, out=np.zeros_like(mass), where=mass > 0
            )
        ids = np.asarray(_dataset(file, path, "galaxies/id_galaxy"))
    subvolume = _Subvolume(path, h, volume, ids, properties)
    for name, values in properties.items():
        if len(values) != len(ids):
            raise SedumError(f"{path}: {len(values)} values of {name}, {len(ids)} of id_galaxy")
    return subvolume


def _require_same_count(count: int, path: Path, subvolume: _Subvolume) -> None:
    if count != len(subvolume.ids):
        raise SedumError(
            f"{path} holds {count} galaxies, {subvolume.path} {len(subvolume.ids)}; they are not "
            "of one run"
        )


def _steps(file: h5py.File, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return edges of lookback time in yr since the snapshot, and the order of the steps."""
    middle = np.asarray(_dataset(file, path, "lbt_mean"), float)
    width = np.asarray(_dataset(file, path, "delta_t"), float)
    if len(middle) != len(width) or not (width > 0).all():
        raise SedumError(
            f"{path}: lbt_mean and delta_t must have the same length, and delta_t be positive"
        )
    order = np.argsort(middle)
    edges = np.concatenate([[0], np.cumsum(width[order])])
    start = middle[order[0]] - width[order[0]] / 2
    off = np.abs(edges[:-1] + width[order] / 2 + start - middle[order])
    if (off > 0.5 * width[order] + 1e-6).any():
        raise SedumError(f"{path}: the steps lbt_mean ± delta_t / 2 are not contiguous")
    return edges * _GYR, order


def _joined(parts: list[SimulatedGalaxies], spec: SharkFiles, name: str) -> SimulatedGalaxies:
    if not parts:
        raise SedumError(f"{spec.folder}: no galaxy above {spec.min_mass:g} Msun")
    whole = SimulatedGalaxies.concatenate(parts)
    # Subvolumes are parts of one simulation.
    one = SimulatedGalaxies.make(
        name,
        whole.bands,
        whole.magnitude,
        whole.properties,
        about={"folder": spec.folder, "snapshots": spec.snapshots},
    )
    if spec.galaxies is not None and spec.galaxies < len(one):
        rows = np.random.default_rng(0).choice(len(one), spec.galaxies, replace=False)
        return one[np.sort(rows)]
    return one
