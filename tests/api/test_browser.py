"""The page in a real Chromium, against the whole service with tokens: from a token to a job's values, and to a death.

Skipped where there is no Chromium (Debian and Ubuntu: apt-get install chromium); `.ci/run` installs it.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from api.page.files import HERE
from tests.service.conftest import Service, running

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")
ADMIN, ALICE = "admin-token", "alice-token"
HOSTILE = "<img/src=x/onerror=alert(1)>"
FIRST_PAINT_MS = 300
WAIT_MS = 20_000


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Its caps are so narrow that a wide model's interactions do not fit."""
    for found in running({"ADMIN_TOKEN": ADMIN, "API_TOKEN": ALICE, "CHILD_MEMORY_MB": "56", "WORKER_SLOTS": "2"}):
        found.http.headers["Authorization"] = f"Bearer {ADMIN}"
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose feature would run in a careless page, its table, and a model too wide for the cap."""
    directory = tmp_path_factory.mktemp("files")
    x = np.random.default_rng(0).normal(size=(300, 3))
    names = [HOSTILE, "size", "age"]
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(x, x[:, 0] * 3 + x[:, 1], feature_name=names)
    model.booster_.save_model(directory / "model.txt")
    save_table(directory / "data.csv", names, x)
    classes = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(
        x, np.digitize(x[:, 1], [-1, 1]), feature_name=names
    )
    classes.booster_.save_model(directory / "classes.txt")
    wide = np.random.default_rng(0).normal(size=(60, 3_000))  # a matrix of 72 MB a row
    booster = xgboost.XGBRegressor(n_estimators=3, max_depth=3).fit(wide, wide[:, 0])
    booster.save_model(directory / "wide.json")
    save_table(directory / "wide.csv", [f"f{number}" for number in range(3_000)], wide[:4])
    return directory


def save_table(path: Path, names: list[str], rows: Any) -> None:
    np.savetxt(path, rows, delimiter=",", header=",".join(names), comments="", fmt="%.5f")


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Any]:
    """Opens the page; whatever it says on the console, asks of others or raises is a fault."""
    faults: list[str] = []
    contexts = []

    def opened(token: str | None = ADMIN, *, width: int = 1440, dark: bool = False, path: str = "/") -> Page:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("console", lambda line: faults.append(line.text) if _is_fault(line) else None)
        page.on("request", lambda request: faults.append(request.url) if _is_foreign(request.url, service) else None)
        if token:
            origin = {"Origin": service.stack.url}
            assert context.request.post(f"{service.stack.url}/session", data={"token": token}, headers=origin).ok
        page.goto(service.stack.url + path)
        page.wait_for_selector("h1")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def _is_fault(line: Any) -> bool:
    """An answer that is a problem is shown in the page, and stands on the console whatever we do. Vega warns of charts
    whose rows are all of one height."""
    return line.type == "error" and "Failed to load resource" not in line.text


def _is_foreign(url: str, service: Service) -> bool:
    return not url.startswith((service.stack.url, "data:", "blob:"))


def choose(page: Page, model: Path, data: Path) -> None:
    page.set_input_files("#model", model)
    page.set_input_files("#data", data)


@pytest.fixture(scope="module")
def finished(service: Service, files: Path) -> str:
    job_id = service.submit((files / "model.txt").read_bytes(), (files / "data.csv").read_bytes(), batch_size=100)
    assert service.ended(job_id)["status"] == "finished"
    return job_id


@pytest.fixture(scope="module")
def dead(service: Service, files: Path) -> str:
    wide = (files / "wide.json").read_bytes(), (files / "wide.csv").read_bytes()
    job_id = service.submit(*wide, interactions=True)
    assert service.ended(job_id)["status"] == "failed"
    return job_id


def test_from_a_token_to_the_values(visit: Any, files: Path) -> None:
    page = visit(None)
    page.fill("#token", "wrong")
    page.click("button:has-text('Sign in')")
    expect(page.get_by_role("alert")).to_contain_text("The token that was sent is not")
    page.fill("#token", ALICE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Explain a model")
    choose(page, files / "model.txt", files / "data.csv")
    expect(page.locator("#model-note")).to_have_text("LightGBM text")
    expect(page.locator("#data-note")).to_contain_text(f"3 columns: {HOSTILE}, size, age")
    expect(page.get_by_role("heading", name="Ready to start")).to_be_visible()
    expect(page.locator(".found")).to_contain_text("300")
    page.click("text=Options")
    page.fill("#batch", "50")
    page.click("button:has-text('Start')")
    expect(page.locator(".head .badge")).to_have_text("finished")
    expect(page.locator(".figures")).to_contain_text("6 of 6 chunks")
    expect(page.locator(".strip rect.chunk-done")).to_have_count(6)  # which is another request than the facts
    expect(page.locator("main")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0
    with page.expect_download() as download:
        page.click("button:has-text('Download')")
    assert len(Path(download.value.path()).read_text().splitlines()) == 301
    with page.expect_popup() as report:
        page.click("a:has-text('Report')")
    expect(report.value.get_by_role("heading").first).to_be_visible()
    assert report.value.locator("img[src='x']").count() == 0
    page.click("button:has-text('Try again')")
    expect(page.locator("#data-note")).to_contain_text("3 columns")
    page.click("button:has-text('Sign out')")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


@pytest.mark.skipif(not (HERE / "vega.js").exists(), reason="this build came without vl-convert: no charts")
def test_charts_rows_and_outputs(visit: Any, service: Service, files: Path) -> None:
    upload = (files / "classes.txt").read_bytes(), (files / "data.csv").read_bytes()
    job_id = service.submit(*upload)
    assert service.ended(job_id)["status"] == "finished"
    page = visit(path=f"/#/jobs/{job_id}")
    for kind in ("beeswarm", "bar", "dependence", "heatmap", "decision", "cohorts", "additivity"):
        with page.expect_response(lambda answer, kind=kind: f"/plots/{kind}" in answer.url and answer.ok):
            page.click(f"[data-kind={kind}]") if kind != "beeswarm" else page.reload()
        expect(page.locator("figure .vega canvas")).to_be_visible()
    expect(page.locator(".chart .fault, .chart .ranking")).to_have_count(0)
    with page.expect_response(lambda answer: "/plots/waterfall" in answer.url and "output=1" in answer.url):
        page.select_option("#output", label="1")
        page.locator("table.sample tbody tr").nth(3).click()
    expect(page.locator(".waterfall canvas")).to_be_visible()
    page.locator("table.sample thead button", has_text="size").focus()
    page.keyboard.press("Enter")
    expect(page.locator("table.sample thead th", has_text="size")).to_have_attribute("aria-sort", "ascending")
    column = page.locator("table.sample thead th").all_inner_texts().index("size ↑") + 1
    sizes = [float(cell) for cell in page.locator(f"table.sample tbody td:nth-child({column})").all_inner_texts()]
    assert len(sizes) == 40
    assert sizes == sorted(sizes)


@pytest.mark.skipif(not (HERE / "vega.js").exists(), reason="this build came without vl-convert: no charts")
def test_interactions_are_one_chart_more(visit: Any, service: Service, files: Path, finished: str) -> None:
    sent = (files / "model.txt").read_bytes(), (files / "data.csv").read_bytes()
    job_id = service.submit(*sent, interactions=True)
    assert service.ended(job_id)["status"] == "finished"
    page = visit(path=f"/#/jobs/{job_id}")
    chosen = page.locator(".segments [aria-pressed=true]")
    expect(chosen).to_have_text("Beeswarm")
    with page.expect_response(lambda answer: "/plots/interactions" in answer.url and answer.ok):
        page.click("[data-kind=interactions]")
    page.hover("figure .vega canvas", position={"x": 300, "y": 70})  # a cell, whose tip is written now
    expect(page.locator("#vg-tooltip-element.visible td.key")).to_have_text(["feature", "with", "mean(|interaction|)"])
    expect(page.locator("#vg-tooltip-element")).to_contain_text(HOSTILE)
    page.goto(f"{page.url.partition('#')[0]}#/jobs/{finished}")  # which has none: the choice is not kept
    expect(page.locator("[data-kind=interactions]")).to_have_count(0)
    expect(chosen).to_have_text("Beeswarm")


@pytest.mark.skipif(not (HERE / "vega.js").exists(), reason="this build came without vl-convert: no charts")
def test_what_counts_and_the_rows_are_there_before_the_first_chart(visit: Any, finished: str) -> None:
    page, asked = visit(), []
    page.route("**/plots/beeswarm*", lambda route: asked.append(route))  # noqa: PLW0108 - playwright marks its handlers; answered below
    page.goto(f"{page.url.partition('#')[0]}#/jobs/{finished}")
    expect(page.locator(".chart .ranking tbody tr")).to_have_count(3)
    expect(page.locator("table.sample tbody tr")).to_have_count(40)
    page.wait_for_function("() => performance.getEntriesByName(location.origin + '/page/vega.js').length > 0")
    while not asked:
        page.wait_for_timeout(10)
    expect(page.locator("canvas")).to_have_count(0)
    asked[0].continue_()
    expect(page.locator("figure .vega canvas")).to_be_visible()
    expect(page.locator(".chart .ranking")).to_have_count(0)


def test_a_jobs_modules_do_not_wait_for_each_other(visit: Any, finished: str) -> None:
    page, held = visit(), []
    page.route("**/page/job.js", lambda route: held.append(route))  # noqa: PLW0108 - see above
    with page.expect_request("**/page/sample.js"):
        page.goto(f"{page.url.partition('#')[0]}#/jobs/{finished}")
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()


def test_without_vega_there_are_tables(visit: Any, finished: str) -> None:
    page = visit()
    page.route("**/vega.js", lambda route: route.fulfill(status=404))
    page.goto(f"{page.url.partition('#')[0]}#/jobs/{finished}")
    expect(page.locator(".chart").first).to_contain_text("this build came without Vega")
    expect(page.locator(".chart .ranking tbody tr")).to_have_count(3)


def test_what_does_not_fit_is_said(visit: Any, files: Path) -> None:
    page = visit()
    choose(page, files / "model.txt", files / "wide.csv")
    expect(page.get_by_role("alert")).to_contain_text("data: the columns do not match the model's features")


def test_files_can_be_dropped(visit: Any) -> None:
    page = visit()
    dropped = page.evaluate_handle(
        "() => { const all = new DataTransfer(); all.items.add(new File(['a;b\\n1;2'], 'x.csv')); return all; }"
    )
    page.locator(".drop").nth(1).dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.locator("#data-note")).to_have_text("2 columns: a, b")


def test_a_death_says_what_would_have_been_enough(visit: Any, dead: str) -> None:
    page = visit(path=f"/#/jobs/{dead}")
    death = page.locator(".death")
    expect(death).to_contain_text("memory_cap")
    expect(death).to_contain_text("56.0 MB")
    setting = death.locator(".setting").inner_text()
    assert setting.startswith("CHILD_MEMORY_MB=")
    assert int(setting.partition("=")[2]) > 56


def test_the_list_filters_finds_and_cancels(
    visit: Any, service: Service, files: Path, finished: str, dead: str
) -> None:
    page = visit(path="/#/jobs")
    page.click("button:has-text('failed')")
    expect(page.locator(f"#of-{dead}")).to_be_visible()
    expect(page.locator(f"#of-{finished}")).to_have_count(0)
    page.click("button:has-text('all')")
    page.fill("#find", finished[:10])
    expect(page.locator("tbody tr")).to_have_count(1)
    page.fill("#find", "")
    header, rows = (files / "data.csv").read_bytes().split(b"\n", 1)
    slow = service.submit((files / "model.txt").read_bytes(), header + b"\n" + rows * 20, batch_size=1)
    page.click(f"#cancel-{slow}")
    expect(page.locator(f"tr:has(#of-{slow}) .badge")).to_have_text("cancelled")


def test_the_machines_are_for_the_operator_and_live(visit: Any, service: Service, dead: str) -> None:
    page = visit(ALICE, path="/#/machines")
    expect(page.locator("main")).to_contain_text("sign in with ADMIN_TOKEN")
    page = visit(path="/#/machines")
    expect(page.locator(".machine")).to_contain_text("Budget for children")
    expect(page.locator(".figures").first).to_contain_text("chunks at work")  # which only an event tells
    expect(page.get_by_role("img", name="Jobs waiting")).to_be_visible()
    turn = "hidden => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true}); "
    turn += "document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(turn, True)
    with page.expect_request("**/admin/events"):  # a tab that nobody sees has given its line back
        page.evaluate(turn, False)


def test_the_interface_can_be_tried(visit: Any, finished: str) -> None:
    page = visit(path="/docs")
    page.click("summary:has-text('/jobs/{job_id}/summary')")
    page.locator("details[open] input").fill(finished)
    page.click("details[open] button:has-text('Send GET')")
    expect(page.locator("details[open] pre")).to_contain_text('"mean_abs_shap"')


def test_halvings_are_seen(visit: Any, finished: str) -> None:
    chunks = [
        {"chunk": f"{first}-{last}", "first": first, "last": last, "state": state, "attempts": 0, "crashes": 0}
        for first, last, state in ((0, 99, "done"), (0, 49, "leased"), (50, 99, "pending"), (100, 299, "done"))
    ]
    page = visit()
    body = json.dumps({"job_id": finished, "total": 4, "chunks": chunks})
    page.route("**/chunks", lambda route: route.fulfill(body=body, content_type="application/json"))
    page.goto(f"{page.url.partition('#')[0]}#/jobs/{finished}")
    expect(page.locator(".strip")).to_have_attribute("aria-label", "4 chunks: 1 done, 1 at work, 1 waiting, 1 halved")
    rows = [page.locator(".strip rect").nth(at).get_attribute("y") for at in range(4)]
    assert [row == "0" for row in rows] == [True, False, False, True]


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True)])
def test_everybody_can_use_it(visit: Any, width: int, dark: bool, finished: str, dead: str) -> None:
    page = visit(width=width, dark=dark)
    for path, seen in (
        ("#/", ".picks"),
        ("#/jobs", "table.jobs"),
        (f"#/jobs/{finished}", ".results section"),
        (f"#/jobs/{dead}", ".death"),
    ):
        page.evaluate(f"location.href = {'/' + path.lstrip('/')!r}")
        page.wait_for_selector(seen)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page).response["violations"]
        bad = [
            (one["id"], node["html"])
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
        assert bad == [], path


def test_it_is_there_at_once(visit: Any) -> None:
    page = visit()
    painted = []
    for _ in range(3):
        page.reload()
        page.wait_for_selector(".picks")
        painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(painted) < FIRST_PAINT_MS
