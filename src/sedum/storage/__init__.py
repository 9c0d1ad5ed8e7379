"""Files that are whole or absent, locks, folders of parts, and hashes of what files depend on."""

from sedum.storage.atomic_files import (
    atomic_path,
    check_writable,
    is_full,
    is_too_large,
    read_text,
    sweep,
    sweep_folder,
)
from sedum.storage.digests import (
    array_digest,
    cache_folder,
    digest,
    file_digest,
    require_same,
)
from sedum.storage.locks import lock_path, locked
from sedum.storage.model_files import ModelFile, tensors_below
from sedum.storage.part_folder import PartFolder
from sedum.storage.seals import read_json, sealed, unsealed, warn_unsealed, write_json
from sedum.storage.tensors import read_tensors, write_tensors

__all__ = [
    "ModelFile",
    "PartFolder",
    "array_digest",
    "atomic_path",
    "cache_folder",
    "check_writable",
    "digest",
    "file_digest",
    "is_full",
    "is_too_large",
    "lock_path",
    "locked",
    "read_json",
    "read_tensors",
    "read_text",
    "require_same",
    "sealed",
    "sweep",
    "sweep_folder",
    "tensors_below",
    "unsealed",
    "warn_unsealed",
    "write_json",
    "write_tensors",
]
