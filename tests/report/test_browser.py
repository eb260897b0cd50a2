"""The page in a real browser: every control does what it says, nothing leaves the page, everybody can read it."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from report.conftest import ALL, Made, write, write_report

from heatproof.report import inputs

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
STUDY = Made(
    name="browsed",
    seeds=(0,),
    methods=("gradcam", "other_cam"),
    wrong=("gamma_net",),
    degenerate=(("beta_net", 2),),
    groups=16,
    classes=("clear", "</script><script>alert(1)</script>", "dark & dense"),
    published=True,
    setting="Smaller than it should be.",
)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 800}


@dataclass(frozen=True)
class Written:
    address: str
    data: inputs.Inputs

    def scores(self, metric: str, method: str = "gradcam") -> dict[str, dict[str, float]]:
        """Image -> model -> score, of those that have one."""
        rows = self.data.scores
        rows = rows[(rows["metric"] == metric) & (rows["method"] == method) & rows["value"].notna()]
        found: dict[str, dict[str, float]] = {}
        for row in rows.to_dict("records"):
            found.setdefault(row["image_id"], {})[row["model"]] = row["value"]
        return found

    def wrong(self) -> dict[str, list[str]]:
        """Image -> models whose first seed took it for another class."""
        rows = self.data.predictions[(self.data.predictions["seed"] == 0)].to_dict("records")
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["image_id"], []).extend([row["model"]] if row["label"] != row["predicted"] else [])
        return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("browser")
        patch.chdir(folder)
        write(STUDY)
        write_report(STUDY, images=28)
        data = inputs.read(STUDY.name, STUDY.models, STUDY.seeds, STUDY.methods, STUDY.fold_names)
    return Written((folder / "results" / "report" / "browsed.html").as_uri(), data)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser, written):
    """Opens the page as a reader would; fails where a script complains or anything else is asked for."""
    contexts, complaints, asked = [], [], []

    def open_page(**options):
        context = browser.new_context(**{"viewport": WIDE} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(written.address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("#look[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
    assert {url for url in asked if not url.startswith("data:")} == {written.address}


def cards(page) -> list[str]:
    return page.locator("#look-cards .pick").all_inner_texts()


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def trusted(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """Image -> mean over the competent models."""
    kept = {image: [v for model, v in found.items() if model != "gamma_net"] for image, found in scores.items()}
    return {image: mean(values) for image, values in kept.items() if values}


def in_order(page, scores, reverse=False) -> bool:
    """Whether the cards come by these scores, none left out that would come before."""
    drawn = set(page.evaluate("[...document.getElementById('look-image').options].map((o) => o.text.split(' ')[0])"))
    shown = [scores[image] for image in cards(page)]
    return set(cards(page)) <= drawn and shown == sorted(shown, reverse=reverse) and len(shown) > 3


def test_a_metric_changes_chart_panel_and_gallery(visit, written):
    page = visit()
    assert page.inner_text("#look-title").startswith("Relevance rank accuracy of Grad-CAM")
    assert in_order(page, trusted(written.scores("relevance_rank_accuracy")))
    before = dots(page)
    page.select_option("#look-metric", "deletion_auc")
    page.wait_for_function("document.getElementById('look-title').textContent.startsWith('Deletion area of Grad-CAM')")
    assert "lower is better" in page.inner_text("#look-count")
    assert in_order(page, trusted(written.scores("deletion_auc")), reverse=True)  # the worst are the highest
    page.wait_for_timeout(100)
    count = sum(len(found) for found in written.scores("deletion_auc").values())
    assert len(dots(page)) == count and dots(page) != before
    caption = page.inner_text("#look-caption")
    assert "No score for" in caption and "1: the heatmap is zero everywhere" in caption


def dots(page) -> list[dict]:
    """What is drawn for each image and model: place, colour, shape."""
    return page.evaluate(
        """[...document.querySelectorAll("#look-chart .dots_marks path")].map((dot) => ({
            at: dot.getAttribute("transform"), shape: dot.getAttribute("d").replace(/[\\d.e-]+/g, "#"),
            fill: getComputedStyle(dot).fill }))"""
    )


def test_every_score_is_a_dot_and_wrong_ones_differ_in_shape_and_colour(visit, written):
    page = visit()
    scores, wrong = written.scores("relevance_rank_accuracy"), written.wrong()
    drawn = dots(page)
    assert len(drawn) == sum(map(len, scores.values()))
    bad = sum(model in wrong[image] for image, found in scores.items() for model in found)
    kinds = sorted((dot["shape"], dot["fill"]) for dot in drawn)
    counts = sorted(kinds.count(kind) for kind in set(kinds))
    assert counts == sorted([bad, len(drawn) - bad]) and bad > 3
    assert len({shape for shape, _ in kinds}) == len({fill for _, fill in kinds}) == 2
    names = page.locator("#look-chart text").all_text_contents()
    assert "alpha_net" in names and "gamma_net (no verdict)" in names
    assert {"right prediction", "wrong prediction"} <= set(names)


def test_pointing_at_a_dot_shows_its_image_and_a_click_holds_it(visit):
    page = visit()
    page.locator("#look-chart").scroll_into_view_if_needed()
    places = page.evaluate(
        """[...document.querySelectorAll("#look-chart .dots_marks path")].map((dot) => {
            const box = dot.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })"""
    )
    spread = sorted(places)
    seen = []
    for place in (spread[-1], spread[len(spread) // 2]):
        page.mouse.move(*place)
        page.wait_for_timeout(60)
        seen.append(page.inner_text("#look-told"))
    assert seen[0] != seen[1]
    assert page.locator("#vg-tooltip-element").inner_text().startswith("image id")
    page.mouse.click(*spread[-1])
    page.mouse.move(*spread[0])
    page.wait_for_timeout(60)
    assert page.inner_text("#look-told") == seen[0]
    assert page.locator("#look-chart .rings_marks path").count() >= 2
    box = page.locator("#look-chart svg").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 3)
    page.mouse.move(*spread[0])
    page.wait_for_timeout(60)
    assert page.inner_text("#look-told") != seen[0]


def test_the_panel_tells_the_scores_of_its_image(visit, written):
    page = visit()
    page.select_option("#look-method", "other_cam")
    scores = written.scores("relevance_rank_accuracy", "other_cam")
    worst = min(trusted(scores), key=trusted(scores).get)
    page.select_option(
        "#look-image",
        page.evaluate(
            f"[...document.getElementById('look-image').options].find((o) => o.text.startsWith('{worst}')).value"
        ),
    )
    assert page.inner_text("#look-told").startswith(f"{worst}, patient")
    told = page.locator("#look-cells figcaption").all_inner_texts()[1:]
    assert [text.split("\n")[0] for text in told] == list(STUDY.models)
    for text in told:
        model, value, *more = text.split("\n")
        assert float(value.replace("−", "-")) == pytest.approx(scores[worst][model], abs=0.006)
        assert bool(more) == (model in written.wrong()[worst])


def test_images_are_chosen_by_the_keyboard_alone(visit):
    page = visit()
    page.focus("#look-image")
    before = page.inner_text("#look-told")
    page.keyboard.press("ArrowDown")
    after = page.inner_text("#look-told")
    assert after != before and after.split(",")[0] in page.locator("#look-image option").nth(1).inner_text()
    assert page.get_attribute("#look-told", "aria-live") == "polite"


def test_cards_are_walked_with_arrows_and_opened_with_enter(visit):
    page = visit()
    names = cards(page)
    page.locator("#look-cards .pick").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.inner_text("#look-told").startswith(f"{names[1]},")
    assert page.locator("#look-cards .now .pick").inner_text() == names[1]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_methods_and_models_choose_the_heatmaps(visit):
    page = visit()
    tile = "getComputedStyle(document.querySelector('#look-cells .heat')).backgroundPosition"
    before = page.evaluate(tile)
    page.select_option("#look-method", "other_cam")
    assert page.evaluate(tile) != before
    assert page.locator("#look-cards .case").first.locator("figure").count() == 4
    page.select_option("#look-model", label="beta_net")
    captions = page.locator("#look-cells figcaption b").all_inner_texts()
    assert captions == ["Image", "Grad-CAM", "other_cam"]
    assert page.locator("#look-cards .case").first.locator("figcaption b").all_inner_texts() == ["Image", "beta_net"]


def test_a_heatmap_that_is_not_there_says_why(visit, written):
    page = visit()
    place = page.evaluate(
        "[...document.getElementById('look-image').options].find((o) => o.text.startsWith('test_01_0')).value"
    )
    page.select_option("#look-image", place)
    if "does not contain" in page.inner_text("#look-cells"):
        pytest.fail("the image is not carried")
    cell = page.locator("#look-cells figure", has=page.locator(".none"))
    assert cell.count() == 1
    assert "beta_net" in cell.inner_text() and "no heatmap: the heatmap is zero everywhere" in cell.inner_text()


def test_an_image_whose_pictures_are_not_carried_says_so(visit):
    page = visit()
    told = []
    for value in page.evaluate("[...document.getElementById('look-image').options].map((o) => o.value)"):
        page.select_option("#look-image", value)
        told.append(page.inner_text("#look-cells"))
    assert sum("This page does not contain the pictures of this image." in text for text in told) == 32 - 28
    assert "This page contains 28 of the 32 images" in page.inner_text("#look")


def test_filters_of_the_gallery(visit, written):
    page = visit()
    scores, wrong = written.scores("relevance_rank_accuracy"), written.wrong()
    page.select_option("#look-order", "best")
    assert in_order(page, trusted(scores), reverse=True)
    page.select_option("#look-order", "apart")
    apart = {image: [v for m, v in found.items() if m != "gamma_net"] for image, found in scores.items()}
    assert in_order(page, {image: max(v) - min(v) for image, v in apart.items() if len(v) > 1}, reverse=True)
    assert "apart" in page.locator("#look-cards .quiet").first.inner_text()
    page.select_option("#look-order", "wrong")
    assert in_order(page, {image: len(models) for image, models in wrong.items()}, reverse=True)
    assert all(wrong[image] for image in cards(page))
    page.select_option("#look-class", label="dark & dense")
    labels = written.data.manifest.set_index("image_id")["label"]
    assert cards(page) and {labels[image] for image in cards(page)} == {2}
    page.select_option("#look-model", label="alpha_net")
    assert all("alpha_net" in wrong[image] for image in cards(page))


def test_more_cases_on_demand(visit):
    page = visit()
    page.select_option("#look-metric", "srg")
    page.wait_for_function("document.getElementById('look-title').textContent.startsWith('Symmetric')")
    assert len(cards(page)) == 12 and page.inner_text("#look-count").startswith("12 of 28 cases")
    page.click("#look-more")
    assert len(cards(page)) == 24
    assert page.evaluate("document.activeElement.textContent") == cards(page)[12]
    page.click("#look-more")
    assert len(cards(page)) == 28 and not page.locator("#look-more").is_visible()


def test_heat_is_as_strong_as_the_slider_says_and_the_outline_can_go(visit):
    page = visit()
    page.focus("#look-heat")
    heat = "getComputedStyle(document.querySelector('#look-cells .heat')).opacity"
    assert page.evaluate(heat) == "0.6"
    page.keyboard.press("End")
    assert page.evaluate(heat) == "1" and page.get_attribute("#look-heat", "aria-valuetext") == "100%"
    page.keyboard.press("Home")
    assert page.evaluate(heat) == "0"
    assert page.locator("#look-cells .outline").first.is_visible()
    page.uncheck("#look-outline")
    assert not page.locator(".outline:visible").count()


COLUMNS = """() => [...document.querySelectorAll("table")].flatMap((table) =>
    [...table.tHead.rows[0].cells].map((head, column) => {
        const read = () => [...table.tBodies].map((body) =>
            [...body.rows].map((row) => [row.innerText, (row.cells[column]?.innerText ?? "").trim()]));
        const press = () => {
            head.querySelector("button.sort")?.click();
            return [head.getAttribute("aria-sort"), read()];
        };
        return { head: head.innerText, before: read(), presses: [press(), press(), press()] };
    }))"""


def key(text: str) -> float | None:
    """The number that a cell begins with, if any."""
    found = re.match(r"[†<\s]*([−-]?\d[\d,]*\.?\d*)", text)
    return float(found[1].replace("−", "-").replace(",", "")) if found else None


def test_every_table_is_sorted_by_its_heads(visit):
    page = visit()
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    columns = page.evaluate(COLUMNS)
    assert len(columns) > 40
    for column in columns:
        (up, rising), (down, falling), (end, last) = column["presses"]
        if max(map(len, column["before"])) < 2:
            assert (up, down, end) == (None, None, None) and rising == column["before"]
            continue
        assert (up, down, end) == ("ascending", "descending", None), column["head"]
        assert last == column["before"]
        for before, *ways in zip(column["before"], rising, falling, strict=True):
            for sign, rows in zip((1, -1), ways, strict=True):
                assert sorted(map(tuple, rows)) == sorted(map(tuple, before))
                texts = [text for _, text in rows]
                known = [text for text in texts if text not in ("", "–")]
                assert texts[: len(known)] == known  # what has no value stands at the end
                values = [key(text) for text in known]
                if None not in values and not any(re.search("[a-z]{3}", text) for text in known):
                    assert [sign * value for value in values] == sorted(sign * value for value in values)


def test_sorting_reads_numbers_as_numbers_and_keeps_rows_together(visit):
    page = visit()
    texts = ["−0.5", "10", "–", "9 [1, 20]", "1,200", "< 0.001"]
    page.evaluate(
        """(texts) => {
            const body = document.querySelector(".table table").tBodies[0];
            body.replaceChildren();
            for (const text of texts) {
                const row = body.insertRow();
                row.insertCell().textContent = text;
                row.insertCell().textContent = `of ${text}`;
            }
        }""",
        texts,
    )
    page.locator(".table table button.sort").first.click()
    rows = page.locator(".table table").first.locator("tbody tr").all_inner_texts()
    expected = ["−0.5", "< 0.001", "9 [1, 20]", "10", "1,200", "–"]
    assert rows == [f"{text}\tof {text}" for text in expected]


def test_names_are_text_wherever_they_stand(visit):
    page = visit()
    hostile = STUDY.classes[1]
    assert hostile in page.locator("#look-class option").all_inner_texts()
    page.select_option("#look-class", label=hostile)
    assert hostile in page.locator("#look-cards h4").first.inner_text()
    assert page.evaluate("document.scripts.length") == 4


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_is_wider_than_the_window(visit, size):
    page = visit(viewport=size)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    page.select_option("#look-model", label="beta_net")
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == size["width"]
    page.set_viewport_size({"width": 600, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate(wide) == 600
    assert page.locator("#look-chart svg").bounding_box()["width"] <= 600


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """The address of a page of five models with two seeds and two methods, in all families."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("five"))
        names = ("resnet50", "densenet121", "efficientnet_b0", "vit_base_patch16_224", "mobilenetv4_conv_small_050")
        study = Made(name="five", models=names, methods=("gradcam", "other_cam"), families=ALL, compare=True)
        write(study)
        write_report(study)
        return Path("results/report/five.html").resolve().as_uri()


OVER = """() => {
  for (const part of document.querySelectorAll('details')) part.open = true;
  const wider = (node) => node.scrollWidth > node.clientWidth + 1;
  const boxes = [...document.querySelectorAll('.scroll')];
  const tables = [...document.querySelectorAll('main table, header table')];
  return {
    page: document.documentElement.scrollWidth,
    tables: tables.length,
    boxed: tables.filter((table) => table.closest('.scroll')).length,
    over: boxes.filter(wider).map((box) => box.getAttribute('aria-label')),
    still: boxes.filter((box) => wider(box) && getComputedStyle(box).overflowX !== 'auto').length,
    unreached: boxes.filter((box) => wider(box) && box.tabIndex < 0).length,
  };
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_a_table_scrolls_in_its_own_box_and_not_at_all_on_a_wide_screen(browser, five, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(five)
    page.wait_for_selector("#look[data-ready]")
    found = page.evaluate(OVER)
    page.close()
    assert found["page"] == width and found["boxed"] == found["tables"] > 20
    assert found["still"] == found["unreached"] == 0
    assert "All training runs" in found["over"] if width == 390 else found["over"] == []


def test_the_caption_of_a_figure_alone_stands_beside_it_on_a_wide_screen(browser, five):
    page = browser.new_page(viewport={"width": 1920, "height": 1000})
    page.goto(five)
    for figure in page.locator("figure.wide:visible").all():
        drawn, caption = (figure.locator(name).bounding_box() for name in ("svg", "figcaption"))
        assert caption["x"] >= drawn["x"] + drawn["width"] and caption["y"] < drawn["y"] + drawn["height"]
    assert page.locator("figure.wide:visible").count() >= 2
    page.set_viewport_size({"width": 390, "height": 800})
    figure = page.locator("figure.wide:visible").first
    drawn, caption = (figure.locator(name).bounding_box() for name in ("svg", "figcaption"))
    assert caption["y"] >= drawn["y"] + drawn["height"]
    page.close()


def test_the_chart_follows_the_readers_colours(visit):
    page = visit(color_scheme="light")
    colour = """() => [...document.querySelectorAll("#look-chart text, #look-chart .dots_marks path")].map(
        (node) => getComputedStyle(node).fill)"""
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colour)
    assert len(light) == len(dark) and not [one for one, other in zip(light, dark, strict=True) if one == other]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"


def test_print_shows_the_state_without_controls_and_cuts_nothing(visit):
    page = visit(viewport={"width": 700, "height": 1000})
    page.emulate_media(media="print")
    page.wait_for_timeout(100)
    assert not page.locator("select:visible, input:visible, #look-more:visible").count()
    assert page.locator("#look-title").is_visible() and page.locator("#look-cards .case").first.is_visible()
    assert page.locator("#look-chart svg").bounding_box()["width"] <= 700
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].every((s) => getComputedStyle(s).overflow === 'visible')"
    )
    assert page.evaluate("getComputedStyle(document.querySelector('.heat')).printColorAdjust") == "exact"


def test_without_scripts_the_page_is_whole(visit):
    page = visit(java_script_enabled=False)
    assert page.locator(".answer p").first.is_visible() and page.locator("table").first.is_visible()
    assert page.locator("#gallery-static .case").first.is_visible()
    assert not page.locator("#look").is_visible() and not page.locator("button:visible").count()


def test_with_scripts_the_gallery_takes_the_place_of_the_cases(visit):
    page = visit()
    assert page.locator("#look").is_visible() and not page.locator("#gallery-static").is_visible()


@pytest.mark.parametrize(("motion", "expected"), [("reduce", "auto"), ("no-preference", "smooth")])
def test_scrolling_is_calm_for_those_who_want_it(visit, motion, expected):
    page = visit(reduced_motion=motion)
    page.evaluate("() => { Element.prototype.scrollIntoView = (how) => { window.scrolled = how.behavior; }; }")
    page.locator("#look-cards .pick").nth(2).click()
    assert page.evaluate("window.scrolled") == expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(visit, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(color_scheme=scheme)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    found = axe.run(page, options={"resultTypes": ["violations"]})
    grave = [
        (fault["id"], fault["impact"], [re.sub(r"\s+", " ", node["html"])[:120] for node in fault["nodes"][:3]])
        for fault in found.response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert not grave
