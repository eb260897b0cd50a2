"""Statements as sentences: one template a kind, in the modules of this folder."""

from collections.abc import Collection, Iterable

from heatproof.core.statements import Statement

# their templates register as they are imported
from heatproof.text import claims, context, readers, relations, verdicts  # noqa: F401
from heatproof.text.words import TEMPLATES, View


def sentence(statement: Statement, doubtful: Collection[str] = ()) -> str:
    """Return a statement in words.

    Args:
        doubtful: metrics that get a mark, because they were not shown to tell the true region from noise.

    >>> sentence(Statement("methods.several", numbers={"methods": 3}))
    '3 explanation methods were tested, each by itself: p values are not corrected for their number.'
    """
    by = statement.one("by")
    text = TEMPLATES[statement.kind](View(statement, doubtful))
    return f"{by}: {text}" if by else text


def paragraphs(statements: Iterable[Statement]) -> list[list[Statement]]:
    """Group statements that are read in one breath: the verdicts of one family by one method, and remarks on them."""
    found: list[list[Statement]] = []
    for one in statements:
        before = found[-1][-1] if found else None
        if before and one.evidence == before.evidence and one.area == "controls" and before.area in JOINED:
            found[-1].append(one)
        else:
            found.append([one])
    return found


JOINED = ("controls", "combined")


def paragraph(statements: Iterable[Statement], doubtful: Collection[str] = ()) -> str:
    """Return statements as one text; the method that they are by is named once."""
    first, *rest = statements
    return " ".join([sentence(first, doubtful), *(TEMPLATES[one.kind](View(one, doubtful)) for one in rest)])
