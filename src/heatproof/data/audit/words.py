"""What an audit found, in sentences that one can act on: each with its numbers, none beyond them."""

from heatproof.data.audit.numbers import counted, find, listed, scored, share, surely_above, surely_below

LEVELS = ("alarm", "note", "fine")
LITTLE = 0.2  # from this share of test images with a look-alike in training, an accuracy says little
SOME = 0.05  # and from this one it is an alarm where the split is in use
PROBES = {
    "facts": "Image facts alone (size, shape, mode, JPEG quality, bytes, mean, border pixels)",
    "shape": "Size, shape and empty margins alone",
    "border": "The outermost pixels alone",
}

LEFT = {  # after preprocessing fewer of the features are there
    "facts": "what is left of them (margins, mean, border pixels) scores",
    "shape": "what is left of them (margins) scores",
    "border": "they score",
}
SHORT = {"facts": "what is left of the facts", "shape": "margins", "border": "border"}
ODD = {"preprocessed": "margins", "border": "the outermost pixels", "outside": "all but the middle half"}
WIDE = 0.1  # above chance: an interval that reaches so far tells neither that a cue is left nor that it is gone


def sentences(audit: dict) -> list[dict]:
    """What a reader must know and do, alarms first.

    Args:
        audit: the content of `audit.json` but for the sentences.

    Returns:
        level (alarm, note or fine) and text of each.
    """
    parts = (
        conflicts,
        given,
        leaks,
        neighbour,
        shortcuts,
        outside,
        nonsquare,
        truth,
        masks,
        seams,
        copies,
        patients,
        clusters,
        left_out,
    )
    found = [{"level": level, "text": text} for part in parts for level, text in part(audit)]
    if audit["kind"] == "path":  # whoever audits a path has options, and no study
        for row in found:
            row["text"] = row["text"].replace("data.crop: ", "--crop ").replace("another data.fit", "another --fit")
    if audit.get("task") == "multilabel":
        for row in found:
            row["text"] = _of_labels(row["text"])
    return sorted(found, key=lambda sentence: LEVELS.index(sentence["level"]))


_LABELS = {  # where an image has several labels, and no class
    "tell the classes apart": "tell which labels an image has",
    "tells the classes apart": "tells which labels it has",
    " stands in different classes": " has different labels",
    " stand in different classes": " have different labels",
    "either a label is wrong, or these classes can look the same": "either a label is wrong, or images with different "
    "labels can look the same",
    "from the other images of their class": "from other images",
}


def _of_labels(text: str) -> str:
    for said, instead in _LABELS.items():
        text = text.replace(said, instead)
    return text


def conflicts(audit: dict):
    """Images that are the same, or look alike, in different classes."""
    if audit["kind"] == "planted":
        return  # the plants make the classes
    across = {kind: found["across_classes"] for kind, found in audit["duplicates"].items()}
    if across["bytes"]:
        yield (
            "alarm",
            f"{counted(across['bytes'], 'pair')} of files that are the same byte for byte "
            f"{_stand(across['bytes'])} in different classes: a label of each pair is wrong. Mend or remove them.",
        )
    if across["pixels"] > across["bytes"]:
        more = across["pixels"] - across["bytes"]
        yield (
            "alarm",
            f"{counted(more, 'pair')} of files that hold the same picture {_stand(more)} in different classes: a label "
            f"of each pair is wrong. Mend or remove them.",
        )
    alike = across["lookalikes"] - max(across["bytes"], across["pixels"])
    if alike > 0:
        yield (
            "note",
            f"{counted(alike, 'pair')} of images that look alike (similarity {audit['threshold']:g} or more) "
            f"{_stand(alike)} in different classes. Look at them: either a label is wrong, or these classes can look "
            f"the same.",
        )


def _stand(number: int) -> str:
    return "stands" if number == 1 else "stand"


def given(audit: dict):
    """Who stands in two parts of a split that came with the images."""
    found = audit.get("crossing")
    if not found:
        return
    came = "The split came with the images and stays as it is"
    alike = f"images that look alike (similarity {audit['threshold']:g} or more)"
    parts = []
    if found["patients"]:
        also = counted(found["test_images"], "test image is", "test images are")
        parts.append(
            f"{found['patients']:,} of {counted(found['of'], 'patient')} {'has' if found['patients'] == 1 else 'have'} "
            f"images in two parts of it ({also} of such patients)"
        )
    if found["pairs"]:
        parts.append(f"{counted(found['pairs'], 'pair')} of {alike} {_stand(found['pairs'])} in two parts")
    if parts:
        yield (
            "alarm",
            f"{came}: {listed(parts)}. A model can answer such test images from memory. Without data.split.by: "
            f"{audit['split_by']} heatproof splits whole groups.",
        )
    else:
        who = f"no two {alike}" if found["patients"] is None else f"no patient, and no two {alike},"
        yield "fine", f"{came}: {who} stand in two parts of it."


def leaks(audit: dict):
    """Test images with a look-alike in training: in the split in use, and in a random one."""
    rates = [rate for fold, rate in audit["leak"]["split"].items() if fold.startswith("fold") and rate is not None]
    alike = f"(similarity {audit['threshold']:g} or more)"
    if rates:
        span = " to ".join(dict.fromkeys(share(rate) for rate in (min(rates), max(rates))))
        if max(rates) > 0:
            advice = (
                "Patients are kept apart, yet some may have two ids: look at the pairs."
                if audit["split_by"] == "patient"
                else _advice(audit)
            )
            yield (
                "alarm" if max(rates) >= SOME or "crossing" in audit else "note",
                f"In the split in use {span} of the test images have a look-alike in training {alike}: a model can "
                f"answer them from memory. {advice}",
            )
        else:
            yield "fine", f"In the split in use 0% of the test images have a look-alike in training {alike}."
    random = audit["leak"]["random"]
    if random["mean"] is None:
        return
    text = (
        f"In a random split {share(random['mean'])} of the test images have a look-alike in training "
        f"({share(random['low'])} to {share(random['high'])} in 95% of {random['draws']:,} splits)"
    )
    if random["mean"] == 0:
        yield "fine", f"{text}."
    elif random["mean"] < SOME:
        yield "note", f"{text}: an accuracy measured on one may be a little too high."
    else:
        worth = "says little" if random["mean"] >= LITTLE else "may be too high"
        advice = "" if _kept_apart(audit) or "crossing" in audit else f" {_advice(audit)}"
        # where no patients are known, that is what everybody else's accuracies on these images rest on
        calm = _kept_apart(audit) and audit["patients_known"]
        yield "note" if calm else "alarm", f"{text}: an accuracy measured on one {worth}.{advice}"


def _kept_apart(audit: dict) -> bool:
    """Whether nothing is trained here, or a split is in use that keeps whole patients or look-alikes together."""
    return audit["split_by"] in ("patient", "lookalike", "all")


def _advice(audit: dict) -> str:
    if audit["split_by"] is None:
        return "Split by patient; without ids, keep look-alikes together."
    if "crossing" in audit:
        return "Move the look-alikes to one part, or let heatproof split: data.split.by: auto."
    if audit["patients_known"]:
        return "The split ignores the patients that are known. Keep them together: data.split.by: patient."
    return "Keep look-alikes together: data.split.by: lookalike."


def neighbour(audit: dict):
    """What memory alone scores, under a random and under the grouped split."""
    random, grouped = (find(audit, "neighbour", "raw", split) for split in ("random", "grouped"))
    if random is None:
        return
    text = (
        f"Nearest neighbour on 32 x 32 thumbnails scores {scored(random)} under a random split "
        f"(balanced accuracy; chance {random['chance']:.2f})"
    )
    if grouped is None:
        yield "note", f"{text}; the grouped split has too few groups to test it."
        return
    text = f"{text} and {scored(grouped)} under the grouped one"
    if None in (random["low"], grouped["high"]) or random["low"] <= grouped["high"]:
        yield "note", f"{text}: that grouping makes a difference is not shown."
    else:
        level = "note" if _kept_apart(audit) else "alarm"
        yield level, f"{text}: the difference is what look-alikes on both sides give away."


def shortcuts(audit: dict):
    """Cues that are not disease, before and after preprocessing, under the grouped split."""
    unseen, below = [], []
    verdict = "That is a shortcut."
    if not audit["patients_known"]:
        verdict = "That is a shortcut, or what images of one person share who is in several clusters."
    for probe, name in PROBES.items():
        before, after = (find(audit, probe, stage) for stage in ("raw", "preprocessed"))
        if before is None or after is None:
            continue
        chance = f"chance {before['chance']:.2f}"
        gone = "the cue is gone as far as this shows."
        if surely_above(after):
            gone = "the cue is not gone: a model can use it. Try data.crop: body or another data.fit, and audit again."
        if surely_above(before):
            yield (
                "alarm" if surely_above(after) or not audit["leak"]["split"] else "note",
                f"{name} tell the classes apart: {scored(before)} ({chance}) with whole groups apart. {verdict} After "
                f"preprocessing {LEFT[probe]} {scored(after)}, and {gone}",
            )
        elif surely_above(after):
            cause = f" This study draws one in: {_cue(audit)}." if audit["shortcut"] else ""
            yield (
                "alarm",
                f"{name} tell the classes apart after preprocessing, {scored(after)} ({chance}), and not surely "
                f"before, {scored(before)}: a cue that a model can use came in.{cause}",
            )
        else:
            unseen.append(f"{SHORT[probe]} {scored(after)}")
            below += [SHORT[probe]] if surely_below(after) else []
    if audit["shortcut"] and not any(surely_above(row) for row in audit["probes"] if row["stage"] == "preprocessed"):
        yield "note", f"This study draws a cue in, {_cue(audit)}; that a trivial classifier finds it is not shown."
    if unseen:
        chance = next(row["chance"] for row in audit["probes"])
        yield (
            "fine",
            f"Not shown to tell the classes apart after preprocessing: {listed(unseen)} (chance {chance:.2f}). That is "
            f"no proof that there is no shortcut." + _below(below),
        )
    why = {row["reason"] for row in audit["probes"] if row["split"] == "grouped" and row["balanced_accuracy"] is None}
    for reason in sorted(why):
        yield "note", f"None of {len(PROBES) + 2} trivial classifiers can be tested with whole groups apart: {reason}."


def _below(names: list[str]) -> str:
    """What an interval wholly below chance means."""
    return f" Below chance ({listed(names)}) is what few groups of mixed classes make of it." if names else ""


def _cue(audit: dict) -> str:
    cue = audit["shortcut"]
    label = cue["label"] or audit["classes"][-1]
    return (
        f"{cue['kind'].replace('_', ' ')} in {share(cue['rate'])} of class {label} and {share(1 - cue['rate'])} "
        f"of the others"
    )


def outside(audit: dict):
    """What the image tells without its middle."""
    before, after = (find(audit, "outside", stage) for stage in ("raw", "preprocessed"))
    if before and after and (surely_above(before) or surely_above(after)):
        yield (
            "note",
            f"Without its middle half the image still tells the classes apart: {scored(before)} as it came, "
            f"{scored(after)} after preprocessing (chance {before['chance']:.2f}). Where disease does not reach that "
            f"far, that is a shortcut.",
        )


def nonsquare(audit: dict):
    """Images that are not square: in which classes, and whether they are known by it in the end."""
    found = audit["nonsquare"]
    if not found:
        return
    by_class = {name: count for name, count in found["by_class"].items() if count}
    if len(audit["classes"]) == 1:
        are = "is" if found["images"] == 1 else "are"
        yield "note", f"{found['images']:,} of {counted(audit['images'], 'image')} {are} not square."
        return
    if len(by_class) == 1 and audit.get("task") != "multilabel":
        name, count = next(iter(by_class.items()))
        text = f"All {count:,} images that are not square belong to class {name}: their shape alone tells it."
        if count == 1:
            text = f"The 1 image that is not square belongs to class {name}: its shape alone tells it."
    else:
        held = listed([f"{count:,} of {audit['counts'][name]:,} in {name}" for name, count in by_class.items()])
        text = f"{counted(found['images'], 'image is', 'images are')} not square: {held}."
    rows = [(name, found[f"probe_{key}"]) for key, name in ODD.items()]
    tested = [(name, row) for name, row in rows if row["balanced_accuracy"] is not None]
    if not tested:
        yield "note", f"{text} Whether preprocessing hides it cannot be tested: {rows[-1][1]['reason']}."
        return
    said = listed(
        [f"{name} ({row['reason'] if row['balanced_accuracy'] is None else scored(row)})" for name, row in rows]
    )
    known = [name for name, row in tested if surely_above(row)]
    if known:
        verdict = f"they are still known by {listed(known)}"
    elif any(row["high"] is None or row["high"] >= row["chance"] + WIDE for _, row in tested):
        verdict = "whether they are still known cannot be told from so few"
    else:
        verdict = "that they are still known is not shown"
    yield (
        "alarm" if {ODD["preprocessed"], ODD["border"]} & set(known) else "note",
        f"{text} They are in {counted(found['groups'], 'group')}. After preprocessing linear models try to tell them "
        f"from the other images of their class by {said}, chance {tested[0][1]['chance']:.2f}: {verdict}."
        + _below([name for name, row in tested if surely_below(row)]),
    )


def truth(audit: dict):
    """Lesions that preprocessing cut into or took away."""
    lost = audit["truth_lost"]
    if not lost or not lost["images"]:
        return
    gone = f", nothing of {lost['all']:,}" if lost["all"] else ""
    yield (
        "alarm",
        f"Preprocessing leaves less than 90% of what is marked in {lost['images']:,} of "
        f"{counted(lost['of'], 'image')} with truth{gone}: lesions are cut away or too small at this size. Try "
        f"data.fit: pad or a larger data.size.",
    )


def masks(audit: dict):
    """Masks that most likely are mistakes."""
    found = audit.get("odd_masks")
    if not found:
        return
    of = counted(found["of"], "mask")
    if found["inverted"]:
        look = "looks" if found["inverted"] == 1 else "look"
        yield (
            "alarm",
            f"{found['inverted']:,} of {of} {look} inverted, lesion and background swapped: they cover most of the "
            f"image but a part inside, such as {listed(found['images'])}. If 0 is lesion in all of them, set "
            f"data.mask_value: 0.",
        )
    if found["full"]:
        yield (
            "alarm",
            f"{found['full']:,} of {of} {'covers' if found['full'] == 1 else 'cover'} the whole image, which every "
            f"heatmap would find: such images get no localization score. Mend these masks or leave them out.",
        )


def seams(audit: dict):
    """Whether plants are known by how they were blended in."""
    found = audit["seams"]
    if not found or found["balanced_accuracy"] is None:
        return
    chance = f"chance {found['chance']:.2f}"
    text = f"from the seam alone a classifier tells planted from sham with {scored(found)} ({chance})"
    if surely_above(found):
        yield "alarm", f"The plants leave a cue: {text}."
    else:
        yield "fine", f"That the plants leave a cue is not shown: {text}."


def copies(audit: dict):
    """Files that are there twice."""
    same, pictures = audit["duplicates"]["bytes"], audit["duplicates"]["pixels"]
    if same["pairs"]:
        yield "note", f"{counted(same['pairs'], 'pair')} of the same file, in {same['images']:,} images."
    else:
        yield "fine", f"Of {counted(audit['images'], 'file')} 0 are the same byte for byte as another."
    if pictures["pairs"] > same["pairs"]:
        more = pictures["pairs"] - same["pairs"]
        yield "note", f"{counted(more, 'more pair')} of files that differ but hold the same picture."


def patients(audit: dict):
    """Look-alikes across patients."""
    across = audit["duplicates"]["lookalikes"]["across_groups"]
    if audit["group_kind"] == "patient" and across:
        yield (
            "note",
            f"{counted(across, 'pair')} of images of different patients {'looks' if across == 1 else 'look'} alike "
            f"(similarity {audit['threshold']:g} or more). Look at some: they may be one person under two ids.",
        )


def clusters(audit: dict):
    """What clusters of look-alikes are not, and how they move with the threshold."""
    if audit["group_kind"] == "patient":
        return
    if audit["group_kind"] == "lookalike" and audit["patients_known"]:
        yield (
            "note",
            f"Groups ({audit['groups']:,} in all) are whole patients, those united of whom images look alike.",
        )
    elif audit["group_kind"] == "lookalike":
        yield (
            "note",
            f"Groups ({audit['groups']:,} in all) are clusters of look-alikes, not patients: they bound the leak, and "
            f"one person may be in several. p-values and intervals that rest on them may be too small.",
        )
    rows = [row for row in sorted(audit["sweep"], key=lambda row: row["threshold"]) if row["clusters"]]
    if len(rows) < 2:
        return
    ends = [f"{r['clusters']:,} at {r['threshold']:g}, the largest of {r['largest']:,}" for r in (rows[0], rows[-1])]
    tested = [row for row in rows if row["neighbour"] is not None]
    memory = ""
    if len(tested) > 1:
        scores = [f"{row['neighbour']:.2f} at {row['threshold']:g}" for row in (tested[0], tested[-1])]
        memory = f" Nearest neighbour with clusters apart: {' and '.join(scores)}."
    possible = [row["threshold"] for row in rows if row["split"]]
    split = (
        f"a split in the shares asked for exists from {min(possible):g} on"
        if possible and all(row["split"] for row in rows if row["threshold"] >= min(possible))
        else f"a split in the shares asked for exists at {len(possible)} of {len(rows)} thresholds"
    )
    yield (
        "note",
        f"Clusters of {counted(audit['images'], 'image')}{', patients aside,' if audit['patients_known'] else ''} move "
        f"with the threshold ({audit['threshold']:g} is used): "
        f"{'; '.join(ends)}; {split}.{memory}",
    )


def left_out(audit: dict):
    """Files that could not be used."""
    bad = audit["quarantined"]
    if bad:
        yield (
            "note",
            f"{counted(len(bad), 'bad file')} left out. Mend {'it' if len(bad) == 1 else 'them'} and audit again: what "
            f"is left out may not be spread evenly over the classes.",
        )
