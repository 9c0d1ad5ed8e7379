"""Files of a catalogue in HATS: partitions with units and provenance, and what describes them.

LSDB drops the metadata of columns and files when it writes (nested-pandas keeps types alone), and
what it has written of a catalogue is not safe to go on with after a kill at any moment. These are
the same files, by the functions of the hats package.
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

_DESCRIBED = {
    "_healpix_29": ("", "HEALPix index of order 29, nested"),
    "ra": ("deg", "right ascension in the catalogue"),
    "dec": ("deg", "declination in the catalogue"),
}


@dataclass(frozen=True)
class Partition:
    """What is known of a partition that was written.

    Attributes
    ----------
    order, pixel
        Its HEALPix order and pixel.
    rows
        Its rows; a partition without rows has no file.
    status
        Each status and how many rows have it.
    sha256
        Of its file; empty without rows.
    pixels, counts
        Pixels of the map of counts, and its rows in each.
    """

    order: int
    pixel: int
    rows: int
    status: list[tuple[str, int]]
    sha256: str
    pixels: list[int]
    counts: list[int]

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Partition:
        """Read it from text."""
        return cls.from_facts(json.loads(text))

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Partition:
        """Make it from its attributes as JSON gives them: lists in the place of tuples."""
        return cls(**{**facts, "status": [(str(s), int(n)) for s, n in facts["status"]]})

    def path(self, table: Path) -> Path:
        """Return its file in the folder of a table."""
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
        Its rows.
    pixel
        Its HEALPix pixel.
    table
        The folder of the table, which exists.
    schema
        Units and descriptions of columns, and what else to keep with the file.
    coordinates
        The columns of right ascension and declination.
    map_order
        HEALPix order of the map of counts.
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
    told = dict(zip(coordinates, (_DESCRIBED["ra"], _DESCRIBED["dec"]), strict=True))
    told["_healpix_29"] = _DESCRIBED["_healpix_29"]
    fields = []
    for field in content.schema:
        meta = None
        if field.name in schema.names:
            meta = schema.field(field.name).metadata
        elif field.name in told:
            unit, text = told[field.name]
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
    """Write what describes a table whose partitions are all there; may be done again.

    Parameters
    ----------
    table
        Its folder.
    partitions
        Its partitions.
    info
        The properties of the table that was fitted.
    name
        The table's new name.
    origin
        Properties that say what it was made from.
    map_order
        HEALPix order of the map of counts.
    **changes
        Other properties that change.
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
    """Write what says which folders of a collection are the table and its margin.

    Parameters
    ----------
    collection
        Its folder.
    name
        Its name.
    table, margin
        The folders in it; None for no margin.
    origin
        Properties that say what it was made from.
    """
    from hats.catalog.dataset.collection_properties import CollectionProperties

    of = {"all_margins": [margin], "default_margin": margin} if margin else {}
    CollectionProperties(
        name=name, hats_primary_table_url=table, **of, **_provenance(collection, origin)
    ).to_properties_file(collection)


def _provenance(folder: Path, origin: dict[str, str]) -> dict[str, Any]:
    from hats.catalog.dataset.hats_properties import KNOWN_PROVENANCE_FIELDS, HatsProperties

    # What the old catalogue's makers said of it is not said of this one.
    blank = dict.fromkeys([*KNOWN_PROVENANCE_FIELDS, "hats_cols_sort", "hats_cols_survey_id"])
    made = HatsProperties.new_provenance_dict(folder, builder=f"sedum v{__version__}")
    return {**blank, **made, **origin}
