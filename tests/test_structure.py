"""Imports go one way through the rooms, and nothing stored can run code."""

import ast
from pathlib import Path

import sedum

ROOT = Path(sedum.__file__).parent
#: Each room may import from those before it.
ORDER = [
    "errors",
    "_version",
    "progress",
    "storage",
    "processes",
    "hdf5",
    "cluster",
    "messages",
    "config",
    "photometry",
    "priors",
    "galaxies",
    "library",
    "observe",
    "infer",
    "check",
    "survey",
    "bridge",
    "report",
    "cli",
    "demo",
]
FORBIDDEN = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def sources():
    return [p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py"]


def test_every_room_is_in_the_order():
    assert {room(p) for p in sources()} == set(ORDER)


def test_imports_go_one_way():
    wrong = []
    for path in sources():
        for name in imports(path):
            parts = name.split(".")
            # The command line starts the demo; everything else points back.
            if parts[0] != "sedum" or len(parts) < 2 or parts[1] not in ORDER:
                continue
            if path == ROOT / "cli" / "main.py" and parts[1] == "demo":
                continue
            if ORDER.index(parts[1]) > ORDER.index(room(path)):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_nothing_unpickles():
    for path in sources():
        assert not FORBIDDEN & {name.split(".")[0] for name in imports(path)}, path
        assert "torch.load(" not in path.read_text(), path


def test_public_names_resolve():
    for name in sedum.__all__:
        assert getattr(sedum, name) is not None
