"""The pages on development are true of the code."""

import ast
import re
import textwrap
from pathlib import Path

import numpy as np
import torch
from test_structure import ORDER

import sedum
from sedum.infer.densities.base_samples import BaseSamples

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "development"
SOURCE = Path(sedum.__file__).parent


def page(name):
    return (PAGES / name).read_text()


def listed():
    """Return the files and folders that the tables of the first page describe, in order."""
    return re.findall(r"^\| `([\w/.]+)` \| \S", page("index.md"), re.M)


def sketches():
    """Return the pieces of Python of the page on extensions."""
    blocks = re.findall(r"^( *)```python\n(.*?)^\1```", page("extending.md"), re.M | re.S)
    return [textwrap.dedent(block) for _, block in blocks]


def test_the_page_describes_every_folder():
    folders = {
        p.parent.relative_to(SOURCE).as_posix() for p in SOURCE.rglob("*.py") if p.parent != SOURCE
    }
    described = [name for name in listed() if name.endswith("/")]
    assert sorted(described) == sorted(f"{name}/" for name in folders)


def test_the_page_gives_the_order_of_imports():
    assert [name.removesuffix("/").removesuffix(".py") for name in listed()] == ORDER


def test_files_that_the_pages_name_exist():
    for name in ("index.md", "extending.md", "glossary.md"):
        for path in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w/.-]*)`", page(name)):
            assert (ROOT / path).exists(), f"{name}: {path}"


def test_terms_are_defined_once():
    terms = re.findall(r"^(\S.*)\n: ", page("glossary.md"), re.M)
    assert len(terms) > 50
    assert len(terms) == len(set(terms))


def test_sketches_of_extensions_run():
    whole = [code for code in sketches() if code.startswith(("import", "from"))]
    assert len(whole) == 4
    names = {}
    for code in whole:
        ast.parse(code)
        exec(code, names)
    assert names["RisingSFH"]().parameters() == ["age"]
    age = torch.tensor([1.0, 5.0], dtype=torch.float64)
    lookback = torch.tensor([0.0, 5e8, 1e10], dtype=torch.float64)
    formed = names["RisingHistory"]().formed_since(lookback, {"age": age}, 1.3e10 * age)
    np.testing.assert_allclose(formed, [[0, 0.75, 1], [0, 0.19, 1]], atol=1e-12)
    density = names["DiagonalNormal"](2, 5)
    context = torch.randn(3, 5)
    with torch.no_grad():
        draws = density.sample(BaseSamples.of(np.arange(3), 4096, 2, 1), density.prepare(context))
        mean, log_sigma = density.prepare(context).chunk(2, dim=-1)
        assert (draws.mean(1) - mean).abs().max() < 0.05
        single = density.log_prob(mean, context)
        assert torch.allclose(single, -np.log(2 * np.pi) - log_sigma.sum(-1), atol=1e-5)
        assert torch.allclose(density.log_prob(mean[:, None], context)[:, 0], single)
    linear = names["LinearRegressor"](np.array([[2.0], [1.0]]), np.array([3.0]))
    again = names["LinearRegressor"].from_arrays(None, linear.arrays())
    x = np.array([[1.0, 1.0], [0.0, 2.0]])
    np.testing.assert_array_equal(again.predict(x), [[6.0], [5.0]])
    assert again.gradient(x).shape == (2, 1, 2)
    assert again.spread(x).shape == (2, 1)
