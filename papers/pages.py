"""The pages about papers, their figures and tables, and the README's block: `python -m papers`, from committed results.

Everything is made in memory first, so that `--check` compares what would be written with what is there.
"""

import argparse
import math
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from heatproof.core.messages import InputError
from heatproof.report import words
from heatproof.store.artifacts import replacing
from heatproof.text import numbers
from heatproof.text.words import called, capital
from papers import claims, cost, figures, xray
from papers.facts import Facts
from papers.studies import Roles, read_roles

FOLDER, TEMPLATES = Path("docs/findings"), Path("papers/templates")
PAGE, XRAY, CLAIMS = Path("docs/findings.md"), Path("docs/findings_xray.md"), Path("docs/claims.md")
README = Path("README.md")
FILES = [FOLDER / f"{name}.svg" for name in figures.NAMES]
FILES += [FOLDER / f"{name}.csv" for name in ("claims", "cheat", "transformers")]
BLOCK = re.compile(r"(<!-- findings -->\n).*?(<!-- /findings -->)", re.DOTALL)
PROSE = re.compile(r"^```[\s\S]*?^```$|^[^|#!<\n].*(?:\n(?!- ).+)*", re.MULTILINE)  # code, or a paragraph or an item
LINE = 120  # characters


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what changed and name it; exit code 1 where something cannot be read or, with `--check`, differs."""
    parser = argparse.ArgumentParser(prog="papers", description=__doc__.splitlines()[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--collect", action="store_true", help="first read benchmarks/ and count operations")
    group.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    args = parser.parse_args(arguments)
    try:
        roles = read_roles()
        if args.collect:
            cost.collect(roles)
        made = render(roles)
    except InputError as error:
        print("\n".join(f"papers: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 1
    changed = differing(made)
    if args.check:
        for path in changed:
            print(f"papers: {path}: not what results/stats has; run `make findings` and commit", file=sys.stderr)
        return int(bool(changed))
    for path in changed:
        write(path, made.get(path))
    print("\n".join(map(str, changed)) or "nothing changed")
    return 0


def render(roles: Roles) -> dict[Path, str]:
    """Return every file and its text, from `results/stats` and the tables of costs alone.

    Raises:
        InputError: the README has no block, or an artifact is damaged.
    """
    facts = Facts(roles)
    scans = xray.read(roles.xray, facts.all_claims)
    alt = figures.alts(facts, scans)
    made = {FOLDER / f"{name}.svg": text for name, text in figures.draw(facts, scans, alt).items()}
    leads = pd.DataFrame(facts.leads).drop(columns="values", errors="ignore")
    tables = {
        "claims": claims.table(facts.all_claims),
        "cheat": facts.cue.table if facts.cue else leads[:0],
        "transformers": leads,
    }
    for name, table in tables.items():
        if len(table):
            made[FOLDER / f"{name}.csv"] = table.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    environment = _environment()
    given = {"facts": facts, "roles": roles, "alt": alt, "x": scans}
    pages = (PAGE, XRAY, CLAIMS, README)
    texts = {path: fill(environment.get_template(f"{path.name}.jinja").render(given)) for path in pages}
    readme, count = BLOCK.subn(lambda found: f"{found[1]}{texts[README]}{found[2]}", README.read_text(encoding="utf-8"))
    if count != 1:
        raise InputError(f"{README}: {count} blocks; write <!-- findings --> and <!-- /findings --> once, a line each")
    return made | texts | {README: readme}


def fill(text: str) -> str:
    """Wrap paragraphs and list items of Markdown anew, since expressions and conditions leave ragged lines and gaps."""
    return re.sub(r"\n{3,}", "\n\n", PROSE.sub(lambda found: _wrapped(found[0]), text))


def _wrapped(text: str) -> str:
    if text.startswith("```"):
        return text
    indent = "  " if text.startswith("- ") else ""
    unbroken = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(" ".join(text.split()), LINE, subsequent_indent=indent, **unbroken)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": numbers.number,
        "share": numbers.share,
        "listed": numbers.listed,
        "count": numbers.counted,
        "p": numbers.p_value,
        "span": numbers.span,
        "interval": lambda ends: numbers.interval(*ends),
        "metric": lambda name: words.inline(words.metric(name).name),
        "title": lambda name: words.metric(name).name,
        "control": lambda name: words.CONTROLS.get(name, name),
        "called": called,
        "capital": capital,
        "summary": claims.summary,
        "verdicts": claims.verdicts,
        "untested": claims.untested,
        "criteria": claims.criteria,
        "cell": lambda text: str(text).replace("|", "\\|"),
        "hours": hours,
    }
    return environment


def hours(number: float) -> str:
    """Return hours to two significant digits, as an estimate deserves; minutes below an hour."""
    if math.isnan(number):
        return "–"
    return f"{float(f'{number:.2g}'):g} h" if number >= 1 else f"{float(f'{60 * number:.2g}'):g} min"


def differing(made: dict[Path, str]) -> list[Path]:
    """Return the files that are not as they would be written now, and those that nothing makes any more."""
    stale = [path for path in FILES if path.exists() and path not in made]
    return [path for path, text in made.items() if not path.exists() or path.read_bytes() != text.encode()] + stale


def write(path: Path, text: str | None) -> None:
    """Write a file, or remove it where nothing makes it any more."""
    if text is None:
        path.unlink()
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
