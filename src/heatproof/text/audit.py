"""Statements of an audit as sentences: one template a kind."""

from collections.abc import Callable, Mapping

from heatproof.catalogue.reasons import REASONS
from heatproof.core.statements import Statement
from heatproof.text.numbers import counted, interval, listed, number, p_equals, share, span

ALIKE = "look-alike images (similarity {threshold} or more)"
NEIGHBOUR = "a nearest neighbour on 32 x 32 thumbnails scores {random} with a random split"
CLUSTERS = (
    "{lowest_clusters} at {lowest_threshold} (largest: {lowest_largest} images), {highest_clusters} at "
    "{highest_threshold} (largest: {highest_largest}); {threshold} is used. A split with the requested shares exists "
    "at {possible} of {steps} thresholds."
)
ODD = (
    "Not square: {images} ({held}). Such images are more frequent in some {classes} ({p}), and come from "
    "{groups}. After preprocessing, linear models try to separate them from the others by {scores} (chance {chance}): "
)
RANDOM = "With a random split, {share} of the test images have a look-alike in training ({shares} in 95% of {draws})"
SEAM = "from the seam alone, a classifier separates planted from sham images with {forest_tested}."
STEM = "Does the stem of the name identify the patient? If so, set {setting}."
TEMPLATES = {
    "conflict.file": "Wrong labels on {pairs} of identical files: the labels within a pair differ. Correct or remove "
    "them.",
    "conflict.picture": "Wrong labels on {pairs} of files with the same picture: the labels within a pair differ. "
    "Correct or remove them.",
    "conflict.lookalikes": f"Possibly wrong labels on {{pairs}} of {ALIKE}: the labels within a pair differ, "
    "or images with different labels look the same.",
    "given_split.crossed": "Leak in the supplied split, which is kept: {crossing} are in more than one part. A model "
    "can recognize such test images from memory. Without data.split.by: {by}, heatproof splits whole groups.",
    "given_split.kept": "No leak in the supplied split, which is kept: no {patient}two " + f"{ALIKE} are in different "
    "parts.",
    "leak.none": "No leak: in the split in use, 0% of the test images have a look-alike in training (similarity "
    "{threshold} or more).",
    "leak.split": "Leak: in the split in use, {shares} of the test images have a look-alike in training (similarity "
    "{threshold} or more). A model can recognize them from memory.",
    "random_split.none": f"{RANDOM}.",
    "random_split.little": f"{RANDOM}. Accuracy measured on such a split may be slightly too high.",
    "random_split.some": f"{RANDOM}. Accuracy measured on such a split may be too high.",
    "random_split.much": f"{RANDOM}. Accuracy measured on such a split is not meaningful.",
    "memory.untested": f"Not testable whether grouping matters (too few groups): {NEIGHBOUR} (balanced accuracy; "
    "chance {random_chance}).",
    "memory.no_evidence": f"No evidence that grouping matters: {NEIGHBOUR} and {{grouped}} with a grouped one "
    "(balanced accuracy; chance {random_chance}).",
    "memory.gains": f"A random split inflates accuracy: {NEIGHBOUR} and {{grouped}} with a grouped one "
    "(balanced accuracy; chance {random_chance}; {p}).",
    "names.across_split": "In the split in use, {most}{share} of the test images have a file name that differs only in "
    f"its number or letter from one in training, such as {{examples}}. {STEM}",
    "names.numbered": f"The file names of {{images}} share {{stems}}, such as {{examples}}. {STEM}",
    "cue.gone": "{probe} {tell}: {before_tested} with a grouped split. {shortcut} After preprocessing, {left} "
    "{after_tested}: no evidence that the cue remains.",
    "cue.left": "{probe} {tell}: {before_tested} with a grouped split. {shortcut} After preprocessing, {left} "
    "{after_tested}: a model can use the cue.",
    "cue.came_in": "{probe} {tell} after preprocessing, {after_tested}, with no evidence of this before, "
    "{before_tested}: preprocessing adds a cue that a model can use.",
    "cue.added": "The study adds a cue on purpose: {cue} in {rate} of the images of {class} and {rate_others} of all "
    "others. It is unrelated to disease. Simple classifiers and faithful heatmaps must find it.",
    "cue.added_not_found": "The study adds a cue on purpose: {cue} in {rate} of the images of {class} and "
    "{rate_others} of all others. No evidence that a simple classifier finds it.",
    "cue.untested": "Not tested whether cues {tell}: {groups}; fewer than {least} raise no alarm. After preprocessing: "
    "{scores} (chance {chance}).",
    "cue.no_evidence": "No evidence that cues {tell} after preprocessing: {scores} (chance {chance}). This does not "
    "exclude a shortcut.",
    "cue.no_folds": "None of {probes} simple classifiers can be tested with a grouped split: {reason}.",
    "cue.outside": "Images without their central half still {tell}: {before_tested} before and {after_tested} after "
    "preprocessing. If disease does not reach that far, this is a shortcut.",
    "column.tells": "{column} alone {tells}: {alone_tested} with a grouped split. {share} of the images of {class} are "
    "{value}, and {share_others} of all others. A model can learn this difference instead of the disease.",
    "column.together": "{class} and {column} go together: {share} of the images of {class} are {value}, and "
    "{share_others} of all others. No test on these images can separate the effect of one from that of the other.",
    "column.untested": "Not tested whether columns of the table {tell}: fewer than {least} groups raise no alarm. "
    "Alone, they score {columns_scored} (chance {chance}).",
    "column.no_evidence": "No evidence that columns of the table {tell}. Alone, they score {columns_scored} (chance "
    "{chance}).",
    "nonsquare.one_class": "Not square: {images} of {all}.",
    "nonsquare.untested": "Not square: {images} ({held}). Not tested whether this {tells}: {groups}; fewer than "
    "{least} raise no alarm.",
    "nonsquare.even": "Not square: {images} ({held}). No {class_} has significantly more of them ({p}).",
    "nonsquare.unknown": "Not square: {images} ({held}). Such images are more frequent in some {classes} ({p}), and "
    "come "
    "from {groups}. It cannot be tested whether preprocessing hides this: {reason}.",
    "nonsquare.known": f"{ODD}a model can still recognize them by {{known}}.",
    "nonsquare.too_few": f"{ODD}too few to test whether a model can still recognize them.",
    "nonsquare.no_evidence": f"{ODD}no evidence that a model can still recognize them.",
    "truth.cut": "Preprocessing cuts lesions away or makes them too small: less than 90% of the marked region is left "
    "in {images} of {of} with a mask, and nothing in {nothing}.",
    "masks.inverted": "Inverted masks (lesion and background swapped): {some} of {masks}, such as {examples}. Most of "
    "the image is marked, except an inner part. If 0 is lesion in all of them, set data.mask_value: 0.",
    "masks.full": "Masks of the whole image: {some} of {masks}. Every heatmap would hit them, so these images get no "
    "localization score. Correct or remove these masks.",
    "seams.untested": f"Too few images to test whether the plants leave a cue, {{groups}}: {SEAM}",
    "seams.cue": f"The plants leave a cue: {SEAM}",
    "seams.no_evidence": f"No evidence that the plants leave a cue: {SEAM}",
    "copies.files": "{pairs} of identical files, in {images}.",
    "copies.none": "No identical files: 0 of {files}.",
    "copies.pictures": "{pairs} of different files with the same picture.",
    "patients.alike": "{pairs} of images of different patients with similarity {threshold} or more: one patient may "
    "have two ids.",
    "groups.united": "The {groups} are whole patients, joined where images look alike.",
    "groups.clusters": "The {groups} are clusters of look-alikes, not patients. They limit the leak, but one patient "
    "may be in several, so p values and intervals may be too small.",
    "clusters.move": f"The clusters of {{images}}{{aside}} depend on the similarity threshold: {CLUSTERS}",
    "clusters.stay": f"The clusters of {{images}}{{aside}} do not depend on the similarity threshold: {CLUSTERS}",
    "clusters.memory": "Nearest neighbour with clusters kept together: {lowest_accuracy} at threshold "
    "{lowest_threshold} and {highest_accuracy} at {highest_threshold}.",
    "files.left_out": "{files} could not be used. Repair and audit again: the classes may be affected unequally.",
}
SOURCES = {  # after training
    "source.kept": "Within each {column}, {model} performs above chance. Its balanced accuracy is {every} over all "
    "test images, and {lowest_tested} where {column} is {value}.",
    "source.lost": "No evidence that {model} performs above chance where {column} is {values}. Its balanced accuracy "
    "is {every} over all test images, and {lowest_tested} where {column} is {value}: it may separate the classes by "
    "{column}.",
    "source.untested": "Not tested whether the accuracy of {model} holds within each {column}: fewer than two values "
    "have images of two classes in {least} groups.",
    "source.heatmaps_differ": "Heatmaps differ with {column} in {apart} of {tests} comparisons within classes, most in "
    "{metric} of {method} for {model}: {lower} if it is {lower_value}, {higher} if it is {higher_value} (corrected "
    "{p}).",
    "source.heatmaps_alike": "No evidence that heatmaps differ with {column} within a class, in {tests} comparisons "
    "(smallest corrected {p}).",
    "blanked.falls": "With the {region} of the images blanked, the balanced accuracy of {model} falls from {whole} "
    "to {blanked} (by {drop} [{drop_low}, {drop_high}], chance {chance}): it uses the {region}, or is disturbed by its "
    "absence.",
    "blanked.kept": "With the {region} of the images blanked, the balanced accuracy of {model} is {blanked} "
    "(unchanged images: {whole}): no evidence that it uses the {region}.",
    "blanked.untested": "With the {region} of the images blanked, the balanced accuracy of {model} is {blanked} "
    "(unchanged images: {whole}). Not tested whether it uses the {region}: fewer than {least} groups.",
    "source.heatmaps_untested": "Not tested whether heatmaps differ with {column}: fewer than {least} groups.",
}
ADVICE = {
    "two_ids": "The split keeps patients together, but some patients may have two ids.",
    "split_by_patient": "Split by patient; without ids, keep look-alikes together.",
    "move_lookalikes": "Move the look-alikes to one part, or let heatproof split: data.split.by: auto.",
    "keep_patients": "The split ignores the known patients. Keep them together: data.split.by: patient.",
    "keep_lookalikes": "Keep look-alikes together: data.split.by: lookalike.",
    "nothing_hides": "No further setting can hide it: compare how the images of the classes were made, or crop them "
    "yourself.",
    "added": "This study adds a cue on purpose.",
}
# a probe as the subject of a sentence, in a list, and its remainder after preprocessing
PROBES = {
    "facts": (
        "Image facts alone (size, shape, mode, JPEG quality, bytes, mean, border pixels)",
        "remaining facts",
        "the remaining facts (margins, mean, border pixels) score",
    ),
    "shape": ("Size, shape and empty margins alone", "margins", "the remaining margins score"),
    "border": ("The outermost pixels alone", "border", "they score"),
    "nonsquare": ("", "margins", ""),
    "nonsquare_border": ("", "the outermost pixels", ""),
    "nonsquare_outside": ("", "all but the central half", ""),
}
SHORTCUT = {
    "patients": "This is a shortcut.",
    "clusters": "This is a shortcut, or a feature that images of one patient share across clusters.",
}
CUES = {
    "corner_mark": "a mark in the corner",
    "text_tag": "a text tag in the corner",
    "vignette": "a vignette",
    "noise": "added noise",
    "contrast": "a contrast shift",
}
TELL = {"class": "the classes", "label": "the labels of an image"}
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
    '3 pairs of identical files, in 6 images.'
    """
    subjects = statement.subjects
    text = (TEMPLATES | SOURCES)[statement.kind].format_map(_fields(statement))
    if "below" in subjects:
        below = _probes(subjects["below"])
        text += f" Scores below chance ({below}) occur where groups are few or hold several classes."
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
    'fewer than two groups, one to learn from and one to test on, have class ill'
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
        "patient": lambda: "patient and no " if "known" in subjects else "",
        "scores": lambda: listed([f"{PROBES[name][1]} {_scored(numbers, name)}" for name in subjects["probes"]]),
        "shortcut": lambda: SHORTCUT[subjects["groups"][0]],
        "tell": lambda: f"predict {TELL[subjects['per'][0]]}",
        "columns_scored": lambda: listed(
            [f"{name} {_scored(numbers, f'column {name}')}" for name in subjects["columns"]]
        ),
        "tells": lambda: f"predicts {TELL[subjects['per'][0]]}",
        "cue": lambda: cue(subjects["cue"][0]),
        "reason": lambda: because(statement.reason, *subjects.get("lacks", ())),
        "held": lambda: listed(
            [f"{numbers[f'in {name}']:,} of {numbers[f'all {name}']:,} in {name}" for name in subjects["classes"]]
        ),
        "classes": lambda: {"class": "classes", "label": "labels"}[subjects["per"][0]],
        "class_": lambda: subjects["per"][0],
        "most": lambda: "up to " if numbers["folds"] > 1 else "",  # the number is that of the worst fold
        "aside": lambda: " (ignoring patients)" if "aside" in subjects else "",
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
