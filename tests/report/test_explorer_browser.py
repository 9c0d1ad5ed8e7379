"""The explorer in a browser: headless Chromium, as Debian packages it."""

import shutil
import time

import pytest

from explore_cases import ROWS, UNFIT

pytest.importorskip("bokeh", reason="the explorer needs bokeh")
webdriver = pytest.importorskip("selenium.webdriver", reason="driving a browser needs selenium")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]
#: Seconds that a browser on a busy machine may take; on an idle one a fiftieth of it.
PATIENCE = 60
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1000",
)


class Visitor:
    """Somebody at the page."""

    def __init__(self, driver, url):
        self.driver = driver
        driver.get(url)
        self.until("Bokeh.documents[0].get_model_by_name('points1') != null")
        # Drawn, not only loaded: where the points are on the screen is asked for.
        self.until(f"({VIEW})('scatter1').frame.bbox.width > 50")

    def ask(self, expression):
        return self.driver.execute_script(f"return {expression}")

    def model(self, name, rest):
        return self.ask(f"Bokeh.documents[0].get_model_by_name('{name}').{rest}")

    def until(self, condition):
        start = time.monotonic()
        while time.monotonic() - start < PATIENCE:
            try:
                if self.ask(condition):
                    return
            except webdriver_errors():
                pass  # not there yet
            time.sleep(0.05)
        pytest.fail(f"not within {PATIENCE} s: {condition}")

    def until_shown(self, text):
        self.until(f"Bokeh.documents[0].get_model_by_name('heading').text.includes({text!r})")

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.driver.execute_cdp_cmd(
                "Input.dispatchMouseEvent",
                {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1},
            )

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.driver.execute_cdp_cmd(
                "Input.dispatchKeyEvent",
                {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code},
            )

    def errors(self):
        found = self.driver.get_log("browser")
        return [f["message"] for f in found if f["level"] in ("SEVERE", "WARNING")]


#: JavaScript that finds the view of a figure by its name.
VIEW = """(name => {
    const wanted = Bokeh.documents[0].get_model_by_name(name)
    const search = views => {
        for (const view of views) {
            if (view.model === wanted) return view
            const found = search(view.children ? [...view.children()] : [])
            if (found) return found
        }
        return null
    }
    return search([...Bokeh.index])
})"""


def webdriver_errors():
    from selenium.common.exceptions import JavascriptException

    return JavascriptException


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # The driver is named: selenium would look for one in the network.
    from selenium.webdriver.chrome.service import Service

    made = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield made
    made.quit()


@pytest.fixture(scope="module")
def visitor(driver, explorer):
    return Visitor(driver, explorer.url)


def test_everything_comes_from_the_server(visitor):
    assert visitor.model("rows", "data.id.length") == ROWS
    loaded = visitor.ask("performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded
    assert all(name.startswith(visitor.driver.current_url) for name in loaded)
    assert visitor.errors() == []


def test_a_click_on_a_point_changes_the_panels(visitor):
    shown = []
    for index in (30, 31):
        # The point is asked where it is on the screen, and clicked there.
        x, y = visitor.ask(
            f"""((view, data) => {{
                const box = view.el.getBoundingClientRect(), frame = view.frame
                const at = [data.redshift_p50[{index}], data.log_mass_surviving_p50[{index}]]
                return [box.x + frame.x_scale.compute(at[0]), box.y + frame.y_scale.compute(at[1])]
            }})(({VIEW})('scatter1'), Bokeh.documents[0].get_model_by_name('rows').data)"""
        )
        visitor.click(x, y)
        visitor.until("Bokeh.documents[0].get_model_by_name('rows').selected.indices.length == 1")
        (chosen,) = visitor.model("rows", "selected.indices")
        visitor.until_shown(f"row {chosen} ")
        median = "Bokeh.documents[0].get_model_by_name('spectrum').data.median"
        shown.append((chosen, visitor.ask(f"Array.from({median})")))
    assert shown[0][0] == 30 or shown[1][0] == 31  # others may lie on top of one of them
    assert len(shown[0][1]) > 100
    assert shown[0][1] != shown[1][1]
    assert visitor.model("history", "data.median.length") > 10
    assert visitor.model("density", "data.density.length") > 100
    assert "log_mass" in visitor.model("percentiles", "text")
    assert len(visitor.model("catalogue", "data.x")) == 1
    assert visitor.errors() == []


def test_arrow_keys_walk_through_the_table(visitor):
    x, y = visitor.ask(
        f"""(view => {{
            const cell = view.shadow_el.querySelectorAll('.slick-row')[5].children[1]
            const box = cell.getBoundingClientRect()
            return [box.x + box.width / 2, box.y + box.height / 2]
        }})(({VIEW})('table'))"""
    )
    visitor.click(x, y)
    visitor.until("Bokeh.documents[0].get_model_by_name('rows').selected.indices.length == 1")
    (before,) = visitor.model("rows", "selected.indices")
    visitor.press("ArrowDown", 40)
    visitor.until(
        f"Bokeh.documents[0].get_model_by_name('rows').selected.indices[0] == {before + 1}"
    )
    visitor.until_shown(f"row {before + 1} ")


def search(visitor, text):
    from selenium.webdriver.common.keys import Keys

    box = visitor.ask(f"({VIEW})('search').input_el")
    box.clear()
    box.send_keys(text, Keys.ENTER)


def test_the_search_finds_rows_and_says_when_not(visitor):
    search(visitor, "g42")
    visitor.until_shown("<b>g42</b>")
    assert visitor.model("rows", "selected.indices") == [42]
    search(visitor, "row 11")
    visitor.until_shown("<b>g11</b>")
    search(visitor, "nobody <b>")
    visitor.until(
        "Bokeh.documents[0].get_model_by_name('answer').text.includes('nobody &lt;b&gt;')"
    )
    assert "<b>g11</b>" in visitor.model("heading", "text")


def test_a_row_that_was_not_fitted_says_why(visitor):
    search(visitor, f"row {UNFIT}")
    visitor.until_shown(f"<b>g{UNFIT}</b>")
    said = visitor.model("statements", "text")
    assert "selection band sdss_r0 not observed" in said
    assert visitor.model("spectrum", "data.median.length") == 0
    assert visitor.model("observed", "data.band") == ["sdss_g0", "sdss_i0"]


def test_identifiers_are_text_whatever_is_in_them(visitor):
    search(visitor, "row 1")
    visitor.until_shown("&lt;img src=x")
    visitor.until(f"({VIEW})('table').shadow_el.textContent.includes('onerror')")
    assert visitor.ask("window.struck === undefined")
    assert visitor.errors() == []


def test_several_are_selected_and_kept(visitor):
    visitor.ask("Bokeh.documents[0].get_model_by_name('rows').selected.indices = [4, 5, 6]")
    x, y = visitor.ask(
        f"(b => [b.x + b.width / 2, b.y + b.height / 2])(({VIEW})('keep').el"
        ".getBoundingClientRect())"
    )
    visitor.click(x, y)
    visitor.until("Bokeh.documents[0].get_model_by_name('count').text.includes('<b>3</b>')")
    visitor.until(f"({VIEW})('table').shadow_el.querySelectorAll('.slick-row').length == 3")
    assert visitor.errors() == []
