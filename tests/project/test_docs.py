"""The documentation says everything that it promises to say; `make docs` builds it."""

import ast
import re
from pathlib import Path
from pkgutil import resolve_name

import typer

from sedum.cli.main import app
from sedum.photometry.row_reasons import Reason

ROOT = Path(__file__).resolve().parents[2]
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "sedum"
#: Where messages about catalogues come from.
_CATALOGUES = [
    *sorted(SOURCE.glob("tables/*.py")),
    *sorted(SOURCE.glob("photometry/*.py")),
    *sorted(SOURCE.glob("results/*.py")),
    *sorted(SOURCE.glob("parallel/*.py")),
    SOURCE / "config" / "catalogue_section.py",
    SOURCE / "storage" / "part_folder.py",
    SOURCE / "observe" / "noise_file.py",
    *(SOURCE / "survey" / f"{name}.py" for name in ("fit", "fit_parts", "fit_hats", "qp_ensemble")),
    *(SOURCE / "survey" / f"{name}.py" for name in ("hats_partitions", "select_rows")),
    SOURCE / "survey" / "measures" / "swapped_prior.py",
    SOURCE / "infer" / "verify" / "prior_swap.py",
]


def page(name):
    return " ".join((DOCS / name).read_text().replace("\\|", "|").split())


def pieces(node):
    """Return the fixed pieces of a text in the source, what is filled in left out."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return [piece for value in values for piece in pieces(value)]
        case ast.BinOp(left=left, right=right):
            return pieces(left) + pieces(right)
    return []


def telling(node):
    """Return the longest fixed piece of a text, by which it can be found; empty if none is."""
    found = max(pieces(node), key=len, default="").strip(" ;:({'\"")
    return found if len(found) >= 8 else ""


def calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args:
            yield node


def marks():
    """Yield every call that gives rows a status, with what it gives."""
    for path in sorted(SOURCE.rglob("*.py")):
        for call in calls(path):
            marking = isinstance(call.func, ast.Attribute) and call.func.attr == "mark"
            if marking and len(call.args) >= 2:
                yield path.relative_to(SOURCE).as_posix(), ast.unparse(call.args[1])


def messages():
    for path in _CATALOGUES:
        # Mistakes in the run file are errors of values until they are put into words.
        kinds = ("ValueError",) if path.parent.name == "config" else ("SedumError",)
        for call in calls(path):
            if isinstance(call.func, ast.Name) and call.func.id in kinds:
                text = telling(call.args[0])
                if text:
                    yield path.relative_to(SOURCE).as_posix(), text


def test_every_status_is_a_reason_with_meaning_and_remedy():
    given = list(marks())
    assert len(given) > 20
    # A comparison passes on the statuses that its models gave.
    passed_on = {("comparison/compare_models.py", "str(reason)")}
    passed_on |= {("comparison/compare_models.py", "f'{name}: {reason}'")}
    others = {entry for entry in given if not entry[1].startswith("Reason.")}
    assert others - passed_on == set()
    assert {text for _, text in given if text.startswith("Reason.")} == {str(r) for r in Reason}
    for reason in Reason:
        assert reason.meaning.endswith(".")
        assert reason.remedy.endswith(".")


def test_reasons_are_recognised_in_statuses():
    for reason in Reason:
        for text in (reason.text("jwst_f444w"), f"model b: {reason.text('jwst_f444w')}"):
            assert Reason.of(text) is reason
    assert Reason.of("ok") is None
    assert Reason.of("flux not finite") is None


def test_the_page_of_statuses_is_made_of_them():
    assert "```{statuses}" in (DOCS / "howto" / "statuses.md").read_text()


def test_every_message_about_catalogues_has_a_remedy():
    found = set(messages())
    text = page("howto/messages.md")
    assert len(found) > 40
    assert [message for message in sorted(found) if message[1] not in text] == []


def test_pages_lead_to_pages_that_exist():
    lost = []
    for path in sorted(DOCS.rglob("*.md")):
        if "_build" in path.parts:
            continue
        for target in re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]*)?\)", path.read_text()):
            if not (path.parent / target).is_file():
                lost.append((path.name, target))
    assert lost == []


def pages():
    """Yield the name and the text of the README and of every page."""
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))):
        if not {"_build", "api"} & set(path.parts):
            yield path.name, path.read_text()


def test_python_names_on_pages_exist():
    lost, found = [], 0
    for page_name, text in pages():
        for name in re.findall(r"(?<![\w/.-])~?(sedum(?:\.[A-Za-z_]\w*)+(?::\w+)?)", text):
            found += 1
            try:
                resolve_name(name)
            except (AttributeError, ImportError):
                lost.append((page_name, name))
    assert found > 100
    assert lost == []


def command_lines():
    """Yield the page and the words of every command of sedum in code, comments left out."""
    for page_name, text in pages():
        blocks = re.findall(r"^```.*?^```", text, re.M | re.S)
        rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        lines = [line for block in blocks for line in re.findall(r"^!?sedum (.*)", block, re.M)]
        for line in lines + re.findall(r"`sedum ([^`\n]+)`", rest):
            words = line.partition(" #")[0].split()
            if words[0] not in ("COMMAND", "--help"):
                yield page_name, words


def test_commands_and_options_on_pages_exist():
    unknown, found = [], 0
    for page_name, words in command_lines():
        found += 1
        command, rest = typer.main.get_command(app), list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        options = {word for word in rest if re.match(r"--?[a-z]", word)}
        known = {option for p in command.params for option in p.opts}
        if len(rest) == len(words) or not options <= known:
            unknown.append((page_name, " ".join(words)))
    assert found > 50
    assert unknown == []


def test_cited_works_are_in_the_bibliography():
    known = set(re.findall(r"^@\w+\{(\w+),", (DOCS / "references.bib").read_text(), re.M))
    cited = set()
    for path in DOCS.rglob("*.md"):
        for keys in re.findall(r"\{cite:\w+\}`([\w,]+)`", path.read_text()):
            cited |= set(keys.split(","))
    assert cited
    assert cited - known == set()
