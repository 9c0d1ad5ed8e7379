"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, homes: Mapping[str, str], packages: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    ``import sedum`` and ``sedum --help`` stay quick, since a module is imported when the first
    of its names is used.

    Parameters
    ----------
    package
        The name of the package, ``__name__``.
    homes
        The module that defines each public name.
    packages
        Sub-packages that are imported when they are first used.
    """
    names = sorted(homes)

    def get(name: str) -> Any:
        if name in packages:
            return importlib.import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*names, *packages, *vars(sys.modules[package])}), names
