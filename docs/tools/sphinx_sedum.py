"""Reference pages made from the code: the run file, parameters, commands.

Directives of MyST pages:

``{run-file} MODULE:CLASS``
    Every key of a run file: its type, limits, default and description.
``{parameters}``
    Every parameter that a forward model can have, with its default prior.
``{commands} MODULE:APP``
    Every command with its help, arguments and options.
``{statuses}``
    Every status of a row, with its meaning and remedy.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types as limits
import typer
from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation


def _named(argument: str) -> Any:
    """Return what ``MODULE:NAME`` names."""
    module, _, name = argument.partition(":")
    return getattr(importlib.import_module(module), name)


def _paragraphs(text: str | None) -> str:
    """Return a docstring as MyST, without its examples."""
    prose = inspect.cleandoc(text or "").partition("\nExamples\n")[0]
    lines = [line.strip() for line in prose.strip().splitlines()]
    return "\n".join(lines).replace("``", "`")


# --- the run file ------------------------------------------------------------------------


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _anchor(model: type[BaseModel], page: str) -> str:
    module = model.__module__.rpartition(".")[2]
    return f"{page.replace('/', '-')}-{module}-{model.__name__}".lower()


def _kind(model: type[BaseModel]) -> str:
    """Return the values of ``kind`` that choose a model, or an empty string."""
    field = model.model_fields.get("kind")
    return " or ".join(map(str, get_args(field.annotation))) if field else ""


_PLAIN = {str: "text", float: "number", int: "whole number", bool: "true or false", Path: "path"}


def _type(annotation: Any, page: str) -> str:
    """Return a type in words, with links to the models in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{_kind(annotation) or annotation.__name__}](#{_anchor(annotation, page)})"
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        words = [_type(part, page) for part in parts if part is not type(None)]
        return " or ".join(dict.fromkeys(words))
    if origin is list:
        return f"list of {_type(parts[0], page)}"
    if origin is dict:
        return f"mapping of names to {_type(parts[1], page)}"
    if origin is tuple:
        return "[" + ", ".join(_type(part, page) for part in parts) + "]"
    if hasattr(annotation, "__metadata__"):
        return _type(parts[0], page)
    return str(annotation)


def _limits(field: FieldInfo) -> str:
    """Return the limits of a value in words."""
    found = []
    for rule in field.metadata:
        match rule:
            case limits.Gt(gt=value):
                found.append(f"above {value:g}")
            case limits.Ge(ge=value):
                found.append(f"at least {value:g}")
            case limits.Lt(lt=value):
                found.append(f"below {value:g}")
            case limits.Le(le=value):
                found.append(f"at most {value:g}")
            case limits.MinLen(min_length=value):
                found.append(f"at least {value}")
            case limits.MaxLen(max_length=value):
                found.append(f"at most {value}")
    return ", ".join(found)


def _default(field: FieldInfo) -> str:
    """Return the default as the file would say it; empty where the key must be given."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "**required**"
    if value is None:
        return "default: none"
    if isinstance(value, BaseModel):
        kind = getattr(value, "kind", None)
        return f"default: `{{kind: {kind}}}`" if kind else "default: its own defaults"
    if isinstance(value, bool):
        return f"default: `{str(value).lower()}`"
    if isinstance(value, list | tuple | dict):
        return f"default: `{value if isinstance(value, dict) else list(value)}`".replace("'", "")
    return f"default: `{value}`"


def _about(model: type[BaseModel], page: str) -> Iterator[str]:
    """Yield the keys of a model as a definition list."""
    for key, field in model.model_fields.items():
        if key == "kind" and field.is_required():
            continue
        told = [_type(field.annotation, page), _limits(field), _default(field)]
        text = field.description or ""
        yield f"`{key}`"
        yield f": {'; '.join(part for part in told if part)}"
        if text:
            yield f"\n  {text[0].upper()}{text[1:]}."
        yield ""


class RunFileDirective(SphinxDirective):
    """Every key of a run file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section for each model that the file is made of."""
        root, page = _named(self.arguments[0]), self.env.docname
        seen: dict[type[BaseModel], str] = {root: ""}
        queue = [root]
        for model in queue:  # grows while it is gone through
            for key, field in model.model_fields.items():
                for part in _models(field.annotation):
                    if part not in seen:
                        seen[part] = f"{seen[model]}.{key}".lstrip(".")
                        queue.append(part)
        lines: list[str] = []
        order = sorted(queue, key=lambda m: list(root.model_fields).index(_first(seen[m], root)))
        for model in [root, *(m for m in order if m is not root)]:
            kind = _kind(model)
            title = f"`{seen[model]}`" if seen[model] else "The whole file"
            title += f" of kind {kind}" if kind else ""
            lines += [f"({_anchor(model, page)})=", f"## {title}", ""]
            lines += [_paragraphs(model.__doc__), "", *_about(model, page), ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def _first(path: str, root: type[BaseModel]) -> str:
    return path.split(".")[0] or next(iter(root.model_fields))


# --- parameters --------------------------------------------------------------------------


class ParametersDirective(SphinxDirective):
    """Every parameter with its unit and default prior."""

    def run(self) -> list[nodes.Node]:
        """Return a table."""
        from sedum.config import PARAMETERS

        lines = ["| parameter | meaning | unit | default prior |", "|---|---|---|---|"]
        for name, about in PARAMETERS.items():
            prior = {k: v for k, v in about.prior.model_dump().items() if v is not None}
            text = ", ".join(f"{k}: {v}" for k, v in prior.items())
            lines.append(f"| `{name}` | {about.description} | {about.unit} | `{{{text}}}` |")
        return self.parse_text_to_nodes("\n".join(lines))


# --- statuses ----------------------------------------------------------------------------


class StatusesDirective(SphinxDirective):
    """Every status of a row."""

    def run(self) -> list[nodes.Node]:
        """Return a table."""
        from sedum.photometry.row_reasons import Reason

        lines = [
            "| status | meaning | remedy |",
            "|---|---|---|",
            "| `ok` | The row was fitted. | |",
        ]
        for reason in Reason:
            lines.append(f"| `{reason.text('NAME')}` | {reason.meaning} | {reason.remedy} |")
        return self.parse_text_to_nodes("\n".join(lines))


# --- commands ----------------------------------------------------------------------------


def _is_option(parameter: Any) -> bool:
    return parameter.param_type_name == "option"


def _usage(path: str, command: Any) -> str:
    words = [path]
    for p in command.params:
        if not _is_option(p):
            word = p.metavar or str(p.name).upper()
            words.append(word if p.required else f"[{word.strip('[]')}]")
    return " ".join([*words, "[OPTIONS]"])


def _parameter(p: Any) -> Iterator[str]:
    """Yield an argument or option as an entry of a definition list."""
    if _is_option(p):
        value = "" if p.is_flag else f" {p.metavar or str(p.name).upper()}"
        yield f"`{', '.join([*p.opts, *p.secondary_opts])}{value}`"
    else:
        yield f"`{p.metavar or str(p.name).upper()}`"
    told = [str(getattr(p, "help", "") or "")]
    said = "(default:" in told[0]
    if p.default not in (None, False, ()) and not callable(p.default) and not said:
        told.append(f"Default: `{p.default}`.")
    if p.required:
        told.append("Required.")
    yield ": " + " ".join(told).strip()
    yield ""


def _commands(path: str, command: Any, level: int) -> Iterator[str]:
    """Yield the pages of a command and of those below it."""
    yield f"{'#' * level} `{path}`"
    yield ""
    for paragraph in (command.help or "").split("\n\n"):
        text = " ".join(paragraph.split())
        for tag in ("[bold]", "[/bold]"):
            text = text.replace(tag, "**")
        if text.startswith("Python:"):
            text = f"```python\n{text.removeprefix('Python:').strip()}\n```"
        yield text + "\n"
    below = getattr(command, "commands", {})
    if not below:
        yield f"```\n{_usage(path, command)}\n```\n"
        for p in command.params:
            if p.name not in ("help",):
                yield from _parameter(p)
    for name, sub in below.items():
        yield from _commands(f"{path} {name}", sub, level + (1 if level > 1 else 0) or 2)


class CommandsDirective(SphinxDirective):
    """Every command of an application of typer."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section for each task, with its commands."""
        command = typer.main.get_command(_named(self.arguments[0]))
        tasks: dict[str, list[str]] = {}
        for name, sub in command.commands.items():  # type: ignore[attr-defined]
            task = tasks.setdefault(getattr(sub, "rich_help_panel", None) or "Commands", [])
            task += _commands(f"sedum {name}", sub, 3)
        lines: list[str] = []
        for task_name, described in tasks.items():
            lines += [f"## {task_name}", "", *described]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


# --- signatures ----------------------------------------------------------------------------


def _shorten_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str
) -> tuple[str | None, str]:
    """Name the unions of the run file's kinds, and give defaults that are made a readable form."""
    from sedum import config

    text = (signature or "").replace("<factory>", "...")
    for union in config.__all__:
        if hasattr(getattr(config, union), "__metadata__"):
            text = text.replace(stringify_annotation(getattr(config, union), "smart"), union)
    return text or signature, returns


# --- MathJax beside the pages --------------------------------------------------------------


def _copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy MathJax and its fonts, so that equations need no network."""
    if exception is not None or app.builder.format != "html":
        return
    source, target = Path(app.config.mathjax_files), Path(app.outdir) / "_static" / "mathjax"
    fonts = Path("output") / "chtml" / "fonts" / "woff-v2"
    (target / fonts).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "tex-chtml.js", target / "tex-chtml.js")
    for font in (source / fonts).iterdir():
        shutil.copyfile(font, target / fonts / font.name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directives."""
    app.add_config_value("mathjax_files", "", "env")
    app.add_directive("run-file", RunFileDirective)
    app.add_directive("parameters", ParametersDirective)
    app.add_directive("commands", CommandsDirective)
    app.add_directive("statuses", StatusesDirective)
    app.connect("autodoc-process-signature", _shorten_signature)
    app.connect("build-finished", _copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
