"""The pages that people look at, each in a real browser."""

from __future__ import annotations

import subprocess

import pytest
from browser import assert_legible, opened
from served import serving

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.drawn]

DOMAINS = {
    "vision": ("resnet20", "digits"),
    "nlp": ("fasttext", "topics"),
    "timeseries": ("dlinear", "sunspots"),
    "audio": ("m5", "dtmf"),
}
TINY = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.precision=32-true")


@pytest.fixture(scope="module")
def fw(warm, tmp_path_factory):
    """The command in a folder of its own, which all tests of this file share."""
    folder = tmp_path_factory.mktemp("pages")

    def run(*words):
        done = subprocess.run([warm.command, *words], cwd=folder, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    run.command = warm.command
    return run


@pytest.mark.some_of(1)
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_report_of_a_run_is_legible_for_everybody(domain, fw, browser):
    model, dataset = DOMAINS[domain]
    fw("train", "--model", model, "--dataset", dataset, *TINY, f"experiment.run_name={domain}")
    fw("report", domain, "-o", f"{domain}.html")
    page = fw.folder / f"{domain}.html"
    assert_legible(browser, page)
    with opened(browser, page.as_uri()) as shown:
        assert shown.get_by_role("heading", name="Curves").is_visible()
        assert shown.get_by_role("img").count() > 2
        broken = "[...document.images].filter(each => !each.naturalWidth).length"
        assert shown.evaluate(broken) == 0
        sounds = shown.frame_locator("iframe").locator("audio")
        assert (sounds.count() > 0) == (domain == "audio")


def test_the_page_of_a_comparison_is_legible_for_everybody(fw, browser):
    for name, rate in (("<b>slow", "0.001"), ("fast", "0.01")):
        fw("train", "--model", "fasttext", *TINY, f"optimizer.lr={rate}", f"experiment.run_name='{name}'")
    fw("runs", "compare", "<b>slow", "fast", "-o", "compared.html")
    assert_legible(browser, fw.folder / "compared.html")
    with opened(browser, (fw.folder / "compared.html").as_uri()) as page:
        assert page.get_by_text("<b>slow").first.is_visible()
        assert page.get_by_role("cell", name="0.001").first.is_visible()


def test_the_page_of_a_drift_is_legible_for_everybody(fw, browser):
    fw("train", "--model", "fasttext", *TINY, "trainer.limit_test_batches=1.0", "experiment.run_name=drifting")
    (fw.folder / "new.txt").write_text("<b>no words that anybody knows\n" * 40)
    done = subprocess.run(
        [fw.command, "drift", "drifting", "new.txt", "-o", "drift.html"],
        cwd=fw.folder,
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    assert_legible(browser, fw.folder / "drift.html")
    with opened(browser, (fw.folder / "drift.html").as_uri()) as page:
        assert page.get_by_role("cell", name="drift").first.is_visible()
        assert page.get_by_role("img").count() > 3


def test_the_page_of_slices_is_legible_for_everybody(fw, browser):
    for name, rate in (("<b>old", "0.001"), ("new", "0.01")):
        words = ("trainer.limit_test_batches=1.0", f"optimizer.lr={rate}", f"experiment.run_name='{name}'")
        fw("train", "--model", "fasttext", *TINY, *words)
    for runs in (("<b>old",), ("<b>old", "new")):
        file = f"slices-{len(runs)}.html"
        fw("slices", *runs, "-o", file)
        assert_legible(browser, fw.folder / file)
    with opened(browser, (fw.folder / "slices-2.html").as_uri()) as page:
        assert page.get_by_role("heading", name="Slices of <b>old and new").is_visible()
        assert page.get_by_role("rowheader", name="class").first.is_visible()
        assert page.get_by_role("img", name="class: accuracy").is_visible()


def test_the_page_of_a_server_asks_its_model(fw, browser):
    fw("train", "--model", "fasttext", *TINY, "mlops.report=false", "experiment.run_name=served")
    with (
        serving(fw.command, "served", folder=fw.folder) as server,
        opened(browser, f"{server.url}/docs") as page,
    ):
        page.get_by_role("button", name="POST /predict", exact=False).first.click()
        page.get_by_role("button", name="Try it out").first.click()
        assert page.get_by_role("button", name="Execute").first.is_visible()
