"""A page read back: tags, text, sections, tables."""

import re
from html.parser import HTMLParser
from pathlib import Path

GOLDEN = Path(__file__).with_name("golden")
LINES = {"p", "li", "tr", "h1", "h2", "h3", "h4", "summary", "figcaption", "dt", "dd", "label", "div", "pre"}
VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, text by section, and whatever is not closed as it was opened."""

    def __init__(self, source: str):
        super().__init__()
        self.open, self.faults, self.tags, self.ids, self.text = [], [], [], [], ""
        self.feed(source)
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.text += data


def scripts(source: str) -> list[tuple[str, str]]:
    """Attributes and content of every script of a page."""
    return re.findall(r"<script([^>]*)>(.*?)</script>", source, re.DOTALL)


def without_scripts(source: str) -> str:
    return re.sub(r"<script[^>]*>.*?</script>", "", source, flags=re.DOTALL)


def section(source: str, name: str) -> str:
    """The inside of a section."""
    return re.search(rf'<section id="{name}">(.*?)</section>', source, re.DOTALL)[1]


def table(source: str, caption: str) -> list[list[str]]:
    """Head and rows of the first table of that caption, as text."""
    body = source[source.index(f"<figcaption>{caption}") :]
    rows = re.findall(r"<tr>(.*?)</tr>", body[: body.index("</table>")], re.DOTALL)
    return [[Page(cell).text for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


class Lines(HTMLParser):
    """Collects the text of a page, a line a paragraph or row of a table; a figure is what is said to who cannot see."""

    def __init__(self, source: str):
        super().__init__()
        self.lines, self.skip = [""], 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.skip += tag in ("script", "style", "svg")
        if tag in LINES:
            self.lines.append("#" * int(tag[1]) + " " if tag[0] == "h" and tag[1:].isdigit() else "")
        elif tag in ("td", "th"):
            self.lines[-1] += " | "
        elif tag == "svg":
            self.lines += [f"[figure: {dict(attrs)['aria-label']}]", ""]

    def handle_endtag(self, tag):
        self.skip -= tag in ("script", "style", "svg")
        if tag in LINES:
            self.lines.append("")

    def handle_data(self, data):
        if not self.skip:
            self.lines[-1] += data


def check_text(name: str, text: str) -> None:
    """Compare with a file of `golden`; to renew it, delete it, run the test twice and read `git diff`."""
    path = GOLDEN / name
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        raise AssertionError(f"{path} was not there and is written; read it")
    assert text == path.read_text(encoding="utf-8")


def text_of(source: str) -> str:
    """The text of a page or section, without where it comes from, which differs from run to run."""
    source = re.sub(r'<section id="provenance">.*?</section>', "", source, flags=re.DOTALL)
    lines = (" ".join(line.split()) for line in Lines(source).lines)
    return "".join(f"{line}\n" for line in lines if line)
