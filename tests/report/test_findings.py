"""What the first screen and the section on the data say in sentences, and in which order."""

from dataclasses import replace

import pytest
from report.pages import Page

from heatproof.report.page import render
from heatproof.report.sections import told


def test_alarms_come_first_on_the_page_and_no_more_than_three(made, report):
    source = report(made(alarming=True))
    header = source[: source.index("</header>")]
    text = Page(header).text
    assert text.index("Alarm 1 <b>.") < text.index("Alarm 3 <b>.") < text.index("find the marked region better")
    assert "Alarm 4" not in text and "First, what is wrong with the data" in text
    assert '<a href="#data">2 more, and the evidence</a>' in header
    assert "raised no alarm" not in text


def test_without_alarms_the_first_screen_says_so_in_a_line(made, report):
    source = report(made())
    header = source[: source.index("</header>")]
    assert 'The audit of the data raised no alarm: <a href="#data">what was looked at</a>.' in header
    assert 'class="warning"' not in header


@pytest.mark.parametrize(("count", "told"), [(1, "1 note"), (2, "2 notes")])
@pytest.mark.slow
def test_notes_are_counted_on_the_first_screen(data, count, told):
    audit = data.audit | {"sentences": [{"level": "note", "text": "n"}] * count + [{"level": "fine", "text": "f"}]}
    config = {"title": None, "question": "?", "gallery": 0, "images": 12}
    source = render(replace(data, audit=audit), config, {})
    assert f'The audit of the data raised no alarm; it has <a href="#data">{told}</a>.' in source


def test_six_findings_are_shown_at_once_and_every_alarm():
    def levels(*names):
        rows = [{"level": name, "text": name} for name in names]
        return [[row["level"] for row in part] for part in told.parted({"sentences": rows, "shortcut": None})]

    assert levels("fine", "note") == [["note", "fine"], []]
    assert levels(*["fine"] * 2, *["note"] * 5, "alarm") == [["alarm"] + ["note"] * 5, ["fine"] * 2]
    assert levels("fine", *["alarm"] * 8) == [["alarm"] * 8, ["fine"]]


@pytest.mark.parametrize(("count", "rest"), [(0, 0), (1, 0), (3, 0), (4, 1)])
def test_how_many_alarms_stand_on_top(count, rest):
    found = {"sentences": [{"level": level, "text": level} for level in ("fine", *["alarm"] * count, "note")]}
    assert told.alarms(found) == (["alarm"] * min(count, 3), rest)


def test_findings_are_in_order_of_weight(bad):
    found = told.ordered(bad.audit)
    assert [row["level"] for row in found] == ["alarm"] * 5 + ["note"] * 2 + ["fine"]
    assert [row["text"] for row in found if row["level"] == "note"] == [
        "A note.",
        "A cue was put in on purpose: a mark in the corner of 95% of the images of class dark & dense and of 5% of "
        "all others. It has nothing to do with disease; simple classifiers and honest heatmaps must find it.",
    ]


def test_the_marked_class_of_a_cue_may_be_named():
    cue = {"kind": "my_cue", "rate": 0.75, "label": "a"}
    assert told.shortcut({"shortcut": cue, "classes": ["a", "b"]}).startswith(
        "A cue was put in on purpose: my cue of 75% of the images of class a and of 25% of all others."
    )
