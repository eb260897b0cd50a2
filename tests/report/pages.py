"""A page read back: tags, text, sections, tables."""

import re
from html.parser import HTMLParser

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
