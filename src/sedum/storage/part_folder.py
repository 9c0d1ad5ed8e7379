"""The folder of finished parts of an output: what makes long work resumable.

A part is a file, or a few of them, that is written as soon as it is computed. Beside it stands a
record with its checksum, so that a part that a killed process or a disk has damaged is noticed
and computed again. A manifest says what the parts depend on, so that they never go into another
output.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from sedum.errors import SedumError
from sedum.storage.atomic_files import atomic_path
from sedum.storage.digests import file_digest
from sedum.storage.seals import sealed, unsealed

__all__ = ["PartFolder"]

#: The manifest. Readers of Parquet pass over names that begin so.
_MANIFEST = "_parts.json"
#: Temporary files of writers, which a killed one leaves.
_TEMPORARY = ".*.partial*"


class PartFolder:
    """A folder that keeps finished parts of an output until all are there.

    Only the process that holds the lock of the output may claim, sweep, remove or rename it.

    Parameters
    ----------
    path
        The folder. It need not exist.
    contents
        Patterns of the names that parts have in it, such as ``"part-*.parquet"``. Only a folder
        that holds nothing else is ever emptied.
    work
        What differs where the parts do not match, for the message: ``"fit"``.

    Examples
    --------
    >>> folder = PartFolder("out.fits.parts", ["part-*.txt"], "fit")
    >>> folder.claim({"run file": "1f4a", "catalogue": "99c0"})
    >>> part = folder.path / "part-0.txt"
    >>> _ = part.write_text("three rows")
    >>> folder.record("part-0", part, {"rows": 3})
    >>> folder.kept("part-0")
    {'rows': 3}
    >>> _ = part.write_text("damaged")
    >>> folder.kept("part-0") is None
    True
    >>> folder.remove()
    """

    def __init__(self, path: str | Path, contents: Sequence[str], work: str):
        self.path, self.contents, self.work = Path(path), tuple(contents), work

    def claim(self, identity: Mapping[str, str]) -> None:
        """Make the folder, or make sure that the parts in it belong to the same work.

        A folder without any finished part is taken over: the work that made it failed before
        there was one, for example because of a mistake in the run file.

        Parameters
        ----------
        identity
            What the parts depend on: hashes, or text, by the name of what they describe.

        Raises
        ------
        SedumError
            Naming what differs, if the folder holds parts of other work; or naming a file that
            is not sedum's, if the folder was not made by this class.
        """
        kept = self._identity()
        if kept is None:
            self._require_own()
        else:
            # In this order: the caller's names first.
            names = {**identity, **kept}
            differing = [name for name in names if kept.get(name) != identity.get(name)]
            if not differing:
                self.sweep()
                return
            if self._has_parts():
                verb = "differs" if len(differing) == 1 else "differ"
                raise SedumError(
                    f"{self.path} holds parts of another {self.work} (its "
                    f"{', '.join(differing)} {verb}); delete the folder, or choose another output"
                )
        # Parts without a manifest are of finished work that was killed as it removed them.
        shutil.rmtree(self.path, ignore_errors=True)
        with atomic_path(self.path / _MANIFEST) as temporary:
            temporary.write_text(json.dumps(dict(identity)))

    def record(
        self,
        name: str,
        file: Path | None,
        facts: Mapping[str, Any] | None = None,
        sha256: str | None = None,
    ) -> None:
        """Record that a part is finished. Until then it does not count.

        Parameters
        ----------
        name
            The name of the part, unique in the folder.
        file
            Its file, anywhere in the folder; None for a part that has none.
        facts
            What to know of the part without reading it; JSON must be able to hold it.
        sha256
            The checksum of the file, if it is known already.
        """
        content: dict[str, Any] = {"file": None, "sha256": "", "facts": dict(facts or {})}
        if file is not None:
            content["file"] = file.resolve().relative_to(self.path.resolve()).as_posix()
            content["sha256"] = sha256 or file_digest(file)
        with atomic_path(self._record(name)) as temporary:
            temporary.write_text(json.dumps(sealed(content)))

    def kept(self, name: str) -> dict[str, Any] | None:
        """Return the facts of a finished part; None if it is absent or damaged."""
        try:
            content, _ = unsealed(json.loads(self._record(name).read_text()))
            file, facts = content["file"], content["facts"]
            whole = file is None or file_digest(self.path / file) == content["sha256"]
            return dict(facts) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def become(self, target: Path) -> None:
        """Rename the folder to the output: whole or absent, whenever the process is killed."""
        os.replace(self.path, target)
        for left in (*target.glob("_*.json"), *target.glob(_TEMPORARY)):
            left.unlink()

    def remove(self) -> None:
        """Remove the folder with all parts."""
        shutil.rmtree(self.path, ignore_errors=True)

    def sweep(self) -> None:
        """Remove temporary files that killed writers left in the folder."""
        for left in self.path.glob(_TEMPORARY):
            left.unlink(missing_ok=True)

    def _record(self, name: str) -> Path:
        return self.path / f"_{name}.json"

    def _identity(self) -> dict[str, Any] | None:
        """Return what the manifest says; None without one, nothing if it is damaged."""
        try:
            content = json.loads((self.path / _MANIFEST).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _has_parts(self) -> bool:
        """Say whether there is any file but the manifest and what killed writers left."""
        return any(
            path.is_file() and path.name != _MANIFEST and not fnmatch(path.name, _TEMPORARY)
            for path in self.path.rglob("*")
        )

    def _require_own(self) -> None:
        """Make sure that a folder without a manifest holds nothing of the user's.

        Raises
        ------
        SedumError
            Naming what it holds.
        """
        own = (*self.contents, "_*.json", ".*")
        for path in sorted(self.path.glob("*")):
            if not any(fnmatch(path.name, pattern) for pattern in own):
                raise SedumError(
                    f"{self.path} is in the way: finished parts go there, and it holds "
                    f"{path.name}; move it, or choose another output"
                )
