"""Reading a survey's table into :class:`Photometry`, every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units
from astropy.table import Table

from sedum import config
from sedum.errors import SedumError
from sedum.photometry.corrections import Corrections
from sedum.photometry.filters import Filter, FilterSet
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import RowStatus
from sedum.photometry.units import MAGNITUDES, to_microjansky
from sedum.tables.read import TableLike, name_of, read_table
from sedum.tables.stream import stream_table
from sedum.tables.values import identifiers, means_missing, number_or_text, numeric

__all__ = ["CatalogueRows", "read_catalogue", "read_for_run", "stream_catalogue", "to_photometry"]


@dataclass(frozen=True)
class CatalogueRows:
    """A catalogue as read: rows in the order of the file.

    Attributes
    ----------
    ids
        Identifiers, [n]: the mapped column, or the row numbers from 0.
    photometry
        The measurements; rows whose status is not ``ok`` hold placeholders where they are bad.
    catalogue_redshift
        The mapped redshift column, [n], NaN where absent, whether or not it is used.
    catalogue_redshift_error
        Its mapped 1-sigma error, [n], NaN where absent.
    row_status
        The status of each row, as numbers.
    redshift_errors
        Whether there is a column of redshift errors, whatever is in these rows.
    """

    ids: np.ndarray
    photometry: Photometry
    catalogue_redshift: np.ndarray
    catalogue_redshift_error: np.ndarray
    row_status: RowStatus
    redshift_errors: bool = False

    @property
    def status(self) -> np.ndarray:
        """``ok``, or why the row cannot be fitted, in words, [n]."""
        return self.row_status.text()

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def concatenate(cls, parts: Sequence[CatalogueRows]) -> CatalogueRows:
        """Join portions in order."""
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
    """Read a file, an astropy Table or a pandas DataFrame; see :func:`to_photometry`."""
    table = read_table(source, mapping.extension)
    return to_photometry(table, mapping, filters, source=name_of(source))


def read_for_run(source: TableLike, run: config.RunFile, filters: FilterSet) -> CatalogueRows:
    """Read a catalogue as a run file says; see :func:`read_catalogue`.

    Raises
    ------
    SedumError
        Also if the run file has no ``catalogue`` section.
    """
    if run.catalogue is None:
        raise SedumError("the run file has no catalogue section; 'sedum init' shows one")
    return read_catalogue(source, run.catalogue, filters)


def stream_catalogue(
    source: TableLike, mapping: config.CatalogueSettings, filters: FilterSet, rows: int = 50_000
) -> Iterator[CatalogueRows]:
    """Read a catalogue in portions; Parquet, FITS and HDF5 of any size in little memory.

    Row numbers, where no identifier is mapped, count on through the portions.
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
    """Turn a table into photometry by the mapping of the run file.

    A flux that is NaN, masked or one of ``mapping.missing`` means that the band was not
    observed. A measured flux with an error that is not finite and positive makes the row
    unusable, and so does a correction that is not known: guessing would change the answer in
    silence. Fluxes are corrected for ``offsets``, ``extinction`` and ``aperture``.

    Parameters
    ----------
    table
        The table.
    mapping
        The ``catalogue`` section of a run file.
    filters
        The bands, in the order of the result.
    source
        What messages call the table.
    first
        The number of its first row.

    Raises
    ------
    SedumError
        If a mapped column is absent, not numeric or in another unit than the run file says,
        or the unit is not a flux density.
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
    status.mark(~np.isfinite(flux).any(axis=1), "no band observed")
    for name, wanted in mapping.require.items():
        found = number_or_text(table, name, source, f"catalogue.require.{name}")
        allowed = [str(w) if found.dtype.kind == "U" else w for w in wanted]
        status.mark(~np.isin(found, allowed), f"flagged by {name}")
    redshift, redshift_error = reader.redshift()
    ids = np.arange(first, first + n)
    if mapping.id is not None:
        ids = identifiers(table, mapping.id, source, "catalogue.id")
        if ids.dtype.kind in "iu":
            status.mark(np.ma.getmaskarray(table[mapping.id]), "no identifier")
    photometry = Photometry.make(flux, error, upper)
    return CatalogueRows(
        ids, photometry, redshift, redshift_error, status, mapping.redshift_error is not None
    )


class _Reader:
    """Reads single bands of one table, and marks the rows where they are bad."""

    def __init__(
        self, table: Table, mapping: config.CatalogueSettings, source: str, status: RowStatus
    ):
        self.table, self.mapping, self.source, self.row_status = table, mapping, source, status

    def band(self, band: Filter, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return flux and error in µJy, and what is an upper limit, each [n].

        Flux and error are multiplied by ``factor``, [n], NaN where a correction is not known.
        The flux is NaN where the band is missing or the row unusable.
        """
        column = self.mapping.columns[band.name]
        unit, zeropoint = self.mapping.unit_of(band.name)
        value = self._numbers(column.value, unit, f"{band.name}.value")
        if isinstance(column.error, str):
            sigma = self._numbers(column.error, unit, f"{band.name}.error")
        else:
            sigma = np.full(len(value), np.nan)
        missing = np.isnan(value) | self._marked(value)
        # The limit is taken out before errors are looked at: conventions put codes there.
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
        self.row_status.mark(there & ~np.isfinite(flux), f"flux not finite in {name}")
        self.row_status.mark(there & upper & ~(flux > 0), f"upper limit not positive in {name}")
        self.row_status.mark(there & ~np.isfinite(error), f"error not finite in {name}")
        self.row_status.mark(there & ~(error > 0), f"error not positive in {name}")
        good = there & np.isfinite(flux)
        self.row_status.mark(good & ~known, "aperture or extinction correction not known")
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
        """Return the upper limits in the catalogue's unit, NaN where there is none, [n]."""
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
        """Return redshift and its 1-sigma error, NaN where unknown, [n]."""
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
    """Refuse a column whose own unit contradicts the run file: the flux would be off unseen."""
    own = getattr(table[name], "unit", None)
    if own is None:
        return
    try:
        own = units.Unit(str(own))
    except ValueError:
        return  # a word that is no unit contradicts nothing
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
