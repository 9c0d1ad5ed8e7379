"""The public interface: few names at the top, each documented with an example that runs."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sedum

PACKAGES = [
    *("bridge", "check", "comparison", "galaxies", "infer", "library", "observe", "photometry"),
    *("priors", "report", "results", "survey"),
]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"
TOP = sorted(set(sedum.__all__) - {"__version__"})


def test_the_top_level_is_small_and_resolves():
    assert len(TOP) <= 25
    assert set(TOP) <= set(dir(sedum))
    for name in TOP:
        assert getattr(sedum, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'fits'"):
        sedum.fits  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_names_of_sub_packages_resolve(name):
    package = importlib.import_module(f"sedum.{name}")
    for public in package.__all__:
        assert getattr(package, public) is not None


def test_sub_packages_need_no_import_of_their_own():
    code = f"import sedum; print([len(getattr(sedum, name).__all__) > 0 for name in {PACKAGES}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([True] * len(PACKAGES))


def test_help_lists_every_name_by_task():
    listed = re.findall(r"^    (\w+)  +\w", sedum.__doc__, re.M)
    assert sorted(listed) == TOP


def test_the_page_lists_every_name():
    listed = set()
    for module, names in re.findall(r"currentmodule:: ([\w.]+)\n(.*?)```", PAGE.read_text(), re.S):
        for name in re.findall(r"^   ([\w.]+)$", names, re.M):
            listed.add(name if module == "sedum" else f"{module}.{name}")
            inside, _, last = f"{module}.{name}".rpartition(".")
            assert hasattr(importlib.import_module(inside), last), name
    assert set(TOP) <= listed


@pytest.mark.parametrize("name", TOP)
def test_every_name_has_an_example_that_runs(name):
    public = getattr(sedum, name)
    texts = [public.__doc__ or ""]
    if isinstance(public, type):
        texts += [getattr(public, own).__doc__ or "" for own in vars(public)]
    assert len(texts[0]) > 20
    if not (isinstance(public, type) and issubclass(public, Exception)):
        assert any(">>> " in text for text in texts)
    assert not any("+SKIP" in text for text in texts)


def test_import_is_quick():
    heavy = ("torch", "astropy", "numba", "matplotlib", "pyarrow", "h5py")
    code = f"import sys, sedum; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
