"""What a reader of an audit must know, as statements; `text.audit` has the sentence of each kind.

An alarm names the files that it speaks of, and advises nothing that is set already.
"""

from collections.abc import Iterator, Sequence

from heatproof.core.statements import Statement
from heatproof.data.audit.results import Audit, Finding, Level, Pair, Probe
from heatproof.data.audit.trivial import LEAST, LEVEL

LEVELS = ("alarm", "note", "fine")
LITTLE = 0.2  # from this share of test images with a look-alike in training, an accuracy says little
SOME = 0.05  # and from this one it is an alarm where the split is in use
WIDE = 0.1  # above chance: an interval that reaches so far tells neither that a cue is left nor that it is gone
CUES = ("facts", "shape", "border")  # probes of what has nothing to do with disease
ODD = ("nonsquare", "nonsquare_border", "nonsquare_outside")


def findings(audit: Audit) -> tuple[Finding, ...]:
    """Return what a reader must know and do, alarms first."""
    parts = (
        conflicts,
        given,
        leaks,
        series,
        neighbour,
        shortcuts,
        columns,
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
    found = [finding for part in parts for finding in part(audit)]
    return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def state(level: Level, kind: str, numbers: dict | None = None, reason: str | None = None, **subjects) -> Finding:
    """Return a finding; subjects are a name or names by role, and those without a name are left out."""
    named = {role: (names,) if isinstance(names, str) else tuple(names) for role, names in subjects.items() if names}
    return Finding(level, Statement(kind, named, numbers or {}, reason, ("data",)))


def scored(**probes: Probe) -> dict[str, float | None]:
    """Return accuracy, interval, chance and p value of probes, by name."""
    found = {}
    for name, row in probes.items():
        found[name] = row.balanced_accuracy
        found |= {f"{name}_{key}": getattr(row, key) for key in ("low", "high", "chance", "p")}
    return found


def first(pairs: Sequence[Pair], *kinds: str) -> tuple[str, ...]:
    """Return the ids of the first pair, of these kinds if there are any."""
    return next(((pair.a, pair.b) for pair in pairs if not kinds or pair.kind in kinds), ())


def conflicts(audit: Audit) -> Iterator[Finding]:
    """Images that are the same, or look alike, in different classes."""
    if audit.kind == "planted":
        return  # the plants make the classes
    found = audit.duplicates
    files, pictures = found.bytes.across_classes, found.pixels.across_classes
    if files:
        yield state("alarm", "conflict.file", {"pairs": files}, look_at=first(audit.conflicts, "bytes"))
    if pictures > files:
        numbers = {"pairs": pictures - files}
        yield state("alarm", "conflict.picture", numbers, look_at=first(audit.conflicts, "pixels"))
    alike = found.lookalikes.across_classes - max(files, pictures)
    if alike > 0:
        numbers = {"pairs": alike, "threshold": audit.threshold}
        yield state("note", "conflict.lookalikes", numbers, look_at=first(audit.conflicts, "lookalike"))


def given(audit: Audit) -> Iterator[Finding]:
    """Who stands in two parts of a split that came with the images."""
    found = audit.crossing
    if not found:
        return
    known = "patients" if found.patients is not None else None
    if found.patients or found.pairs:
        numbers = {"pairs": found.pairs, "threshold": audit.threshold, "images": found.test_images}
        numbers |= {"patients": found.patients, "of": found.of}
        yield state("alarm", "given_split.crossed", numbers, known=known, by=audit.split_by)
    else:
        yield state("fine", "given_split.kept", {"threshold": audit.threshold}, known=known)


def leaks(audit: Audit) -> Iterator[Finding]:
    """Test images with a look-alike in training: in the split in use, and in a random one."""
    rates, numbers = audit.leak.used, {"threshold": audit.threshold}
    if rates and not max(rates):
        yield state("fine", "leak.none", numbers)
    elif rates:
        advice = "two_ids" if audit.split_by == "patient" else _advice(audit)
        level = "alarm" if max(rates) >= SOME or audit.crossing else "note"
        numbers |= {"share_low": min(rates), "share_high": max(rates)}
        yield state(level, "leak.split", numbers, advice=advice, look_at=first(audit.leaks))
    random = audit.leak.random
    if random.mean is None:
        return
    numbers = {"share": random.mean, "share_low": random.low, "share_high": random.high, "draws": random.draws}
    if random.mean == 0:
        yield state("fine", "random_split.none", numbers)
    elif random.mean < SOME:
        yield state("note", "random_split.little", numbers)
    else:
        subjects = {}
        if not _kept_apart(audit) and not audit.crossing:
            subjects = {"advice": _advice(audit), "look_at": first(audit.alike or audit.conflicts)}
        # where no patients are known, that is what everybody else's accuracies on these images rest on
        calm = _kept_apart(audit) and audit.patients_known
        kind = "much" if random.mean >= LITTLE else "some"
        yield state("note" if calm else "alarm", f"random_split.{kind}", numbers, **subjects)


def _kept_apart(audit: Audit) -> bool:
    """Whether nothing is trained here, or a split is in use that keeps whole patients or look-alikes together."""
    return audit.split_by in ("patient", "lookalike", "all", "unstated")


def _advice(audit: Audit) -> str:
    if audit.split_by is None:
        return "split_by_patient"
    if audit.crossing:
        return "move_lookalikes"
    return "keep_patients" if audit.patients_known else "keep_lookalikes"


def neighbour(audit: Audit) -> Iterator[Finding]:
    """What memory alone scores, under a random and under the grouped split."""
    random, grouped = (audit.probe("neighbour", "raw", split) for split in ("random", "grouped"))
    if random is None:
        return
    if grouped is None:
        yield state("note", "memory.untested", scored(random=random))
        return
    numbers = scored(random=random, grouped=grouped) | {"p": audit.memory_p}
    if audit.memory_p is None or audit.memory_p > LEVEL:
        yield state("note", "memory.no_evidence", numbers)
    elif _kept_apart(audit):
        yield state("note", "memory.gains", numbers)
    else:
        images = first(audit.alike or audit.conflicts)
        yield state("alarm", "memory.gains", numbers, advice=_advice(audit), look_at=images)


def series(audit: Audit) -> Iterator[Finding]:
    """Names that share a stem: is that the patient?"""
    found = audit.series
    if not found:
        return
    settings = {"path": f"--patient '{found.pattern}'", "table": "data.columns.patient"}
    setting = settings.get(audit.kind, f"data.patient: '{found.pattern}'")
    numbers = {"images": found.images, "stems": found.stems, "share": found.across, "folds": len(audit.leak.used)}
    level = "alarm" if (found.across or 0) >= SOME else "note"
    kind = "names.across_split" if found.across else "names.numbered"
    yield state(level, kind, numbers, examples=found.examples, setting=setting)


def _settings(audit: Audit, *wanted: tuple[str, str]) -> tuple[str, ...]:
    """How a user sets what is not set yet: whoever audits a path has options, and no study."""
    path, unset = audit.kind == "path", [(key, to) for key, to in wanted if getattr(audit, key) != to]
    return tuple(f"--{key} {to}" if path else f"data.{key}: {to}" for key, to in unset)


def _hide(audit: Audit) -> dict:
    """What is left to set against a cue that preprocessing lets through."""
    settings = _settings(audit, ("crop", "body"), ("fit", "crop"))
    return {"settings": settings} if settings else {"advice": "nothing_hides"}


def shortcuts(audit: Audit) -> Iterator[Finding]:
    """Cues that are not disease, before and after preprocessing, under the grouped split."""
    unseen: dict[str, Probe] = {}
    per, groups = _per(audit), "patients" if audit.patients_known else "clusters"
    for probe in CUES:
        before, after = (audit.probe(probe, stage) for stage in ("raw", "preprocessed"))
        if before is None or after is None:
            continue
        numbers, named = scored(before=before, after=after), {"probe": probe, "per": per}
        if before.significant and after.significant:
            yield state("alarm", "cue.left", numbers, groups=groups, **named, **_hide(audit), look_at=after.examples)
        elif before.significant:
            level = "note" if audit.leak.split else "alarm"
            yield state(level, "cue.gone", numbers, groups=groups, **named, look_at=before.examples)
        elif after.significant:
            more = {"advice": "added"} if audit.shortcut else _hide(audit)
            yield state("alarm", "cue.came_in", numbers, **named, **more, look_at=after.examples)
        else:
            unseen[probe] = after
    grouped = [row for row in audit.probes if row.split == "grouped"]
    if audit.shortcut:
        found = any(row.significant for row in grouped if row.stage == "preprocessed")
        cue = {"cue": audit.shortcut.kind, "class": audit.shortcut.label or audit.classes[-1]}
        rates = {"rate": audit.shortcut.rate, "rate_others": 1 - audit.shortcut.rate}
        yield state("note", "cue.added" if found else "cue.added_not_found", rates, **cue)
    if unseen:
        few = grouped[0].groups < LEAST
        numbers = scored(**unseen) | {"groups": grouped[0].groups, "least": LEAST, "chance": grouped[0].chance}
        below = [] if few else [probe for probe, row in unseen.items() if row.below_chance]
        kind = "cue.untested" if few else "cue.no_evidence"
        yield state("note" if few else "fine", kind, numbers, probes=unseen, per=per, below=below)
    numbers = {"probes": len({row.probe for row in grouped})}
    for reason, lacks in sorted({(row.reason, row.lacks) for row in grouped if row.balanced_accuracy is None}):
        yield state("note", "cue.no_folds", numbers, reason, lacks=lacks)


def columns(audit: Audit) -> Iterator[Finding]:
    """Columns of the source's table that tell the classes apart by themselves, and those that go with a class."""
    unseen, per = {}, _per(audit)
    for column in audit.columns:
        row, named = column.grouped, {"column": column.name, "value": column.value, "class": column.label, "per": per}
        numbers = {"share": column.share, "share_others": column.others}
        if column.together:
            yield state("alarm", "column.together", numbers, **named)
        elif row.significant:
            yield state("alarm", "column.tells", numbers | scored(alone=row), **named)
        else:
            unseen[column.name] = row
    if not unseen:
        return
    few = any(row.p is None for row in unseen.values())
    numbers = {"chance": next(iter(unseen.values())).chance, "least": LEAST} | scored(
        **{f"column {name}": row for name, row in unseen.items()}
    )
    kind = "column.untested" if few else "column.no_evidence"
    yield state("note" if few else "fine", kind, numbers, columns=unseen, per=per)


def _per(audit: Audit) -> str:
    return "label" if audit.multilabel else "class"


def outside(audit: Audit) -> Iterator[Finding]:
    """What the image tells without its middle."""
    before, after = (audit.probe("outside", stage) for stage in ("raw", "preprocessed"))
    if before and after and (before.significant or after.significant):
        yield state("note", "cue.outside", scored(before=before, after=after), per=_per(audit))


def nonsquare(audit: Audit) -> Iterator[Finding]:
    """Images that are not square: whether some classes have more of them, and whether they are known in the end."""
    found = audit.nonsquare
    if not found:
        return
    numbers = {"images": found.images, "all": audit.images, "p": found.p, "groups": found.of, "least": LEAST}
    names = [name for name, count in found.by_class.items() if count]
    numbers |= {f"in {name}": found.by_class[name] for name in names}
    numbers |= {f"all {name}": audit.counts[name] for name in names}
    if len(audit.classes) == 1:
        yield state("note", "nonsquare.one_class", numbers)
        return
    named = {"classes": names, "per": _per(audit)}
    if found.p is None or found.p > LEVEL:
        yield state("note", f"nonsquare.{'untested' if found.p is None else 'even'}", numbers, **named)
        return
    numbers["groups"] = found.groups
    rows = {name: found.probe(name) for name in ODD}
    measured = {name: row for name, row in rows.items() if row.balanced_accuracy is not None}
    if not measured:
        yield state("note", "nonsquare.unknown", numbers, rows[ODD[-1]].reason, **named, lacks=rows[ODD[-1]].lacks)
        return
    numbers |= scored(**rows) | {"chance": next(iter(measured.values())).chance}
    named |= {"probes": rows, "below": [name for name, row in measured.items() if row.below_chance]}
    known = [name for name, row in measured.items() if row.significant]
    if {*ODD[:2]} & {*known}:
        yield state("alarm", "nonsquare.known", numbers, **named, known=known, **_hide(audit), look_at=found.examples)
    elif known:
        yield state("note", "nonsquare.known", numbers, **named, known=known)
    else:
        wide = any(row.p is None or row.high is None or row.high >= row.chance + WIDE for row in measured.values())
        yield state("note", f"nonsquare.{'too_few' if wide else 'no_evidence'}", numbers, **named)


def truth(audit: Audit) -> Iterator[Finding]:
    """Lesions that preprocessing cut into or took away."""
    lost = audit.truth_lost
    if lost and lost.images:
        numbers = {"images": lost.images, "of": lost.of, "nothing": lost.all}
        settings = (*_settings(audit, ("fit", "pad")), "a larger data.size")
        yield state("alarm", "truth.cut", numbers, settings=settings, look_at=lost.examples)


def masks(audit: Audit) -> Iterator[Finding]:
    """Masks that most likely are mistakes."""
    found = audit.odd_masks
    if found and found.inverted:
        numbers, examples = {"some": found.inverted, "masks": found.of}, found.images[: found.inverted]
        yield state("alarm", "masks.inverted", numbers, examples=examples)
    if found and found.full:
        yield state("alarm", "masks.full", {"some": found.full, "masks": found.of})


def seams(audit: Audit) -> Iterator[Finding]:
    """Whether plants are known by how they were blended in."""
    if not audit.seams or audit.seams[0].balanced_accuracy is None:
        return
    forest = audit.seams[0]
    numbers = scored(forest=forest) | {"groups": forest.groups}
    if forest.p is None:
        yield state("note", "seams.untested", numbers)
    elif forest.significant:
        yield state("alarm", "seams.cue", numbers)
    else:
        yield state("fine", "seams.no_evidence", numbers)


def copies(audit: Audit) -> Iterator[Finding]:
    """Files that are there twice."""
    same, pictures = audit.duplicates.bytes, audit.duplicates.pixels
    if same.pairs:
        yield state("note", "copies.files", {"pairs": same.pairs, "images": same.images})
    else:
        yield state("fine", "copies.none", {"files": audit.images})
    if pictures.pairs > same.pairs:
        yield state("note", "copies.pictures", {"pairs": pictures.pairs - same.pairs})


def patients(audit: Audit) -> Iterator[Finding]:
    """Look-alikes across patients."""
    across = audit.duplicates.lookalikes.across_groups
    if audit.group_kind == "patient" and across:
        numbers = {"pairs": across, "threshold": audit.threshold}
        yield state("note", "patients.alike", numbers, look_at=first(audit.strangers))


def clusters(audit: Audit) -> Iterator[Finding]:
    """What clusters of look-alikes are not, and how they move with the threshold."""
    if audit.group_kind == "patient":
        return
    if audit.group_kind == "lookalike":
        yield state("note", "groups.united" if audit.united else "groups.clusters", {"groups": audit.groups})
    rows = [row for row in sorted(audit.sweep, key=lambda row: row.threshold) if row.clusters]
    if len(rows) < 2:
        return
    numbers = {"images": audit.images, "threshold": audit.threshold}
    numbers |= {"possible": sum(row.split for row in rows), "steps": len(rows)}
    for end, row in (("lowest", rows[0]), ("highest", rows[-1])):
        numbers |= {f"{end}_threshold": row.threshold, f"{end}_clusters": row.clusters, f"{end}_largest": row.largest}
    kind = "clusters.move" if rows[0].clusters != rows[-1].clusters else "clusters.stay"
    yield state("note", kind, numbers, aside="patients" if audit.patients_known else None)
    tested = [row for row in rows if row.neighbour is not None]
    if len(tested) > 1:
        ends = (("lowest", tested[0]), ("highest", tested[-1]))
        numbers = {f"{end}_accuracy": row.neighbour for end, row in ends}
        numbers |= {f"{end}_threshold": row.threshold for end, row in ends}
        yield state("note", "clusters.memory", numbers)


def left_out(audit: Audit) -> Iterator[Finding]:
    """Files that could not be used."""
    if audit.quarantined:
        yield state("note", "files.left_out", {"files": len(audit.quarantined)})
