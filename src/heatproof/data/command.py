"""`heatproof job data`: from the images of a study to its manifest, pixels and masks."""

import argparse
import importlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from types import ModuleType

import numpy as np
import pandas as pd

from heatproof.core.draws import derive
from heatproof.core.messages import InputError, line, listed, steps
from heatproof.data.prepare.lookalikes import Pairs, check_apart, check_patients, group_images
from heatproof.data.prepare.preprocess import THUMBNAIL, Frame, OddMasks, margins, preprocess, thumbnail, to_uint8
from heatproof.data.prepare.split import arrange, crossing, few_groups, part_shares
from heatproof.data.sources.annotations import ROTATING
from heatproof.data.sources.opening import Listing, stated
from heatproof.data.sources.places import GIVEN
from heatproof.data.sources.records import Image, Record, Region, Rows
from heatproof.data.sources.rows import LeftOut
from heatproof.data.sources.trees import place
from heatproof.store import artifacts
from heatproof.store.artifacts import is_multilabel, multihot, truth
from heatproof.store.tables import READINGS
from heatproof.text.numbers import counted

FILES = ("manifest.parquet", "pixels.npy", "masks.npy", "readings.parquet", "readings.npy")
BRANCHES = {  # what some sections ask for; a job depends on the code of those that it takes (`workflow.code`)
    "contents": "heatproof.data.sources.opening",
    "dicom": "heatproof.data.sources.pseudonyms",
    "download": "heatproof.data.download.transfer",
    "planted": "heatproof.data.synthetic.planted",
    "shortcut": "heatproof.data.prepare.shortcut",
}


Regions = tuple[tuple[Region, ...], tuple[str, ...]]  # of one image, and the readers who looked at it


class Readings:
    """The regions of a study by label and reader, as they are drawn image by image.

    Args:
        study: its name, which the reader whose regions are an image's truth is drawn from, where readers rotate.
        readers: in the order of `data.readers`; the first one's regions are the truth.
        rotating: whether any of them may have drawn the truth.
        several: whether images have several labels.
    """

    def __init__(self, study: str, readers: Sequence[str], rotating: bool, several: bool):
        self._study, self._readers, self._rotating, self._several = study, list(readers), rotating, several
        self._rows: list[tuple] = []
        self.count = 0  # of masks
        self.of_absent = 0  # images with regions of labels alone that they do not have
        self.marked: dict[str, list[int]] = {}  # image -> the labels of its truth
        self.seen: set[int] = set()  # labels with a region

    def order(self, image_id: str, present: Sequence[str]) -> list[str]:
        """Return the readers who looked at an image, the one whose regions are its truth first."""
        if not self._readers:
            return list(dict.fromkeys(present))
        here = [name for name in self._readers if name in present]
        if self._rotating:
            return sorted(here, key=lambda name: derive("reader", self._study, image_id, name))
        return here if here[:1] == self._readers[:1] else []

    def add(self, record: Record, image: Image, found: Regions, frame: Frame, masks: np.ndarray) -> tuple:
        """Draw the regions of an image, and fill in rows and masks.

        Args:
            masks: bool [readings, size, size], of which the first `count` are filled.

        Returns:
            The image's truth of all its labels, bool [height, width], or None, and its kind, mask, box or none.
        """
        (regions, present), shape = found, image.pixels.shape[:2]
        held = sorted(record.label) if self._several else [record.label]
        self.of_absent += any(region.instances and not {*held} & {*region.labels} for region in regions)
        readers = self.order(record.image_id, present)
        whole, kind, marked, rows, count = None, "none", [], [], self.count
        for label, reader in product(held, readers):
            truth = reader == readers[0]
            if not truth and label not in marked:
                continue  # nothing that it could be compared with
            mine = [region for region in regions if label in region.labels and region.reader == reader]
            drawn = [region for region in mine if region.draw is not None]
            mask = np.zeros(shape, bool)
            for region in drawn:
                mask |= region.draw(shape)
            points = [frame.points(region.points(shape)) for region in mine if region.points is not None]
            small = frame.mask(mask)[0] if mask.any() else mask[:0]
            kind_here = (
                "none" if not mask.any() else "mask" if any(region.kind == "mask" for region in drawn) else "box"
            )
            if mask.any():
                self.seen.add(label)
            if truth and small.any():
                marked.append(label)
                whole = mask if whole is None else whole | mask
                kind = kind_here if kind != "mask" else kind
            if (not small.any() and truth) or (not self._several and len(self._readers) < 2):
                continue  # no truth, or one that the image's own mask holds
            counts = [region.instances for region in mine if region.instances is not None]
            if small.any():
                masks[count] = small
            row = count if small.any() else -1
            number = sum(counts) if counts and mask.any() else pd.NA
            shown = ";".join(f"{x:.3f} {y:.3f}" for part in points for x, y in part)
            rows.append((record.image_id, label, reader, readers.index(reader), row, kind_here, number, shown))
            count += bool(small.any())
        self._rows += rows
        self.count, self.marked[record.image_id] = count, marked  # together, as an image may turn out to be bad
        return whole, kind

    def frame(self) -> pd.DataFrame:
        """Return a row a reading, columns `READINGS`."""
        return pd.DataFrame(self._rows, columns=list(READINGS))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--config", required=True, type=json.loads, help="section data, as JSON")


def run(args: argparse.Namespace) -> None:
    study, config, folder = args.study, args.config, artifacts.data_dir(args.study)
    seeded = config.get("drawn_as") or study  # whose random numbers make phantoms, plants, cues and splits
    if config.get("download"):
        _branch("download").fetch(place(config["source"]), config["download"], artifacts.STATE / "downloads")
    classes, listing = config["class_names"], stated(seeded, config)
    records = listing.records
    size, count = config["size"], len(records)
    arrays = {
        folder / "pixels.npy": ((count, config["channels"], size, size), "uint8"),
        folder / "masks.npy": ((count, size, size), "bool"),
        folder / "thumbnails.npy": ((count, THUMBNAIL, THUMBNAIL), "uint8"),
        folder / "seams.npy": ((count if config["kind"] == "planted" else 0, size, size), "bool"),
        folder / "readings.npy": ((most_readings(listing, config), size, size), "bool"),
    }
    several = config.get("task") == "multilabel"
    readings = Readings(study, listing.readers, config.get("readers") == ROTATING, several)
    with ExitStack() as stack:
        pixels, masks, thumbnails, seams, drawn = (
            stack.enter_context(artifacts.writing_array(p, *a)) for p, a in arrays.items()
        )
        frame, bad, contents, headers = _read_all(study, config, listing, (pixels, masks, thumbnails, drawn), readings)
        if config.get("task") == "multilabel":
            frame = _unfold(frame, len(classes))
        images = len(frame)
        if config["contents"]:
            listed_contents = _branch("contents")
            folders = set(config["classes"].values())  # a study may take some of the classes that are listed
            entries = listed_contents.read_contents(place(config["contents"]))
            wanted = [entry for entry in entries if folders & set(entry[0].split("/")[:-1])] or entries
            if listing.left_out:  # what a table's row leaves out is not read
                taken = {listed_contents.tail(record.source) for record in records}
                wanted = [entry for entry in wanted if listed_contents.tail(entry[0]) in taken]
            listed_contents.check_contents(wanted, contents, config["source"])
        frame["group"], pairs = group_images(frame, thumbnails[:images], config["group_kind"], config["lookalike"])
        if config["kind"] == "planted":
            _branch("planted").plant_all(seeded, config, frame, pixels, masks, seams)
        by_hand = config["split"]["by"] in GIVEN
        given = pd.Series(_of_records(records, frame, "split"), frame.index) if by_hand else None
        trained = config.get("trained", True)
        splits = arrange(frame, config["split"], classes, seeded, config["seed"], given, trained)
        few = {} if by_hand or config["split"]["test"] == "all" else _tell_few(study, config, classes, frame)
        if config["shortcut"]:
            tested = (splits["fold0"] == "test").to_numpy()
            frame["cue"] = _branch("shortcut").mark_all(seeded, config, classes, frame, pixels, tested)
        if by_hand:
            _tell_crossing(study, splits["fold0"], frame["patient"], pairs)
        elif pairs is not None:
            check_apart(splits, pairs)
        if config["split"]["by"] not in ("random", *GIVEN):
            check_patients(splits, frame["patient"])
        by_label = several and (listing.by_uid or any(record.regions is not None for record in records))
        declared = config.get("marks") or any(record.marks is not None for record in records)
        if declared or by_label or config["kind"] == "xray_phantom":
            frame = pd.concat([frame, _marks(records, frame, config, classes, readings)], axis=1)
    for path, (shape, _) in arrays.items():  # rows are filled from the first on
        filled = readings.count if path.name == "readings.npy" else min(images, shape[0])
        if filled < shape[0]:
            artifacts.write_array(path, artifacts.read_array(path)[:filled])
    frame = pd.concat([frame, _about(records, headers, frame)], axis=1)
    licenses = []
    if config["columns"].get("license"):
        licenses = list(zip(frame["image_id"], _of_records(records, frame, "license"), strict=True))
    about = left_out(listing.left_out, licenses, few)
    _write(study, config, classes, pd.concat([frame, splits], axis=1), bad, about, readings)


def _branch(name: str) -> ModuleType:
    return importlib.import_module(BRANCHES[name])


def most_readings(listing: Listing, config: dict) -> int:
    """Return the most masks that the regions by label and reader can be."""
    several, pairs = config.get("task") == "multilabel", 0
    if not several and len(listing.readers) < 2:
        return 0
    of_files = (found[0] for found in listing.by_uid.values())
    for regions in (*(record.regions or () for record in listing.records), *of_files):
        pairs += len({(label, region.reader) for region in regions for label in region.labels})
    return pairs


def _read_all(
    study: str, config: dict, listing: Listing, arrays: Sequence[np.ndarray], readings: Readings
) -> tuple[pd.DataFrame, list[dict], list[tuple[str, str]], dict[str, Mapping[str, str]]]:
    """Fill the arrays, pixels, masks, thumbnails and masks of readings; list what is known of each image, the images
    that are bad, where `data.contents` is to be checked, name and digest of all read, and what headers hold of each."""
    records, (pixels, masks, thumbnails, drawn) = listing.records, arrays
    waiting, headers = dict(listing.by_uid), {}
    options = {key: config[key] for key in ("size", "channels", "crop", "fit")}
    bad, contents, odd = [], [], OddMasks()
    with Rows(len(records), config.get("task") == "multilabel") as rows:
        for record in steps(records, len(records), f"{study}: images"):
            row, image, usable = len(rows), None, True
            try:
                image = record.read()
                raw = to_uint8(image, config["window"])
                truth, drawn_as, frame = image.mask, image.truth, None
                regions = by_uid = waiting.pop(image.uid, None)
                if record.regions is not None:
                    more, looked = by_uid or ((), ())
                    regions = (*record.regions, *more), (*(record.readers or ("",)), *looked)
                if regions is not None:
                    frame = Frame.of(raw, config["crop"], config["size"], config["fit"])
                    truth, drawn_as = readings.add(record, image, regions, frame, drawn)
                pixels[row], mask, kept = preprocess(raw, truth, frame=frame, **options)
                if config["kind"] == "planted":
                    _branch("planted").check(f"{config['source']}: {record.source}", pixels[row], config["planted"])
            except InputError as error:
                bad.append({"source": record.source, "reason": str(error)})
                usable = False
            if image is not None and config["contents"]:  # of what is read and of no use to this study, too
                contents.append((record.source, image.sha256))
            if not usable:
                continue
            masks[row] = False if mask is None else mask
            if drawn_as == "mask" and truth is not None:
                odd.add(record.source, truth)
            thumbnails[row] = thumbnail(raw)
            edges = dict(zip(("top", "bottom", "left", "right"), margins(raw), strict=True))
            facts = image.facts
            known = {
                "image_id": record.image_id,
                "sha256": image.sha256,
                "source": record.source,
                "label": record.label,
                "patient": record.patient or image.patient,
                "truth": drawn_as if masks[row].any() else "none",
                "width": facts.width,
                "height": facts.height,
                "mode": facts.mode,
                "format": facts.format,
                "quality": facts.quality,
                "bytes": facts.bytes,
                **edges,
                "truth_kept": kept,
                "cue": False,
            }
            if image.about:
                headers[record.image_id] = image.about
            rows.add(known, f"{image.pixels.dtype}{image.pixels.shape}".encode() + image.pixels.tobytes())
        _check_bad(study, config, bad, len(records))
        if not rows:
            first = bad[0]["reason"]
            raise InputError(
                f"{config['source']}: no image can be used; all {len(bad)} are quarantined, the first: {first}"
            )
        frame = rows.frame()
    _tell_lost_truth(study, frame["truth_kept"].tolist())
    _check_masks(study, config, odd, readings)
    if waiting and not config.get("sample"):
        lost = f"{len(waiting)} ids name no image: {listed(waiting, 2)}; correct them, or add the images"
        raise InputError(f"{config['source']}: data.annotations: {lost}")
    if readings.of_absent:
        line(f"{study}: left out in {counted(readings.of_absent, 'image')}: regions of labels that it does not have")
    return frame, bad, contents, headers


def _check_bad(study: str, config: dict, bad: list[dict], count: int) -> None:
    """Stop if an image is bad and none may be, else report how many are excluded."""
    if bad and "dicom" in (config["kind"], config["planted"]["kind"]):
        line(_branch("dicom").HINT)
    if bad and config["on_bad"] == "error":
        lines = "\n".join(item["reason"] for item in bad)
        raise InputError(
            f"{lines}\n{len(bad)} of {count} images cannot be used; fix them, or set data.on_bad: quarantine to "
            f"continue without them"
        )
    if bad and len(bad) < count:
        line(f"{study}: {len(bad)} of {count} images cannot be used and are excluded; quarantine.csv lists them")


def _unfold(frame: pd.DataFrame, classes: int) -> pd.DataFrame:
    """The images with a column a label in place of the indices of the labels that each has."""
    truth = np.zeros((len(frame), classes), bool)
    for row, held in enumerate(frame["label"]):
        truth[row, list(held)] = True
    return pd.concat([frame.assign(label=pd.NA), multihot("label", truth, frame.index)], axis=1)


def _of_records(records: Sequence[Record], frame: pd.DataFrame, field: str) -> list:
    """What the source says of each image that is used."""
    known = {record.image_id: getattr(record, field) for record in records}
    return [known[name] for name in frame["image_id"]]


def _marks(
    records: Sequence[Record], frame: pd.DataFrame, config: dict, classes: list[str], readings: Readings
) -> pd.DataFrame:
    """Columns `marks_0`, ...: which labels the truth of each image marks; of labels that the image has, no others."""
    held = truth(frame, len(classes))
    declared = np.zeros_like(held)
    everywhere = [label for label, name in enumerate(classes) if name in (config.get("marks") or ())]
    marks = _of_records(records, frame, "marks")
    for row, name in enumerate(frame["image_id"]):
        declared[row, list(readings.marked.get(name, everywhere or marks[row] or ()))] = True
    marked = declared & held & (frame["truth"] != "none").to_numpy()[:, None]
    return multihot("marks", marked, frame.index)


def _about(records: Sequence[Record], headers: Mapping[str, Mapping[str, str]], frame: pd.DataFrame) -> pd.DataFrame:
    """What else the source's table or the images' headers hold of each image, a column `about ...` each; none where
    they hold nothing."""
    rows = _of_records(records, frame, "about")
    rows = [{**row, **headers.get(name, {})} for row, name in zip(rows, frame["image_id"], strict=True)]
    return pd.DataFrame(
        {f"{artifacts.ABOUT}{name}": [row[name] for row in rows] for name in rows[0]}, frame.index, dtype=object
    )


def _tell_crossing(study: str, split: pd.Series, patients: pd.Series, pairs: Pairs | None) -> None:
    """Say how many patients and pairs of look-alikes stand in two parts of a given split; it stays as it is."""
    parts = split.groupby(patients).nunique()
    across = [f"{(parts > 1).sum()} of {len(parts)} patients"] if (parts > 1).any() else []
    alike = 0 if pairs is None else crossing(pairs.a, pairs.b, split.to_numpy())
    across += [f"{counted(alike, 'pair')} of images that look alike"] if alike else []
    if across:
        line(f"{study}: warning: in the given split {' and '.join(across)} are in two parts; the split is kept")


def _tell_few(study: str, config: dict, classes: list[str], frame: pd.DataFrame) -> dict[str, int]:
    """Labels that are dealt as they fall, and in how many groups each is; says so."""
    if not is_multilabel(frame):
        return {}
    groups = frame["image_id"] if config["split"]["by"] == "random" else frame["group"]
    found = few_groups(truth(frame, len(classes)), groups, part_shares(config["split"]))
    few = {classes[label]: count for label, count in found.items()}
    if few:
        shown = listed([f"{name} ({count})" for name, count in few.items()], len(few))
        line(f"{study}: labels in too few groups for data.split.tolerance, not stratified: {shown}")
    return few


def _check_masks(study: str, config: dict, odd: OddMasks, readings: Readings) -> None:
    """Warn of masks that most likely are mistakes.

    Raises:
        InputError: what is said to be lesion stands in no mask.
    """
    for key in ("mask_value", "mask_threshold"):
        value = config.get(key)
        if isinstance(value, dict):
            for name, values in value.items():
                if config["class_names"].index(name) not in readings.seen:
                    said = f"no pixel of a mask of an image with this label has {values}"
                    raise InputError(f"data.{key}.{name}: {said}; correct it, or leave the label out")
        elif value is not None and not odd.count:
            raise InputError(f"data.{key}: {value:g}: no mask has a lesion pixel with this value; correct it")
    if odd.inverted:
        line(
            f"{study}: warning: {len(odd.inverted)} of {odd.count} masks look inverted (most of the image "
            f"is marked, except an inner part): {listed(odd.inverted)}; if 0 is lesion in all of them, set "
            f"data.mask_value: 0"
        )
    if odd.full:
        line(
            f"{study}: warning: {len(odd.full)} of {odd.count} masks cover the whole image and get no "
            f"localization score: {listed(odd.full)}"
        )


def _tell_lost_truth(study: str, kept: list[float]) -> None:
    lost = [share for share in kept if share < 0.9]
    if lost:
        line(
            f"{study}: crop and fit remove more than a tenth of the true region in {len(lost)} images, and all of it "
            f"in {lost.count(0)}; data.fit: pad removes nothing, a larger data.size keeps small lesions"
        )


def _write(
    study: str,
    config: dict,
    classes: list[str],
    frame: pd.DataFrame,
    bad: list[dict],
    about: dict,
    readings: Readings,
) -> None:
    folder, several = artifacts.data_dir(study), readings.frame()
    about_images = [column for column in frame if column.startswith(artifacts.ABOUT)]
    facts = [*artifacts.FACTS, *about_images]
    artifacts.write_table(folder / "readings.parquet", several, artifacts.READINGS)
    artifacts.write_manifest(study, frame.drop(columns=[*set(facts) - {"image_id"}, "patient"]))
    artifacts.write_table(folder / "facts.parquet", frame[facts], artifacts.FACTS)
    artifacts.write_table(
        folder / "quarantine.csv", pd.DataFrame(bad, columns=list(artifacts.QUARANTINE)), artifacts.QUARANTINE
    )
    # not in digest.json: what changes the source but not its images re-runs nothing else
    artifacts.write_json(folder / "source.json", {"fingerprint": config.get("fingerprint")} | about)
    artifacts.write_json(
        folder / "digest.json",
        ({"task": config["task"]} if config.get("task") == "multilabel" else {})
        | {
            "classes": classes,
            "channels": config["channels"],
            "size": config["size"],
            "images": len(frame),
            "sha256": {name: artifacts.digest(folder / name) for name in FILES[: 5 if len(several) else 3]},
        },
    )


def left_out(rows: Sequence[LeftOut], licenses: Sequence[tuple[str, str | None]], few: dict[str, int]) -> dict:
    """The keys that there is something to tell of.

    Args:
        rows: of the table, by the rule that leaves them out.
        licenses: of the images that are used, id and licence, None where it is blank; nothing where none is read.
        few: labels that too few groups have for the tolerance of the split, and the number of these groups.

    Returns:
        left_out: key, column, value and rows of each rule; licenses: licence and images of each, the most first;
        unlicensed: ids of the images whose licence is blank; few_groups: as it came.
    """
    counts = Counter(license for _, license in licenses if license is not None)
    found = {
        "left_out": [row._asdict() for row in rows],
        "licenses": [{"license": name, "images": n} for name, n in sorted(counts.items(), key=lambda i: (-i[1], i[0]))],
        "unlicensed": [name for name, license in licenses if license is None],
        "few_groups": few,
    }
    return {key: value for key, value in found.items() if value}
