"""Files of trained models: what is written, and one line for each way in which reading fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sedum.errors import SedumError
from sedum.storage.tensors import non_finite, read_tensors, write_tensors

__all__ = ["ModelFile", "tensors_below"]

Model = TypeVar("Model")
Value = TypeVar("Value")


@dataclass(frozen=True)
class ModelFile:
    """A type of file that holds a trained model: ``.safetensors`` with JSON as metadata.

    Attributes
    ----------
    name
        The name of the model in messages, such as ``estimator``.
    command
        The command that makes such a file.
    formats
        The formats that can be read; the first one is that of files without extensions.
    finite
        Starts of the names of tensors that hold finite numbers only.
    """

    name: str
    command: str
    formats: tuple[int, ...]
    finite: tuple[str, ...] = ()

    @property
    def _kind(self) -> str:
        return f"sedum {self.name}"

    def write(
        self,
        path: str | Path,
        tensors: Mapping[str, Any],
        metadata: Mapping[str, Any],
        version: int | None = None,
    ) -> None:
        """Write a model atomically.

        Parameters
        ----------
        path
            The file.
        tensors
            Tensors of torch, or arrays.
        metadata
            Whatever JSON can hold.
        version
            The format; the first of ``formats`` if None.
        """
        about = {"kind": self._kind, "format": version or self.formats[0]}
        write_tensors(path, tensors, {**about, **metadata})

    def read(
        self,
        path: str | Path,
        framework: str,
        build: Callable[[dict[str, Any], dict[str, Any]], Model],
    ) -> Model:
        """Read a model; nothing in the file is executed.

        Parameters
        ----------
        path
            The file.
        framework
            ``"pt"`` for tensors of torch, ``"numpy"`` for arrays.
        build
            Makes the model from metadata and tensors.

        Raises
        ------
        SedumError
            If the file is absent, damaged, of another type or format, holds a number that is not
            finite (the tensor is named), or does not fit its own run file.
        """
        path = Path(path)
        if not path.is_file():
            raise SedumError(f"{self.name} {path} does not exist; make it with '{self.command}'")
        try:
            metadata, tensors = read_tensors(path, framework)
        except ValueError as error:
            raise SedumError(
                f"{self.name} {path} is damaged or not safetensors ({error}); train it again"
            ) from None
        if metadata.get("kind") != self._kind or metadata.get("format") not in self.formats:
            raise SedumError(
                f"{path} is not a {self._kind} of format {self.formats[0]}; train it again"
            )
        if bad := non_finite({k: v for k, v in tensors.items() if k.startswith(self.finite)}):
            raise SedumError(
                f"{self.name} {path}: its tensor {bad} holds numbers that are not finite; train it "
                "again"
            )
        try:
            return build(metadata, tensors)
        except (MemoryError, SedumError):
            raise
        except Exception:  # tensors of any shape, type and name, where there is no checksum
            raise SedumError(
                f"{self.name} {path} does not fit its own run file; train it again"
            ) from None


def tensors_below(prefix: str, tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Return the tensors whose names begin with ``prefix.``, by the rest of their names.

    Examples
    --------
    >>> tensors_below("weights", {"weights.layer.bias": 1, "noise.depth": 2})
    {'layer.bias': 1}
    """
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
