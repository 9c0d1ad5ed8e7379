"""What was made with other code is stale."""

from __future__ import annotations

import hashlib
from pathlib import Path

_TOOLS = Path(__file__).resolve().parent
_SOURCE = _TOOLS.parents[1] / "src"


def code_digest() -> str:
    """Return a hash of the package and of the documentation's helpers."""
    sha = hashlib.sha256()
    for path in sorted([*_SOURCE.rglob("*.py"), *_TOOLS.glob("*.py")]):
        sha.update(path.read_bytes())
    return sha.hexdigest()[:12]
