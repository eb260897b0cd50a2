"""Copies, look-alikes and label conflicts: how many there are, and which."""

import numpy as np
import pandas as pd

from heatproof.data.audit.material import Material
from heatproof.data.lookalikes import Pairs

CONFLICTS = 50  # that audit.json lists
NAMED = 5  # pairs of every other kind
LISTED = 100_000  # pairs that audit_pairs.csv lists


def count_duplicates(keys: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """Pairs of images with one key, the images in them, and the pairs across classes; none is listed for it."""
    codes = pd.factorize(keys)[0]
    sizes = np.bincount(codes)
    same = np.unique(np.stack([codes, labels]), axis=1, return_counts=True)[1]
    total, within = ((each * (each - 1) // 2).sum() for each in (sizes, same))
    return {"pairs": int(total), "images": int(sizes[sizes > 1].sum()), "across_classes": int(total - within)}


def count_pairs(pairs: Pairs, material: Material) -> dict[str, int | None]:
    """Pairs that look alike, the images in them, and the pairs across classes, groups and, in any fold, splits."""
    groups, splits = pd.factorize(material.groups)[0], material.used
    across = np.zeros(len(pairs), bool)
    for split in splits.values():
        across |= split[pairs.a] != split[pairs.b]
    return {
        "pairs": len(pairs),
        "images": len(np.unique(np.concatenate([pairs.a, pairs.b]))),
        "across_classes": int((material.labels[pairs.a] != material.labels[pairs.b]).sum()),
        "across_groups": int((groups[pairs.a] != groups[pairs.b]).sum()),
        "across_splits": int(across.sum()) if splits else None,
    }


def count_crossing(pairs: Pairs, material: Material) -> dict[str, int | None]:
    """Patients and pairs of look-alikes that stand in two parts of the split, and the test images concerned.

    Returns:
        patients: in two parts, `of` all; test_images: of patients that are in another part too; all three None where
        patients are not known. pairs: of look-alikes in two parts.
    """
    split = pd.Series(material.splits["fold0"])
    found: dict[str, int | None] = {"patients": None, "of": None, "test_images": None}
    if material.group_kind == "patient":
        parts = split.groupby(material.groups).transform("nunique") > 1
        found["patients"], found["of"] = len(set(material.groups[parts])), len(set(material.groups))
        found["test_images"] = int((parts & (split == "test")).sum())
    return found | {"pairs": int((split.to_numpy()[pairs.a] != split.to_numpy()[pairs.b]).sum())}


def pair_kinds(material: Material, pairs: Pairs) -> np.ndarray:
    """For each pair the strongest that holds: `bytes` (one file), `pixels` (one picture) or `lookalike`."""
    files, pictures = pd.factorize(material.sha256)[0], pd.factorize(material.pictures)[0]
    return np.select(
        [files[pairs.a] == files[pairs.b], pictures[pairs.a] == pictures[pairs.b]], ["bytes", "pixels"], "lookalike"
    )


def named_pairs(material: Material, pairs: Pairs, kinds: np.ndarray) -> dict[str, list[dict]]:
    """The most alike pairs by what they mean.

    Returns:
        `conflicts`: in different classes, at most `CONFLICTS`. At most `NAMED` each: `alike`, in one class;
        `strangers`, of different groups; `leaks`, one image in the test part and one in the training part of a fold.
    """
    across = material.labels[pairs.a] != material.labels[pairs.b]
    groups, leaking = pd.factorize(material.groups)[0], np.zeros(len(pairs), bool)
    for split in material.used.values():
        a, b = split[pairs.a], split[pairs.b]
        leaking |= ((a == "test") & (b == "train")) | ((a == "train") & (b == "test"))
    order = np.argsort(-pairs.similarity, kind="stable")
    chosen = {
        "conflicts": order[across[order]][:CONFLICTS],
        "alike": order[~across[order]][:NAMED],
        "strangers": order[(groups[pairs.a] != groups[pairs.b])[order]][:NAMED],
        "leaks": order[leaking[order]][:NAMED],
    }
    return {name: _named(material, pairs, kinds, rows) for name, rows in chosen.items()}


def _named(material: Material, pairs: Pairs, kinds: np.ndarray, chosen: np.ndarray) -> list[dict]:
    ids, names = material.image_ids, [material.classes[label] for label in material.labels]
    return [
        {
            "a": str(ids[a]),
            "b": str(ids[b]),
            "row_a": int(a),
            "row_b": int(b),
            "label_a": names[a],
            "label_b": names[b],
            "similarity": float(similarity),
            "kind": str(kind),
        }
        for a, b, similarity, kind in zip(
            pairs.a[chosen], pairs.b[chosen], pairs.similarity[chosen], kinds[chosen], strict=True
        )
    ]


def list_pairs(material: Material, pairs: Pairs, kinds: np.ndarray) -> pd.DataFrame:
    """At most `LISTED` pairs, those across classes first, then the most alike; splits are those of `fold0`."""
    same = material.labels[pairs.a] == material.labels[pairs.b]
    order = np.lexsort((-pairs.similarity, same))[:LISTED]
    a, b = pairs.a[order], pairs.b[order]
    names = np.array(material.classes, object)[material.labels]
    split = material.splits.get("fold0", np.full(len(names), ""))
    return pd.DataFrame(
        {
            "image_a": material.image_ids[a],
            "image_b": material.image_ids[b],
            "similarity": pairs.similarity[order],
            "kind": kinds[order],
            "label_a": names[a],
            "label_b": names[b],
            "split_a": split[a],
            "split_b": split[b],
        }
    )
