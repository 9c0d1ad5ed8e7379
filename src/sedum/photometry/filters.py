"""Filter curves and ordered sets of them.

A band is given by its name in ``sedpy``, by its number in an EAZY ``FILTER.RES`` file, or by a
two-column file. Curves are photon-counting transmissions against wavelength in Angstrom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from sedum import config
from sedum.errors import SedumError, nearest
from sedum.introduced import Facts, Introduced, listed
from sedum.photometry.eazy_files import eazy_curves
from sedum.photometry.quantities import angstrom
from sedum.storage import array_digest, read_text

__all__ = ["Filter", "FilterSet", "list_filters"]


@dataclass(frozen=True)
class Filter:
    """A filter curve.

    Parameters
    ----------
    name
        Name of the band.
    wavelength
        Wavelengths in Angstrom, or an astropy quantity, [m].
    transmission
        Photon transmission in any normalisation, [m].

    Raises
    ------
    SedumError
        If the curve has fewer than two usable points.

    Examples
    --------
    >>> wavelength = np.linspace(5000.0, 6000.0, 1001)
    >>> band = Filter("box", wavelength, np.ones(1001))
    >>> round(band.pivot), round(band.width)
    (5492, 1000)
    >>> band.limits
    (5000.0, 6000.0)
    """

    name: str
    wavelength: np.ndarray = field(repr=False)
    transmission: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        wavelength = angstrom(self.wavelength, f"filter {self.name!r}, wavelength")
        transmission = np.asarray(self.transmission, float)
        good = np.isfinite(wavelength) & np.isfinite(transmission) & (wavelength > 0)
        order = np.argsort(wavelength[good], kind="stable")
        wavelength = wavelength[good][order]
        transmission = np.maximum(transmission[good][order], 0)
        keep = np.concatenate([[True], np.diff(wavelength) > 0])[: len(wavelength)]
        wavelength, transmission = wavelength[keep], transmission[keep]
        if len(wavelength) < 2 or transmission.max() <= 0:
            raise SedumError(f"filter {self.name!r}: fewer than two usable points in its curve")
        # The far wings of some published curves extend over microns at 1e-5 of the peak and below.
        # They transmit no light but would require a spectrum there. sedpy applies the same rule.
        open_at = np.flatnonzero(transmission > 1e-5 * transmission.max())
        span = slice(max(open_at[0] - 1, 0), open_at[-1] + 2)
        object.__setattr__(self, "wavelength", wavelength[span])
        object.__setattr__(self, "transmission", transmission[span])

    @property
    def pivot(self) -> float:
        """Pivot wavelength in Angstrom (Bessell & Murphy 2012, eq. A11)."""
        w, t = self.wavelength, self.transmission
        return float(np.sqrt(np.trapezoid(t * w, w) / np.trapezoid(t / w, w)))

    @property
    def width(self) -> float:
        """Equivalent rectangular width in Angstrom: the integral of the curve over its maximum."""
        return float(np.trapezoid(self.transmission, self.wavelength) / self.transmission.max())

    @property
    def limits(self) -> tuple[float, float]:
        """First and last wavelength in Angstrom at which the curve is not zero."""
        return float(self.wavelength[0]), float(self.wavelength[-1])

    @property
    def vega(self) -> float:
        """AB magnitude of Vega.

        The spectrum of Vega is that of the CALSPEC database (alpha_lyr_stis_011).
        """
        wavelength, flux = _vega()
        return -2.5 * float(np.log10(self.average(wavelength, flux))) - 48.6

    def average(self, wavelength: np.ndarray, flux: np.ndarray) -> np.ndarray:
        """Return the photon-counting average of spectra.

        This is the definition <f_nu> = ∫ f_nu T dν/ν / ∫ T dν/ν (Bessell & Murphy 2012),
        integrated on the union of both samplings. The forward model has a faster equivalent.

        Parameters
        ----------
        wavelength
            Wavelengths in Angstrom, increasing, [m].
        flux
            Flux density per unit frequency, [..., m].

        Returns
        -------
        ndarray
            Average in the unit of ``flux``, [...].

        Examples
        --------
        >>> band = FilterSet.from_names(["sdss_r0"])[0]
        >>> wavelength = np.array([4000.0, 9000.0])
        >>> float(band.average(wavelength, np.array([3.0, 3.0])).round(6))
        3.0
        """
        low, high = self.limits
        grid = np.union1d(wavelength, self.wavelength)
        grid = grid[(grid >= low) & (grid <= high)]
        t = np.interp(grid, self.wavelength, self.transmission)
        flat = np.atleast_2d(flux)
        f = np.stack([np.interp(grid, wavelength, row) for row in flat])
        mean = np.trapezoid(f * t / grid, grid) / np.trapezoid(t / grid, grid)
        return mean.reshape(np.shape(flux)[:-1])


class FilterSet(Introduced, Sequence[Filter]):
    """An ordered set of filters, in the order in which fluxes are stored.

    Parameters
    ----------
    filters
        The filters.

    Raises
    ------
    SedumError
        If there is no filter.

    Examples
    --------
    >>> from sedum import FilterSet
    >>> filters = FilterSet.from_names(["sdss_g0", "sdss_r0"])
    >>> filters.names
    ['sdss_g0', 'sdss_r0']
    >>> filters.pivots.round()
    array([4702., 6175.])
    """

    def __init__(self, filters: Sequence[Filter]):
        self._filters = tuple(filters)
        if not self._filters:
            raise SedumError("a set of filters needs at least one")

    def _facts(self) -> Facts:
        pivots = self.pivots
        span = f"{pivots.min():,.0f} to {pivots.max():,.0f} Å" if len(pivots) else "none"
        return "", {"bands": listed(self.names), "pivot wavelengths": span}

    @classmethod
    def from_run(cls, run: config.RunFile) -> FilterSet:
        """Load the filters of a run file.

        Raises
        ------
        SedumError
            If a name is unknown or a file cannot be read; the message names the key.

        Examples
        --------
        >>> FilterSet.from_run(run).names
        ['sdss_g0', 'sdss_r0', 'sdss_i0']
        """
        return cls([load_band(band, f"filters[{i}]") for i, band in enumerate(run.filters)])

    @classmethod
    def from_names(cls, names: Sequence[str]) -> FilterSet:
        """Load filters by their names in sedpy, which :func:`list_filters` lists.

        Raises
        ------
        SedumError
            If a name is unknown; the message suggests similar ones.
        """
        return cls([load_sedpy(name) for name in names])

    @property
    def names(self) -> list[str]:
        """Names of the bands."""
        return [f.name for f in self._filters]

    @property
    def pivots(self) -> np.ndarray:
        """Pivot wavelengths in Angstrom, [bands]."""
        return np.array([f.pivot for f in self._filters])

    def digest(self) -> str:
        """Return a hash of the names and curves, for provenance."""
        arrays = [a for f in self._filters for a in (f.wavelength, f.transmission)]
        return array_digest(np.array(self.names), *arrays)

    def __getitem__(self, index: int) -> Filter:  # type: ignore[override]
        return self._filters[index]

    def __len__(self) -> int:
        return len(self._filters)

    def __iter__(self) -> Iterator[Filter]:
        return iter(self._filters)


@cache
def _vega() -> tuple[np.ndarray, np.ndarray]:
    """Return the wavelength in Angstrom and the flux density in erg/s/cm²/Hz of Vega."""
    from astropy.io import fits

    with fits.open(str(files("sedpy") / "data" / "alpha_lyr_stis_011.fits")) as hdus:
        wavelength = np.asarray(hdus[1].data["WAVELENGTH"], float)
        per_angstrom = np.asarray(hdus[1].data["FLUX"], float)
    return wavelength, per_angstrom * wavelength**2 / 2.99792458e18


@cache
def list_filters() -> tuple[str, ...]:
    """Return the names of all filters that sedpy has.

    Examples
    --------
    >>> [name for name in list_filters() if name.startswith("hsc")]
    ['hsc_g', 'hsc_i', 'hsc_r', 'hsc_y', 'hsc_z']
    """
    folder = files("sedpy") / "data" / "filters"
    return tuple(sorted(Path(p.name).stem for p in folder.iterdir() if p.name.endswith(".par")))


def load_band(band: config.Band, where: str = "filters") -> Filter:
    """Load one band of a run file.

    Parameters
    ----------
    band
        Name of a sedpy filter, or an entry of the run file that names a file.
    where
        Key of the run file, for messages.

    Raises
    ------
    SedumError
        If the name is unknown or the file cannot be read.

    Examples
    --------
    >>> load_band("jwst_f444w")
    Filter(name='jwst_f444w')
    """
    match band:
        case str():
            return load_sedpy(band, where)
        case config.EazyBand():
            return load_eazy(band.file, band.eazy, band.name, where)
        case config.CurveBand():
            return load_curve(band.curve, band.name, where)


@cache
def load_sedpy(name: str, where: str = "filters") -> Filter:
    """Load a filter curve of sedpy by its name.

    Raises
    ------
    SedumError
        If there is none of that name; the message suggests similar ones.

    Examples
    --------
    >>> round(load_sedpy("jwst_f444w").pivot)
    44017
    """
    known = list_filters()
    if name not in known:
        raise SedumError(
            f"{where}: unknown band {name!r}{nearest(name, known) or ';'} "
            f"'sedum filters' lists the {len(known)} known names"
        )
    path = files("sedpy") / "data" / "filters" / f"{name}.par"
    wavelength, transmission = np.genfromtxt(str(path), usecols=(0, 1), unpack=True)
    return Filter(name, wavelength, transmission)


def load_eazy(file: Path, number: int, name: str, where: str = "filters") -> Filter:
    """Load a filter curve of an EAZY ``FILTER.RES`` file.

    Parameters
    ----------
    file
        The EAZY file.
    number
        Number of the curve, counted from 1.
    name
        Name to give to the band.
    where
        Key of the run file, for messages.

    Raises
    ------
    SedumError
        If the file cannot be read or has no such curve.
    """
    curves = eazy_curves(Path(file), where)
    if not 0 < number <= len(curves):
        raise SedumError(f"{where}: {file} has no filter {number}; it holds 1 to {len(curves)}")
    return Filter(name, *curves[number - 1])


def load_curve(file: Path, name: str, where: str = "filters") -> Filter:
    r"""Load a filter curve from a two-column file: wavelength in Angstrom and photon transmission.

    Parameters
    ----------
    file
        The file. Columns are separated by spaces or commas; # starts a comment.
    name
        Name to give to the band.
    where
        Key of the run file, for messages.

    Raises
    ------
    SedumError
        If the file cannot be read or is not such a curve.

    Examples
    --------
    >>> _ = Path("box.txt").write_text("5000 0\n5500 1\n6000 0\n")
    >>> load_curve("box.txt", "box").limits
    (5000.0, 6000.0)
    """
    rows = [
        line.split("#")[0].replace(",", " ").split() for line in read_text(file, where).splitlines()
    ]
    try:
        curve = np.array([[float(r[0]), float(r[1])] for r in rows if r])
        return Filter(name, curve[:, 0], curve[:, 1])
    except (IndexError, ValueError):
        raise SedumError(
            f"{where}: {file} is not a two-column filter curve (wavelength in Angstrom, "
            "transmission)"
        ) from None
