"""Your own grids, as HDF5 files in the format of the Synthesizer code.

The axes are datasets of the group ``axes``, in the order of the file's attribute ``axes``:
``ages``, ``metallicities`` and, if the gas has one, ``ionisation_parameters``. The group
``spectra`` contains ``wavelength``, ``incident`` (stars) and, for gas, ``transmitted`` (stars
through the gas), ``nebular`` (all emission of the gas) and ``linecont`` (its lines). The group
``lines`` contains ``id``, ``wavelength``, ``luminosity`` and the continua at the lines.
``star_fraction`` is the surviving mass. Each dataset has an attribute ``Units``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from astropy import units

from sedum.errors import SedumError
from sedum.galaxies.axis import LYMAN_LIMIT
from sedum.galaxies.constants import LIGHT_SPEED, SOLAR_LUMINOSITY
from sedum.galaxies.stellar_grids.lifetimes import living_fraction
from sedum.galaxies.stellar_grids.published_tables import (
    AGE_EDGES,
    GasTables,
    Tables,
    bin_average_weights,
    ionising_photons,
)
from sedum.photometry.quantities import (
    angstrom,
    solar_luminosities,
    solar_per_angstrom,
    years,
)
from sedum.storage.hdf5 import new_hdf5

__all__ = ["bin_lines", "read_grid", "write_grid"]

_U_NAMES = ("ionisation_parameter", "ionisation_parameters")
#: Number of age bins whose stars ionise gas, up to 28 Myr.
_YOUNG_BINS = 15


# --- writing -----------------------------------------------------------------------------


def write_grid(
    path: str | Path,
    *,
    ages: np.ndarray,
    metallicities: np.ndarray,
    wavelength: np.ndarray,
    incident: np.ndarray,
    log_u: np.ndarray | None = None,
    nebular: np.ndarray | None = None,
    transmitted: np.ndarray | None = None,
    line_names: list[str] | None = None,
    line_wavelengths: np.ndarray | None = None,
    line_luminosities: np.ndarray | None = None,
    line_continuum: np.ndarray | None = None,
    surviving: np.ndarray | None = None,
    about: dict[str, str] | None = None,
) -> Path:
    """Write arrays as a stellar grid that sedum and Synthesizer read.

    The path of the file can then be used as ``model.stellar`` in a run file.

    Parameters
    ----------
    path
        The file; its name ends in ``.hdf5``.
    ages
        Ages in yr, or an astropy quantity, positive and increasing, [A].
    metallicities
        Metallicities as mass fractions, positive and increasing, [Z].
    wavelength
        Rest-frame wavelengths in Angstrom, or an astropy quantity, increasing, [m].
    incident
        Stellar spectra in Lsun/Å per solar mass formed, or an astropy quantity, [Z, A, m].
    log_u
        log10 of the ionisation parameter, increasing, [U]. None if the gas has one value only.
    nebular
        Emission of the gas, lines included, in Lsun/Å, [Z, U, A, m], or [Z, A, m] without
        ``log_u``. None uses the nebular emission of bc03_miles, scaled by the ionising photons.
    transmitted
        Stellar spectra through the gas, in the same shape. None uses stars without ionising light.
    line_names
        Names of the lines in the notation of Cloudy, such as ``"H  1  6562.80A"``, [lines].
    line_wavelengths
        Wavelengths of the lines in Angstrom, [lines].
    line_luminosities
        Luminosities of the lines in Lsun, or an astropy quantity, [Z, U, A, lines].
    line_continuum
        Nebular continuum at the lines in Lsun/Å, or an astropy quantity, [Z, U, A, lines]; zero
        if None.
    surviving
        Mass in living stars per mass formed, [Z, A]; estimated if None.
    about
        Texts about the grid: ``stars``, ``imf``, ``licence``, ``source``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SedumError
        If an array has the wrong shape, is not finite or is negative; the message names it.

    Examples
    --------
    >>> ages, metallicities = np.geomspace(1e6, 1e10, 5), np.array([0.004, 0.02])
    >>> wavelength = np.geomspace(100.0, 1e5, 200)
    >>> incident = np.ones((2, 5, 200))
    >>> write_grid(
    ...     "mine.hdf5",
    ...     ages=ages,
    ...     metallicities=metallicities,
    ...     wavelength=wavelength,
    ...     incident=incident,
    ... ).name
    'mine.hdf5'
    """
    path = Path(path)
    ages, wavelength = years(ages, "ages"), angstrom(wavelength)
    axes = {"ages": ages, "metallicities": metallicities, "wavelength": wavelength}
    for name, values in axes.items():
        axes[name] = _axis(name, values)
    ages, metallicities, wavelength = axes.values()
    n_z, n_a, n_m = len(metallicities), len(ages), len(wavelength)
    incident = solar_per_angstrom(incident, wavelength, "incident")
    incident = _table("incident", incident, (n_z, n_a, n_m))
    if surviving is None:
        surviving = living_fraction(ages, metallicities)
    surviving = _table("surviving", surviving, (n_z, n_a))
    gas_shape = (n_z, n_a) if log_u is None else (n_z, len(np.atleast_1d(log_u)), n_a)
    gas: dict[str, np.ndarray] = {}
    if nebular is not None:
        nebular = solar_per_angstrom(nebular, wavelength, "nebular")
        gas["nebular"] = _table("nebular", nebular, (*gas_shape, n_m))
        if transmitted is None:
            clear = incident * (wavelength > LYMAN_LIMIT)
            transmitted = (
                clear if log_u is None else np.repeat(clear[:, None], gas_shape[1], axis=1)
            )
        transmitted = solar_per_angstrom(transmitted, wavelength, "transmitted")
        gas["transmitted"] = _table("transmitted", transmitted, (*gas_shape, n_m))
        gas["linecont"] = np.zeros_like(gas["nebular"])
    lines: dict[str, np.ndarray] = {}
    if line_luminosities is not None:
        if nebular is None or line_names is None or line_wavelengths is None:
            raise SedumError(
                "line_luminosities: lines need nebular, line_names and line_wavelengths too"
            )
        count = len(line_names)
        line_wavelengths = angstrom(line_wavelengths, "line_wavelengths")
        at = _axis("line_wavelengths", line_wavelengths, count, increasing=False)
        line_luminosities = solar_luminosities(line_luminosities, "line_luminosities")
        lines["luminosity"] = _table("line_luminosities", line_luminosities, (*gas_shape, count))
        if line_continuum is None:
            line_continuum = np.zeros((*gas_shape, count))
        line_continuum = solar_per_angstrom(line_continuum, at, "line_continuum")
        lines["nebular_continuum"] = _table("line_continuum", line_continuum, (*gas_shape, count))
        gas["linecont"] = bin_lines(wavelength, at, lines["luminosity"])
        nearest = np.abs(wavelength[:, None] - at).argmin(0)
        lines["transmitted"] = gas["transmitted"][..., nearest]
    axis_names = ["ages", "metallicities"] + ([] if log_u is None else ["ionisation_parameters"])
    with new_hdf5(path) as file:
        file.attrs["axes"] = axis_names
        file.attrs["WeightVariable"] = "initial_masses"
        for key, text in (about or {}).items():
            file.attrs[key] = text
        _put(file, "axes/ages", ages, "yr", log_on_read=True)
        _put(file, "axes/metallicities", metallicities, "dimensionless", log_on_read=True)
        if log_u is not None:
            u = 10.0 ** _axis("log_u", log_u, positive=False)
            _put(file, "axes/ionisation_parameters", u, "dimensionless", log_on_read=True)
        _put(file, "star_fraction", surviving.T, "dimensionless")
        with np.errstate(divide="ignore"):
            photons = np.log10(np.maximum(ionising_photons(wavelength, incident), 1e-99)).T
        if log_u is not None:
            photons = np.repeat(photons[..., None], gas_shape[1], axis=2)
        _put(file, "log10_specific_ionising_luminosity/HI", photons, "dimensionless")
        _put(file, "spectra/wavelength", wavelength, "angstrom")
        if log_u is not None:
            incident = np.repeat(incident[:, None], gas_shape[1], axis=1)
        # erg / s / Hz from Lsun / Å.
        per_hertz = SOLAR_LUMINOSITY * wavelength**2 / LIGHT_SPEED
        for name, spectra in {"incident": incident, **gas}.items():
            _put(file, f"spectra/{name}", _outward(spectra * per_hertz), "erg/s/Hz")
        if lines:
            file.attrs["cloudy_version"] = "unknown"
            file["lines/id"] = np.array(line_names, dtype="S")
            _put(file, "lines/wavelength", at, "angstrom")
            bright = _outward(lines["luminosity"] * SOLAR_LUMINOSITY)
            _put(file, "lines/luminosity", bright, "erg/s")
            scale = SOLAR_LUMINOSITY * at**2 / LIGHT_SPEED
            for name in ("nebular_continuum", "transmitted"):
                _put(file, f"lines/{name}", _outward(lines[name] * scale), "erg/s/Hz")
    return path


def _put(file: h5py.File, name: str, values: np.ndarray, unit: str, **attributes: bool) -> None:
    data = file.create_dataset(name, data=np.asarray(values, np.float64))
    data.attrs["Units"] = unit
    for key, value in attributes.items():
        data.attrs[key] = value


def _outward(values: np.ndarray) -> np.ndarray:
    """Rearrange [Z, A, x] or [Z, U, A, x] to the order of the file, [A, Z, x] or [A, Z, U, x]."""
    if values.ndim == 3:
        return values.transpose(1, 0, 2)
    return values.transpose(2, 0, 1, 3)


def _axis(
    name: str,
    values: np.ndarray,
    count: int | None = None,
    increasing: bool = True,
    positive: bool = True,
) -> np.ndarray:
    values = np.atleast_1d(np.asarray(values, float))
    if values.ndim != 1 or (count is not None and len(values) != count):
        raise SedumError(
            f"{name}: shape {values.shape}; expected one dimension of {count or 'any'}"
        )
    if not np.isfinite(values).all() or (positive and values.min() <= 0):
        raise SedumError(f"{name}: values must be finite{' and positive' if positive else ''}")
    if increasing and not (np.diff(values) > 0).all():
        raise SedumError(f"{name}: values must increase")
    return values


def _table(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != shape:
        raise SedumError(f"{name}: shape {values.shape}; expected {shape}")
    if not np.isfinite(values).all() or values.min() < 0:
        raise SedumError(f"{name}: found a value that is negative or not finite")
    return values


def bin_lines(wavelength: np.ndarray, at: np.ndarray, luminosity: np.ndarray) -> np.ndarray:
    """Add lines, [..., lines], to a wavelength axis and conserve their energy, [..., m].

    Parameters
    ----------
    wavelength
        Wavelengths of the axis in Angstrom, [m].
    at
        Wavelengths of the lines in Angstrom, [lines].
    luminosity
        Luminosities of the lines, [..., lines].

    Examples
    --------
    >>> bin_lines(np.array([1.0, 2.0, 3.0]), np.array([2.1]), np.array([[5.0]]))
    array([[0., 5., 0.]])
    """
    widths = np.gradient(wavelength)
    out = np.zeros((*luminosity.shape[:-1], len(wavelength)))
    for k, line in enumerate(at):
        if wavelength[0] <= line <= wavelength[-1]:
            i = int(np.abs(wavelength - line).argmin())
            out[..., i] += luminosity[..., k] / widths[i]
    return out


# --- reading -----------------------------------------------------------------------------


def read_grid(path: str | Path) -> Tables:
    """Read the file of a grid.

    Raises
    ------
    SedumError
        If the file is not HDF5, or a dataset is missing or has the wrong shape; the message names
        it.

    Examples
    --------
    >>> ages, z = np.geomspace(1e6, 1e10, 5), np.array([0.004, 0.02])
    >>> wavelength = np.geomspace(100.0, 1e5, 200)
    >>> path = write_grid(
    ...     "mine.hdf5",
    ...     ages=ages,
    ...     metallicities=z,
    ...     wavelength=wavelength,
    ...     incident=np.ones((2, 5, 200)),
    ... )
    >>> read_grid(path).stellar.shape
    (2, 5, 200)
    """
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path)
    except OSError as error:
        raise SedumError(f"grid {path} is not a readable HDF5 file ({error})") from None


def _read(file: h5py.File, path: Path) -> Tables:
    names = _axes(file, path)
    ages = _get(file, path, "axes/ages", "ages", "yr")
    metallicities = _get(file, path, "axes/metallicities", "metallicities", "")
    wavelength = _get(file, path, "spectra/wavelength", "wavelengths", "Angstrom")
    u_name = next((name for name in names if name in _U_NAMES), None)
    log_u = None
    if u_name is not None:
        log_u = np.log10(_get(file, path, f"axes/{u_name}", "ionisation parameters", ""))
    shape = {"ages": len(ages), "metallicities": len(metallicities)}
    if u_name is not None and log_u is not None:
        shape[u_name] = len(log_u)

    def spectra(name: str, size: int, group: str = "spectra") -> np.ndarray:
        dataset = f"{group}/{name}"
        values = _raw(file, path, dataset, "spectra")
        expected = (*(shape[n] for n in names), size)
        if values.shape != expected:
            raise SedumError(
                f"grid {path}: dataset {dataset!r} has shape {values.shape}; its axes "
                f"{', '.join(names)} and wavelength have {expected}"
            )
        order = ["metallicities", *([u_name] if u_name else []), "ages"]
        values = values.transpose(*(names.index(n) for n in order), len(names))
        return values if u_name else values[:, None]

    incident = _per_angstrom(
        file, "spectra/incident", spectra("incident", len(wavelength)), wavelength
    )
    gas = None
    if "spectra/nebular" in file:
        gas = _read_gas(file, path, spectra, ages, wavelength, incident, log_u)
    about = {
        k: str(file.attrs[k]) for k in ("stars", "imf", "licence", "source") if k in file.attrs
    }
    model = file["Model"].attrs if "Model" in file else {}
    about.setdefault("stars", str(model.get("sps_name", "not stated")))
    about.setdefault("imf", str(model.get("imf_type", "not stated")))
    about.setdefault("licence", "not stated")
    about.setdefault("source", path.name)
    about["gas"] = "of the grid" if gas else "Cloudy tables of bc03_miles, per ionising photon"
    if "star_fraction" in file:
        surviving = np.asarray(file["star_fraction"], float).T
        about["surviving"] = "of the grid"
    else:
        surviving = living_fraction(ages, metallicities)
        about["surviving"] = "estimated for a Chabrier initial mass function"
    if surviving.shape != (len(metallicities), len(ages)):
        raise SedumError(f"grid {path}: dataset 'star_fraction' must be [ages, metallicities]")
    stellar = incident[:, 0]
    if not np.isfinite(stellar).all():
        raise SedumError(f"grid {path}: dataset 'spectra/incident' has values that are not finite")
    return Tables(path.stem, wavelength, ages, metallicities, stellar, surviving, gas, about)


def _axes(file: h5py.File, path: Path) -> list[str]:
    """Return the names of the axes in their order."""
    if "axes" not in file.attrs:
        raise SedumError(
            f"grid {path}: the attribute 'axes' is missing; it names ages, metallicities and, "
            "where there is one, ionisation_parameters, in the order of the spectra's axes"
        )
    names = [n.decode() if isinstance(n, bytes) else str(n) for n in file.attrs["axes"]]
    extra = [n for n in names if n not in ("ages", "metallicities", *_U_NAMES)]
    if extra:
        raise SedumError(
            f"grid {path}: sedum has no use for the axis {extra[0]!r}; take a slice of the grid "
            "at one of its values"
        )
    for name in ("ages", "metallicities"):
        if name not in names:
            raise SedumError(f"grid {path}: the attribute 'axes' does not name {name!r}")
    return names


def _raw(file: h5py.File, path: Path, name: str, what: str) -> np.ndarray:
    if name not in file:
        raise SedumError(f"grid {path}: dataset {name!r} is missing; it should hold the {what}")
    return np.asarray(file[name], float)


def _get(file: h5py.File, path: Path, name: str, what: str, unit: str) -> np.ndarray:
    """Return an axis in a unit; its values must be finite, positive and increasing."""
    values = _raw(file, path, name, what)
    values = values * _factor(file[name].attrs.get("Units"), unit, path, name)
    if values.ndim != 1 or not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
        raise SedumError(f"grid {path}: dataset {name!r} must be finite and increase")
    if values[0] <= 0:
        raise SedumError(f"grid {path}: dataset {name!r} has a value that is not positive")
    return values


def _factor(unit: object, target: str, path: Path, name: str) -> float:
    text = unit.decode() if isinstance(unit, bytes) else str(unit or target)
    if text in ("dimensionless", "None", "") or not target:
        return 1.0
    try:
        return float(units.Unit(text).to(target))
    except (ValueError, units.UnitConversionError):
        raise SedumError(
            f"grid {path}: dataset {name!r} has the unit {text!r}; expected one like {target}"
        ) from None


def _per_angstrom(
    file: h5py.File, name: str, spectra: np.ndarray, wavelength: np.ndarray
) -> np.ndarray:
    """Return spectra in Lsun/Å, from any unit."""
    text = file[name].attrs.get("Units")
    text = text.decode() if isinstance(text, bytes) else str(text or "erg/s/Hz")
    # Synthesizer writes units with two slashes, which astropy discourages.
    top, *below = text.replace("angstrom", "Angstrom").split("/")
    unit = units.Unit(f"{top} / ({' '.join(below)})") if below else units.Unit(top)
    if unit.is_equivalent("erg / (s Hz)"):
        return spectra * unit.to("erg / (s Hz)") * LIGHT_SPEED / wavelength**2 / SOLAR_LUMINOSITY
    return spectra * (unit.to("erg / (s Angstrom)") / SOLAR_LUMINOSITY)


def _read_gas(
    file: h5py.File,
    path: Path,
    spectra: Callable[..., np.ndarray],
    ages: np.ndarray,
    wavelength: np.ndarray,
    incident: np.ndarray,
    log_u: np.ndarray | None,
) -> GasTables:
    """Return the emission of the gas, averaged over the young age bins."""
    size = len(wavelength)
    nebular = _per_angstrom(file, "spectra/nebular", spectra("nebular", size), wavelength)
    names: list[str] = []
    at = np.empty(0)
    lines = np.zeros((*nebular.shape[:-1], 0))
    if "lines/luminosity" in file:
        names = [n.decode() if isinstance(n, bytes) else str(n) for n in file["lines/id"][()]]
        at = _raw(file, path, "lines/wavelength", "lines' wavelengths")
        at = at * _factor(file["lines/wavelength"].attrs.get("Units"), "Angstrom", path, "lines")
        lines = spectra("luminosity", len(at), "lines")
        lines = lines * _factor(
            file["lines/luminosity"].attrs.get("Units"), "erg/s", path, "lines/luminosity"
        )
        lines = lines / SOLAR_LUMINOSITY
        if "spectra/linecont" in file:
            linecont = spectra("linecont", size)
            nebular = nebular - _per_angstrom(file, "spectra/linecont", linecont, wavelength)
        else:
            nebular = nebular - bin_lines(wavelength, at, lines)
        nebular = np.maximum(nebular, 0)
    if "spectra/transmitted" in file:
        through = spectra("transmitted", size)
        through = _per_angstrom(file, "spectra/transmitted", through, wavelength)
        # The model removes all ionising light of young stars. The transmitted part of it, and the
        # absorption at other wavelengths, count as light of the gas.
        nebular = nebular + through - incident * (wavelength > LYMAN_LIMIT)
    edges = AGE_EDGES[: _YOUNG_BINS + 1]
    mean = bin_average_weights(ages, edges)
    return GasTables(
        age_edges=edges,
        log_u=np.array([-2.0]) if log_u is None else log_u,
        wavelength=wavelength,
        continuum=np.einsum("ya,zuam->zuym", mean, nebular, optimize=True),
        line_names=names,
        line_wavelengths=at,
        lines=np.einsum("ya,zual->zuyl", mean, lines, optimize=True),
    )
