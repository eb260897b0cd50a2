"""Twenty gates between trained networks on the same test images: half of the candidates have learnt a planted cue.

    python -m bench.trained_gates  # about 20 minutes on one core; fills in the table of docs/simulations.md

A mark in the corner of phantoms is in half of the training images of every class, or in 90% of one class and 10% of the
others. A gate compares two training seeds: ten pairs without the cue, and ten whose candidate was trained on it.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import chdir
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import yaml

from bench.statistics_bench import markdown, put
from heatproof.commands.gate import Side, compare, read
from heatproof.stats.verdicts import rules
from heatproof.text.verdicts import GATED

CLEAN, CUE = "clean", "cue"
SEEDS, METHOD = range(5), "gradcam"
SLOW = ("road", "naopc", "infidelity")  # metrics that no criterion reads
VERDICTS = (rules.NON_INFERIOR, rules.UNDECIDED, rules.WORSE)
PAIRS = {
    "both without the cue": [((CLEAN, a), (CLEAN, b)) for a, b in combinations(SEEDS, 2)],
    "candidate trained on the cue": [((CLEAN, a), (CUE, (a + by) % len(SEEDS))) for a in SEEDS for by in (0, 1)],
}


def study(rate: float) -> dict:
    """Return the study of five networks whose training images have the cue at a rate; the test images are the same."""
    still = {"flip": False, "rotate": 0, "scale": 0, "shift": 0.03, "intensity": 0}
    return {
        "models": ["resnet10t"],
        "seeds": [*SEEDS],
        "data": {
            "kind": "phantom",
            "drawn_as": CLEAN,
            "size": 64,
            "lookalike": 0.98,
            "phantom": {"patients": 240, "slices": 4},
            "split": {"train": 0.6, "val": 0.1, "test": 0.3},
            "shortcut": {"kind": "corner_mark", "rate": rate, "test_rate": 0.5},
            "regions": ["body", "cue"],
            "audit": {"draws": 50, "bootstrap": 500},
        },
        "train": {"weights": "scratch", "epochs": 5, "lr": 1.0e-3, "augment": still},
        "explain": {"methods": [METHOD], "images_per_group": 4},
        "score": {
            "families": ["localization", "faithfulness", "complexity"],
            "faithfulness": {"images": 288, "steps": 6, "controls": False} | dict.fromkeys(SLOW),
        },
    }


def sides() -> dict[tuple[str, int], Side]:
    """Run both studies in the current folder; return each network's results."""
    Path("studies").mkdir(exist_ok=True)
    for name, rate in ((CLEAN, 0.5), (CUE, 0.9)):
        Path("studies", f"{name}.yaml").write_text(yaml.safe_dump(study(rate), sort_keys=False))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-m", "heatproof", "run", CLEAN, CUE], check=True, env=environment)
    of = {name: read("results", name, name, "resnet10t") for name in (CLEAN, CUE)}
    return {
        (name, seed): replace(side, scores=side.scores[side.scores["seed"] == seed])
        for name, side in of.items()
        for seed in SEEDS
    }


def table(found: dict[tuple[str, int], Side]) -> str:
    """Return verdicts by kind of pair, and the criteria by which candidates are worse."""
    rows = []
    for kind, pairs in PAIRS.items():
        gates = [compare(found[a], found[b], [METHOD], [], {}) for a, b in pairs]
        verdicts = Counter(gate.verdict for gate in gates)
        worse = Counter(GATED[one.name] for gate in gates for one in gate.of(rules.WORSE))
        named = ", ".join(f"{name} ({count})" for name, count in worse.most_common()) or "–"
        rows.append([kind, len(pairs), *(verdicts[name] for name in VERDICTS), named])
    return markdown(["pairs", "gates", "non-inferior", "undecided", "worse", "worse by"], rows)


def main() -> None:
    """Train, compare, and write the table."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        made = table(sides())
    put("trained_gates", made)
    print(made)


if __name__ == "__main__":
    main()
