"""Every sentence of an audit against images, groups, splits, look-alikes and probes drawn at random."""

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from stats.reading import NUMBER, Rules, near

from heatproof.data.audit.alarms import sentences
from heatproof.data.audit.assemble import _leak, _spread, truth_lost
from heatproof.data.audit.leaks import (
    count_crossing,
    count_duplicates,
    count_pairs,
    find_series,
    named_pairs,
    neighbours,
    pair_kinds,
    random_leaks,
)
from heatproof.data.audit.material import Material
from heatproof.data.prepare.lookalikes import Pairs
from heatproof.report.sections import data, data_tables
from heatproof.report.sections import told as findings

LEVEL, LEAST, THRESHOLD = 0.025, 20, 0.95
SWEEP = (0.9, 0.95, 0.99)
PROBES = ("neighbour", "facts", "shape", "border", "outside")
SHORT = {"what is left of the facts": "facts", "margins": "shape", "border": "border"}
ODD = {"margins": "preprocessed", "the outermost pixels": "border", "all but the middle half": "outside"}
SHARE = r"(?:\d+%|under 1%|over 99%)"
SCORE = rf"{NUMBER} (?:\[{NUMBER} to {NUMBER}\]|\(no interval: too few groups for an interval\))"
TESTED = rf"chance {NUMBER}(?:, p = {NUMBER})?"
IDS = r"[^ ]+(?:, [^ ]+)*(?: and [^ ]+)?"
LOOK = rf"(?: Look at (?P<look>{IDS})\.)?"
COUNT = r"\d[\d,]*"
SETTING = r"(?:Try .*, and audit again\.|No setting is left [^.]*\.)"
ADVICE = (
    r"(?P<advice>Split by patient; .*?\.|Move the look-alikes .*?auto\.|The split ignores .*? patient\.|Keep "
    r"look-alikes "
    r"together: .*?lookalike\.|Patients are kept apart, yet some may have two ids\.)"
)
TELL = r"(?:tells? (?P<kind>the classes apart|which labels (?:an image|it) has))"
rule = Rules()


@dataclass(eq=False)
class Looked:
    """What was looked at, and what the audit found.

    Attributes:
        pairs: (a, b) -> similarity, of rows that look alike down to the lowest threshold of the sweep.
        names: of classes, or of labels where images have several; held: which of them each image has.
        odd: which images are not square.
    """

    audit: dict
    material: Material
    pairs: dict[tuple[int, int], float]
    names: list[str]
    held: np.ndarray
    odd: np.ndarray

    @property
    def several(self) -> bool:
        return self.audit.get("task") == "multilabel"

    def alike(self, threshold: float = THRESHOLD) -> list[tuple[int, int]]:
        return [pair for pair, similarity in self.pairs.items() if similarity >= threshold]

    def across(self, pairs) -> list[tuple[int, int]]:
        labels = self.material.labels
        return [(a, b) for a, b in pairs if labels[a] != labels[b]]

    def same(self, keys: np.ndarray) -> list[tuple[int, int]]:
        return [(a, b) for a, b in itertools.combinations(range(len(keys)), 2) if keys[a] == keys[b]]

    @property
    def folds(self) -> list[np.ndarray]:
        return [split for fold, split in self.material.splits.items() if fold.startswith("fold")]

    def leak(self, split: np.ndarray) -> float:
        test, train = set(np.flatnonzero(split == "test")), set(np.flatnonzero(split == "train"))
        seen = {x for a, b in self.alike() for x, y in ((a, b), (b, a)) if x in test and y in train}
        return len(seen) / len(test)

    def leaking(self, a: int, b: int) -> bool:
        return any({split[a], split[b]} == {"train", "test"} for split in self.folds)

    def rows(self, text: str) -> list[int]:
        return [list(self.material.image_ids).index(name) for name in re.split(", | and ", text)]

    def probe(self, probe: str, stage: str, split: str = "grouped") -> dict:
        rows = self.audit["probes"]
        return next(row for row in rows if (row["probe"], row["stage"], row["split"]) == (probe, stage, split))

    def kept_apart(self) -> bool:
        return self.audit["split_by"] in ("patient", "lookalike", "all")


def number(text: str) -> int:
    return int(text.replace(",", ""))


def is_share(text: str, share: float) -> bool:
    if not text[0].isdigit():
        return 0 < share < 0.005 if text == "under 1%" else 0.995 <= share < 1
    return near(text[:-1], 100 * share) and (text not in ("0%", "100%") or share in (0, 1))


SINGULAR = ("pair", "stands", "looks", "has", "image", "group", "it", "is", "covers")
PLURAL = ("pairs", "stand", "look", "have", "images", "groups", "they", "them", "are", "cover")


def many(text: str, count: int) -> bool:
    """Whether a noun, `pair` or `pairs`, or a verb, `stands` or `stand`, goes with a count."""
    return text in (SINGULAR if count == 1 else PLURAL)


def scores(text: str, row: dict) -> bool:
    """`0.53 [0.46 to 0.60]`."""
    told = re.findall(NUMBER, text)
    true = [row["balanced_accuracy"], *([row["low"], row["high"]] if row["low"] is not None else [])]
    return len(told) == len(true) and all(map(near, told, true))


def chances(text: str, row: dict) -> bool:
    """`chance 0.50, p = 0.01`."""
    told = re.findall(NUMBER, text)
    true = [row["chance"], *([row["p"]] if row["p"] is not None else [])]
    return len(told) == len(true) and all(
        near(text, value) or abs(float(text) / value - 1) < 0.05 for text, value in zip(told, true, strict=True)
    )


def found_it(row: dict) -> bool:
    return row["p"] is not None and row["p"] <= LEVEL


def under(row: dict) -> bool:
    return row["high"] is not None and row["high"] < row["chance"]


def kind_of(told: Looked, found: re.Match) -> None:
    assert found["kind"].startswith("which labels") == told.several


def advised(told: Looked, text: str | None) -> bool:
    """Whether advice on the split says nothing false of it."""
    by, known = told.audit["split_by"], told.audit["patients_known"]
    if text is None:
        return True
    if text.startswith("Patients are kept apart"):
        return by == "patient"
    if text.startswith("Split by patient"):
        return by is None
    if text.startswith("Move the look-alikes"):
        return by in ("column", "folder")
    return by == "random" and text.startswith("The split ignores") == known


def pair_named(told: Looked, found: re.Match, holds) -> None:
    """The two most alike are named of which it holds; where none are, there is no such pair."""
    if found["look"] is None:
        assert not any(holds(a, b) for a, b in told.alike())
        return
    a, b = sorted(told.rows(found["look"]))
    assert holds(a, b) and told.pairs[a, b] == max(told.pairs[pair] for pair in told.alike() if holds(*pair))


def of_one_class(told: Looked):
    """Whether two images are of one class, where any look alike within one."""
    within = {*told.alike()} - {*told.across(told.alike())}
    return lambda a, b: not within or (a, b) in within


# copies and conflicts

ALIKE = r"\(similarity (?P<threshold>[\d.]+) or more\)"


def at_threshold(found: re.Match) -> None:
    assert float(found["threshold"]) == THRESHOLD


@rule(
    rf"(?P<count>{COUNT}) (?P<pairs>pairs?) of files that (?P<kind>are the same byte for byte|hold the same picture) "
    rf"(?P<stand>stands?|have|has) (?:in )?different (?P<what>classes|labels): a label of each pair is wrong\. "
    rf"Correct or "
    rf"remove them\.{LOOK}"
)
def _(told, found):
    material = told.material
    files = told.across(told.same(material.sha256))
    pictures = [pair for pair in told.across(told.same(material.pictures)) if pair not in files]
    true = files if "byte" in found["kind"] else pictures
    assert number(found["count"]) == len(true) > 0 and many(found["pairs"], len(true))
    assert many(found["stand"], len(true)) and (found["what"] == "labels") == told.several
    pair_named(told, found, lambda a, b: (a, b) in true)


@rule(
    rf"(?P<count>{COUNT}) (?P<pairs>pairs?) of images that look alike {ALIKE} (?P<stand>stands?|have|has) (?:in "
    rf")?different "
    rf"(?P<what>classes|labels): either a label is wrong, or (?:these classes|images with different labels) can look "
    rf"the "
    rf"same\.{LOOK}"
)
def _(told, found):
    at_threshold(found)
    copies = {*told.same(told.material.sha256), *told.same(told.material.pictures)}
    true = [pair for pair in told.across(told.alike()) if pair not in copies]
    assert number(found["count"]) == len(true) > 0 and many(found["pairs"], len(true))
    assert many(found["stand"], len(true)) and (found["what"] == "labels") == told.several
    pair_named(told, found, lambda a, b: (a, b) in true)


@rule(rf"(?P<count>{COUNT}) (?P<pairs>pairs?) of the same file, in (?P<images>{COUNT}) images\.")
def _(told, found):
    true = told.same(told.material.sha256)
    assert number(found["count"]) == len(true) and many(found["pairs"], len(true))
    assert number(found["images"]) == len({row for pair in true for row in pair})


@rule(rf"Of (?P<count>{COUNT}) files 0 are the same byte for byte as another\.")
def _(told, found):
    assert number(found["count"]) == len(told.material.labels) and not told.same(told.material.sha256)


@rule(rf"(?P<count>{COUNT}) more (?P<pairs>pairs?) of files that differ but hold the same picture\.")
def _(told, found):
    true = {*told.same(told.material.pictures)} - {*told.same(told.material.sha256)}
    assert number(found["count"]) == len(true) and many(found["pairs"], len(true))


@rule(
    rf"(?P<count>{COUNT}) (?P<pairs>pairs?) of images of different patients (?P<look_>looks?) alike {ALIKE}: they may "
    rf"be one "
    rf"person under two ids\.{LOOK}"
)
def _(told, found):
    at_threshold(found)
    groups = told.material.groups
    true = [(a, b) for a, b in told.alike() if groups[a] != groups[b]]
    assert told.audit["group_kind"] == "patient" and number(found["count"]) == len(true)
    assert many(found["pairs"], len(true)) and many(found["look_"], len(true))
    pair_named(told, found, lambda a, b: (a, b) in true)


# the split


@rule(
    r"The split came with the images and stays as it is: (?P<parts>.*)\. A model can answer such test images from "
    r"memory\. "
    r"Without data\.split\.by: (?P<by>\w+) heatproof splits whole groups\."
)
def _(told, found):
    assert found["by"] == told.audit["split_by"]
    (split,), groups = told.folds, told.material.groups
    patients = re.search(
        rf"({COUNT}) of ({COUNT}) patients? (has|have) images in two parts of it \(({COUNT}) test images? (?:is|are) "
        rf"of such "
        rf"patients\)",
        found["parts"],
    )
    parts = {group: set(split[groups == group]) for group in set(groups)}
    torn = {group for group, of in parts.items() if len(of) > 1}
    assert bool(patients) == bool(torn and told.audit["group_kind"] == "patient")
    if patients:
        those = (split == "test") & np.isin(groups, list(torn))
        assert (number(patients[1]), number(patients[2])) == (len(torn), len(parts)) and many(patients[3], len(torn))
        assert number(patients[4]) == those.sum() and ("image is" in patients[0]) == (those.sum() == 1)
    pairs = re.search(
        rf"({COUNT}) (pairs?) of images that look alike .*? (stands?|have|has) in two parts", found["parts"]
    )
    crossing = [(a, b) for a, b in told.alike() if split[a] != split[b]]
    assert bool(pairs) == bool(crossing)
    if pairs:
        assert number(pairs[1]) == len(crossing) and many(pairs[2], len(crossing)) and many(pairs[3], len(crossing))


@rule(
    rf"The split came with the images and stays as it is: (?P<patients>no patient, and )?no two images that look alike "
    rf"{ALIKE},? stand in two parts of it\."
)
def _(told, found):
    at_threshold(found)
    (split,), groups = told.folds, told.material.groups
    assert not any(split[a] != split[b] for a, b in told.alike())
    assert bool(found["patients"]) == (told.audit["group_kind"] == "patient")
    assert not found["patients"] or all(len(set(split[groups == group])) == 1 for group in set(groups))


@rule(
    rf"In the split in use (?P<low>{SHARE})(?: to (?P<high>{SHARE}))? of the test images have a look-alike in training "
    rf"{ALIKE}(?:\.|: a model can answer them from memory\. {ADVICE}{LOOK})"
)
def _(told, found):
    at_threshold(found)
    rates = [told.leak(split) for split in told.folds]
    assert is_share(found["low"], min(rates)) and is_share(found["high"] or found["low"], max(rates))
    assert (max(rates) > 0) == bool(found["advice"]) and advised(told, found["advice"])
    if max(rates):
        pair_named(told, found, told.leaking)


@rule(
    rf"In a random split (?P<mean>{SHARE}) of the test images have a look-alike in training \((?P<low>{SHARE}) to "
    rf"(?P<high>{SHARE}) in 95% of (?P<draws>{COUNT}) splits\)(?:: an accuracy measured on one (?P<what>may be a "
    rf"little too "
    rf"high|may be too high|says little))?\.(?: {ADVICE})?{LOOK}"
)
def _(told, found):
    random = told.audit["leak"]["random"]
    assert all(is_share(found[key], random[key]) for key in ("mean", "low", "high"))
    assert number(found["draws"]) == random["draws"] and advised(told, found["advice"])
    mean, ends = random["mean"], {None: (0, 0), "may be a little too high": (0, 0.05)}
    low, high = (ends | {"may be too high": (0.05, 0.2), "says little": (0.2, 1.1)})[found["what"]]
    assert low <= mean < high or mean == low == high
    assert (mean > 0) == bool(told.alike()) or mean == 0
    if found["look"]:
        pair_named(told, found, of_one_class(told))


@rule(
    rf"Nearest neighbour on 32 x 32 thumbnails scores (?P<random>{SCORE}) under a random split \(balanced accuracy; "
    rf"chance "
    rf"(?P<chance>{NUMBER})\)(?:; the grouped split has too few groups to test it| and (?P<grouped>{SCORE}) under the "
    rf"grouped "
    rf"one(?:: (?P<none>no evidence that grouping makes a difference)| \(p = (?P<p>{NUMBER})\): the difference is "
    rf"what images "
    rf"of one group give away on both sides))\.(?: {ADVICE})?{LOOK}"
)
def _(told, found):
    random, grouped = (told.probe("neighbour", "raw", split) for split in ("random", "grouped"))
    assert scores(found["random"], random) and near(found["chance"], random["chance"])
    assert (found["grouped"] is None) == (grouped["balanced_accuracy"] is None)
    if found["grouped"]:
        assert scores(found["grouped"], grouped)
        p = told.audit["memory_p"]
        assert bool(found["none"]) == (p is None or p > LEVEL) and (found["none"] or near(found["p"], p))
    assert advised(told, found["advice"]) and (found["advice"] is None or not told.kept_apart())
    if found["look"]:
        pair_named(told, found, of_one_class(told))


ASK = (
    r"Is the stem the patient\? If so, read it: (?P<how>--patient '(?P<path>.*)'|data\.columns\.patient, a column "
    r"that names "
    r"them|data\.patient: '(?P<study>.*)')\."
)


def stems(told: Looked, found: re.Match) -> list[str]:
    """The stems of all names, as the pattern of the sentence, or of the audit, finds them.

    A stem that more than half of a class have numbers the class: there it is the name itself.
    """
    pattern = found["path"] or found["study"] or told.audit["series"]["pattern"]
    kinds = {"path": "path", "table": "how"}.get(told.audit["kind"], "study")
    assert bool(found[kinds]) and not told.audit["patients_known"]
    names, labels = told.material.image_ids, told.material.labels
    of = [re.match(pattern, name)[1] for name in names]
    sizes, held = Counter(labels.tolist()), Counter(zip(of, labels.tolist(), strict=True))
    numbering = {stem for (stem, label), count in held.items() if count > sizes[label] / 2}
    return [name if stem in numbering else stem for name, stem in zip(names, of, strict=True)]


@rule(
    rf"In the split in use (?P<most>up to )?(?P<share>{SHARE}) of the test images have a file name that differs only "
    rf"in its "
    rf"number or letter from one in training, such as (?P<one>[^ ]+) and (?P<other>[^ ]+)\. {ASK}"
)
def _(told, found):
    of, shares = np.array(stems(told, found)), []
    for split in told.folds:
        test, train = split == "test", set(of[split == "train"])
        shares.append(np.mean([stem in train for stem in of[test]]))
    assert is_share(found["share"], max(shares)) and bool(found["most"]) == (len(shares) > 1)
    one, other = (list(told.material.image_ids).index(found[key]) for key in ("one", "other"))
    assert of[one] == of[other] and told.leaking(one, other)


@rule(
    rf"The names of (?P<images>{COUNT}) images share (?P<stems>{COUNT}) stems, such as (?P<one>[^ ]+) and "
    rf"(?P<other>[^ ]+)\. {ASK}"
)
def _(told, found):
    counts = Counter(of := stems(told, found))
    several = {stem for stem, count in counts.items() if count > 1}
    assert number(found["stems"]) == len(several) and number(found["images"]) == sum(counts[stem] for stem in several)
    one, other = (list(told.material.image_ids).index(found[key]) for key in ("one", "other"))
    assert of[one] == of[other] and one != other


# clusters


@rule(
    rf"Groups \((?P<count>{COUNT}) in all\) are (?:(?P<whole>whole patients, those united of whom images look "
    rf"alike)|clusters "
    rf"of look-alikes, not patients: .*too small)\."
)
def _(told, found):
    assert number(found["count"]) == len(set(told.material.groups)) and told.audit["group_kind"] == "lookalike"
    assert bool(found["whole"]) == told.audit["patients_known"]


@rule(
    rf"Clusters of (?P<images>{COUNT}) images(?P<aside>, patients aside,)? (?P<do_not>do not )?move with the threshold "
    rf"\((?P<threshold>[\d.]+) is used\): (?P<first>.*?); (?P<last>.*?); a split in the shares asked for exists "
    rf"(?:from "
    rf"(?P<least>[\d.]+) on|at (?P<some>\d+) of (?P<all>\d+) thresholds)\.(?: Nearest neighbour with clusters apart: "
    rf"(?P<a>{NUMBER}) at (?P<at>[\d.]+) and (?P<b>{NUMBER}) at (?P<bt>[\d.]+)\.)?"
)
def _(told, found):
    at_threshold(found)
    assert number(found["images"]) == len(told.material.labels) and bool(found["aside"]) == told.audit["patients_known"]
    rows = [row for row in told.audit["sweep"] if row["clusters"]]
    by = {row["threshold"]: row for row in rows}
    sizes = {}
    for key in ("first", "last"):
        clusters, at, largest = re.fullmatch(rf"({COUNT}) at ([\d.]+), the largest of ({COUNT})", found[key]).groups()
        counts = Counter(components(told, float(at)))
        sizes[float(at)] = (number(clusters), number(largest))
        assert sizes[float(at)] == (len(counts), max(counts.values()))
    assert set(sizes) == {min(by), max(by)} and bool(found["do_not"]) == (len(set(sizes.values())) == 1)
    possible = [threshold for threshold, row in by.items() if row["split"]]
    if found["least"]:
        assert {t for t in by if t >= float(found["least"])} == set(possible) and float(found["least"]) in by
    else:
        assert (int(found["some"]), int(found["all"])) == (len(possible), len(by))
    tested = sorted(t for t, row in by.items() if row["neighbour"] is not None)
    assert bool(found["a"]) == (len(tested) > 1)
    if found["a"]:
        assert [float(found["at"]), float(found["bt"])] == [tested[0], tested[-1]]
        assert near(found["a"], by[tested[0]]["neighbour"]) and near(found["b"], by[tested[-1]]["neighbour"])


def components(told: Looked, threshold: float, more: tuple = ()) -> np.ndarray:
    return connected(len(told.material.labels), [*told.alike(threshold), *more])


def connected(count: int, pairs: list[tuple[int, int]]) -> np.ndarray:
    a, b = np.array(pairs, int).reshape(-1, 2).T
    return connected_components(coo_matrix((np.ones(len(a)), (a, b)), (count, count)), directed=False)[1]


# masks and files


@rule(
    rf"Preprocessing leaves less than 90% of what is marked in (?P<some>{COUNT}) of (?P<all>{COUNT}) "
    rf"(?P<images>images?) with "
    rf"truth(?:, nothing of (?P<none>{COUNT}))?: lesions are cut away or too small at this size\. Try (?P<pad>.* or "
    rf")?a larger "
    rf"data\.size\.{LOOK}"
)
def _(told, found):
    kept = told.material.truth_kept
    assert number(found["some"]) == (kept < 0.9).sum() and number(found["all"]) == np.isfinite(kept).sum()
    assert number(found["none"] or "0") == (kept == 0).sum() and many(found["images"], np.isfinite(kept).sum())
    assert found["look"] and all(kept[row] < 0.9 for row in told.rows(found["look"]))
    assert bool(found["pad"]) == (told.audit["fit"] != "pad")
    assert not found["pad"] or found["pad"] == (
        "--fit pad or " if told.audit["kind"] == "path" else "data.fit: pad or "
    )


@rule(
    rf"(?P<some>{COUNT}) of (?P<all>{COUNT}) masks? (?P<look>looks?) inverted, lesion and background swapped: "
    rf"(?P<they>they|it) "
    rf"covers? most of the image but a part inside, such as (?P<names>{IDS})\. If 0 is lesion in all of them, set "
    rf"data\.mask_value: 0\."
)
def _(told, found):
    odd = told.material.odd_masks
    assert (number(found["some"]), number(found["all"])) == (len(odd["inverted"]), odd["of"])
    assert many(found["look"], len(odd["inverted"])) and many(found["they"], len(odd["inverted"]))
    assert set(re.split(", | and ", found["names"])) <= set(odd["inverted"])


@rule(
    rf"(?P<some>{COUNT}) of (?P<all>{COUNT}) masks? (?P<cover>covers?) the whole image, .* Mend these masks or leave "
    rf"them out\."
)
def _(told, found):
    odd = told.material.odd_masks
    assert (number(found["some"]), number(found["all"])) == (len(odd["full"]), odd["of"])
    assert many(found["cover"], len(odd["full"]))


@rule(rf"(?P<count>{COUNT}) bad files? left out\. Repair (?P<them>it|them) and audit again: .*")
def _(told, found):
    assert number(found["count"]) == len(told.audit["quarantined"]) and many(found["them"], number(found["count"]))


# probes

NAME = {
    "Image facts alone (size, shape, mode, JPEG quality, bytes, mean, border pixels)": "facts",
    "Size, shape and empty margins alone": "shape",
    "The outermost pixels alone": "border",
}
WHICH = f"(?P<name>{'|'.join(map(re.escape, NAME))})"


def such(told: Looked, found: re.Match, row: dict) -> None:
    assert (found["look"] is None) == (not row["examples"])
    assert not found["look"] or [told.material.image_ids[i] for i in told.rows(found["look"])] == row["examples"]


def hides(told: Looked, text: str) -> None:
    """Whether advice on preprocessing names what is not set yet."""
    crop, fit = told.audit["crop"] != "body", told.audit["fit"] != "crop"
    assert ("crop body" in text or "crop: body" in text) == crop and ("fit crop" in text or "fit: crop" in text) == fit
    assert text.startswith("No setting is left") == (not crop and not fit)
    assert ("--" in text) == (told.audit["kind"] == "path" and (crop or fit))


@rule(
    rf"{WHICH} {TELL}: (?P<before>{SCORE}) \((?P<tested>{TESTED})\) with whole groups apart\. That is a "
    rf"shortcut(?P<person>, or "
    rf"what images of one person share who is in several clusters)?\. After preprocessing .*?scores? "
    rf"(?P<after>{SCORE}) "
    rf"\((?P<again>{TESTED})\): (?:(?P<gone>the cue is gone as far as this shows)|a model can use the cue)\.(?: "
    rf"(?P<advice>"
    rf"{SETTING}))?{LOOK}"
)
def _(told, found):
    kind_of(told, found)
    before, after = (told.probe(NAME[found["name"]], stage) for stage in ("raw", "preprocessed"))
    assert found_it(before) and scores(found["before"], before) and scores(found["after"], after)
    assert chances(found["tested"], before) and chances(found["again"], after)
    assert bool(found["gone"]) != found_it(after) and bool(found["person"]) != told.audit["patients_known"]
    such(told, found, before if found["gone"] else after)
    assert bool(found["advice"]) != bool(found["gone"])
    if found["advice"]:
        hides(told, found["advice"])


@rule(
    rf"{WHICH} {TELL} after preprocessing, (?P<after>{SCORE}) \((?P<again>{TESTED})\), with no evidence of it before, "
    rf"(?P<before>{SCORE}) \((?P<tested>{TESTED})\): a cue that a model can use came in\. (?:This study draws one in: "
    rf"(?P<cue>.*?)\.|(?P<advice>{SETTING})){LOOK}"
)
def _(told, found):
    kind_of(told, found)
    before, after = (told.probe(NAME[found["name"]], stage) for stage in ("raw", "preprocessed"))
    assert found_it(after) and not found_it(before)
    assert scores(found["before"], before) and scores(found["after"], after)
    assert chances(found["tested"], before) and chances(found["again"], after)
    such(told, found, after)
    if found["advice"]:
        hides(told, found["advice"])
    assert bool(found["cue"]) == bool(told.audit["shortcut"])
    assert not found["cue"] or drawn_in(told, found["cue"])


def drawn_in(told: Looked, text: str) -> bool:
    cue = told.audit["shortcut"]
    share, label, other = re.fullmatch(
        rf"corner mark in ({SHARE}) of class (\w+) and ({SHARE}) of the others", text
    ).groups()
    assert label == (cue["label"] or told.audit["classes"][-1])
    return is_share(share, cue["rate"]) and is_share(other, 1 - cue["rate"])


@rule(r"This study draws a cue in, (?P<cue>.*); no evidence that a trivial classifier finds it\.")
def _(told, found):
    assert drawn_in(told, found["cue"])
    assert not any(found_it(told.probe(name, "preprocessed")) for name in PROBES)


UNSEEN = rf"(?P<unseen>.*) \(chance (?P<chance>{NUMBER})\)\."


def unseen(told: Looked, found: re.Match) -> list[str]:
    """The probes that show nothing after preprocessing, with their scores."""
    names = re.findall(rf"({'|'.join(SHORT)}) ({SCORE})", found["unseen"])
    assert re.sub(rf"(?:{'|'.join(SHORT)}) {SCORE}|, | and ", "", found["unseen"]) == ""
    rows = {SHORT[name]: told.probe(SHORT[name], "preprocessed") for name, _ in names}
    assert all(scores(text, rows[SHORT[name]]) for name, text in names)
    hidden = [
        n for n in SHORT.values() if not found_it(told.probe(n, "raw")) and not found_it(told.probe(n, "preprocessed"))
    ]
    assert list(rows) == hidden and all(near(found["chance"], row["chance"]) for row in rows.values())
    return hidden


BELOW = r"(?: Below chance \((?P<below>.*)\) is what few groups of mixed classes make of it\.)?"


@rule(
    rf"Whether cues {TELL} is not tested: (?P<groups>{COUNT}) groups?, and fewer than 20 raise no alarm\. After "
    rf"preprocessing: "
    rf"{UNSEEN}"
)
def _(told, found):
    kind_of(told, found)
    unseen(told, found)
    assert number(found["groups"]) == told.probe("facts", "raw")["groups"] < LEAST
    assert ("groups," in found.string) == (number(found["groups"]) != 1)


@rule(
    rf"No evidence that they {TELL} after preprocessing: {UNSEEN} That is no proof that there is no shortcut\.{BELOW}"
)
def _(told, found):
    kind_of(told, found)
    names = unseen(told, found)
    assert told.probe("facts", "raw")["groups"] >= LEAST
    said = [SHORT[name] for name in re.split(", | and ", found["below"])] if found["below"] else []
    assert said == [name for name in names if under(told.probe(name, "preprocessed"))]


@rule(r"None of 5 trivial classifiers can be tested with whole groups apart: (?P<why>.*)\.")
def _(told, found):
    rows = [told.probe(name, stage) for name in PROBES for stage in ("raw", "preprocessed")]
    assert all(row["balanced_accuracy"] is None and row["reason"] == found["why"] for row in rows)


@rule(
    rf"Without its middle half the image still {TELL}: (?P<before>{SCORE}) as it came \((?P<tested>{TESTED})\), "
    rf"(?P<after>{SCORE}) "
    rf"after preprocessing \((?P<again>{TESTED})\)\. Where disease does not reach that far, that is a shortcut\."
)
def _(told, found):
    kind_of(told, found)
    before, after = (told.probe("outside", stage) for stage in ("raw", "preprocessed"))
    assert found_it(before) or found_it(after)
    assert scores(found["before"], before) and scores(found["after"], after)
    assert chances(found["tested"], before) and chances(found["again"], after)


@rule(rf"(?P<some>{COUNT}) of (?P<all>{COUNT}) (?P<images>images?) (?P<are>is|are) not square\.")
def _(told, found):
    assert (number(found["some"]), number(found["all"])) == (told.odd.sum(), len(told.odd)) and len(told.names) == 1
    assert many(found["are"], told.odd.sum()) and many(found["images"], len(told.odd))


@rule(
    rf"(?P<some>{COUNT}) images? (?P<are>is|are) not square: (?P<held>.*?)\. (?P<rest>(?:Whether that|In no "
    rf"class|With no label|"
    rf"They are more frequent) .*)"
)
def _(told, found):
    row = told.audit["nonsquare"]
    assert number(found["some"]) == told.odd.sum() and many(found["are"], told.odd.sum())
    said = {
        name: (number(a), number(b)) for a, b, name in re.findall(rf"({COUNT}) of ({COUNT}) in (\w+)", found["held"])
    }
    true = {name: (int(told.odd[has].sum()), int(has.sum())) for name, has in zip(told.names, told.held.T, strict=True)}
    assert said == {name: counts for name, counts in true.items() if counts[0]}
    rule_of_rest.check((told, row), found["rest"])


rule_of_rest = Rules()


@rule_of_rest(
    r"Whether that (?P<kind>tells .*) is not tested: (?P<groups>[\d,]+) groups?, and fewer than 20 raise no alarm\."
)
def _(of, found):
    told, row = of
    assert row["p"] is None and number(found["groups"]) == len(set(told.material.groups)) < LEAST
    assert ("labels" in found["kind"]) == told.several


@rule_of_rest(rf"(?:In no class|With no label) are they significantly more frequent \(p = (?P<p>{NUMBER})\)\.")
def _(of, found):
    told, row = of
    assert row["p"] > LEVEL and near(found["p"], row["p"]) and found[0].startswith("With no label") == told.several


@rule_of_rest(
    rf"They are more frequent (?:in some classes|with some labels) \(p = (?P<p>{NUMBER})\), and in (?P<groups>{COUNT}) "
    rf"(?P<plural>groups?)\. (?:Whether preprocessing hides it cannot be tested: (?P<why>.*)\.|After preprocessing "
    rf"linear models "
    rf"try to tell them from (?:the other images of their class|other images) by (?P<scores>.*), chance "
    rf"(?P<chance>{NUMBER}): "
    rf"(?P<verdict>they are still known by (?P<known>.*?)|too few to say whether they are still known|no evidence "
    rf"that they "
    rf"are still known)\.{BELOW}(?: (?P<advice>{SETTING}){LOOK})?)"
)
def _(of, found):
    told, row = of
    assert row["p"] <= LEVEL and near(found["p"], row["p"]) and ("with some labels" in found[0]) == told.several
    groups = len(set(told.material.groups[told.odd]))
    assert number(found["groups"]) == groups and many(found["plural"], groups)
    rows = {name: row[f"probe_{key}"] for name, key in ODD.items()}
    measured = {name: one for name, one in rows.items() if one["balanced_accuracy"] is not None}
    assert bool(found["why"]) == (not measured)
    if not measured:
        assert found["why"] == rows["all but the middle half"]["reason"]
        return
    for name, one in rows.items():
        (text,) = re.findall(rf"{name} \(((?:[^()]|\([^()]*\))*)\)", found["scores"])
        assert scores(text, one) if name in measured else text == one["reason"]
    assert all(near(found["chance"], one["chance"]) for one in measured.values())
    known = [name for name, one in measured.items() if found_it(one)]
    assert (re.split(", | and ", found["known"]) if found["known"] else []) == known
    wide = any(
        one["p"] is None or one["high"] is None or one["high"] >= one["chance"] + 0.1 for one in measured.values()
    )
    assert known or found["verdict"].startswith("too few") == wide
    said = re.split(", | and ", found["below"]) if found["below"] else []
    assert said == [name for name, one in measured.items() if under(one)]
    assert bool(found["advice"]) == bool({"margins", "the outermost pixels"} & set(known))
    if found["advice"]:
        hides(told, found["advice"])
        assert all(told.odd[i] for i in told.rows(found["look"]))


SEAM = rf"from the seam alone a classifier tells planted from sham with (?P<score>{SCORE}) \((?P<tested>{TESTED})\)\."


@rule(
    rf"(?:(?P<few>{COUNT}) groups are too few to test whether plants leave a cue|(?P<cue>The plants leave a cue)|No "
    rf"evidence that "
    rf"the plants leave a cue): {SEAM}"
)
def _(told, found):
    row = told.audit["seams"]
    assert scores(found["score"], row) and chances(found["tested"], row)
    assert bool(found["few"]) == (row["p"] is None) and (not found["few"] or number(found["few"]) == row["groups"])
    assert bool(found["cue"]) == found_it(row)


# words of the report


def check_report(told: Looked) -> None:
    """How many pairs are said to conflict and to be shown, which cue was planted, and which labels have few groups."""
    audit, pixels = told.audit, np.zeros((len(told.material.labels), 1, 4, 4), np.uint8)
    shown, text = data.conflicts(SimpleNamespace(audit=audit, pixels=pixels))
    true = told.across(told.alike()) if audit["kind"] != "planted" else []
    assert len(shown) == min(len(true), data.PAIRS)
    if not true:
        assert text == ""
    elif len(true) == 1:
        assert text == "One pair of images is the same or looks alike, and has different labels."
    else:
        more = f" Here are the {len(shown)} most alike." if len(shown) < len(true) else ""
        assert text == f"{len(true):,} pairs of images are the same or look alike, and have different labels.{more}"
    ordered = sorted((told.pairs[pair] for pair in true), reverse=True)
    for conflict, similarity in zip(shown, ordered, strict=False):
        kind, _, value = conflict.note.partition(", similarity ")
        assert float(value) <= similarity < float(value) + 0.001
        a, b = (told.rows(picture.image_id)[0] for picture in conflict.pictures)
        assert similarity == told.pairs[min(a, b), max(a, b)]
        same = {"Same file": told.material.sha256, "The same file": told.material.sha256}.get(kind)
        assert same is None or same[a] == same[b]
    cue = findings.shortcut(audit)
    assert (cue is None) == (audit["shortcut"] is None)
    if cue:
        share, label, other = re.search(
            rf"({SHARE}) of the images of class (\w+) and of ({SHARE}) of all others", cue
        ).groups()
        rate = audit["shortcut"]["rate"]
        assert is_share(share, rate) and is_share(other, 1 - rate)
        assert label == (audit["shortcut"]["label"] or audit["classes"][-1])
    asked = data_tables.probed(audit)
    if told.several and audit["probed"]:
        names = re.search(r"\((.*)\)", asked)[1]
        assert (names == "every label") == (audit["probed"] == told.names)
        assert names == "every label" or names.split(", ") == audit["probed"]
    else:
        assert asked == ""


# drawn audits


def probe(rng, groups: int, chance: float, why: str, tested: bool) -> dict:
    """Numbers of a probe; none where there is a reason why."""
    if why:
        none = dict.fromkeys(("balanced_accuracy", "low", "high", "p"))
        return none | {"chance": chance, "groups": groups, "reason": why}
    value, half = rng.choice([chance, chance, 0.2, 0.8]) + rng.uniform(-0.05, 0.05), rng.choice([0.03, 0.1, 0.3])
    row = {"balanced_accuracy": value, "low": max(0.0, value - half), "high": min(1.0, value + half), "reason": ""}
    if rng.random() < 0.15:
        row |= {"low": None, "high": None, "reason": "too few groups for an interval"}
    p = None if groups < LEAST or not tested else rng.choice([1 / 80, 0.2]) if value > chance else 0.8
    return row | {"chance": chance, "p": p, "groups": groups}


@cache
def draw(number: int) -> Looked:
    rng = np.random.default_rng(number)
    several, known = bool(rng.random() < 0.25), bool(rng.random() < 0.5)
    count, patients = int(rng.choice([8, 30, 60])), int(rng.choice([4, 15, 30]))
    names = ["ill", "well", "odd"][: int(rng.choice([1, 2, 2, 3])) if not several else 3]
    of = rng.integers(0, patients, count)
    label = rng.integers(0, len(names), count)
    truth = rng.random((count, len(names))) < 0.5 if several else label[:, None] == np.arange(len(names))
    sets, labels = np.unique(truth, axis=0, return_inverse=True) if several else (None, label)
    labels = labels.ravel()
    classes = names if not several else ["+".join(np.array(names)[row]) or "none" for row in sets]
    files, pictures, pairs = np.arange(count), np.arange(count), {}
    for _ in range(int(rng.choice([0, 2, 8]))):
        a, b = sorted(rng.choice(count, 2, replace=False))
        pictures[pictures == pictures[b]] = pictures[a]
        if rng.random() < 0.5:
            files[files == files[b]] = files[a]
    for key in set(files):  # one file is one picture
        pictures[np.isin(pictures, pictures[files == key])] = pictures[files == key][0]
    for a, b in itertools.combinations(range(count), 2):
        if pictures[a] == pictures[b]:
            pairs[a, b] = 1.0
    for _ in range(int(rng.choice([0, 1, 6, 20]))):
        a, b = sorted(rng.choice(count, 2, replace=False).tolist())
        pairs.setdefault((a, b), float(rng.uniform(0.9, 1)))
    above = [pair for pair, similarity in pairs.items() if similarity >= THRESHOLD]
    same = [(a, b) for a, b in itertools.combinations(range(count), 2) if of[a] == of[b]] if known else []
    clusters = connected(count, [*above, *same])
    by = rng.choice(["patient", "random", "column", "lookalike", "all", ""]) if known else ""
    by = by or rng.choice(["random", "column", "lookalike", "all", "none"])
    by = None if by == "none" else str(by)
    kind = {"lookalike": "lookalike", "random": "patient" if known else "image"}.get(
        by, "patient" if known else "lookalike"
    )
    groups = of if kind == "patient" else clusters if kind == "lookalike" else np.arange(count)
    folds = int(rng.choice([1, 3])) if by in ("patient", "random", "lookalike") else 1
    units = {"patient": of, "lookalike": clusters}.get(by, np.arange(count))
    if by == "column" and rng.random() < 0.3:
        units = connected(
            count, [*above, *[(a, b) for a, b in itertools.combinations(range(count), 2) if of[a] == of[b]]]
        )
    dealt = rng.integers(0, 3, units.max() + 1)[units]
    dealt[units == units[0]], dealt[units == units[-1]] = 0, 2
    parts = np.array(["test", "val", "train"])
    splits = {f"fold{f}": parts[(dealt + f) % 3] for f in range(folds)} if by not in (None, "all") else {}
    if not all((split == "test").any() for split in splits.values()):
        splits = {"fold0": parts[dealt]}
    if by == "all":
        splits = {"fold0": np.full(count, "test")}
    ids = (
        [f"p{p:02d}-{i}.png" for i, p in enumerate(of)]
        if rng.random() < 0.5
        else [f"x{i:03d}.png" for i in range(count)]
    )
    kept = None
    if rng.random() < 0.5:
        kept = rng.choice([1.0, 0.95, 0.5, 0.0, np.nan], count, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    inverted, full = ([f"m{k}{i}.png" for i in range(rng.choice([0, 1, 2, 5]))] for k in "if")
    odd_masks = {"inverted": inverted, "full": full, "of": len(inverted) + len(full) + 3}
    material = Material(
        image_ids=np.array(ids),
        labels=labels,
        classes=classes,
        sha256=files,
        pictures=pictures,
        groups=groups,
        group_kind=kind,
        raw=None,
        fitted=None,
        split_by=by,
        patients_known=known,
        truth_kept=kept,
        odd_masks=odd_masks,
        splits=splits,
        label_names=names if several else None,
        truth=truth if several else None,
    )
    order = sorted(pairs)
    every = Pairs(*np.array(order, int).reshape(-1, 2).T, np.array([pairs[pair] for pair in order], float))
    odd = rng.random(count) < rng.choice([0, 0.1, 0.5])
    looked = Looked({}, material, pairs, names, truth, odd)
    looked.audit = found(rng, looked, every, material, clusters)
    return looked


def found(rng, looked: Looked, every: Pairs, material: Material, clusters: np.ndarray) -> dict:
    """The content of `audit.json`: counted by the functions of the audit, the probes drawn."""
    pairs, groups = every.above(THRESHOLD), len(set(material.groups))
    near_by, count = neighbours(len(material.labels), every), len(material.labels)
    drawn = random_leaks(material.labels, (0.6, 0.2, 0.2), near_by, [THRESHOLD], 20, rng)
    chance, why = (
        0.5 if looked.several else 1 / len(looked.names),
        "" if rng.random() < 0.85 else "ill has too few groups",
    )
    probes = []
    for stage, name, split in itertools.product(("raw", "preprocessed"), PROBES, ("random", "grouped")):
        tested = split == "grouped" and name != "neighbour"
        row = probe(rng, groups, chance, why if split == "grouped" else "", tested)
        examples = {"examples": rng.choice(material.image_ids, int(rng.integers(0, 3)), replace=False).tolist()}
        probes.append({"probe": name, "stage": stage, "split": split} | row | (examples if tested else {}))
    sweep = []
    for threshold in SWEEP:
        sizes = Counter(connected(count, looked.alike(threshold)).tolist())
        row = {
            "threshold": threshold,
            "clusters": len(sizes),
            "largest": max(sizes.values()),
            "split": rng.random() < 0.6,
        }
        row |= {"neighbour": rng.choice([None, 0.5 + rng.random() / 2])}
        sweep.append(row if rng.random() < 0.9 else row | {"clusters": None, "largest": None, "split": False})
    nonsquare = None
    if looked.odd.any():
        few = groups < LEAST or len(looked.names) == 1
        nonsquare = {
            "images": int(looked.odd.sum()),
            "by_class": dict(zip(looked.names, looked.held[looked.odd].sum(0).tolist(), strict=True)),
            "groups": len(set(material.groups[looked.odd])),
            "of": groups,
            "p": None if few else rng.choice([1 / 80, 1 / 80, 0.4]),
            "examples": material.image_ids[looked.odd][:3].tolist(),
        }
        none = rng.random() < 0.2
        for key in ("preprocessed", "border", "outside"):
            reason = "not square has too few groups" if none else rng.choice(["", "", "", "these pixels are the same"])
            nonsquare[f"probe_{key}"] = probe(rng, groups, 0.5, reason, True)
    raw = {(r["probe"], r["stage"], r["split"]): r["balanced_accuracy"] for r in probes}
    random, grouped = (raw["neighbour", "raw", split] for split in ("random", "grouped"))
    memory = None
    if grouped is not None and groups >= LEAST:
        memory = rng.choice([0.0025, 0.3]) if random > grouped else 0.7
    shortcut = None
    if rng.random() < 0.3 and not looked.several:
        shortcut = {
            "kind": "corner_mark",
            "rate": rng.choice([0.9, 0.997]),
            "label": rng.choice([None, looked.names[0]]),
        }
    kind = rng.choice(["folder", "table", "planted"]) if material.splits else "path"
    result = {
        "images": count,
        "groups": groups,
        "group_kind": material.group_kind,
        "split_by": material.split_by,
        "crop": rng.choice(["none", "body"]),
        "fit": rng.choice(["crop", "pad", "stretch"]),
        "patients_known": material.patients_known,
        "threshold": THRESHOLD,
        "classes": looked.names,
        "counts": dict(zip(looked.names, looked.held.sum(0).tolist(), strict=True)),
        "duplicates": {
            "bytes": count_duplicates(material.sha256, material.labels),
            "pixels": count_duplicates(material.pictures, material.labels),
            "lookalikes": count_pairs(pairs, material),
        },
        **named_pairs(material, pairs, pair_kinds(material, pairs)),
        "series": None,
        "leak": {
            "split": {fold: _leak(split, near_by, THRESHOLD) for fold, split in material.splits.items()},
            "random": _spread(drawn[:, 0]),
        },
        "sweep": sweep,
        "probes": probes,
        "memory_p": memory,
        "nonsquare": nonsquare,
        "truth_lost": truth_lost(material),
        "quarantined": [{"source": f"{i}.png"} for i in range(rng.choice([0, 0, 1, 3]))],
        "seams": probe(rng, groups, 0.5, rng.choice(["", "all alike"]), True) if kind == "planted" else None,
        "shortcut": shortcut,
        "kind": kind,
    }
    if not material.patients_known:
        result["series"] = find_series(material.image_ids.tolist(), material.labels, material.used)
    odd = material.odd_masks
    if odd["inverted"] or odd["full"]:
        counts = {"inverted": len(odd["inverted"]), "full": len(odd["full"]), "of": odd["of"]}
        result["odd_masks"] = counts | {"images": [*odd["inverted"], *odd["full"]][:3]}
    if material.split_by == "column":
        result["crossing"] = count_crossing(pairs, material)
    if looked.several:
        result |= {"task": "multilabel", "sets": len(material.classes)}
        result["probed"] = looked.names[: int(rng.integers(0, 4))]
    return result


@pytest.mark.parametrize("number", [*range(6), *(pytest.param(n, marks=pytest.mark.slow) for n in range(6, 80))])
def test_every_sentence_is_true(number):
    told = draw(number)
    texts = [row["text"] for row in sentences(told.audit)]
    for text in texts:
        rule.check(told, text)
    assert len(set(texts)) == len(texts)
    check_report(told)


def test_the_rules_notice_another_name_and_another_number():
    tried = 0
    for number in range(12):
        told = draw(number)
        for row in sentences(told.audit):
            tried += rule.check_spoiled(told, row["text"], told.names)
    assert tried > 200
