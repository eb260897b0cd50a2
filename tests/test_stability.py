"""What is public stays: nothing that docs/stability.md promises is gone since the last release.

`python -m tests.test_stability` writes `public.json` anew, for a release.
"""

import argparse
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import heatproof as hp
from heatproof import cli
from heatproof.config.study import Study
from heatproof.store.tables import TABLES
from tools.config_docs import keys

RELEASED = Path(__file__).with_name("public.json")


def public() -> dict[str, list[str]]:
    """Return all that is public, by kind, a text for each."""
    kinds = ("methods", "metrics", "controls", "families")
    found = {
        "python": _python(),
        "commands": _commands(),
        "keys": (key for key, *_ in keys(Study)),
        "names": (f"{kind}: {name}" for kind in kinds for name in hp.available(kind)),
        "tables": (f"{name}.csv: {column}" for name, schema in TABLES.items() for column in schema),
    }
    return {kind: sorted(texts) for kind, texts in found.items()}


def _python() -> Iterator[str]:
    for name in hp.__all__:
        found = getattr(hp, name)
        if inspect.isclass(found):
            yield from _called(found, name) if found is hp.Classifier else [name]  # the others are returned
            for member in (one for one in vars(found) if not one.startswith("_")):
                yield from _called(getattr(found, member), f"{name}.{member}")
        else:
            yield from _called(found, name)


def _called(found: Any, name: str) -> Iterator[str]:
    """Yield a name, and those of its arguments."""
    yield name
    arguments = inspect.signature(found).parameters if callable(found) else ()
    yield from (f"{name}({argument})" for argument in arguments if argument != "self")


def _commands() -> Iterator[str]:
    parser = cli._parser(cli.COMMANDS)
    listed = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name in cli.COMMANDS:
        yield name
        for action in listed.choices[name]._actions:
            yield from (f"{name} {option}" for option in action.option_strings or [action.dest])


def lost(before: dict[str, list[str]], now: dict[str, list[str]]) -> list[str]:
    """Return what was public and is not any more."""
    return [one for kind, known in before.items() for one in known if one not in set(now.get(kind, ()))]


def test_nothing_public_is_lost():
    gone = lost(json.loads(RELEASED.read_text(encoding="utf-8")), public())
    assert not gone, "announce it in CHANGELOG.md, name the replacement, and run `python -m tests.test_stability`"


@pytest.mark.parametrize("kind", ["python", "commands", "keys", "names", "tables"])
def test_a_loss_is_seen(kind):
    now = public()
    assert len(now[kind]) >= 12
    assert lost(now, now | {kind: now[kind][1:]}) == now[kind][:1]
    assert lost(now | {kind: now[kind][1:]}, now) == [], "an addition is none"


if __name__ == "__main__":
    RELEASED.write_text(json.dumps(public(), indent=0) + "\n", encoding="utf-8")
