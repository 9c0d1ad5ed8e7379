"""Run files in YAML: reading and checking them, with one line for the first mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError, field_validator
from pydantic_core import ErrorDetails

from sedum.config.section import Section
from sedum.errors import SedumError, allowed, nearest

__all__ = ["FileSchema", "YamlFile", "describe", "is_tag"]

File = TypeVar("File", bound="YamlFile")


class YamlFile(Section):
    """A whole run file; it has a name, by which default output files are called."""

    name: str

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not re.fullmatch(r"[\w.-]+", value):
            raise ValueError(f"found {value!r}; allowed: letters, digits, '.', '_' and '-'")
        return value

    def to_yaml(self) -> str:
        """Return the complete run file, defaults included, as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


@dataclass(frozen=True)
class FileSchema(Generic[File]):
    """How one type of run file is read and checked.

    Attributes
    ----------
    root
        The class of the whole file.
    sections
        The classes of its sections, by the names that stand for them in an error's location.
    kinds
        The kinds that can be chosen below a key, by the key.
    resolve_paths
        Makes the relative paths of a mapping relative to a folder.
    """

    root: type[File]
    sections: Mapping[str, type[BaseModel]]
    kinds: Mapping[str, Sequence[str]]
    resolve_paths: Callable[[dict[str, Any], Path], dict[str, Any]]

    def load(self, path: str | Path) -> File:
        """Read and check a file; its relative paths are relative to its folder."""
        path = Path(path)
        return self.parse(_read_mapping(path), str(path), path.parent)

    def parse(self, data: Any, source: str, folder: Path | None = None) -> File:
        """Check a mapping; ``source`` is its name in error messages."""
        if not isinstance(data, dict):
            raise SedumError(
                f"{source}: expected a mapping of sections, found {type(data).__name__}"
            )
        if folder is not None:
            data = self.resolve_paths(data, folder)
        try:
            return self.root.model_validate(data)
        except ValidationError as error:
            message = describe(error, self.root, self.sections, self.kinds)
            raise SedumError(f"{source}: {message}") from None


class _TwiceError(Exception):
    """A key that stands twice in one mapping."""

    def __init__(self, key: Any, line: int):
        self.key, self.line = key, line


class _UniqueLoader(yaml.SafeLoader):
    """Refuses what YAML forbids and PyYAML lets pass: a key twice, of which the last wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float):
                continue
            if key in seen:
                raise _TwiceError(key, key_node.start_mark.line + 1)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read_mapping(path: Path) -> Any:
    """Read the YAML of a run file; a key that stands twice is refused."""
    try:
        text = path.read_text()
    except OSError as error:
        raise SedumError(
            f"cannot read run file {path}: {error.strerror}; make one with 'sedum init'"
        ) from None
    except UnicodeDecodeError:
        raise SedumError(f"run file {path} is not text; make one with 'sedum init'") from None
    try:
        return yaml.load(text, Loader=_UniqueLoader)
    except _TwiceError as error:
        raise SedumError(f"{path} line {error.line}: key {error.key!r} stands twice") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise SedumError(f"{path}{where}: not valid YAML: {problem}") from None


#: Alternatives of unions that are no sections, which pydantic also puts into paths.
_TAGS = {"str", "int", "float", "dict[str,float]", "tuple[float, float]", "sedum", "external"}
_TAGS |= {"none given"}


def is_tag(part: object) -> bool:
    """Say whether a part of a path names an alternative of a union, and is no key of the file."""
    name = _plain_name(part)
    return name in _TAGS or name in _section_names(Section)


def _plain_name(part: object) -> str:
    """Return a part of a path; of a section that checks itself, its class without the check."""
    return re.sub(r"^function-\w+\[.*, (\w+)\]$", r"\1", str(part))


def _section_names(section: type[BaseModel]) -> set[str]:
    """Return the names of a class and of all that are derived from it."""
    names = {section.__name__}
    return names.union(*(_section_names(kind) for kind in section.__subclasses__()))


def describe(
    error: ValidationError,
    root: type[BaseModel],
    sections: Mapping[str, type[BaseModel]],
    kinds: Mapping[str, Sequence[str]],
) -> str:
    """Say in one line what pydantic found first, in the words of the run file.

    Parameters
    ----------
    error
        What pydantic raised.
    root
        The model of the whole file.
    sections
        The models of its parts, by the names that stand for them in an error's location.
    kinds
        The kinds that can be chosen below a key, by the key.
    """
    problem = _foremost(error.errors(include_url=False), root, sections)
    # pydantic puts the tags of unions and the names of models in the path: not keys of the file.
    chosen = {kind for names in kinds.values() for kind in names}
    parts: list[str] = []
    for i, part in enumerate(problem["loc"]):
        if not (is_tag(part) or (i > 0 and part in chosen)):
            parts.append(
                f"[{part}]" if isinstance(part, int) else f".{part}" if parts else str(part)
            )
    path = "".join(parts)
    value = problem.get("input")
    shown = repr(value) if not isinstance(value, dict | list) else type(value).__name__
    match problem["type"]:
        case "extra_forbidden":
            known = _keys_at(problem["loc"], root, sections)
            return f"{path}: unknown key{allowed(str(problem['loc'][-1]), known)}"
        case "missing":
            return f"{path}: this key is required"
        case "union_tag_invalid" | "union_tag_not_found":
            context = problem.get("ctx", {})
            tag = str(context.get("tag", ""))
            names = next(list(kinds[str(part)]) for part in problem["loc"][::-1] if part in kinds)
            what = f"found {tag!r}" if tag else "this key is required"
            return f"{path}.kind: {what}{allowed(tag, names)}"
        case "model_attributes_type" | "model_type" | "dict_type":
            return f"{path}: expected a mapping of keys to values, found {shown}"
        case "string_type" if problem["loc"][:1] == ("filters",):
            return (
                f"{path}: expected a band's name, or a mapping with name, eazy and file, or with "
                f"name and curve; found {shown}"
            )
        case "value_error":
            message = str(problem["msg"]).removeprefix("Value error, ")
            return f"{path}: {message}" if path else message
        case "literal_error":
            expected = str(problem["ctx"]["expected"]).replace("'", "")
            names = [n for part in expected.split(" or ") for n in part.split(", ")]
            return f"{path}: found {shown}{allowed(str(value), names)}"
        case _:
            message = str(problem["msg"])
            return f"{path}: {message[0].lower()}{message[1:]}, found {shown}"


def _foremost(
    problems: Sequence[ErrorDetails],
    root: type[BaseModel],
    sections: Mapping[str, type[BaseModel]],
) -> ErrorDetails:
    """Return the problem that most likely is the mistake.

    A mistyped key is both unknown and, under its right name, missing: the typing is the
    mistake. Of the alternatives of a union, each of which complains, the one that was
    understood furthest is meant.
    """
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            known = _keys_at(problem["loc"], root, sections)
            if nearest(str(problem["loc"][-1]), known):
                return problem
    # Below a mapping, the complaint that it is no plain name or number says nothing.
    specific = [
        p
        for p in problems
        if not (isinstance(p.get("input"), dict) and any(is_tag(k) for k in p["loc"][-1:]))
    ]
    return max(specific or problems, key=lambda p: _understood(p["loc"]))


def _understood(location: tuple[int | str, ...]) -> int:
    """Return how far into a union of bands a problem lies; other problems are all alike."""
    return len(location) if location[:1] == ("filters",) else 0


def _keys_at(
    location: tuple[int | str, ...],
    root: type[BaseModel],
    sections: Mapping[str, type[BaseModel]],
) -> list[str]:
    """Return the keys allowed beside an unknown one."""
    for i, part in reversed(list(enumerate(location[:-1]))):
        if f"{location[i - 1]}.{part}" in sections:  # a section that is another elsewhere
            part = f"{location[i - 1]}.{part}"
        name = _plain_name(part)
        if name in sections:
            return list(sections[name].model_fields)
    return list(root.model_fields)
