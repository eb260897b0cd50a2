"""What the first screen and the section on the data say of an audit, and in which order."""

from dataclasses import replace

import pytest
from report.audits import FINE
from report.pages import Page

from heatproof.core.statements import Statement
from heatproof.data.audit.results import Finding
from heatproof.report.page import ALARMS, render
from heatproof.report.sections import data as section
from heatproof.text.audit import sentence

NOTE = Finding("note", Statement("copies.pictures", numbers={"pairs": 2}))
ALARM = Finding("alarm", Statement("conflict.file", numbers={"pairs": 2}))


def test_alarms_come_first_on_the_page_and_no_more_than_three(made, report, bad):
    source = report(made(alarming=True))
    header = source[: source.index("</header>")]
    text, alarms = Page(header).text, [sentence(one) for one in bad.audit.of_level("alarm")]
    assert [alarm in text for alarm in alarms] == [True] * ALARMS + [False] * (len(alarms) - ALARMS)
    assert text.index(alarms[0]) < text.index("locate the marked region better")
    assert "Problems in the data" in text and "audit found no problem" not in text
    assert f'<a href="#data">{len(alarms) - ALARMS} more, with evidence</a>' in header


def test_without_alarms_the_first_screen_says_so_in_a_line(made, report):
    source = report(made())
    header = source[: source.index("</header>")]
    assert 'The data audit found no problem (<a href="#data">checks</a>).' in header
    assert 'class="warning"' not in header


@pytest.mark.parametrize(("count", "told"), [(1, "1 note"), (2, "2 notes")])
@pytest.mark.slow
def test_notes_are_counted_on_the_first_screen(data, count, told):
    audit = replace(data.audit, findings=(*[NOTE] * count, FINE))
    config = {"title": None, "question": "?", "gallery": 0, "images": 12}
    source = render(replace(data, audit=audit), config, {})
    assert f'The data audit found no problem and has <a href="#data">{told}</a>.' in source


@pytest.mark.parametrize(
    ("alarms", "notes", "shown"), [(0, 1, 2), (1, 6, 6), (8, 1, 8)], ids=["few", "six at once", "every alarm"]
)
def test_six_findings_are_shown_at_once_and_every_alarm(data, alarms, notes, shown):
    found = (*[ALARM] * alarms, *[NOTE] * notes, FINE)
    made = section.make(replace(data, audit=replace(data.audit, findings=found)))
    assert len(made.findings) == shown and len(made.more_findings) == len(found) - shown
    assert made.findings[0] == {"level": found[0].level, "text": sentence(found[0].statement)}
