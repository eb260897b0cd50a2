"""Statements as sentences: one template a kind, in the modules of this folder."""

from collections.abc import Collection, Iterable, Sequence

from heatproof.core.statements import Statement

# their templates register as they are imported
from heatproof.text import claims, context, relations, verdicts  # noqa: F401
from heatproof.text.words import TEMPLATES, View, called


def sentence(statement: Statement, doubtful: Collection[str] = ()) -> str:
    """Return a statement in words.

    Args:
        doubtful: metrics that get a mark, because they were not shown to separate the true region from noise.

    >>> sentence(Statement("methods.several", numbers={"methods": 3}))
    '3 explanation methods were tested separately; p values are not corrected for their number.'
    """
    by = called(statement.one("by"))
    text = TEMPLATES[statement.kind](View(statement, doubtful))
    return f"{by}: {text}" if by else text


def paragraphs(statements: Iterable[Statement]) -> list[list[Statement]]:
    """Group statements that form a paragraph: the verdicts of one family by one method, and remarks on them."""
    groups: list[list[Statement]] = []
    for one in statements:
        before = groups[-1][-1] if groups else None
        if before and one.evidence == before.evidence and one.area == "controls" and before.area in JOINED:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


JOINED = ("controls", "combined")
SHORT = {"short.all": "controls.better", "short.no_evidence": "controls.no_evidence"}


def summary(
    short: Statement, answer: Sequence[Statement], doubtful: Collection[str] = ()
) -> tuple[str, list[Statement]]:
    """Return the short answer, and what the answer states beyond it.

    Where one statement of the answer says the same of all models, its sentence is the short answer, so that a reader
    has it once, with the models' names.
    """
    about = [short.one(role) for role in ("family", "method")]
    same = [
        one
        for one in answer
        if one.kind == SHORT.get(short.kind)
        and [one.one(role) for role in ("family", "method")] == about
        and len(one.subjects["models"]) == short.numbers["models"]
    ]
    if not same:
        return sentence(short, doubtful), [*answer]
    text = TEMPLATES[same[0].kind](View(same[0], doubtful))
    text = f"yes, by this test. {text}" if short.kind == "short.all" else f"{text[:1].lower()}{text[1:]}"
    return f"{called(short.one('method'))}: {text}", [one for one in answer if one is not same[0]]


def paragraph(statements: Iterable[Statement], doubtful: Collection[str] = ()) -> str:
    """Join statements into one text, which names their method, and what verdicts apply to, once."""
    first, *rest = statements
    sentences, scope = [sentence(first, doubtful)], first.one("scope")
    for one in rest:
        sentences.append(TEMPLATES[one.kind](View(one, doubtful, scoped=one.one("scope") == scope)))
    return " ".join(sentences)
