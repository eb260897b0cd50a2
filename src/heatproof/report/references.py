"""What is to be cited for what: methods, metrics, architectures, tests; the entries themselves are `references.bib`."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from heatproof.registry import attributes

METHODS = {
    "gradcam": ("selvaraju2017",),
    "gradcam_plus_plus": ("chattopadhay2018",),
    "hirescam": ("draelos2020",),
    "layercam": ("jiang2021",),
    "xgradcam": ("fu2020",),
    "eigencam": ("muhammad2020", "chung2025"),
    "eigengradcam": ("gildenblat2021", "muhammad2020"),
    "scorecam": ("wang2020",),
    "ablationcam": ("desai2020",),
    "saliency": ("simonyan2014",),
    "input_x_gradient": ("shrikumar2016",),
    "smoothgrad": ("smilkov2017",),
    "guided_backprop": ("springenberg2015",),
    "integrated_gradients": ("sundararajan2017",),
    "deeplift": ("shrikumar2017", "lundberg2017"),
    "occlusion": ("zeiler2014",),
    "attention_rollout": ("abnar2020",),
    "generic_attention": ("chefer2021",),
    "attnlrp": ("achtibat2024",),
}
_EQUIVARIANCE = ("wang2020seam", "crabbe2023")
METRICS = {  # nothing to cite: the definition is all there is to it
    "localization_accuracy": ("panboonyuen2026",),
    "iou": (),
    "iou_area": (),
    "relevance_rank_accuracy": ("arras2022",),
    "relevance_mass_accuracy": ("arras2022",),
    "energy_pointing_game": ("wang2020",),
    "pixel_auroc": (),
    "pixel_auprc": ("davis2006",),
    "pointing_game": ("zhang2018",),
    "pointing_game_tolerance": ("zhang2018",),
    "hit_rate": ("saporta2022",),
    "peak_distance": (),
    "lesion_hit_rate": ("chakraborty1990",),
    "box_iou": ("zhou2016", "choe2020"),
    "outside_body": (),
    "outside_lungs": (),
    "on_border": (),
    "inside_cue": (),
    "sparseness": ("chalasani2020", "hurley2009"),
    "entropy": ("bhatt2020",),
    "effective_area": (),
    "faithfulness_logit": ("panboonyuen2026",),
    "faithfulness_probability": ("panboonyuen2026",),
    "average_drop": ("chattopadhay2018",),
    "increase_in_confidence": ("chattopadhay2018",),
    "deletion_auc": ("petsiuk2018",),
    "insertion_auc": ("petsiuk2018",),
    "srg": ("bluecher2024",),
    "aopc_morf": ("samek2017",),
    "aopc_lerf": ("samek2017",),
    "naopc": ("edin2024",),
    "infidelity": ("yeh2019",),
    "road_morf": ("rong2022",),
    "road_lerf": ("rong2022",),
    "road": ("rong2022", "gildenblat2021"),
    "iou_seeds": (),
    "iou_reference": ("panboonyuen2026",),
    "rank_correlation_seeds": (),
    "iou_models": ("panboonyuen2026",),
    "rank_correlation_methods": (),
    "iou_methods": (),
    "rank_correlation_models": (),
    "rank_correlation_flip": _EQUIVARIANCE,
    "rank_correlation_shift": _EQUIVARIANCE,
    "rank_correlation_rotate": _EQUIVARIANCE,
    "rank_correlation_scale": _EQUIVARIANCE,
    "rank_correlation_noise": (),
    "rank_correlation_window": (),
    "rank_correlation_transforms": _EQUIVARIANCE,
    "max_sensitivity": ("yeh2019",),
    "ssim_cascade": ("adebayo2018", "wang2004"),
    "rank_correlation_cascade": ("adebayo2018",),
    "ssim_independent": ("adebayo2018", "wang2004"),
    "rank_correlation_independent": ("adebayo2018",),
    "ssim_random_labels": ("adebayo2018", "wang2004"),
    "rank_correlation_random_labels": ("adebayo2018",),
    "ssim_random_target": ("sixt2020", "wang2004"),
    "rank_correlation_random_target": ("sixt2020",),
}
# what a timm name starts with -> the paper of the architecture; others go by timm alone
ARCHITECTURES = {
    "resnet": ("he2016",),
    "densenet": ("huang2017",),
    "efficientnet": ("tan2019",),
    "vit_": ("dosovitskiy2021",),
}


_MARK = re.compile(r"\[@([\w,-]+)\]")


class Entry(NamedTuple):
    """A BibTeX entry: its source, and its fields without braces and accents' commands."""

    key: str
    source: str
    fields: dict[str, str]


@cache
def entries() -> dict[str, Entry]:
    """All entries by key."""
    text = (Path(__file__).parent / "references.bib").read_text(encoding="utf-8")
    found = {}
    for source in re.findall(r"^@\w+{.*?^}$", text, re.MULTILINE | re.DOTALL):
        key = re.match(r"@\w+{([\w-]+),", source)[1]
        if key in found:
            raise ValueError(f"references.bib: {key} stands there twice")
        fields = dict(re.findall(r"^  (\w+) = {(.*)},$", source, re.MULTILINE))
        found[key] = Entry(key, source, {name: _plain(value) for name, value in fields.items()})
    return found


_ACCENTS = {r"\"u": "ü", r"\"o": "ö", r"\'e": "é", r"\o": "ø", r"\v{s}": "š"}


def _plain(value: str) -> str:
    for command, letter in _ACCENTS.items():
        value = value.replace(f"{{{command}}}", letter)
    return value.replace("{", "").replace("}", "")


def metric(name: str) -> tuple[str, ...]:
    """Keys of a metric; of a variant (another baseline) those of its metric, of one that is not known here none."""
    known = max((known for known in METRICS if name == known or name.startswith(f"{known}_")), key=len, default=None)
    if known and name != known and name in attributes("score", "metric"):
        return ()
    return METRICS.get(known, ())


def architecture(model: str) -> tuple[str, ...]:
    return next((keys for start, keys in ARCHITECTURES.items() if model.startswith(start)), ())


def written(entry: Entry) -> str:
    """One line of a list of references."""
    fields = entry.fields
    where = fields.get("journal") or fields.get("booktitle")
    where = None if where == "arXiv preprint" else where
    source = f"arXiv:{fields['eprint']}" if "eprint" in fields else None
    source = source or (f"doi:{fields['doi']}" if "doi" in fields else fields.get("url"))
    parts = [_authors(fields["author"]), fields["title"], where, fields["year"], source]
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in parts if part)


def _authors(text: str) -> str:
    """`Jiang P-T, Zhang C-B, Hou Q, et al`: of more than four the first three."""
    names = text.split(" and ")
    short = [_short(name) for name in names if name not in ("others", "contributors")]
    if len(names) > len(short) or len(short) > 4:
        return ", ".join(short[:3]) + ", et al"
    return ", ".join(short)


def _short(name: str) -> str:
    family, _, given = name.partition(", ")
    initials = "".join("-".join(part[0] for part in word.split("-")) for word in given.split())
    return f"{family} {initials}".strip()


def cite(keys: Iterable[str]) -> str:
    """A mark that `numbered` turns into ` [1, 3]`, or nothing where there is nothing to cite."""
    keys = list(dict.fromkeys(keys))
    return f" [@{','.join(keys)}]" if keys else ""


def numbered(text: str) -> tuple[str, list[str]]:
    """The text with numbers in the place of marks, in the order in which they are first cited; and the keys."""
    keys = list(dict.fromkeys(key for found in _MARK.findall(text) for key in found.split(",")))
    place = {key: i for i, key in enumerate(keys, 1)}
    for key in keys:
        entries()[key]  # a key that is not there is a mistake of the code
    return _MARK.sub(
        lambda found: f"[{', '.join(map(str, sorted(place[k] for k in found[1].split(','))))}]", text
    ), keys


def listed(keys: Iterable[str]) -> str:
    return "\n".join(f"{i}. {written(entries()[key])}" for i, key in enumerate(keys, 1))


def bibtex(keys: Iterable[str]) -> str:
    return "\n\n".join(entries()[key].source for key in keys) + "\n"
