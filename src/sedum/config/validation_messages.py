"""What pydantic finds wrong with a run file, as one line in the words of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sedum.config.section import Section
from sedum.errors import allowed, nearest

__all__ = ["describe", "is_tag"]

#: Alternatives of unions that are no sections, which pydantic also puts into paths.
_TAGS = {"str", "int", "float", "dict[str,float]", "tuple[float, float]", "sedum", "external"}
_TAGS |= {"none given"}


def is_tag(part: object) -> bool:
    """Say whether a part of a path names an alternative of a union, and is no key of the file."""
    return str(part) in _TAGS or str(part) in _section_names(Section)


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
    found = problem.get("input")
    shown = repr(found) if not isinstance(found, dict | list) else type(found).__name__
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
            return f"{path}: found {shown}{allowed(str(found), names)}"
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
    told = [
        p
        for p in problems
        if not (isinstance(p.get("input"), dict) and any(is_tag(k) for k in p["loc"][-1:]))
    ]
    return max(told or problems, key=lambda p: _understood(p["loc"]))


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
        if part in sections:
            return list(sections[str(part)].model_fields)
    return list(root.model_fields)
