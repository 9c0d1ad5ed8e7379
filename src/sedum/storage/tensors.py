"""Files of tensors with JSON beside them, and a digest of both; nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sedum.storage.atomic_files import atomic_path
from sedum.storage.digests import array_digest, digest

__all__ = [
    "read_tensors",
    "write_tensors",
]

#: Under what name the digest of a file of tensors stands in its metadata.
_DIGEST = "digest"


def write_tensors(
    path: str | Path, tensors: Mapping[str, Any], meta: dict[str, Any], key: str = "sedum"
) -> None:
    """Write a ``.safetensors`` file whose metadata holds JSON, atomically, with its digest.

    Parameters
    ----------
    path
        The file.
    tensors
        Tensors of torch, or arrays.
    meta
        What JSON can hold.
    key
        Of the JSON in the metadata: there is one, since several would come in any order.
    """
    from safetensors.numpy import save

    # Copied: the format refuses tensors that share memory.
    arrays = {name: np.array(_as_array(value), order="C") for name, value in tensors.items()}
    meta = {**meta, _DIGEST: _tensors_digest(arrays, meta)}
    with atomic_path(path) as temporary:
        # Its own writer makes one more temporary file, which would stay behind after a kill.
        temporary.write_bytes(save(arrays, metadata={key: json.dumps(meta)}))


def read_tensors(
    path: str | Path, framework: str, key: str = "sedum"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a ``.safetensors`` file whose metadata holds JSON; nothing in it is executed.

    The digest is verified, but for files of other programs and of earlier versions.

    Parameters
    ----------
    path
        The file.
    framework
        ``"pt"`` for tensors of torch, ``"numpy"`` for arrays.
    key
        Of the JSON in the metadata.

    Returns
    -------
    meta, tensors : dict
        The JSON, empty where there is none, and the tensors by name.

    Raises
    ------
    ValueError
        If the file cannot be read or is damaged; says how.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework=framework) as file:
            meta = json.loads((file.metadata() or {}).get(key, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = meta.pop(_DIGEST, None)
    except (OSError, SafetensorError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from None
    if told is not None and told != _tensors_digest(tensors, meta):
        raise ValueError("its content is not what was written")
    return meta, tensors


def _as_array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _tensors_digest(tensors: Mapping[str, Any], meta: dict[str, Any]) -> str:
    names = sorted(tensors)
    return digest([meta, names, array_digest(*(_as_array(tensors[name]) for name in names))])
