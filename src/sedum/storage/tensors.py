"""Files of tensors with JSON beside them, and a digest of both; nothing in them is executed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sedum.storage.atomic_files import atomic_path
from sedum.storage.digests import array_digest, digest

__all__ = [
    "non_finite",
    "read_tensors",
    "write_tensors",
]

#: Key of the digest in the metadata of a file.
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
        Tensors of torch, or arrays, by name.
    meta
        Metadata that JSON can hold.
    key
        Key of the JSON in the metadata of the file. There is only one, since several keys have
        no defined order.

    Examples
    --------
    >>> write_tensors("a.safetensors", {"x": np.zeros(3)}, {"kind": "example"})
    >>> meta, tensors = read_tensors("a.safetensors", "numpy")
    >>> meta, tensors["x"].shape
    ({'kind': 'example'}, (3,))
    """
    from safetensors.numpy import save

    # Copied: the format refuses tensors that share memory.
    arrays = {name: np.array(_as_array(value), order="C") for name, value in tensors.items()}
    meta = {**meta, _DIGEST: _tensors_digest(arrays, meta)}
    with atomic_path(path) as temporary:
        # The writer of safetensors would leave another temporary file after a kill.
        temporary.write_bytes(save(arrays, metadata={key: json.dumps(meta)}))


def read_tensors(
    path: str | Path, framework: str, key: str = "sedum"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a ``.safetensors`` file whose metadata holds JSON. Nothing in it is executed.

    The digest is verified if there is one; files of other programs have none.

    Parameters
    ----------
    path
        The file.
    framework
        ``"pt"`` for tensors of torch, ``"numpy"`` for arrays.
    key
        Key of the JSON in the metadata of the file.

    Returns
    -------
    meta, tensors : dict
        The metadata, empty if there are none, and the tensors by name.

    Warns
    -----
    UserWarning
        If metadata of sedum have no digest, as older versions wrote them.

    Raises
    ------
    ValueError
        If the file cannot be read or is damaged; the message says how.
    """
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework=framework) as file:
            meta = json.loads((file.metadata() or {}).get(key, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        recorded = meta.pop(_DIGEST, None)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # hostile files raise nearly anything
        raise ValueError((str(error).strip().splitlines() or ["unknown cause"])[0][:120]) from None
    if recorded is not None and recorded != _tensors_digest(tensors, meta):
        raise ValueError("its content is not what was written")
    if recorded is None and str(meta.get("kind", "")).startswith("sedum "):
        warnings.warn(
            f"{path} has no checksum, so that damage to it would not be noticed; make it again "
            "with this version",
            stacklevel=3,
        )
    return meta, tensors


def non_finite(tensors: Mapping[str, Any]) -> str | None:
    """Return the name of the first tensor with a NaN or infinite number; None without one.

    Examples
    --------
    >>> non_finite({"a": np.ones(2), "b": np.array([1.0, np.nan])})
    'b'
    """
    for name in sorted(tensors):
        values = tensors[name]
        if hasattr(values, "detach"):
            good = bool(values.isfinite().all())
        else:
            good = values.dtype.kind not in "fc" or bool(np.isfinite(values).all())
        if not good:
            return name
    return None


def _as_array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _tensors_digest(tensors: Mapping[str, Any], meta: dict[str, Any]) -> str:
    names = sorted(tensors)
    return digest([meta, names, array_digest(*(_as_array(tensors[name]) for name in names))])
