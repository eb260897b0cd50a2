"""The methods section of a paper, written from the configuration and from what the study had to judge by."""

import platform
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import bibtexparser
from bibtexparser.middlewares import LatexDecodingMiddleware

from heatproof.catalogue.families import CONTROLS
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import find_metric
from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.paper import provenance
from heatproof.report.sections import data_tables, overview
from heatproof.stats.tests.omnibus import LEAST_GROUPS
from heatproof.store import artifacts
from heatproof.text import numbers
from heatproof.text.verdicts import MEANINGS
from heatproof.text.words import called

KINDS = {
    "phantom": "synthetic CT slices (phantoms) in which the lesion is the only evidence for the class",
    "xray_phantom": "synthetic chest X-rays (phantoms) with one or several findings",
    "planted": "real slices into which nodules were planted",
}
FITS = {
    "crop": "cropped to the central square",
    "pad": "padded with black to a square",
    "squash": "resized to a square",
}
THRESHOLDS = " The probability threshold of each label maximizes its F1 on the validation images."
TARGETS = {  # whether images can have several labels -> option
    False: {"label": "true class", "predicted": "predicted class"},
    True: {
        "label": "labels of an image",
        "predicted": "predicted labels",
        "either": "labels of an image and predicted labels (one heatmap each)",
    },
}
SOFTWARE = {  # package -> what to cite
    "torch": ("paszke2019",),
    "timm": ("wightman2019",),
    "captum": ("kokhlikyan2020",),
    "grad-cam": ("gildenblat2021",),
    "numpy": (),
    "scipy": (),
    "pandas": (),
    "scikit-learn": (),
    "pingouin": ("vallat2018",),
    "statsmodels": (),
    "snakemake": ("moelder2021",),
    "dvc": (),
}


def write(inputs: Inputs, study: dict) -> tuple[str, str]:
    """Return the section as Markdown with numbered references, and the BibTeX of those references.

    Args:
        inputs: results of the earlier stages.
        study: the study's resolved configuration.
    """
    parts = {
        "Data": data(inputs, study),
        "Models": models(inputs, study),
        "Heatmaps": heatmaps(inputs, study),
        "Scores": scores(inputs),
        "Statistics": write_statistics(inputs, study["stats"]),
        "Software": software(),
    }
    text = "\n\n".join(f"## {title}\n\n{part}" for title, part in parts.items())
    head = f"# Methods of study {inputs.study}\n\nGenerated from the study's configuration. Edit it for your journal."
    text, keys = numbered(text)
    return f"{head}\n\n{text}\n\n## References\n\n{listed(keys)}\n", bibtex(keys)


def data(inputs: Inputs, study: dict) -> str:
    config, manifest = study["data"], inputs.manifest
    kind = inputs.results.groups.kind
    unit = numbers.UNITS[kind]
    counts = artifacts.truth(manifest, len(inputs.classes)).sum(0)
    classes = numbers.listed([f"{escape(name)} ({counts[i]:,})" for i, name in enumerate(inputs.classes)])
    many = "labels (an image may have several)" if inputs.multilabel else "classes"
    of = "" if kind == "image" else f" of {numbers.counted(manifest['group'].nunique(), *unit)}"
    made = f": {KINDS[config['kind']]}" if config["kind"] in KINDS else ""
    marked = int((manifest["truth"] != "none").sum())
    truth = f"{marked:,} have a mask of the true region" if marked else "none has a mask of the true region"
    cropped = "cropped to the body and " if config["crop"] == "body" else ""
    return (
        f"The study has {numbers.counted(len(manifest), 'image')}{of} in {len(inputs.classes)} {many}, "
        f"{classes}{made}; {truth}. Images were {cropped}{FITS[config['fit']]} of {config['size']} by "
        f"{config['size']} pixels with {numbers.counted(config['channels'], 'channel')}. "
        f"{_split(inputs)} {_kept(inputs)}"
    )


def _split(inputs: Inputs) -> str:
    if len(inputs.folds) > 1:
        return (
            f"They were split into {len(inputs.folds)} folds. Each fold was the test set of one training run, with "
            f"another as the validation set, so every image was tested once."
        )
    sizes = inputs.manifest["split"].value_counts()
    if set(sizes.index) == {"test"}:
        return "All of them were test images."
    parts = {"train": "training", "val": "validation", "test": "test"}
    listed = numbers.listed([f"{sizes.get(part, 0):,} {to}" for part, to in parts.items()])
    return f"They were split into {listed} images."


def _kept(inputs: Inputs) -> str:
    measured = f" (thumbnails of 32 by 32 pixels that correlate by {inputs.audit.threshold:g} or more)"
    return data_tables.apart(inputs.audit, measured)


def models(inputs: Inputs, study: dict) -> str:
    networks = study.get("networks", {})
    named = [f"{model}{cite(architecture(model))}" for model in inputs.trained if model not in networks]
    parts = [f"{numbers.listed(named)} as implemented in timm{cite(['wightman2019'])}"] if named else []
    parts += [_network(inputs, model, networks[model]) for model in inputs.trained if model in networks]
    train, many = study["train"], len(inputs.trained) > 1
    recipes = {
        model: {"epochs": 0} if model in networks else train | train.get("models", {}).get(model, {})
        for model in inputs.trained
    }
    competence = inputs.results.competence
    out = [model for model in inputs.trained if model not in inputs.competent]
    left = f"; {numbers.listed(out)} did not" if out else f"; {'all' if many else 'it'} did"
    seeds = numbers.counted(len(inputs.seeds), "seed")
    fitted = {model: recipe for model, recipe in recipes.items() if recipe["epochs"]}
    named_seeds = f"{seeds} ({', '.join(map(str, inputs.seeds))})"
    each = f"Each was trained from {named_seeds}." if fitted else f"Each has checkpoints of {named_seeds}."
    unknown = f" {unstated}" if (unstated := _unstated(inputs)) else ""
    return (
        f"{numbers.listed(parts)} {'were' if many else 'was'} "
        f"{_trained(inputs, fitted, train)}{_taken(recipes, fitted)} {each}{unknown} A "
        f"model was included in verdicts if the {inputs.results.interval:.0%} interval of {inputs.measure} on test "
        f"images lay above {numbers.number(competence.floor)} (chance is {numbers.number(competence.chance)}) in each "
        f"of its training runs{left}.{_ensembles(inputs)}"
    )


def _network(inputs: Inputs, model: str, network: dict) -> str:
    """Return where a model that was trained elsewhere comes from, and what happens to pixels before it sees them."""
    card = artifacts.read_json(artifacts.Checkpoint(inputs.study, model, inputs.seeds[0], inputs.folds[0]).card)
    return f"{model} ({provenance.placeless(network['source'])}; images: {card['normalization']})"


def _ensembles(inputs: Inputs) -> str:
    described = [
        f"{name} ({overview.COMBINED[of.combine]}; of {numbers.listed(of.models)})"
        for name, of in inputs.ensembles.items()
    ]
    if not described:
        return ""
    return (
        f" The study also has ensembles: {'; '.join(described)}. An ensemble was explained as one network and compared "
        f"with its best member. Tests between models exclude it."
    )


def _taken(recipes: dict[str, dict], fitted: dict[str, dict]) -> str:
    """State which of several models were not trained in the study."""
    taken = [model for model in recipes if model not in fitted]
    if not taken or not fitted:
        return ""
    return f" User-supplied checkpoints, not trained in the study: {numbers.listed(taken)}."


def _unstated(inputs: Inputs) -> str:
    models = inputs.results.setting.unstated
    if not models:
        return ""
    return (
        f"The training images of {numbers.listed(models)} are not stated. Test images may be among them, so these "
        f"accuracies may not hold for unseen images."
    )


def _trained(inputs: Inputs, recipes: dict[str, dict], shared: dict) -> str:
    if not recipes:
        return "used as supplied, without further training."
    shared = shared if shared["epochs"] else next(iter(recipes.values()))  # of those that were trained here
    start = {"scratch": "from random weights", "pretrained": "from timm's pretrained weights"}
    begun = start.get(shared["weights"], "from user-supplied weights")
    scaled = (
        "Pixels were normalized by the mean and standard deviation of the training images"
        if all(recipe["weights"] == "scratch" for recipe in recipes.values())
        else "Pixels were normalized by the mean and standard deviation stored with the weights"
        if all(recipe["weights"] != "scratch" for recipe in recipes.values())
        else "Pixels were normalized by the mean and standard deviation of the training images (models trained from "
        "random weights) or stored with the weights (other models)"
    )
    own = {
        model: {key: value for key, value in recipe.items() if key != "models" and value != shared.get(key)}
        for model, recipe in recipes.items()
    }
    exceptions = "; ".join(
        f"{model} ({', '.join(f'{key} {_plain(value)}' for key, value in changes.items())})"
        for model, changes in own.items()
        if changes
    )
    loss, balanced, kept = "cross-entropy", "with equal weight for every class", "balanced accuracy"
    if inputs.multilabel:
        loss, balanced = "binary cross-entropy of each label", "with equal weight for presence and absence"
        kept = "mean over labels of the balanced accuracy"
    augmented = [
        key if value is True else f"{key} {_plain(value)}" for key, value in shared["augment"].items() if value
    ]
    return (
        f"trained {begun} to minimize {loss}{f', {balanced},' if shared['balance'] else ''} "
        f"by AdamW for {numbers.counted(shared['epochs'], 'epoch')} in batches of {shared['batch_size']} "
        f"(learning rate {shared['lr']:g} with {numbers.counted(shared['warmup_epochs'], 'epoch')} of warm-up and "
        f"cosine decay to 1%, weight decay {shared['weight_decay']:g}, gradients clipped at {shared['clip_norm']:g}; "
        f"augmentation: {', '.join(augmented) or 'none'}){f', except for {exceptions}' if exceptions else ''}. The "
        f"epoch with the highest {kept} on the validation images was kept.{THRESHOLDS if inputs.multilabel else ''} "
        f"{scaled}."
    )


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_plain(part)}" for key, part in value.items()) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)


def heatmaps(inputs: Inputs, study: dict) -> str:
    explain = study["explain"]
    named = []
    for method in inputs.methods:
        if method in explain["external"]:
            named.append(f"{words.called(method)} (user-supplied)")
            continue
        options = explain["options"].get(method, {})
        values = f" ({', '.join(f'{key} {_plain(value)}' for key, value in options.items())})" if options else ""
        named.append(f"{words.called(method)}{cite(METHODS[method].cite if method in METHODS else ())}{values}")
    target = TARGETS[inputs.multilabel][explain["target"]]
    index = inputs.index[inputs.models[0]]
    explained = index["image" if inputs.multilabel else "image_id"].nunique()
    unsupported = [
        f"{words.called(name)}: {numbers.listed(list(map(words.called, models)))}"
        for name, models in inputs.refused.items()
        if models
    ]
    text = (
        f"Heatmaps of the logit of the {target} were computed for {numbers.counted(explained, 'test image')} by "
        f"{numbers.listed(named)}. {_layers(inputs, explain)} Maps were scored without scaling. Maps that are "
        f"zero, constant or not finite have no score and are counted as missing."
    )
    return text + (
        f" Methods that do not support an architecture were skipped ({'; '.join(unsupported)})." if unsupported else ""
    )


def _layers(inputs: Inputs, explain: dict) -> str:
    """State which layers were explained, on which grids, and how they were chosen."""
    by_layer: dict[tuple[str, int, int], list[str]] = {}
    for model in inputs.trained:
        for one in inputs.layers[model]:
            by_layer.setdefault(one, []).append(model)
    layers = [
        f"{layer} of {numbers.listed(of)} ({rows} by {columns} cells)"
        for (layer, rows, columns), of in by_layer.items()
    ]
    chosen = [model for model in inputs.trained if model in (explain.get("layers") or {})]
    least = f"the deepest with a grid of at least {explain['min_grid']} cells per side, or the deepest of all"
    how = f": {least}" if not chosen else " as configured" if len(chosen) == len(inputs.trained) else ""
    how = how or f": of {numbers.listed(chosen)} as configured, else {least}"
    return f"Methods that read a layer use {numbers.listed(layers)}{how}."


def _cited(metric: str) -> str:
    """Cite the sources of a metric; for a variant (another baseline) those of its metric."""
    found = find_metric(metric)
    return cite(found.cite if found else ())


def scores(inputs: Inputs) -> str:
    lines = [
        "Every heatmap was scored separately. One metric of each family, declared in the configuration, is tested; the "
        "others are described."
    ]
    for family in inputs.families:
        table = inputs.metrics[inputs.metrics["family"] == family]
        names, primary = list(dict.fromkeys(table["metric"])), inputs.primary(family)
        line = f"- **{family}**: "
        if primary:
            metric = words.metric(primary, inputs.results.better[family].get(primary, "higher"))
            cited = _cited(primary)
            line += f"{words.inline(metric.name)}{cited} ({metric.direction}). {metric.asks}"
            line += _unjudged(inputs, family)
        others = [f"{words.inline(words.metric(name).name)}{_cited(name)}" for name in names if name != primary]
        if others:
            line += f"{' ' if primary else ''}Described: {'; '.join(others)}."
        lines.append(line)
    controls = [f"{control.title}, {control.explained}" for name, control in CONTROLS.items() if _scored(inputs, name)]
    text = "The same metrics were computed for controls and yardsticks"
    return f"{lines[0]}\n\n" + "\n".join(lines[1:]) + (f"\n\n{text}: {'; '.join(controls)}." if controls else "")


def _unjudged(inputs: Inputs, family: str) -> str:
    return "" if inputs.judged(family) else " No heatmap has a value of it."


def _scored(inputs: Inputs, control: str) -> bool:
    return bool(inputs.metrics.loc[inputs.metrics["method"].str.startswith(control), "mean"].notna().any())


def software() -> str:
    listed = [f"{name} {found}{cite(keys)}" for name, keys in SOFTWARE.items() if (found := _version(name))]
    found = _version("heatproof")
    own = f" {found.partition('.post')[0]}" if found else ""  # the release: the commit would change the page's bytes
    return (
        f"The study was run by heatproof{own}{cite(['heatproof'])} on Python "
        f"{platform.python_version()} with {', '.join(listed)} (pinned in `envs/requirements.lock`)."
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# what a timm name starts with -> the paper of the architecture; others go by timm alone
ARCHITECTURES = {
    "resnet": ("he2016",),
    "densenet": ("huang2017",),
    "efficientnet": ("tan2019",),
    "vit_": ("dosovitskiy2021",),
}


_MARK = re.compile(r"\[@([\w,-]+)\]")


class Entry(NamedTuple):
    """A BibTeX entry: its source, and its fields as plain text."""

    key: str
    source: str
    fields: dict[str, str]


@cache
def entries() -> dict[str, Entry]:
    """Read all entries, by key."""
    library = bibtexparser.parse_file(
        str(Path(__file__).with_name("references.bib")), append_middleware=[LatexDecodingMiddleware()]
    )
    if library.failed_blocks:
        raise ValueError(f"references.bib: {library.failed_blocks[0].raw}")
    return {
        entry.key: Entry(entry.key, entry.raw, {field.key: field.value for field in entry.fields})
        for entry in library.entries
    }


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


def write_statistics(inputs: Inputs, settings: dict) -> str:
    """Return paragraphs on the unit, the tests, equivalence, seeds and claims.

    Args:
        settings: section `stats` of the configuration.
    """
    parts = [_unit(inputs), _tests(inputs, settings), _equivalence(inputs, settings), *_combined(inputs)]
    return "\n\n".join([*parts, _seeds(inputs), *_claims(inputs)])


def _unit(inputs: Inputs) -> str:
    kind = _kind(inputs)
    one, many = numbers.UNITS[kind]
    averaged = "" if kind == "image" else f" Scores of images were averaged for each {one} first."
    caution = {
        "patient": "",
        "lookalike": " Patients are unknown: clusters limit the leak but are not patients, so p values may be too "
        "small.",
        "image": " Several images may belong to one patient, so p values may be too small.",
    }[kind]
    return (
        f"The unit of every test is the {one} ({inputs.results.groups_test} in the test set).{averaged}{caution} "
        f"Groups without a value for every compared model are excluded and counted. Intervals of scores are "
        f"{inputs.results.interval:.0%} intervals (Student's t over {many})."
    )


def _tests(inputs: Inputs, settings: dict) -> str:
    friedman = f"Friedman's test{cite(['friedman1937'])} with Kendall's W"
    corrected = f"Greenhouse and Geisser's correction{cite(['greenhouse1959'])}"
    anova = f"repeated-measures ANOVA with {corrected}"
    wilcoxon = f"Wilcoxon's signed-rank test{cite(['wilcoxon1945'])}"
    declared, other, pairs = (
        (anova, friedman, "the paired t test") if settings.get("test") == "rm_anova" else (friedman, anova, wilcoxon)
    )
    controls = _controls(inputs)
    compared = (
        f" Differences between models were tested by {declared}, declared in advance; {other} is also reported. Where "
        f"that test rejects, pairs were compared by {pairs} with Holm's correction, with the rank-biserial "
        f"correlation{cite(['kerby2014'])} as effect size. In diagrams of mean ranks{cite(['demsar2006'])}, bars join "
        f"models that do not differ significantly{cite(['benavoli2016'])}."
    )
    return (
        f"Each family of metrics by each method is one family of two-sided tests at alpha {settings['alpha']:g}. Two "
        f"questions have half of it each: do the heatmaps beat the controls, and do the models differ? If the first "
        f"is settled for every model, the second has all of it. A model beats the controls{controls} if it is better "
        f"than each of them (intersection-union test: the largest p counts), with Holm's "
        f"correction{cite(['holm1979'])} over models."
        f"{compared if len(inputs.competent) > 1 else ''}"
    )


def _controls(inputs: Inputs) -> str:
    """List the controls of each family, in brackets."""
    by_controls: dict[tuple[str, ...], list[str]] = {}
    for family, of in inputs.results.families.items():
        named = {name for one in of.outcomes.values() for name in one.controls}
        by_controls.setdefault(tuple(name for name in words.CONTROLS if name in named), []).append(family)
    lists = [
        f"{numbers.listed(families)}: {numbers.listed([words.CONTROLS[name] for name in names])}"
        for names, families in by_controls.items()
        if names
    ]
    return f" ({'; '.join(lists)})" if lists else ""


def _equivalence(inputs: Inputs, settings: dict) -> str:
    margins = settings.get("margin") or {}
    named = {of.metric for of in inputs.results.families.values()}
    own = [f"{words.inline(words.metric(name).name)} {margins[name]:g}" for name in margins if name in named]
    margin = f"{margins.get('default', 0.05):g}" + (f" ({', '.join(own)})" if own else "")
    return (
        f"Equivalence of two models was tested by two one-sided t tests{cite(['schuirmann1987'])} with a margin of "
        f"{margin} and Holm's correction. For each pair, the report gives the smallest difference that a study of this "
        f"size would detect with a power of {settings.get('power', 0.8):.0%}: absence of evidence is not taken as "
        f"equality."
    )


def _combined(inputs: Inputs) -> list[str]:
    """Describe the combined verdicts, where the study has any: rule and results."""
    rows = inputs.results.combined
    if not rows:
        return []
    found: dict[str, list[str]] = {}
    for row in rows:
        meaning = MEANINGS.get(tuple(answer.verdict for answer in row.answers))
        found.setdefault(meaning[0] if meaning else "", []).append(f"{called(row.model)} ({called(row.method)})")
    left = len(found.pop("", []))
    verdicts = [f"the heatmaps of {numbers.listed(names)} {meaning}" for meaning, names in found.items()]
    if left:
        verdicts.append(f"undecided for {left} of {numbers.counted(len(rows), 'pair')} of a model and a method")
    return [
        f"Localization and faithfulness were combined for each model. Each is yes if the heatmaps are better than "
        f"every control, no if a one-sided t test{cite(['schuirmann1987'])} shows that their lead over the strongest "
        f"control is smaller than the margin (at least {LEAST_GROUPS} {numbers.UNITS[_kind(inputs)][1]}; Bonferroni "
        f"over controls, Holm over models), and undecided otherwise. Both share alpha for each method and are "
        f"combined only if both are decided. Result: {'; '.join(verdicts)}."
    ]


def _kind(inputs: Inputs) -> str:
    return inputs.results.groups.kind


def _seeds(inputs: Inputs) -> str:
    count = len(inputs.seeds)
    if inputs.over_seeds:
        return (
            f"With {count} seeds per model, verdicts apply to architectures: tests between models account for the "
            f"variance between groups and between seeds, by quasi-F{cite(['clark1973'])} with Satterthwaite's "
            f"degrees of freedom{cite(['satterthwaite1946'])}, and for pairs by t tests with the same variances."
        )
    seeds = f"{count} seeds" if count > 1 else "one seed"
    return (
        f"With {seeds} per model, tests treat the trained models as fixed (means over seeds): verdicts apply to these "
        f"checkpoints, not to architectures."
    )


def _claims(inputs: Inputs) -> list[str]:
    """List the published claims that this study tested, and those that it could not test."""
    known = {"2601.12826": "panboonyuen2026", "2006.02570": "chatterjee2020"}
    texts: dict[bool, list[str]] = {True: [], False: []}
    parts = {name for found in inputs.results.findings.values() for name in found.parts}
    for row in inputs.results.claims:
        if row.name in parts:
            continue
        keys = [key for number, key in known.items() if number in row.source]
        source = cite(keys) or f" ({row.source})"
        texts[row.verdict != "undecided" or row.effect is not None].append(f'"{row.claim}"{source}')
    heads = {True: "Published claims tested", False: "Published claims that this study could not test"}
    return [f"{heads[tested]}: {'; '.join(claims)}." for tested, claims in texts.items() if claims]
