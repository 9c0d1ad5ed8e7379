"""The explorer: from choosing a galaxy to its panels, in headless Chromium.

    python benchmarks/explore.py [--work explore] [--rows 2000] [--galaxies 20]

Needs pip install -e '.[dev]' and Debian's chromium and chromium-driver. Makes the quick demo's
results in the folder if they are not there; with more --rows than those, its catalogue and
results are repeated so often. Target: a median below one second, whatever the rows.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.table import Table
from rich.console import Console
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import sedum

#: Chooses a row, and tells the milliseconds until what is said of it is on the screen.
CHOOSE = """
const [index, done] = arguments
const page = Bokeh.documents[0], start = performance.now()
const heading = page.get_model_by_name("heading")
const changed = () => {
    heading.properties.text.change.disconnect(changed)
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => {
        done([performance.now() - start, heading.text])
    }, 0)))
}
heading.properties.text.change.connect(changed)
page.get_model_by_name("rows").selected.indices = [index]
"""


def repeated(source: Path, out: Path, rows: int) -> Path:
    """Write a table again and again until it has so many rows."""
    if not out.exists():
        table = Table.read(source)
        table[np.arange(rows) % len(table)].write(out)
    return out


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000"):
        options.add_argument(flag)
    options.add_argument("--disable-background-networking")
    options.add_argument(f"--user-data-dir={tempfile.mkdtemp()}")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("explore"))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--galaxies", type=int, default=20)
    args = parser.parse_args()
    console = Console(highlight=False)
    results = args.work / "posterior-catalogue.fits"
    if not results.exists():
        sedum.demo.run_demo(args.work, quick=True)
    catalogue = args.work / "mock-catalogue.fits"
    if args.rows > len(Table.read(catalogue)):
        results = repeated(results, args.work / f"posterior-{args.rows}.fits", args.rows)
        catalogue = repeated(catalogue, args.work / f"mock-{args.rows}.fits", args.rows)

    started = time.perf_counter()
    explorer = sedum.explore(
        results, catalogue=catalogue, estimator=args.work / "estimator.safetensors"
    )
    console.print(
        f"started in {time.perf_counter() - started:.1f} s, {explorer.results.rows:,} rows"
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"peak memory {memory:,.0f} MB; {len(explorer.rows):,} rows in table and plots")
    driver = browser()
    try:
        driver.get(explorer.url)
        ready = "return Bokeh.documents[0]?.get_model_by_name('rows') != null"
        while not driver.execute_script(f"try {{ {ready} }} catch {{ return false }}"):
            time.sleep(0.1)
        time.sleep(3)
        fitted = np.flatnonzero(explorer.rows.columns["status"] == "ok")
        chosen = np.random.default_rng(1).choice(fitted, args.galaxies + 1, replace=False)
        seen, work = [], []
        for index in chosen:
            took, text = driver.execute_async_script(CHOOSE, int(index))
            assert f"row {explorer.rows.rows[index]:,} " in text
            seen.append(took / 1e3)
            before = time.process_time()
            explorer.galaxies.look(int(explorer.rows.rows[index]))
            work.append(time.process_time() - before)
        for name, values in (("choice to panels", seen[1:]), ("of it the galaxy, CPU", work[1:])):
            low, middle, high = np.percentile(values, [5, 50, 95])
            console.print(f"{name}: median {middle:.2f} s, 90% within {low:.2f} to {high:.2f} s")
    finally:
        driver.quit()
        explorer.stop()
    before = time.perf_counter()
    absent = explorer.results.find("no such galaxy")
    console.print(f"search through all rows: {time.perf_counter() - before:.2f} s ({absent})")


if __name__ == "__main__":
    main()
