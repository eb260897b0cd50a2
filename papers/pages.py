"""The files that the findings are: text from templates, figures and tables, and the block of the README.

Everything is made in memory first, so that a check compares what would be written with what is there.
"""

import math
import re
import textwrap
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from heatproof.artifacts import replacing
from heatproof.errors import InputError
from heatproof.findings import alts, cheat_figure, panels, xray_figure
from heatproof.findings.facts import Facts, span
from heatproof.findings.roles import FOLDER, Roles
from heatproof.report import durations, words

PAGE, XRAY, README = Path("docs/findings.md"), Path("docs/findings_xray.md"), Path("README.md")
BLOCK = re.compile(r"(<!-- findings -->).*?(<!-- /findings -->)", re.DOTALL)
LINE = 120  # characters
FIGURES = ("overview", "splits", "cheat", "transformers", "xray")
TABLES = ("claims", "cheat", "transformers")


def render(roles: Roles) -> dict[Path, str]:
    """Every file of the findings and its text, from `results/stats` and `docs/findings/` alone.

    Raises:
        InputError: the README has no block, or an artifact is damaged.
    """
    facts = Facts(roles)
    made = {FOLDER / f"{name}.svg": text for name, text in _figures(facts).items()}
    made |= {FOLDER / f"{name}.csv": _csv(table) for name, table in _tables(facts).items() if len(table)}
    environment = _environment()
    given = {"facts": facts, "roles": roles, "alt": alts.Alts(facts), "figures": {path.name for path in made}}
    for page in (PAGE, XRAY):
        made[page] = filled(environment.get_template(f"{page.name}.jinja").render(given))
    readme = README.read_text(encoding="utf-8")
    block = filled(environment.get_template("readme.md.jinja").render(given))
    whole, count = BLOCK.subn(lambda found: f"{found[1]}\n{block}{found[2]}", readme)
    if count != 1:
        raise InputError(
            f"{README}: {count} blocks of findings; let `<!-- findings -->` and `<!-- /findings -->` stand once"
        )
    return made | {README: whole}


def filled(text: str) -> str:
    """Markdown whose paragraphs and items are broken anew, as expressions have made their lines short or long."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    for i in range(0, len(parts), 2):
        blocks = re.split(r"\n{2,}", parts[i])
        parts[i] = "\n\n".join(_broken(block) for block in blocks)
    return "".join(parts)


def _broken(block: str) -> str:
    """One paragraph, or one list with its items; anything else as it stands."""
    if re.match(r"\n?(\||#|!|<)", block) or not block.strip():
        return block
    lead, body, end = re.match(r"(\n*)(.*?)(\n*)$", block, re.DOTALL).groups()
    items = re.split(r"\n(?=- )", body)
    wraps = [
        textwrap.fill(
            " ".join(item.split()).replace(" , ", ", "),
            LINE,
            subsequent_indent="  " if item.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for item in items
    ]
    return lead + "\n".join(wraps) + end


def _figures(facts: Facts) -> dict[str, str]:
    alt, lead = alts.Alts(facts), facts.truth.lead if facts.truth.there else "a heatmap"
    metric = (facts.truth.primary("localization") if facts.truth.there else None) or ""
    found = {"overview": panels.overview(facts.splits, facts.localization, metric, lead, alt.overview)}
    if facts.splits:
        found["splits"] = panels.accuracies(facts.splits, alt.splits)
    if facts.cheat:
        found["cheat"] = cheat_figure.draw(facts.cheat, alt.cheat)
    if facts.leads:
        found["transformers"] = panels.leads(facts.leads, facts.roles.transformer.reference, alt.transformers)
    if facts.xray and facts.xray.splits:
        found["xray"] = xray_figure.draw(facts.xray, alt.xray)
    return found


def _tables(facts: Facts) -> dict[str, pd.DataFrame]:
    leads = pd.DataFrame(
        [{key: value for key, value in vars(lead).items() if key not in ("value", "reference")} for lead in facts.leads]
    )
    return {
        "claims": facts.claims_table,
        "cheat": facts.cheat.table if facts.cheat else pd.DataFrame(),
        "transformers": leads,
    }


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def _environment() -> Environment:
    loader = FileSystemLoader(FOLDER)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {
        "number": words.number,
        "signed": lambda value: words.number(value, sign=True),
        "share": words.share,
        "listed": words.listed,
        "count": words.count,
        "span": span,
        "interval": lambda ends: words.interval(*ends),
        "metric": lambda name: words.inline(words.metric(name).name),
        "control": lambda name: words.CONTROLS.get(name, name),
        "cell": lambda text: str(text).replace("|", "\\|"),
        "round_hours": _hours,
        "told": durations.told,
    }
    return environment


def _hours(hours: float) -> str:
    """Hours to two significant digits, as an estimate deserves; minutes below an hour; a dash where there are none."""
    if math.isnan(hours):
        return "–"
    if hours < 1:
        return f"{float(f'{60 * hours:.2g}'):g} min"
    return f"{float(f'{hours:.2g}'):g} h"


def differing(made: dict[Path, str]) -> list[Path]:
    """The files that are not as they would be written now, and figures and tables that nothing makes any more."""
    return [path for path, text in made.items() if not _same(path, text)] + _stale(made)


def _same(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _stale(made: dict[Path, str]) -> list[Path]:
    known = [FOLDER / f"{name}.svg" for name in FIGURES] + [FOLDER / f"{name}.csv" for name in TABLES]
    return [path for path in known if path.exists() and path not in made]


def write(made: dict[Path, str]) -> list[Path]:
    """Write what differs, and take away what nothing makes any more; the paths that changed."""
    changed = differing(made)
    for path in changed:
        if path in made:
            with replacing(path) as temporary:
                temporary.write_text(made[path], encoding="utf-8")
        else:
            path.unlink()
    return changed
