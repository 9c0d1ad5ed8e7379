"""The house: which folders may import which, no circles, names that are used once, no pickles."""

import ast
from collections import defaultdict
from pathlib import Path

import sedum

ROOT = Path(sedum.__file__).parent
#: Each folder may import from those before it. Files of the top level stand in the list, too.
ORDER = [
    "errors",
    "_version",
    "_lazy",
    "progress",
    "statistics",
    "introduced",
    "storage",
    "parallel",
    "config",
    "tables",
    "photometry",
    "priors",
    "galaxies",
    "galaxies/histories",
    "galaxies/stellar_grids",
    "galaxies/components",
    "library",
    "observe",
    "infer",
    "infer/densities",
    "infer/training",
    "infer/verify",
    "results",
    "survey",
    "survey/measures",
    "check",
    "comparison",
    "bridge",
    "bridge/simulations",
    "bridge/regressors",
    "report",
    "report/collected",
    "report/plots",
    "report/plots/checks",
    "report/plots/report_figures",
    "report/page",
    "report/page/sections",
    "report/explorer",
    "report/explorer/panels",
    "demo",
    "cli",
]
#: So many files a folder holds at most.
MOST_FILES = 13
FORBIDDEN = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def sources():
    return [p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py"]


def name_of(path):
    return ".".join(("sedum", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    )


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def arrows():
    """Return what each module of sedum imports of sedum, as modules."""
    modules = {name_of(p): p for p in sources()}
    found = defaultdict(set)
    for module, path in modules.items():
        for name in imports(path):
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                found[module].add(target)
    return found


def folder(module):
    """Return the folder of a module as ORDER has it; a file of the top level is its own."""
    parts = module.split(".")[1:]
    path = ROOT.joinpath(*parts)
    return "/".join(parts if path.is_dir() or len(parts) == 1 else parts[:-1])


def test_every_folder_is_in_the_order():
    found = {folder(name_of(p)) for p in sources()}
    assert found == set(ORDER)


def test_imports_go_one_way_between_folders():
    wrong = []
    for module, targets in arrows().items():
        here = folder(module)
        for target in targets:
            there = folder(target)
            if here.split("/")[0] == there.split("/")[0]:
                continue
            if ORDER.index(there) > ORDER.index(here):
                wrong.append(f"{module} imports {target}")
    assert not wrong, "\n".join(sorted(wrong))


def test_no_two_modules_import_each_other():
    """No circle of files, however long."""
    graph, state, circles = arrows(), {}, []

    def visit(module, path):
        state[module] = "open"
        for target in sorted(graph.get(module, ())):
            if state.get(target) == "open":
                circles.append(" > ".join([*path[path.index(target) :], target]))
            elif target not in state:
                visit(target, [*path, target])
        state[module] = "done"

    for module in sorted(graph):
        if module not in state:
            visit(module, [module])
    assert not circles, "\n".join(circles)


def test_no_circle_between_folders():
    """Sub-folders depend on each other one way; a folder and its sub-folder are one."""
    between = defaultdict(set)
    for module, targets in arrows().items():
        for target in targets:
            if folder(target) != folder(module):
                between[folder(module)].add(folder(target))
    both = {
        tuple(sorted((a, b)))
        for a, targets in between.items()
        for b in targets
        if a in between.get(b, ())
        and not f"{a}/".startswith(f"{b}/")
        and not f"{b}/".startswith(f"{a}/")
    }
    assert not both


def test_file_names_are_used_once():
    names = defaultdict(list)
    for path in sources():
        if path.name != "__init__.py":
            names[path.name].append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in names.items() if len(paths) > 1}


def test_no_folder_is_overfull():
    folders = {p.parent for p in sources()}
    crowded = {
        str(f.relative_to(ROOT)): n
        for f in folders
        if (n := len(list(f.glob("*.py")))) > MOST_FILES
    }
    assert not crowded


def test_nothing_unpickles():
    for path in sources():
        assert not FORBIDDEN & {name.split(".")[0] for name in imports(path)}, path
        assert "torch.load(" not in path.read_text(), path
