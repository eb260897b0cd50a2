"""A figure of the page."""

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    svg: Markup
    caption: str
    title: str = ""
