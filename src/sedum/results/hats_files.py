"""Files of a catalogue in HATS: partitions with units and provenance, and their metadata files.

LSDB drops the metadata of columns and files when it writes (nested-pandas keeps only the types),
and its output cannot be continued safely after a kill. This module writes the same files with the
functions of the package hats.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedum._version import __version__
from sedum.storage import atomic_path, file_digest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "Partition",
    "finish_collection",
    "finish_table",
    "write_partition",
]

#: Unit and description of the columns that come from the catalogue.
_DESCRIPTIONS = {
    "_healpix_29": ("", "HEALPix index of order 29, nested"),
    "ra": ("deg", "right ascension in the catalogue"),
    "dec": ("deg", "declination in the catalogue"),
}


@dataclass(frozen=True)
class Partition:
    """A partition that was written.

    Attributes
    ----------
    order, pixel
        HEALPix order and pixel of the partition.
    rows
        Number of rows. A partition without rows has no file.
    status
        Each status, and the number of rows that have it.
    sha256
        Checksum of the file; empty if there are no rows.
    pixels, counts
        Pixels of the map of counts that have rows, and the number of rows in each.
    """

    order: int
    pixel: int
    rows: int
    status: list[tuple[str, int]]
    sha256: str
    pixels: list[int]
    counts: list[int]

    def to_json(self) -> str:
        """Return the attributes as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Partition:
        """Make a partition from the text of :meth:`to_json`."""
        return cls.from_facts(json.loads(text))

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Partition:
        """Make a partition from its attributes as read from JSON, with lists instead of tuples."""
        return cls(**{**facts, "status": [(str(s), int(n)) for s, n in facts["status"]]})

    def path(self, table: Path) -> Path:
        """Return the path of its file in the folder of a table."""
        from hats.io.paths import pixel_catalog_file
        from hats.pixel_math import HealpixPixel

        return Path(pixel_catalog_file(table, HealpixPixel(self.order, self.pixel)).path)


def write_partition(
    frame: pd.DataFrame,
    pixel: Any,
    table: Path,
    schema: pa.Schema,
    coordinates: Sequence[str],
    map_order: int,
) -> Partition:
    """Write a partition atomically.

    Parameters
    ----------
    frame
        Rows of the partition.
    pixel
        HEALPix pixel of the partition, with ``order`` and ``pixel``.
    table
        Folder of the table. It must exist.
    schema
        Schema with the units and descriptions of columns, and the metadata of the file.
    coordinates
        Names of the columns of right ascension and declination.
    map_order
        HEALPix order of the map of counts.

    Returns
    -------
    Partition
        The partition, with the checksum of its file.

    Raises
    ------
    FileNotFoundError
        If the folder of the table is gone, because the fit has ended.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet
    from hats.io.file_io import get_parquet_write_table_kwargs
    from hats.pixel_math.spatial_index import compute_spatial_index, spatial_index_to_healpix
    from nested_pandas import NestedFrame

    place = int(pixel.order), int(pixel.pixel)
    if not len(frame):
        return Partition(*place, 0, [], "", [], [])
    if not table.is_dir():  # a worker that outlived its fit must not bring the folder back
        raise FileNotFoundError(f"{table} is gone: the fit has ended")
    content = NestedFrame(frame).to_pyarrow()
    described = dict(zip(coordinates, (_DESCRIPTIONS["ra"], _DESCRIPTIONS["dec"]), strict=True))
    described["_healpix_29"] = _DESCRIPTIONS["_healpix_29"]
    fields = []
    for field in content.schema:
        meta = None
        if field.name in schema.names:
            meta = schema.field(field.name).metadata
        elif field.name in described:
            unit, text = described[field.name]
            meta = {"unit": unit, "description": text}
        fields.append(field.with_metadata(meta))
    full = pa.schema(fields, metadata=schema.metadata)
    content = pa.Table.from_arrays(content.columns, schema=full)
    sky = compute_spatial_index(*(frame[name].to_numpy(float) for name in coordinates))
    pixels, counts = np.unique(spatial_index_to_healpix(sky, map_order), return_counts=True)
    status, rows = np.unique(frame["status"].to_numpy(str), return_counts=True)
    blank = Partition(
        *place,
        len(frame),
        [(str(s), int(n)) for s, n in zip(status, rows, strict=True)],
        "",
        [int(p) for p in pixels],
        [int(n) for n in counts],
    )
    path = blank.path(table)
    with atomic_path(path) as temporary:
        options = get_parquet_write_table_kwargs(full)
        parquet.write_table(content, temporary, write_page_checksum=True, **options)
        sha256 = file_digest(temporary)
    return Partition(**{**asdict(blank), "sha256": sha256})


def finish_table(
    table: Path,
    partitions: Sequence[Partition],
    info: Any,
    name: str,
    origin: dict[str, str],
    map_order: int,
    **changes: Any,
) -> None:
    """Write the metadata files of a table whose partitions are complete. It can be repeated.

    Parameters
    ----------
    table
        Folder of the table.
    partitions
        All partitions of the table.
    info
        HATS properties of the table that was fitted.
    name
        Name of the new table.
    origin
        Properties that describe its provenance.
    map_order
        HEALPix order of the map of counts.
    **changes
        Other properties that differ from ``info``.
    """
    import hats
    import numpy as np
    from hats.catalog import CatalogType, PartitionInfo
    from hats.io.file_io import write_fits_image
    from hats.io.paths import get_point_map_file_pointer
    from hats.io.skymap import write_skymap
    from hats.pixel_math import HealpixPixel
    from hats.pixel_math.healpix_shim import order2npix

    filled = sorted((p for p in partitions if p.rows), key=lambda p: (p.order, p.pixel))
    for left in table.rglob(".*.partial*"):  # of writers that were killed
        left.unlink(missing_ok=True)
    pixels = [HealpixPixel(p.order, p.pixel) for p in filled]
    if filled:
        hats.io.write_parquet_metadata(table, create_per_partition_stats=True)
    known = PartitionInfo(pixels)
    known.write_to_file(table / "partition_info.csv")
    if info.catalog_type in (CatalogType.OBJECT, CatalogType.SOURCE):
        counts = np.zeros(order2npix(map_order), np.int64)
        for part in filled:
            np.add.at(counts, part.pixels, part.counts)
        write_fits_image(counts, get_point_map_file_pointer(table))
        write_skymap(counts, table)
        changes |= {"skymap_order": map_order, "skymap_alt_orders": None}
    new = info.copy_and_update(
        catalog_name=name,
        total_rows=sum(p.rows for p in filled),
        hats_max_rows=max((p.rows for p in filled), default=0),
        hats_order=known.get_highest_order() if filled else None,
        moc_sky_fraction=known.calculate_fractional_coverage(),
        default_columns=None,
        npix_suffix=".parquet",
        **changes,
        **_provenance(table, origin),
    )
    new.to_properties_file(table)


def finish_collection(
    collection: Path, name: str, table: str, margin: str | None, origin: dict[str, str]
) -> None:
    """Write the properties file of a collection, which names its table and margin.

    Parameters
    ----------
    collection
        Folder of the collection.
    name
        Name of the collection.
    table
        Name of the folder of the table.
    margin
        Name of the folder of the margin; None without a margin.
    origin
        Properties that describe its provenance.
    """
    from hats.catalog.dataset.collection_properties import CollectionProperties

    of = {"all_margins": [margin], "default_margin": margin} if margin else {}
    CollectionProperties(
        name=name, hats_primary_table_url=table, **of, **_provenance(collection, origin)
    ).to_properties_file(collection)


def _provenance(folder: Path, origin: dict[str, str]) -> dict[str, Any]:
    from hats.catalog.dataset.hats_properties import KNOWN_PROVENANCE_FIELDS, HatsProperties

    # The provenance of the old catalogue is not that of this one.
    blank = dict.fromkeys([*KNOWN_PROVENANCE_FIELDS, "hats_cols_sort", "hats_cols_survey_id"])
    made = HatsProperties.new_provenance_dict(folder, builder=f"sedum v{__version__}")
    return {**blank, **made, **origin}
