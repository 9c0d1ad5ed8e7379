"""Reading a survey's table into :class:`Photometry`; every row gets a status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units
from astropy.table import Table

from sedum import config
from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced
from sedum.photometry.corrections import Corrections
from sedum.photometry.filters import Filter, FilterSet
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import Reason, RowStatus
from sedum.photometry.units import MAGNITUDES, to_microjansky
from sedum.tables.read import TableLike, name_of, read_table
from sedum.tables.stream import stream_table
from sedum.tables.values import identifiers, means_missing, number_or_text, numeric

__all__ = ["CatalogueRows", "read_catalogue", "read_for_run", "stream_catalogue", "to_photometry"]


@dataclass(frozen=True, repr=False)
class CatalogueRows(Introduced):
    """The rows of a catalogue, in the order of the file.

    Attributes
    ----------
    ids
        Identifiers, [n]: those of the catalogue, or the row numbers from 0.
    photometry
        The measurements. Rows whose status is not ``ok`` contain placeholders.
    catalogue_redshift
        Known redshifts of the catalogue, [n], whether or not they are used; NaN if unknown.
    catalogue_redshift_error
        Their 1-sigma errors, [n]; NaN if unknown.
    row_status
        The status of each row, stored as numbers.
    redshift_errors
        Whether the catalogue has a column of redshift errors.

    Examples
    --------
    >>> from sedum import FilterSet, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> len(rows), str(rows.status[0])
    (20, 'ok')
    >>> rows.photometry.flux.shape
    (20, 3)
    """

    ids: np.ndarray
    photometry: Photometry
    catalogue_redshift: np.ndarray
    catalogue_redshift_error: np.ndarray
    row_status: RowStatus
    redshift_errors: bool = False

    def _facts(self) -> Facts:
        counts = "; ".join(f"{count:,} {text}" for text, count in self.row_status.counts()[:3])
        known = int(np.isfinite(self.catalogue_redshift).sum())
        facts = {"rows": f"{len(self):,}", "status": counts or "none", "redshifts": f"{known:,}"}
        return "", facts

    @property
    def status(self) -> np.ndarray:
        """Status of each row as text, [n]: ``ok``, or the reason why it cannot be fitted."""
        return self.row_status.text()

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def concatenate(cls, parts: Sequence[CatalogueRows]) -> CatalogueRows:
        """Join portions of a catalogue, in order."""
        return cls(
            np.concatenate([p.ids for p in parts]),
            Photometry.concatenate([p.photometry for p in parts]),
            np.concatenate([p.catalogue_redshift for p in parts]),
            np.concatenate([p.catalogue_redshift_error for p in parts]),
            RowStatus.concatenate([p.row_status for p in parts]),
            any(p.redshift_errors for p in parts),
        )


def read_catalogue(
    source: TableLike, mapping: config.CatalogueSettings, filters: FilterSet
) -> CatalogueRows:
    """Read a catalogue and convert it to photometry in µJy.

    Parameters
    ----------
    source
        A file, a folder of Parquet files, an astropy Table or a pandas DataFrame.
    mapping
        The ``catalogue`` section of a run file.
    filters
        The bands, in the order of the result.

    Returns
    -------
    CatalogueRows
        Identifiers, photometry, redshifts and the status of each row; see :func:`to_photometry`.

    Raises
    ------
    SedumError
        If the table cannot be read; if a column is missing, not numeric, or in another unit than
        the run file says; or if the unit is not a flux density.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from sedum import FilterSet, read_catalogue
    >>> from sedum.config import CatalogueSettings
    >>> table = Table({"id": ["A", "B"], "mag": [23.9, -99.0], "err": [0.1, -99.0]})
    >>> columns = {"sdss_r0": {"value": "mag", "error": "err"}}
    >>> mapping = CatalogueSettings(columns=columns, unit="ABmag", id="id")
    >>> rows = read_catalogue(table, mapping, FilterSet.from_names(["sdss_r0"]))
    >>> rows.photometry.flux[:, 0].round(2)
    array([1., 0.])
    >>> rows.status.tolist()
    ['ok', 'no band observed']
    """
    table = read_table(source, mapping.extension)
    return to_photometry(table, mapping, filters, source=name_of(source))


def read_for_run(source: TableLike, run: config.RunFile, filters: FilterSet) -> CatalogueRows:
    """Read a catalogue as a run file describes it; see :func:`read_catalogue`.

    Parameters
    ----------
    source
        The catalogue.
    run
        The run file.
    filters
        The bands, in the order of the result.

    Raises
    ------
    SedumError
        As :func:`read_catalogue`, and if the run file has no ``catalogue`` section.

    Examples
    --------
    >>> len(read_for_run(catalogue, run, FilterSet.from_run(run)))
    20
    """
    if run.catalogue is None:
        raise SedumError("the run file has no catalogue section; 'sedum init' shows one")
    return read_catalogue(source, run.catalogue, filters)


def stream_catalogue(
    source: TableLike, mapping: config.CatalogueSettings, filters: FilterSet, rows: int = 50_000
) -> Iterator[CatalogueRows]:
    """Read a catalogue of any size in portions that need little memory.

    Parquet, FITS and HDF5 are read one portion at a time. Row numbers, which stand in for missing
    identifiers, continue through the portions.

    Parameters
    ----------
    source, mapping, filters
        As for :func:`read_catalogue`.
    rows
        Number of rows in a portion.

    Yields
    ------
    CatalogueRows
        The next portion.

    Raises
    ------
    SedumError
        As :func:`read_catalogue`.

    Examples
    --------
    >>> filters = FilterSet.from_run(run)
    >>> [len(part) for part in stream_catalogue(catalogue, run.catalogue, filters, rows=15)]
    [15, 5]
    """
    start = 0
    for table in stream_table(source, mapping.needed(), rows, mapping.extension):
        yield to_photometry(table, mapping, filters, source=name_of(source), first=start)
        start += len(table)


def to_photometry(
    table: Table,
    mapping: config.CatalogueSettings,
    filters: FilterSet,
    source: str = "catalogue",
    first: int = 0,
) -> CatalogueRows:
    """Convert a table to photometry as the run file describes.

    A flux that is NaN, masked or one of ``mapping.missing`` means that the band was not observed. A
    row cannot be used if the error of a measured flux is not finite and positive, or if a
    correction is unknown: a guess would change the result without notice. Fluxes are corrected for
    ``offsets``, ``extinction`` and ``aperture``.

    Parameters
    ----------
    table
        The table.
    mapping
        The ``catalogue`` section of a run file.
    filters
        The bands, in the order of the result.
    source
        Name of the table in messages.
    first
        Number of its first row.

    Returns
    -------
    CatalogueRows
        Identifiers, photometry, redshifts and the status of each row.

    Raises
    ------
    SedumError
        If a column is missing, not numeric or in another unit than the run file says, or the unit
        is not a flux density.

    Examples
    --------
    >>> rows = to_photometry(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> rows.photometry.observed.any(axis=1).all()
    np.True_
    """
    n = len(table)
    flux = np.full((n, len(filters)), np.nan)
    error = np.full((n, len(filters)), np.nan)
    upper = np.zeros((n, len(filters)), bool)
    status = RowStatus(n)
    reader = _Reader(table, mapping, source, status)
    corrections = Corrections(table, mapping, source)
    for i, band in enumerate(filters):
        if band.name not in mapping.columns:
            continue
        factor = corrections.factor(band)
        flux[:, i], error[:, i], upper[:, i] = reader.band(band, factor)
    status.mark(~np.isfinite(flux).any(axis=1), Reason.NO_BAND_OBSERVED)
    for name, values_allowed in mapping.require.items():
        values = number_or_text(table, name, source, f"catalogue.require.{name}")
        allowed = [str(v) if values.dtype.kind == "U" else v for v in values_allowed]
        status.mark(~np.isin(values, allowed), Reason.FLAGGED, name)
    redshift, redshift_error = reader.redshift()
    ids = np.arange(first, first + n)
    if mapping.id is not None:
        ids = identifiers(table, mapping.id, source, "catalogue.id")
        if ids.dtype.kind in "iu":
            status.mark(np.ma.getmaskarray(table[mapping.id]), Reason.NO_IDENTIFIER)
    photometry = Photometry.make(flux, error, upper)
    return CatalogueRows(
        ids, photometry, redshift, redshift_error, status, mapping.redshift_error is not None
    )


class _Reader:
    """Reads single bands of one table, and marks the rows that cannot be used."""

    def __init__(
        self, table: Table, mapping: config.CatalogueSettings, source: str, status: RowStatus
    ):
        self.table, self.mapping, self.source, self.row_status = table, mapping, source, status

    def band(self, band: Filter, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return flux and error in µJy and whether the flux is an upper limit, each [n].

        Flux and error are multiplied by ``factor``, [n], which is NaN if a correction is unknown.
        The flux is NaN if the band is missing or the row cannot be used.
        """
        column = self.mapping.columns[band.name]
        unit, zeropoint = self.mapping.unit_of(band.name)
        value = self._numbers(column.value, unit, f"{band.name}.value")
        if isinstance(column.error, str):
            sigma = self._numbers(column.error, unit, f"{band.name}.error")
        else:
            sigma = np.full(len(value), np.nan)
        missing = np.isnan(value) | self._marked(value)
        # Limits come first: some conventions store codes in the error column.
        limit = self._limit(column, unit, value, sigma, missing, band.name)
        upper = np.isfinite(limit)
        if isinstance(column.error, str):
            missing |= self._marked(sigma)
        missing &= ~upper
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            flux, error = to_microjansky(
                np.where(upper, limit, value), sigma, unit, zeropoint, band
            )
            if not isinstance(column.error, str):
                error = column.error * np.abs(flux)
            if self.mapping.limits is not None:
                error = np.where(upper, flux / self.mapping.limits.sigma, error)
            known = np.isfinite(factor)
            flux, error = (part * np.where(known, factor, 1.0) for part in (flux, error))
        if column.flag is not None:
            flag = numeric(self.table, column.flag, self.source, f"{self._key(band.name)}.flag")
            missing |= flag != 0
        there = ~missing
        name = band.name
        self.row_status.mark(there & ~np.isfinite(flux), Reason.FLUX_NOT_FINITE, name)
        self.row_status.mark(there & upper & ~(flux > 0), Reason.UPPER_LIMIT_NOT_POSITIVE, name)
        self.row_status.mark(there & ~np.isfinite(error), Reason.ERROR_NOT_FINITE, name)
        self.row_status.mark(there & ~(error > 0), Reason.ERROR_NOT_POSITIVE, name)
        good = there & np.isfinite(flux)
        self.row_status.mark(good & ~known, Reason.CORRECTION_NOT_KNOWN)
        flux = np.where(good, flux, np.nan)
        error = np.where(good & np.isfinite(error) & (error > 0), error, 1.0)
        return flux, error, upper & good

    def _limit(
        self,
        column: config.BandColumns,
        unit: str,
        value: np.ndarray,
        sigma: np.ndarray,
        missing: np.ndarray,
        band: str,
    ) -> np.ndarray:
        """Return the upper limits in the catalogue's unit, [n]; NaN if there is none."""
        none = np.full(len(value), np.nan)
        if self.mapping.limits is None:
            return none
        match self.mapping.limits.convention:
            case "column":
                if column.limit is None:
                    return none
                limit = self._numbers(column.limit, unit, f"{band}.limit")
                return np.where(missing & ~self._marked(limit), limit, np.nan)
            case "negative_error":
                is_limit = (sigma < 0) & ~missing & ~self._marked(sigma)
                return np.where(is_limit, value, np.nan)
            case "magnitude_99":
                if unit not in MAGNITUDES:
                    raise SedumError(
                        f"catalogue.limits.convention: magnitude_99 needs magnitudes, but "
                        f"{band} is in {unit!r}"
                    )
                return np.where((value == 99) & ~self._marked(sigma), sigma, np.nan)
        raise AssertionError

    def redshift(self) -> tuple[np.ndarray, np.ndarray]:
        """Return redshifts and their 1-sigma errors, [n]; NaN if unknown."""
        z, error = (np.full(len(self.table), np.nan) for _ in range(2))
        if self.mapping.redshift is not None:
            z = numeric(self.table, self.mapping.redshift, self.source, "catalogue.redshift")
            known = np.isfinite(z) & (z > 0) & ~self._marked(z)
            z = np.where(known, z, np.nan)
        if self.mapping.redshift_error is not None:
            key = "catalogue.redshift_error"
            error = numeric(self.table, self.mapping.redshift_error, self.source, key)
            error = np.where(np.isfinite(z), error, np.nan)
        return z, error

    def _key(self, rest: str) -> str:
        return f"catalogue.columns.{rest}"

    def _numbers(self, name: str, unit: str, rest: str) -> np.ndarray:
        values = numeric(self.table, name, self.source, self._key(rest))
        _check_unit(self.table, name, unit, self.source, self._key(rest))
        return values

    def _marked(self, values: np.ndarray) -> np.ndarray:
        return means_missing(values, self.mapping.missing, self.mapping.missing_beyond)


def _check_unit(table: Table, name: str, unit: str, source: str, key: str) -> None:
    """Refuse a column whose own unit contradicts the run file, which would give wrong fluxes."""
    own = getattr(table[name], "unit", None)
    if own is None:
        return
    try:
        own = units.Unit(str(own))
    except ValueError:
        return  # text that is not a unit contradicts nothing
    if unit in MAGNITUDES:
        agrees = "mag" in str(own).lower()
    elif unit == "zeropoint":
        agrees = not own.is_equivalent(units.Jy)
    else:
        agrees = own == units.Unit(unit, parse_strict="silent")
    if not agrees:
        raise SedumError(
            f"{source}: column {name!r} (mapped by {key}) is in {own}, but catalogue.unit is "
            f"{unit!r}; set catalogue.unit to what the column holds"
        )
