"""What others report of the same architectures beside what the study measures, under a random split and under its own,
and how much of it needs no network."""

from collections.abc import Sequence
from math import prod

import numpy as np
import pandas as pd

from heatproof.data.sources.places import GIVEN
from heatproof.stats.accuracy.competence import ENDS
from heatproof.stats.results import Comparison, Explained, Published, number
from heatproof.stats.verdicts import rules
from heatproof.store.tables import PUBLISHED

NEIGHBOUR, FREQUENT = "nearest neighbour", "most frequent class"
_BLOCK = 1024  # images


def nearest(thumbnails: np.ndarray, train: np.ndarray, test: np.ndarray, *, block: int = _BLOCK) -> np.ndarray:
    """The row of `train` whose thumbnail correlates most (Pearson) with that of each row of `test`.

    Ties go to the first row of `train`; a constant thumbnail correlates with none (0).

    Args:
        thumbnails: uint8 [images, height, width], of at most 2**18 pixels.
        train, test: int [images], rows; `train` is not empty.
        block: rows of `test` compared at a time; it bounds the memory and changes nothing else.

    Returns:
        int64 [rows of test], rows of `thumbnails`.
    """
    pixels = prod(thumbnails.shape[1:])
    known = thumbnails[train].reshape(len(train), pixels).astype(float)
    total = known.sum(1)
    norm = np.sqrt(pixels * np.einsum("ij,ij->i", known, known) - total**2)
    found = np.empty(len(test), np.int64)
    for start in range(0, len(test), block):
        requested = thumbnails[test[start : start + block]].reshape(-1, pixels).astype(float)
        covariance = pixels * (requested @ known.T) - np.multiply.outer(requested.sum(1), total)
        # the asked image's own norm is the same for all of `train`, and left out
        similarity = np.divide(covariance, norm, out=np.zeros_like(covariance), where=norm > 0)
        found[start : start + block] = train[similarity.argmax(1)]
    return found


def answers(thumbnails: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Classifier -> its answers on the rows `test`, having seen the labels of the rows `train`; as `labels`.

    Args:
        thumbnails: uint8 [images, height, width].
        labels: int [images], from 0; of equally frequent classes the first is taken. Or bool [images, labels], where
            images have several: of these, those that more than half of the training images have.
        train, test: int [images], rows; `train` is not empty.
    """
    if labels.ndim == 2:
        most = labels[train].mean(0) > 0.5
        return {NEIGHBOUR: labels[nearest(thumbnails, train, test)], FREQUENT: np.tile(most, (len(test), 1))}
    frequent = np.bincount(labels[train]).argmax()
    return {NEIGHBOUR: labels[nearest(thumbnails, train, test)], FREQUENT: np.full(len(test), frequent, labels.dtype)}


RANDOM = "random"


def comparison_table(grouped: pd.DataFrame, random: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Both splits of every checkpoint below each other, columns as judged and `split`.

    Args:
        grouped, random: checkpoints as judged on the study's split and on a random one, in one order.
        kind: what the study's split goes by, see `published.split_name`.
    """
    both = pd.concat([random.assign(split=RANDOM), grouped.assign(split=kind)])
    return both.sort_index(kind="stable").reset_index(drop=True)


def compare_splits(table: pd.DataFrame, models: Sequence[str]) -> Comparison | None:
    """Compare the means over checkpoints of the balanced accuracy on either split; None without a comparison."""
    if table.empty:
        return None
    random, grouped, clear = {}, {}, []
    for model in models:
        of_model = table[table["model"] == model].set_index("seed")
        before, after = (of_model[(of_model["split"] == RANDOM) == chosen] for chosen in (True, False))
        random[model], grouped[model] = (of["balanced_accuracy"].mean() for of in (before, after))
        clear += [model] if rules.fall_is_clear(before, after) else []
    fall = {model: number(random[model] - grouped[model]) for model in models}
    random, grouped = ({model: number(mean) for model, mean in found.items()} for found in (random, grouped))
    return Comparison(random, grouped, fall, tuple(clear))


SIMPLE = (NEIGHBOUR, FREQUENT)
MEASURES = ("accuracy", "f1_macro")
OF_LABELS = ("accuracy", "f1_micro", "f1_macro")  # where images have several; then `f1:<label>`
EXPLAINED = ("accuracy", "f1_micro")  # the first that is published is held against the simple classifiers


def split_name(settings: dict) -> str:
    """What the split of the study goes by: `random` where it keeps nothing together, `given`, else what a group is."""
    if settings.get("split_by") in GIVEN:
        return "given"
    return RANDOM if settings.get("split_by") == "random" else settings["group_kind"]


def published_table(published: dict[str, dict], judged: dict[str, pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    """Every published number beside the study's, columns of `stats_tables.PUBLISHED`.

    A row a source, measure, model and split; then those of the simple classifiers. A model's value is the mean over
    its seeds, its interval reaches from the lowest end of theirs to the highest. A model that the study does not
    have is a row without a value.

    Args:
        published: name -> source, accuracy and f1_macro (architecture -> share); where empty, the study's numbers
            stand alone, under the name "".
            f1_micro and f1 (architecture -> label -> share) where images have several labels: then micro F1 and the F1
            of each label that is published are measures, too.
        judged: split -> checkpoints and simple classifiers as judged on it.
        models: those of the study, in order.
    """
    rows = []
    several = any("f1_micro" in found for found in judged.values())
    for name, stated in (published or {"": {"source": ""}}).items():
        by_label = _by_label(stated)
        for measure in (*OF_LABELS, *by_label) if several else MEASURES:
            known_numbers = (stated.get(measure) or {}) | by_label.get(measure, {})
            numbers = {known: share for known, share in known_numbers.items() if share is not None}
            named = {model: _listed(numbers, model) for model in models}
            absent = [known for known in numbers if known not in named.values()]
            for model in [*models, *absent, *SIMPLE]:
                row = {"name": name, "source": stated["source"], "model": model, "measure": measure}
                row["published"] = numbers.get(named.get(model) or model, np.nan)
                for split, found in judged.items():
                    rows.append(row | {"split": split} | _measured(found[found["model"] == model], measure))
    return pd.DataFrame(rows, columns=list(PUBLISHED))


def _by_label(stated: dict) -> dict[str, dict[str, float]]:
    """`f1:<label>` -> architecture -> published F1 of that label."""
    found: dict[str, dict[str, float]] = {}
    for model, of in (stated.get("f1") or {}).items():
        for label, share in of.items():
            found.setdefault(f"f1:{label}", {})[model] = share
    return found


def _listed(numbers: dict[str, float], model: str) -> str | None:
    """The name that a model goes by in a published table, which may leave out the tag of its weights."""
    return next((name for name in (model, model.split(".")[0]) if name in numbers), None)


def _measured(rows: pd.DataFrame, measure: str) -> dict:
    low, high = ENDS.get(measure) or (f"{measure}_low", f"{measure}_high")
    if measure not in rows:  # a label that the study does not have
        rows = rows.assign(**dict.fromkeys((measure, low, high), np.nan))
    found = {"value": rows[measure].mean(), "low": rows[low].min(skipna=False), "high": rows[high].max(skipna=False)}
    if rows.empty:
        return found | {"images": pd.NA, "groups": pd.NA, "seeds": pd.NA}
    simple = rows["model"].iloc[0] in SIMPLE  # nothing random: no seed
    size = {"images": rows["images"].iloc[0], "groups": rows["groups"].iloc[0]}
    return found | size | {"seeds": 0 if simple else len(rows)}


def explain_published(published: dict[str, dict], table: pd.DataFrame) -> dict[str, Published]:
    """Return how much of what each source reports a nearest neighbour explains, by split.

    The share that a nearest neighbour explains is (neighbour - base) / (published - base): accuracies, the published
    one the mean over all architectures of the source, the base that of naming the most frequent class of the training
    images on the same test images. Its interval is that of the neighbour's accuracy. None where what is published
    does not lie above the base, or the neighbour's interval cannot be had. Where no accuracy is published, all of it is
    of the micro F1; without either there is no share.
    """
    found = {}
    for name, stated in published.items():
        measure = next((known for known in EXPLAINED if stated.get(known)), None)
        shares = tuple(stated[measure].values()) if measure else ()
        rows = table[(table["name"] == name) & (table["measure"] == measure)].set_index(["split", "model"])
        explained = {
            split: _explained(
                rows.loc[(split, NEIGHBOUR)], rows.loc[(split, FREQUENT), "value"], float(np.mean(shares))
            )
            for split in rows.index.unique("split")
        }
        note = (stated["source"], stated.get("table", ""), stated.get("note", ""))
        found[name] = Published(*note, measure, shares, explained)
    return found


def _explained(neighbour: pd.Series, base: float, mean: float) -> Explained:
    ends = (neighbour["value"], neighbour["low"], neighbour["high"])
    above = mean - base
    shares = (number((value - base) / above) if above > 0 else None for value in ends)
    return Explained(*shares, number(neighbour["value"]), number(base))
