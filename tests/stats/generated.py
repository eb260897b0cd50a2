"""Studies drawn at random: few or many groups, ties, scores that are missing, refused or all alike, weak models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from heatproof.stats.sentences.general import seeds_sentence
from heatproof.stats.sentences.headline import answer, in_short, lead, overview
from heatproof.stats.sentences.verdicts import sentences
from stats.made import SETTINGS

from heatproof.catalogue.controls import BEATABLE, YARDSTICKS
from heatproof.catalogue.families import FAMILIES
from heatproof.report.inputs import Inputs
from heatproof.stats.tables.groups import (
    compact,
    count_missing,
    group_means,
    metrics_table,
    scores_in_order,
    seed_group_means,
)
from heatproof.stats.verdicts import judge
from heatproof.stats.verdicts.gather import gather
from heatproof.stats.verdicts.rules import Design

PRIMARY = {"localization": "iou", "faithfulness": "srg", "sanity": "rank_correlation_cascade"}
LOWER = ("sanity",)
CONTROLS = {"random": 0.3, "center": 0.35, "edges": 0.25, "other_image": 0.3}
EMPTY, TRUTHLESS, REFUSED = "all_zero", "no_truth", "no_relu"


@dataclass(frozen=True)
class Study:
    """Scores of images and who is competent; what the statistics make of them.

    Attributes:
        scores: columns family, metric, method, model, seed, image_id, group, value, reason.
    """

    scores: pd.DataFrame
    models: list[str]
    competent: list[str]
    methods: list[str]
    seeds: int

    @cached_property
    def means(self) -> dict[tuple[str, str, str], float]:
        """(family, method, model) -> mean over images, then seeds (of groups that have all), then groups."""
        keys = ["family", "method", "model"]
        by_seed = self.scores.groupby([*keys, "group", "seed"])["value"].mean().unstack("seed")
        return by_seed.dropna().mean(axis=1).groupby(keys).mean().to_dict()

    @cached_property
    def made(self) -> tuple[dict[str, pd.DataFrame], dict]:
        """Tables and summary, made as `stats.study.evaluate` makes them of a study's files."""
        scores = scores_in_order(compact(self.scores), self.methods, self.models)
        per_seed, missing = seed_group_means(scores), count_missing(scores)
        order = [*self.methods, *BEATABLE, *YARDSTICKS]
        metrics = metrics_table(group_means(per_seed), missing, SETTINGS["interval"], order, self.models, per_seed)
        asked = list(dict.fromkeys(self.scores["family"]))
        design = Design(
            models=self.competent,
            methods=self.methods,
            primary={family: PRIMARY[family] for family in asked},
            controls={name: family.judged for name, family in FAMILIES.items() if family.judged},
            lower=frozenset((family, PRIMARY[family]) for family in LOWER),
            settings=SETTINGS,
        )
        tables, found, _, _ = gather(scores, per_seed, metrics, design)
        tables |= {"metrics": metrics, "missing": missing}
        made = {key: SETTINGS[key] for key in ("alpha", "interval", "test", "power")} | {
            "methods": self.methods,
            "models": {model: {"competent": model in self.competent} for model in self.models},
            "seeds": {"count": self.seeds, "values": list(range(self.seeds))},
            "groups": {"kind": "patient", "split_by": "group", "patients_known": True},
            "groups_test": self.scores["group"].nunique(),
            "folds": 1,
            "competence": {"chance": 0.5, "floor": 0.6},
            "comparison": None,
            "refused": judge.refusals(scores, self.methods, self.models),
            **found,
        }
        made["overview"], made["lead"] = overview(made), lead(made)
        made["seeds"]["sentence"] = seeds_sentence(made)
        made["answer"], made["sentences"], made["in_short"] = answer(made), sentences(made), in_short(made)
        return tables, made | {"better": judge.directions(metrics), "claims": []}

    @cached_property
    def inputs(self) -> Inputs:
        """What a report reads: every image is a test image, every second one has a mask."""
        return self.inputs_of(self.made[1])

    def inputs_of(self, summary: dict) -> Inputs:
        """The same with another summary."""
        images = self.scores.drop_duplicates("image_id")[["image_id", "group"]].reset_index(drop=True)
        truth = np.where(np.arange(len(images)) % 2 == 0, "mask", "none")
        manifest = images.assign(truth=truth, label=0, split="test")
        first = self.scores[(self.scores["seed"] == 0) & (self.scores["family"] == "localization")]
        first = first[first["method"].isin(self.methods)]
        index = first.assign(row=np.where(first["reason"] == REFUSED, -1, 0), layer="x", grid_height=2, grid_width=2)
        return Inputs(
            study="drawn",
            models=self.models,
            seeds=list(range(self.seeds)),
            methods=self.methods,
            folds=["fold0"],
            classes=["a", "b"],
            manifests={"fold0": manifest},
            pixels=np.zeros((len(images), 1, 8, 8), np.uint8),
            masks=np.zeros((len(images), 8, 8), bool),
            tables=self.made[0],
            summary=summary,
            audit={},
            scores=self.scores[self.scores["seed"] == 0],
            predictions=pd.DataFrame(),
            index={model: index[index["model"] == model] for model in self.models},
            maps={},
            digest={},
        )


def draw(number: int, sizes: Sequence[int] = (1, 2, 4, 7, 12, 20), families: Sequence[str] | None = None) -> Study:
    """One study; the number is its seed. Some of the families are drawn where none are given."""
    rng = np.random.default_rng(number)
    models = ["ann", "bob", "cat", "dan"][: rng.integers(1, 5)]
    methods = ["gradcam", "lrp", "saliency"][: rng.integers(1, 4)]
    groups, seeds = int(rng.choice(sizes)), int(rng.choice([1, 2, 2, 5]))
    competent = [model for model in models if rng.random() < 0.8]
    noise, ties, images = rng.choice([0, 0.03, 0.3]), rng.random() < 0.3, int(rng.integers(1, 3))
    refused = {(m, model) for m in methods for model in models if rng.random() < 0.12}
    lost = {(m, model): rng.choice([0, 0, 0.08, 0.5, 1]) for m in methods for model in models}
    level = {(m, model): rng.choice([0.1, 0.3, 0.6, 0.9]) for m in methods for model in models}
    truths = {model: rng.choice([0.3, 0.9]) for model in models}
    truthless = rng.random() < 0.15
    rows = []
    for family in families or [name for name in PRIMARY if name == "localization" or rng.random() < 0.6]:
        controls = {"other_image": 0.4} if family == "sanity" else CONTROLS
        for model in models:
            beside = controls | ({"ceiling": rng.choice([0.7, 0.9])} if family == "localization" else {})
            beside |= {"truth": truths[model]} if family == "faithfulness" else {}
            for method in [*methods, *beside]:
                mean = level.get((method, model), beside.get(method))
                value = mean + rng.normal(0, 1, (groups, images, seeds)) * noise
                value = value.round(1) if ties else value
                gone = rng.random(value.shape) < lost.get((method, model), 0)
                for (g, i, s), one in np.ndenumerate(value):
                    reason = EMPTY if gone[g, i, s] else ""
                    reason = TRUTHLESS if family == "localization" and truthless else reason
                    reason = REFUSED if (method, model) in refused else reason
                    names = (family, PRIMARY[family], method, model, s, f"i{g:02d}{i}", f"p{g:02d}")
                    rows.append((*names, np.nan if reason else one, reason))
    columns = ["family", "metric", "method", "model", "seed", "image_id", "group", "value", "reason"]
    scores = pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})
    return Study(scores, models, competent, methods, seeds)
