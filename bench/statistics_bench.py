"""What the statistics hold: error rates, coverage and power over many simulated studies; deterministic, run once.

Each function returns `value`, the number that matters (mostly the worst case), `rows`, its table, and `median` and
`runs` of the rates that `value` is among; `bench.run` keeps them in `results.json`, and `write` puts the tables into
`docs/simulations.md`.
"""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from bench import choices, combined, coverage, error_rates, gates
from bench.processes import on_every_core
from bench.simulation import Setting
from heatproof.core.draws import generator
from heatproof.core.messages import line

DRAWS, POWER_DRAWS = 2000, 1000
GROUPS = (10, 20, 34, 50, 100)
DOCS = Path(__file__).parents[1] / "docs" / "simulations.md"
WHAT = {
    "type_i_error": f"Friedman's test and quasi-F, {DRAWS:,} studies a setting, 10 to 100 groups: the share of true "
    "null hypotheses rejected at .05 that is farthest from it",
    "familywise_error": f"share of {DRAWS:,} studies with a false pair or a false sentence in a family at .05: the "
    "largest of all settings",
    "combined_error": f"share of {DRAWS:,} studies with a false combined sentence on localization and faithfulness, at "
    ".05: the largest of all settings",
    "gate_error": f"share of {DRAWS:,} gates with a false verdict, at .05: the largest of all settings",
    "choice_error": f"share of {DRAWS:,} studies in which noise, with options chosen on validation patients, beats "
    "noise, at .05: the largest of all settings",
    "interval_coverage": "share of 95 % intervals that hold the truth: the farthest from .95 of all settings",
    "power": "one model of five half a standard deviation apart, 34 groups: how often Friedman's test finds it",
}
VERDICTS = ("friedman", "quasi_f")  # tests that verdicts rest on unless another is declared
FAR = -2.0  # latent effect of controls that every model beats
SCENES = {  # effects of the models, and of the controls
    "all equal, and equal to the controls": ((0.0,) * 5, (0.0, 0.0)),
    "all equal, above the controls": ((0.0,) * 5, (FAR, FAR)),
    "all equal, above one control of two": ((0.0,) * 5, (0.0, FAR)),
    "four equal, one better, above the controls": ((0.0, 0.0, 0.0, 0.0, 1.0), (FAR, FAR)),
    "three equal to the controls, two better": ((0.0, 0.0, 0.0, 1.0, 1.0), (0.0, 0.0)),
    "three equal to one control, two far better": ((0.0, 0.0, 0.0, 2.0, 2.0), (0.0, FAR)),
}
FAMILIES = [
    *((groups, 2, False, "friedman") for groups in GROUPS),
    *((groups, 2, True, "friedman") for groups in (10, 34)),
    *((groups, 2, False, "rm_anova") for groups in (10, 34)),
    *((groups, 5, False, "friedman") for groups in (10, 34)),
]
MARGIN, AHEAD, BEHIND = 0.3, 1.2, -0.6  # latent leads over the strongest of three controls
TOGETHER = {  # leads of the models: of localization, and of faithfulness
    "on the lesion, and used": ((AHEAD,) * 3, (AHEAD,) * 3),
    "used, but not the lesion": ((BEHIND,) * 3, (AHEAD,) * 3),
    "on the lesion, but not used": ((AHEAD,) * 3, (BEHIND,) * 3),
    "neither": ((BEHIND,) * 3, (BEHIND,) * 3),
    "used, equal to the control on the lesion": ((0.0,) * 3, (AHEAD,) * 3),
    "used, a margin ahead on the lesion": ((MARGIN,) * 3, (AHEAD,) * 3),
    "equal to, and a margin ahead of, the controls": ((0.0, MARGIN, MARGIN), (AHEAD, 0.0, BEHIND)),
    "one model, used, equal to the control on the lesion": ((0.0,), (AHEAD,)),
    "one model, used, a margin ahead on the lesion": ((MARGIN,), (AHEAD,)),
}
KIND = {False: "normal", True: "bounded"}
SCORES = {"normal": {}, "bounded": {"bounded": True}, "uneven": {"uneven": 2.0}}


def type_i_error() -> dict:
    """Every model equal; group x model effects; seeds without effect in the mean for tests of checkpoints."""
    rows = _rows("type_i_error", _type_i, list(product(SCORES, GROUPS)))
    return _result(rows, VERDICTS, lambda rate: abs(rate - ALPHA))


def _type_i(scores: str, groups: int) -> dict:
    held = Setting(groups, fixed=True, **SCORES[scores])
    drawn = replace(held, fixed=False)
    row = {"scores": scores, "groups": groups} | error_rates.omnibus(held, DRAWS, _rng("fixed", held))
    row["quasi_f"] = error_rates.over_seeds(replace(drawn, seeds=5), DRAWS, _rng("seeds", drawn))
    naive = error_rates.naive(held, DRAWS // 4, _rng("naive", held))
    row |= {"friedman_images": naive["friedman"], "anova_images": naive["rm_anova"]}
    row["friedman_two_seeds"] = error_rates.omnibus(drawn, DRAWS // 4, _rng("two", drawn))["friedman"]
    return row


def familywise_error() -> dict:
    """Full and partial nulls, see `SCENES`."""
    settings = [(*family, scene) for family, scene in product(FAMILIES, SCENES)]
    return _result(_rows("familywise_error", _family, settings), ("pairs", "family"), lambda rate: rate)


def _family(groups: int, seeds: int, bounded: bool, test: str, scene: str) -> dict:
    effects, controls = SCENES[scene]
    setting = Setting(groups, effects=effects, controls=controls, seeds=seeds, bounded=bounded)
    setting = replace(setting, fixed=seeds < 5, seed=0.0 if bounded else setting.seed)
    found = error_rates.sentences(setting, DRAWS, _rng("family", setting), test=test)
    return {"scene": scene, "groups": groups, "seeds": seeds, "scores": KIND[bounded], "test": test} | found


def combined_error() -> dict:
    """True and false combined sentences, see `TOGETHER`."""
    groups = ((20, False), (34, False), (100, False), (34, True))
    rows = _rows("combined_error", _together, [(*one, scene) for one, scene in product(groups, TOGETHER)])
    return _result(rows, ("false",), lambda rate: rate)


def _together(groups: int, bounded: bool, scene: str) -> dict:
    shared = {"controls": (0.0, 0.0, -1.0), "seeds": 1, "seed": 0.0, "bounded": bounded}
    shared |= {"missing_images": 0.0, "missing_cells": 0.0}
    settings = tuple(Setting(groups, effects=of, **shared) for of in TOGETHER[scene])
    found = combined.sentences(settings, MARGIN, DRAWS, _rng("combined", settings[0], *settings[1].effects))
    return {"scene": scene, "groups": groups, "scores": KIND[bounded]} | found


def gate_error() -> dict:
    """False and true verdicts of `heatproof gate`."""
    settings = [*product(gates.SCORES, (60, 100), gates.SCENES)]
    return _result(_rows("gate_error", _gate, settings), ("false",), lambda rate: rate)


def _gate(scores: str, patients: int, scene: str) -> dict:
    states, verdict, false = gates.SCENES[scene]
    rng = generator("statistics bench", "gate", scores, patients, scene)
    rate = gates.rates(scores, states, patients, DRAWS, rng)[verdict]
    return {"scores": scores, "patients": patients, "scene": scene, "false" if false else "true": rate}


def choice_error() -> dict:
    """Noise maps with options to choose from against a random map with as many."""
    return _result(_rows("choice_error", _choice, [*product(choices.STATES, choices.SIZES)]), ("better",), float)


def _choice(state: str, sizes: tuple[int, int]) -> dict:
    rng = generator("statistics bench", "choice", state, *sizes)
    row = {"state": state, "validation": sizes[0], "test": sizes[1]}
    row |= choices.rates(choices.STATES[state], sizes, DRAWS, rng)
    return row | {"covered": choices.coverage(choices.STATES[state], sizes, DRAWS // 4, rng)}


def interval_coverage() -> dict:
    """Means and differences over groups, differences over groups and seeds, accuracies."""
    rows = _rows("interval_coverage", _coverage, list(product((False, True), GROUPS)))
    accuracies = list(product((0.5, 0.7, 0.85, 0.95), (0.1, 0.3, 0.6), GROUPS))
    rows += _rows("interval_coverage", _accuracies, accuracies)
    proper = ("mean", "pair", "pair_over_seeds", "balanced_accuracy", "f1_macro", "plain_accuracy")
    return _result(rows, proper, lambda rate: abs(rate - LEVEL))


def _coverage(bounded: bool, groups: int) -> dict:
    setting = Setting(groups, bounded=bounded)
    seeded = replace(setting, seeds=5)
    mean, pair = coverage.means_and_pairs(setting, DRAWS, _rng("means", setting))
    over, alone = coverage.pairs_over_seeds(seeded, DRAWS, _rng("over", seeded))
    row = {"scores": KIND[bounded], "groups": groups, "mean": mean, "pair": pair, "pair_over_seeds": over}
    return row | {"pair_without_seeds": alone}


def _accuracies(accuracy: float, correlation: float, groups: int) -> dict:
    rng = generator("accuracy", groups, int(100 * accuracy), int(100 * correlation))
    found = coverage.accuracies(groups, accuracy, correlation, DRAWS, rng)
    return {"accuracy": accuracy, "correlation": correlation, "groups": groups} | found


def power() -> dict:
    """One model apart from four equal ones."""
    rows = _rows("power", _power, list(product(GROUPS, (0.2, 0.4, 0.5, 0.6, 0.8, 1.0))))
    of_half = next(row["friedman"] for row in rows if (row["groups"], row["effect"]) == (34, 0.5))
    return _result(rows, ("friedman",), lambda rate: -abs(rate - of_half))


def _power(groups: int, effect: float) -> dict:
    setting = Setting(groups, fixed=True)
    seeded = replace(setting, seeds=5, fixed=False)
    row = {"groups": groups, "effect": effect}
    row |= coverage.power(setting, effect, POWER_DRAWS, _rng("power", setting, effect))
    return row | coverage.power(seeded, effect, POWER_DRAWS // 2, _rng("power", seeded, effect))


def _rows(name: str, row: Callable[..., dict], settings: Sequence[tuple]) -> list[dict]:
    """Return a row for each setting, in order; each setting has random numbers of its own."""
    rows = []
    for found in on_every_core(row, *zip(*settings, strict=True)):
        rows.append(found)
        line(f"{name}: {found}")
    return rows


ALPHA, LEVEL = error_rates.ALPHA, error_rates.LEVEL


def _rng(purpose: str, setting: Setting, *more: float):
    return generator("statistics bench", purpose, repr(setting), *map(repr, more))


def _result(rows: Sequence[dict], names: Sequence[str], far: Callable[[float], float]) -> dict:
    """The rate that is farthest by some measure of how far, and all of them."""
    rates = [row[name] for row in rows for name in names if name in row]
    rounded = [
        {key: round(value, 5) if isinstance(value, float) else value for key, value in row.items()} for row in rows
    ]
    return {"value": max(rates, key=far), "median": statistics.median(rates), "runs": rates, "rows": rounded}


def write(results: dict) -> None:
    """Put the tables of what was measured between their marks in `docs/simulations.md`."""
    text = DOCS.read_text()
    for name, show in SHOWN.items():
        if name in results:
            block = f"<!-- {name} -->\n{show(results[name]['rows'])}\n<!-- end -->"
            text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, block=block: block, text, count=1, flags=re.S)
    DOCS.write_text(text)


def markdown(head: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A table; rates with three decimals."""
    cells = [[f"{cell:.3f}".lstrip("0") if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *cells])


def _errors(rows: list[dict]) -> str:
    names = ["friedman", "rm_anova", "quasi_f", "lecoutre", "friedman_images", "anova_images", "friedman_two_seeds"]
    head = ["scores", "groups", "Friedman", "ANOVA", "quasi-F, 5 seeds", "*ANOVA after Lecoutre*"]
    head += ["*Friedman on images*", "*ANOVA on images*", "*Friedman, 2 seeds, read as of architectures*"]
    return markdown(head, [[row["scores"], row["groups"], *(row[name] for name in names)] for row in rows])


def _families(rows: list[dict]) -> str:
    shown, found = [], {}
    for row in rows:
        found.setdefault((row["test"], row["scores"], row["seeds"], row["groups"]), []).append(row)
    for key, of in found.items():
        worst = max(of, key=lambda row: row["family"])
        shown.append([*key, max(row["pairs"] for row in of), worst["family"], worst["scene"]])
        shown[-1] += [max(row["controls"] for row in of), max(row["models"] for row in of)]
        shown[-1] += [max(row["equivalent"] for row in of)]
    head = ["test", "scores", "seeds", "groups", "false pair", "false sentence", "where"]
    head += ["of these on controls", "on models", "*falsely equivalent*"]
    return markdown(head, shown)


def _combined(rows: list[dict]) -> str:
    columns = list(dict.fromkeys((row["scores"], row["groups"]) for row in rows))
    head = ["what is so", *(f"{scores}, {groups}" for scores, groups in columns)]
    found = {(row["scene"], row["scores"], row["groups"]): row for row in rows}
    shown = []
    for scene in TOGETHER:
        cells = [found[scene, *column] for column in columns]
        shown.append([scene, *(f"{row['false']:.3f} / {row['true']:.2f}".replace("0.", ".") for row in cells)])
    return markdown(head, shown)


def _gates(rows: list[dict]) -> str:
    found: dict = {}
    for row in rows:
        of = found.setdefault((row["scores"], row["patients"]), {"falsely": 0.0})
        if row["scene"] in ("worse", "equal", "double"):
            of[row["scene"]] = row.get("false", row.get("true"))
        else:
            of["falsely"] = max(of["falsely"], row["false"])
    head = ["scores", "patients", "*falsely worse*", "*falsely non-inferior*", "non-inferior", "worse"]
    names = ("worse", "falsely", "equal", "double")
    return markdown(head, [[*key, *(of[name] for name in names)] for key, of in found.items()])


def _choices(rows: list[dict]) -> str:
    names = ("better", "alike", "untuned", "naive", "true", "covered")
    head = ["options", "validation", "test", "noise beats the control at each option", "*at its option chosen alike*"]
    head += ["*at one option*", "*chosen on test patients*", "better heatmaps do", "intervals"]
    return markdown(
        head, [[row["state"], row["validation"], row["test"], *(row[name] for name in names)] for row in rows]
    )


def _covered(rows: list[dict]) -> str:
    names = ("mean", "pair", "pair_over_seeds", "pair_without_seeds")
    head = ["scores", "groups", "mean", "difference", "difference over 5 seeds", "*the same, groups alone*"]
    scores = [[row["scores"], row["groups"], *(row[name] for name in names)] for row in rows if "scores" in row]
    found: dict = {}
    for row in rows:
        if "accuracy" in row:
            found.setdefault((f"{row['accuracy']:.2f}".lstrip("0"), row["groups"]), []).append(row)
    spans = []
    for key, of in found.items():
        span = [sorted(row[name] for row in of) for name in ("balanced_accuracy", "f1_macro", "percentile")]
        spans.append([*key, *(f"{each[0]:.3f} to {each[-1]:.3f}".replace("0.", ".") for each in span)])
    head_accuracy = ["accuracy", "groups", "balanced accuracy", "macro F1", "*percentile bootstrap*"]
    return f"{markdown(head, scores)}\n\n{markdown(head_accuracy, spans)}"


def _powers(rows: list[dict]) -> str:
    names = ("friedman", "friedman_pairs", "rm_anova", "rm_anova_pairs", "quasi_f", "seed_pairs")
    head = ["groups", "effect", "Friedman", "its pairs", "ANOVA", "its pairs", "quasi-F, 5 seeds", "its pairs"]
    return markdown(head, [[row["groups"], f"{row['effect']:.1f}", *(row[name] for name in names)] for row in rows])


SHOWN = {"type_i_error": _errors, "familywise_error": _families, "combined_error": _combined}
SHOWN |= {"gate_error": _gates, "choice_error": _choices}
SHOWN |= {"interval_coverage": _covered, "power": _powers}
