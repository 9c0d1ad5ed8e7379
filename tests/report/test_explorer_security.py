"""The explorer with hostile files and hostile visitors, without a browser."""

import http.client
import json
import re

import numpy as np
import pytest

pytest.importorskip("bokeh", reason="the explorer needs bokeh")

HOSTILE = '<img src=x onerror="window.struck=1">'


def answer(explorer, path="/", host=None, method="GET", **headers):
    line = http.client.HTTPConnection("127.0.0.1", explorer.port, timeout=10)
    own = f"127.0.0.1:{explorer.port}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    line.request(method, path, headers={"Host": host or own, **named})
    found = line.getresponse()
    return found.status, dict(found.getheaders()), found.read().decode()


@pytest.mark.parametrize("path", ["/", "/autoload.js", "/static/js/bokeh.min.js", "/absent"])
def test_every_answer_forbids_frames_and_foreign_scripts(path, explorer):
    _, headers, _ = answer(explorer, path)
    assert headers["X-Frame-Options"] == "DENY"
    policy = dict(p.split(" ", 1) for p in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe-inline" not in policy["script-src"]
    assert "*" not in headers["Content-Security-Policy"]
    assert f"ws://127.0.0.1:{explorer.port}" in policy["connect-src"]
    assert not [name for name in headers if name.startswith("Access-Control-")]


def test_the_pages_own_scripts_pass_its_policy(explorer):
    status, headers, page = answer(explorer)
    assert status == 200
    nonce = re.search(r"'nonce-([^']+)'", headers["Content-Security-Policy"])[1]
    tags = re.findall(r"<script[^>]*>", page)
    assert len(tags) >= 3
    assert all(f'nonce="{nonce}"' in tag for tag in tags)
    sources = [s for tag in tags for s in re.findall(r'src="([^"]+)"', tag)]
    assert sources
    assert all(source.startswith("static/") or "://" not in source for source in sources)
    assert not re.search(r"<[^>]+\son\w+\s*=", re.sub(r"(?s)<script.*?</script>", "", page))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/autoload.js?bokeh-autoload-element=x", {}, 404),
        ("/autoload.js?bokeh-autoload-element=x", {"Origin": "http://attacker.example"}, 404),
        ("/", {"Origin": "http://attacker.example"}, 403),
        ("/", {"Origin": "null"}, 403),
        ("/", {"Origin": "http://localhost:1"}, 403),
        ("/", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ("/", {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, 403),
        ("/", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),
        ("/", {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, 200),
        ("/", {"host": "attacker.example"}, 404),
        ("/", {"host": "127.0.0.1.attacker.example"}, 404),
        ("/", {"host": "localhost:1"}, 404),
    ],
)
def test_no_other_page_gets_a_session(path, headers, status, explorer):
    got, _, text = answer(explorer, path, **headers)
    assert got == status
    assert ("token" in text) == (status == 200)
    if status == 404 and "autoload" in path:
        assert answer(explorer, path, method="OPTIONS", **headers)[0] == 404


def test_texts_of_columns_are_no_markup(explored, tmp_path):
    from astropy.table import Table
    from bokeh.document import Document
    from bokeh.models import DataTable, Div

    from sedum.report.explorer.explorer_page import Page
    from sedum.report.explorer.sampled_rows import SampledRows
    from sedum.results.posterior_catalogue import PosteriorCatalogue
    from sedum.results.posterior_table import write_table

    source = PosteriorCatalogue.open(explored / "post.fits")
    table = source.read()
    table.meta["sedum"] = json.dumps(source.provenance)
    table.meta["catalogue"] = HOSTILE
    for name in (HOSTILE, *(f"{HOSTILE}_p{p}" for p in (16, 50, 84)), "alone_p50"):
        table[name] = np.linspace(0, 1, len(table))
        table[name].unit, table[name].description = "mag", HOSTILE
    table["status"] = np.array([HOSTILE] + ["ok"] * (len(table) - 1))
    path = tmp_path / f"a{HOSTILE.replace('/', '')}.parquet"
    write_table(Table(table), path)
    results = PosteriorCatalogue.open(path)
    assert HOSTILE in results.columns
    page, document = Page(results, SampledRows(results), f"no {HOSTILE}"), Document()
    page.into(document)
    for row in (0, 1):
        page.show(row)
        page.search.value = f"{HOSTILE}{row}"
        texts = [division.text for division in document.select({"type": Div})]
        for made in document.select({"type": DataTable}):
            texts += [column.title for column in made.columns]
        assert any("&lt;img" in text for text in texts)
        assert not [text for text in texts if "<img" in text]
