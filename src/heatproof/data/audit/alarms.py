"""What an audit found, in sentences that one can act on: each with its numbers, none beyond them.

An alarm names the files that it speaks of, and advises nothing that is set already.
"""

from heatproof.data.audit.cue_alarms import nonsquare, option, outside, seams, shortcuts
from heatproof.data.audit.numbers import counted, find, listed, named, scored, share, such_as
from heatproof.data.audit.trivial import LEVEL

LEVELS = ("alarm", "note", "fine")
LITTLE = 0.2  # from this share of test images with a look-alike in training, an accuracy says little
SOME = 0.05  # and from this one it is an alarm where the split is in use


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
        series,
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
    if audit.get("task") == "multilabel":
        for row in found:
            row["text"] = _of_labels(row["text"])
    return sorted(found, key=lambda sentence: LEVELS.index(sentence["level"]))


_LABELS = {  # where an image has several labels, and no class
    "tell the classes apart": "tell which labels an image has",
    "tells the classes apart": "tells which labels it has",
    "In no class are they significantly more frequent": "With no label are they significantly more frequent",
    "They are more frequent in some classes": "They are more frequent with some labels",
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
            f"{_stand(across['bytes'])} in different classes: a label of each pair is wrong. Correct or remove "
            f"them.{named(audit['conflicts'], 'bytes')}",
        )
    if across["pixels"] > across["bytes"]:
        more = across["pixels"] - across["bytes"]
        yield (
            "alarm",
            f"{counted(more, 'pair')} of files that hold the same picture {_stand(more)} in different classes: a label "
            f"of each pair is wrong. Correct or remove them.{named(audit['conflicts'], 'pixels')}",
        )
    alike = across["lookalikes"] - max(across["bytes"], across["pixels"])
    if alike > 0:
        yield (
            "note",
            f"{counted(alike, 'pair')} of images that look alike (similarity {audit['threshold']:g} or more) "
            f"{_stand(alike)} in different classes: either a label is wrong, or these classes can look the same."
            f"{named(audit['conflicts'], 'lookalike')}",
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
                "Patients are kept apart, yet some may have two ids."
                if audit["split_by"] == "patient"
                else _advice(audit)
            )
            yield (
                "alarm" if max(rates) >= SOME or "crossing" in audit else "note",
                f"In the split in use {span} of the test images have a look-alike in training {alike}: a model can "
                f"answer them from memory. {advice}{named(audit['leaks'])}",
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
        settled = _kept_apart(audit) or "crossing" in audit
        advice = "" if settled else f" {_advice(audit)}{named(audit['alike'] or audit['conflicts'])}"
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
    if audit["memory_p"] is None or audit["memory_p"] > LEVEL:
        yield "note", f"{text}: no evidence that grouping makes a difference."
        return
    text += f" (p = {audit['memory_p']:.2g}): the difference is what images of one group give away on both sides."
    if _kept_apart(audit):
        yield "note", text
    else:
        yield "alarm", f"{text} {_advice(audit)}{named(audit['alike'] or audit['conflicts'])}"


def series(audit: dict):
    """Names that share a stem: is that the patient?"""
    found = audit["series"]
    if not found:
        return
    reads = {"path": f"--patient '{found['pattern']}'", "table": "data.columns.patient, a column that names them"}
    how = reads.get(audit["kind"], f"data.patient: '{found['pattern']}'")
    ask = f"Is the stem the patient? If so, read it: {how}."
    names = " and ".join(found["examples"])
    if found["across"]:
        folds = [fold for fold in audit["leak"]["split"] if fold.startswith("fold")]
        most = "up to " if len(folds) > 1 else ""  # it is that of the fold where most are
        yield (
            "alarm" if found["across"] >= SOME else "note",
            f"In the split in use {most}{share(found['across'])} of the test images have a file name that differs only "
            f"in its number or letter from one in training, such as {names}. {ask}",
        )
    else:
        yield (
            "note",
            f"The names of {counted(found['images'], 'image')} share {found['stems']:,} stems, such as {names}. {ask}",
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
        f"{'' if audit['fit'] == 'pad' else option(audit, 'fit', 'pad') + ' or '}a larger data.size."
        f"{such_as(lost['examples'])}",
    )


def masks(audit: dict):
    """Masks that most likely are mistakes."""
    found = audit.get("odd_masks")
    if not found:
        return
    of = counted(found["of"], "mask")
    if found["inverted"]:
        look, they = ("looks", "it covers") if found["inverted"] == 1 else ("look", "they cover")
        examples = found["images"][: found["inverted"]]  # those that are full come after them
        yield (
            "alarm",
            f"{found['inverted']:,} of {of} {look} inverted, lesion and background swapped: {they} most of the "
            f"image but a part inside, such as {listed(examples)}. If 0 is lesion in all of them, set "
            f"data.mask_value: 0.",
        )
    if found["full"]:
        yield (
            "alarm",
            f"{found['full']:,} of {of} {'covers' if found['full'] == 1 else 'cover'} the whole image, which every "
            f"heatmap would find: such images get no localization score. Mend these masks or leave them out.",
        )


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
            f"(similarity {audit['threshold']:g} or more): they may be one person under two ids."
            f"{named(audit['strangers'])}",
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
    move = "move" if rows[0]["clusters"] != rows[-1]["clusters"] else "do not move"
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
        f"Clusters of {counted(audit['images'], 'image')}{', patients aside,' if audit['patients_known'] else ''} "
        f"{move} with the threshold ({audit['threshold']:g} is used): "
        f"{'; '.join(ends)}; {split}.{memory}",
    )


def left_out(audit: dict):
    """Files that could not be used."""
    bad = audit["quarantined"]
    if bad:
        yield (
            "note",
            f"{counted(len(bad), 'bad file')} left out. Repair {'it' if len(bad) == 1 else 'them'} and audit again: "
            f"what is left out may not be spread evenly over the classes.",
        )
