"""Statements of an audit as sentences: one template a kind."""

from collections.abc import Callable, Mapping

from heatproof.catalogue.reasons import REASONS
from heatproof.core.statements import Statement
from heatproof.text.numbers import counted, interval, listed, number, p_equals, share, span

ALIKE = "images that look alike (similarity {threshold} or more)"
MEMORY = "a model can answer them from memory"
NEIGHBOUR = "Nearest neighbour on 32 x 32 thumbnails scores {random} under a random split"
CLUSTERS = (
    "with the threshold ({threshold} is used): {lowest_clusters} at {lowest_threshold}, the "
    "largest of {lowest_largest}; {highest_clusters} at {highest_threshold}, the largest of {highest_largest}; a split "
    "in the requested shares exists at {possible} of {steps} thresholds."
)
ODD = (
    "{images} not square: {held}. They are more frequent in some {classes} ({p}), and in {groups}. After preprocessing "
    "linear models try to tell them from the others by {scores}, chance {chance}: "
)
RANDOM = "In a random split {share} of the test images have a look-alike in training ({shares} in 95% of {draws})"
SEAM = "from the seam alone a classifier tells planted from sham with {forest_tested}."
STEM = "Is the stem the patient? If so, read it: {setting}."
TEMPLATES = {
    "conflict.file": "Different labels on {pairs} of files that are the same byte for byte: a label of each pair is "
    "wrong. Correct or remove them.",
    "conflict.picture": "Different labels on {pairs} of files that hold the same picture: a label of each pair is "
    "wrong. Correct or remove them.",
    "conflict.lookalikes": f"Different labels on {{pairs}} of {ALIKE}: a label is wrong, or images with different "
    "labels can look the same.",
    "given_split.crossed": "The split came with the images and stays as it is. In two parts of it: {crossing}. A model "
    "can answer such test images from memory. Without data.split.by: {by} heatproof splits whole groups.",
    "given_split.kept": "The split came with the images and stays as it is: in two parts are no {patient}two "
    f"{ALIKE}.",
    "leak.none": "In the split in use 0% of the test images have a look-alike in training (similarity {threshold} or "
    "more).",
    "leak.split": "In the split in use {shares} of the test images have a look-alike in training (similarity "
    f"{{threshold}} or more): {MEMORY}.",
    "random_split.none": f"{RANDOM}.",
    "random_split.little": f"{RANDOM}: an accuracy measured on one may be a little too high.",
    "random_split.some": f"{RANDOM}: an accuracy measured on one may be too high.",
    "random_split.much": f"{RANDOM}: an accuracy measured on one says little.",
    "memory.untested": f"{NEIGHBOUR} (balanced accuracy; chance {{random_chance}}); the grouped split has too few "
    "groups to test it.",
    "memory.no_evidence": f"{NEIGHBOUR} and {{grouped}} under the grouped one (balanced accuracy; chance "
    "{random_chance}): no evidence that grouping makes a difference.",
    "memory.gains": f"{NEIGHBOUR} and {{grouped}} under the grouped one (balanced accuracy; chance {{random_chance}}; "
    "{p}): the difference is what images of one group give away on both sides.",
    "names.across_split": "In the split in use {most}{share} of the test images have a file name that differs only in "
    f"its number or letter from one in training, such as {{examples}}. {STEM}",
    "names.numbered": f"The names of {{images}} share {{stems}}, such as {{examples}}. {STEM}",
    "cue.gone": "{probe} {tell}: {before_tested} with whole groups apart. {shortcut} After preprocessing {left} "
    "{after_tested}: the cue is gone as far as this shows.",
    "cue.left": "{probe} {tell}: {before_tested} with whole groups apart. {shortcut} After preprocessing {left} "
    "{after_tested}: a model can use the cue.",
    "cue.came_in": "{probe} {tell} after preprocessing, {after_tested}, with no evidence of it before, "
    "{before_tested}: a cue that a model can use came in.",
    "cue.added": "The study adds a cue on purpose: {cue} in {rate} of the images of {class} and {rate_others} of all "
    "others. It has nothing to do with disease; simple classifiers and honest heatmaps must find it.",
    "cue.added_not_found": "The study adds a cue on purpose, {cue} in {rate} of the images of {class} and "
    "{rate_others} of all others; no evidence that a trivial classifier finds it.",
    "cue.untested": "Whether cues {tell} is not tested: {groups}, and fewer than {least} raise no alarm. After "
    "preprocessing: {scores} (chance {chance}).",
    "cue.no_evidence": "No evidence that cues {tell} after preprocessing: {scores} (chance {chance}). That is no proof "
    "that there is no shortcut.",
    "cue.no_folds": "None of {probes} trivial classifiers can be tested with whole groups apart: {reason}.",
    "cue.outside": "Images without their middle half still {tell}: {before_tested} as they came, {after_tested} after "
    "preprocessing. Where disease does not reach that far, that is a shortcut.",
    "column.tells": "{column} alone {tells}: {alone_tested} with whole groups apart. {share} of the images of {class} "
    "are {value}, and {share_others} of all others. A model can learn the difference in place of the disease.",
    "column.together": "{class} and {column} go together: {share} of its images are {value}, and {share_others} of all "
    "others. What a model learns of one it learns of the other, and no test on these images can tell which it was.",
    "column.untested": "Whether columns of the table {tell} is not tested for all of them: fewer than {least} groups "
    "raise no alarm. Alone they score {columns_scored} (chance {chance}).",
    "column.no_evidence": "No evidence that columns of the table {tell}: alone they score {columns_scored} (chance "
    "{chance}).",
    "nonsquare.one_class": "{images} of {all} not square.",
    "nonsquare.untested": "{images} not square: {held}. Whether that {tells} is not tested: {groups}, and fewer than "
    "{least} raise no alarm.",
    "nonsquare.even": "{images} not square: {held}. No {class_} has significantly more of them ({p}).",
    "nonsquare.unknown": "{images} not square: {held}. They are more frequent in some {classes} ({p}), and in "
    "{groups}. Whether preprocessing hides it cannot be tested: {reason}.",
    "nonsquare.known": f"{ODD}they are still known by {{known}}.",
    "nonsquare.too_few": f"{ODD}too few to say whether they are still known.",
    "nonsquare.no_evidence": f"{ODD}no evidence that they are still known.",
    "truth.cut": "Preprocessing leaves less than 90% of what is marked in {images} of {of} with truth, nothing is left "
    "in {nothing}: lesions are cut away or too small at this size.",
    "masks.inverted": "{some} of {masks} inverted, lesion and background swapped: most of the image is covered but a "
    "part inside, such as {examples}. If 0 is lesion in all of them, set data.mask_value: 0.",
    "masks.full": "{some} of {masks} on the whole image, which every heatmap would find: such images get no "
    "localization score. Fix these masks or leave them out.",
    "seams.untested": f"Too few to test whether plants leave a cue, {{groups}}: {SEAM}",
    "seams.cue": f"The plants leave a cue: {SEAM}",
    "seams.no_evidence": f"No evidence that the plants leave a cue: {SEAM}",
    "copies.files": "{pairs} of the same file, in {images}.",
    "copies.none": "Of {files} 0 are the same byte for byte as another.",
    "copies.pictures": "{pairs} of files that differ but hold the same picture.",
    "patients.alike": "{pairs} of images of different patients with similarity {threshold} or more: they may be one "
    "person under two ids.",
    "groups.united": "The {groups} are whole patients, joined where images look alike.",
    "groups.clusters": "The {groups} are clusters of look-alikes, not patients: they bound the leak, and "
    "one person may be in several. p-values and intervals that rest on them may be too small.",
    "clusters.move": f"The clusters of {{images}}{{aside}} move {CLUSTERS}",
    "clusters.stay": f"The clusters of {{images}}{{aside}} do not move {CLUSTERS}",
    "clusters.memory": "Nearest neighbour with clusters apart: {lowest_accuracy} at {lowest_threshold} and "
    "{highest_accuracy} at {highest_threshold}.",
    "files.left_out": "{files} left out. Repair and audit again: what is left out may not be spread evenly over the "
    "classes.",
}
SOURCES = {  # after training
    "source.kept": "Within each {column} {model} performs above chance. Its balanced accuracy is {every} over all test "
    "images, and {lowest_tested} where {column} is {value}.",
    "source.lost": "No evidence that {model} performs above chance where {column} is {values}. Its balanced accuracy "
    "is {every} over all test images, and {lowest_tested} where {column} is {value}: it may tell the classes apart by "
    "{column}.",
    "source.untested": "Whether the accuracy of {model} holds within each {column} is not tested: fewer than two "
    "values have images of two classes in {least} groups.",
    "source.heatmaps_differ": "Heatmaps differ with {column} in {apart} of {tests} comparisons within classes, most in "
    "{metric} of {method} for {model}: {lower} where it is {lower_value}, {higher} where it is {higher_value} ({p}, "
    "corrected).",
    "source.heatmaps_alike": "No evidence that heatmaps differ with {column} within a class, in {tests} comparisons "
    "(smallest corrected {p}).",
    "blanked.falls": "With the {region} of the images blanked, the balanced accuracy of {model} falls from {whole} "
    "to {blanked} (by {drop} [{drop_low}, {drop_high}], chance {chance}): it uses the {region}, or is confused without "
    "it.",
    "blanked.kept": "With the {region} of the images blanked, the balanced accuracy of {model} is {blanked}, and "
    "{whole} as they are: no evidence that it uses the {region}.",
    "blanked.untested": "With the {region} of the images blanked, the balanced accuracy of {model} is {blanked}, and "
    "{whole} as they are; fewer than {least} groups do not tell whether it uses the {region}.",
    "source.heatmaps_untested": "Whether heatmaps differ with {column} is not tested: fewer than {least} groups.",
}
ADVICE = {
    "two_ids": "Patients are kept apart, yet some may have two ids.",
    "split_by_patient": "Split by patient; without ids, keep look-alikes together.",
    "move_lookalikes": "Move the look-alikes to one part, or let heatproof split: data.split.by: auto.",
    "keep_patients": "The split ignores the patients that are known. Keep them together: data.split.by: patient.",
    "keep_lookalikes": "Keep look-alikes together: data.split.by: lookalike.",
    "nothing_hides": "No setting is left that could hide it: compare how images of the classes were made, or crop them "
    "yourself.",
    "added": "This study adds one on purpose.",
}
# a probe as the subject of a sentence, in a list, and what is left of it after preprocessing
PROBES = {
    "facts": (
        "Image facts alone (size, shape, mode, JPEG quality, bytes, mean, border pixels)",
        "what is left of the facts",
        "what is left of them (margins, mean, border pixels) scores",
    ),
    "shape": ("Size, shape and empty margins alone", "margins", "what is left of them (margins) scores"),
    "border": ("The outermost pixels alone", "border", "they score"),
    "nonsquare": ("", "margins", ""),
    "nonsquare_border": ("", "the outermost pixels", ""),
    "nonsquare_outside": ("", "all but the middle half", ""),
}
SHORTCUT = {
    "patients": "That is a shortcut.",
    "clusters": "That is a shortcut, or what images of one person share who is in several clusters.",
}
CUES = {
    "corner_mark": "a mark in the corner",
    "text_tag": "a text tag in the corner",
    "vignette": "a vignette",
    "noise": "added noise",
    "contrast": "a contrast shift",
}
TELL = {"class": "the classes apart", "label": "apart which labels an image has"}
COUNTED = {  # number -> its unit
    "pairs": ("pair",),
    "images": ("image",),
    "masks": ("mask",),
    "files": ("file",),
    "patients": ("patient",),
    "groups": ("group",),
    "stems": ("stem",),
    "draws": ("split",),
    "lowest_clusters": ("cluster",),
    "highest_clusters": ("cluster",),
}
SHARES = ("share", "share_others", "share_low", "share_high", "rate", "rate_others")


def sentence(statement: Statement) -> str:
    """Return a statement of an audit in words.

    >>> sentence(Statement("copies.files", numbers={"pairs": 3, "images": 6}))
    '3 pairs of the same file, in 6 images.'
    """
    subjects = statement.subjects
    text = (TEMPLATES | SOURCES)[statement.kind].format_map(_fields(statement))
    if "below" in subjects:
        text += f" Below chance ({_probes(subjects['below'])}) is what few groups of mixed classes make of it."
    if "advice" in subjects:
        text += f" {ADVICE[subjects['advice'][0]]}"
    if "settings" in subjects:
        text += f" Try {' or '.join(subjects['settings'])}, and audit again."
    if "look_at" in subjects:
        text += f" Look at {listed(subjects['look_at'])}."
    return text


def because(reason: str, lacks: str = "") -> str:
    """Return why a number is missing, given the code and the class that lacks something.

    >>> because("few_groups", "ill")
    'fewer than two groups, to learn from and to test on, have class ill'
    """
    return " ".join(filter(None, [REASONS[reason].text, lacks]))


def cue(kind: str) -> str:
    """Return what is drawn into images on purpose."""
    return CUES.get(kind, kind.replace("_", " "))


def _probes(names: tuple[str, ...]) -> str:
    return listed([PROBES[name][1] for name in names])


def _fields(statement: Statement) -> dict[str, str]:
    """Return what a template may name: numbers by their units, and subjects."""
    numbers, subjects = statement.numbers, statement.subjects
    fields = {name: _written(name, value) for name, value in numbers.items() if value is not None}
    fields |= {role: listed(names) for role, names in subjects.items()}
    for name in [name for name in numbers if f"{name}_low" in numbers and f"{name}_chance" in numbers]:
        fields[name] = _scored(numbers, name)
        chance, p = f"chance {number(numbers[f'{name}_chance'])}", numbers[f"{name}_p"]
        fields[f"{name}_tested"] = f"{fields[name]} ({', '.join([chance, *([] if p is None else [p_equals(p)])])})"
    if "share_low" in numbers:
        fields["shares"] = span([numbers["share_low"], numbers["share_high"]], share)
    made: Mapping[str, Callable[[], str]] = {
        "probe": lambda: PROBES[subjects["probe"][0]][0],
        "left": lambda: PROBES[subjects["probe"][0]][2],
        "known": lambda: _probes(subjects["known"]),
        "patient": lambda: "patient, and no " if "known" in subjects else "",
        "scores": lambda: listed([f"{PROBES[name][1]} {_scored(numbers, name)}" for name in subjects["probes"]]),
        "shortcut": lambda: SHORTCUT[subjects["groups"][0]],
        "tell": lambda: f"tell {TELL[subjects['per'][0]]}",
        "columns_scored": lambda: listed(
            [f"{name} {_scored(numbers, f'column {name}')}" for name in subjects["columns"]]
        ),
        "tells": lambda: f"tells {TELL[subjects['per'][0]]}",
        "cue": lambda: cue(subjects["cue"][0]),
        "reason": lambda: because(statement.reason, *subjects.get("lacks", ())),
        "held": lambda: listed(
            [f"{numbers[f'in {name}']:,} of {numbers[f'all {name}']:,} in {name}" for name in subjects["classes"]]
        ),
        "classes": lambda: {"class": "classes", "label": "labels"}[subjects["per"][0]],
        "class_": lambda: subjects["per"][0],
        "most": lambda: "up to " if numbers["folds"] > 1 else "",  # it is that of the fold where most are
        "aside": lambda: ", patients aside," if "aside" in subjects else "",
        "crossing": lambda: _crossing(numbers),
    }
    return _Lazy(fields, made)


class _Lazy(dict):
    """Fields, and those that are made when a template names them."""

    def __init__(self, fields: dict[str, str], made: Mapping[str, Callable[[], str]]):
        super().__init__({name: text for name, text in fields.items() if name not in made})
        self.made = made

    def __missing__(self, name: str) -> str:
        return self.made[name]()


def _written(name: str, value: float) -> str:
    if name in COUNTED:
        return counted(value, *COUNTED[name])
    if name in SHARES:
        return share(value)
    if name == "p":
        return p_equals(value)
    if name.endswith("threshold"):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else number(value)


def _scored(numbers: Mapping[str, float | None], name: str) -> str:
    """`0.53 [0.46, 0.60]`; in brackets why there is no number, or no interval."""
    if numbers[name] is None:
        return "(not testable)"
    text = interval(*(numbers[key] for key in (name, f"{name}_low", f"{name}_high")))
    return text if numbers[f"{name}_low"] is not None else f"{text} (no interval: too few groups)"


def _crossing(numbers: Mapping[str, float | None]) -> str:
    parts = []
    if numbers["patients"]:
        patients = f"{numbers['patients']:,} of {counted(numbers['of'], 'patient')}"
        parts.append(f"{patients}, with {counted(numbers['images'], 'test image')}")
    if numbers["pairs"]:
        parts.append(
            f"{counted(numbers['pairs'], 'pair')} of {ALIKE.format(threshold=format(numbers['threshold'], 'g'))}"
        )
    return listed(parts)
