"""What pydantic finds wrong with a run file, as one line in the words of the file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from sedum.errors import nearest

__all__ = ["describe"]

#: The kinds of priors, which pydantic puts into the path of a key below a prior.
PRIOR_KINDS = (
    "fixed",
    "uniform",
    "log_uniform",
    "normal",
    "student_t",
    "tabulated",
    "dirichlet",
    "main_sequence",
    "mass_metallicity",
    "universe_age",
)


def describe(
    error: ValidationError, root: type[BaseModel], sections: Mapping[str, type[BaseModel]]
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
    """
    problems = error.errors(include_url=False)
    # In a union every alternative complains; the one that got furthest is the one meant.
    problem = max(problems, key=lambda p: len(p["loc"]))
    if problem["loc"][:1] != ("filters",):
        problem = problems[0]
    # pydantic puts the tags of unions and the names of models in the path: not keys of the file.
    tags = {"str", "EazyBand", "CurveBand", "float", "dict[str,float]"}
    kinds = set(PRIOR_KINDS) | {"dense_basis", "delayed_tau"}
    parts: list[str] = []
    for i, part in enumerate(problem["loc"]):
        is_tag = str(part) in tags or (i > 0 and part in kinds)
        if not is_tag:
            parts.append(
                f"[{part}]" if isinstance(part, int) else f".{part}" if parts else str(part)
            )
    path = "".join(parts)
    found = problem.get("input")
    shown = repr(found) if not isinstance(found, dict | list) else type(found).__name__
    match problem["type"]:
        case "extra_forbidden":
            known = _keys_at(problem["loc"], root, sections)
            return (
                f"{path}: unknown key{nearest(str(problem['loc'][-1]), known)} "
                f"allowed: {', '.join(known)}"
            )
        case "missing":
            return f"{path}: this key is required"
        case "union_tag_invalid" | "union_tag_not_found":
            context = problem.get("ctx", {})
            tag = str(context.get("tag", ""))
            allowed = str(context.get("expected_tags", "")) or ", ".join(PRIOR_KINDS)
            names = [t.strip(" '") for t in allowed.split(",")]
            what = f"found {tag!r}" if tag else "this key is required"
            return f"{path}.kind: {what}{nearest(tag, names)} allowed: {', '.join(names)}"
        case "value_error":
            message = str(problem["msg"]).removeprefix("Value error, ")
            return f"{path}: {message}" if path else message
        case "literal_error":
            allowed = str(problem["ctx"]["expected"]).replace("'", "")
            names = [n for part in allowed.split(" or ") for n in part.split(", ")]
            return f"{path}: found {shown}{nearest(str(found), names)} allowed: {', '.join(names)}"
        case _:
            message = str(problem["msg"])
            return f"{path}: {message[0].lower()}{message[1:]}, found {shown}"


def _keys_at(
    location: tuple[int | str, ...],
    root: type[BaseModel],
    sections: Mapping[str, type[BaseModel]],
) -> list[str]:
    """Return the keys allowed beside an unknown one."""
    for part in reversed(location[:-1]):
        if part in sections:
            return list(sections[str(part)].model_fields)
    return list(root.model_fields)
