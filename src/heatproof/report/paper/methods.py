"""The methods section of a paper, written from the configuration and from what the study had to judge by."""

import platform
from html import escape
from importlib.metadata import PackageNotFoundError, version

from heatproof.catalogue.controls import CONTROLS
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import find_metric
from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.paper import provenance, references, statistics
from heatproof.report.paper.references import cite
from heatproof.report.sections import data_tables, overview
from heatproof.store import artifacts
from heatproof.text import numbers

KINDS = {
    "phantom": "synthetic CT slices (phantoms), in which the lesion is the only evidence for the class",
    "xray_phantom": "synthetic chest X-rays (phantoms) with one or several findings",
    "planted": "real slices into which nodules were planted",
}
FITS = {"crop": "cut to the middle square", "pad": "padded with black to a square", "squash": "stretched to a square"}
THRESHOLDS = " From which probability on a label is predicted was chosen for its F1 on the validation images."
TARGETS = {  # whether images can have several labels -> option
    False: {"label": "true class", "predicted": "predicted class"},
    True: {
        "label": "labels that an image has",
        "predicted": "labels that the model predicts",
        "either": "labels that an image has or the model predicts, one heatmap each,",
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
    """The section as Markdown with numbered references, and the BibTeX of those references.

    Args:
        inputs: what the stages before left.
        study: the study's resolved configuration.
    """
    parts = {
        "Data": data(inputs, study),
        "Models": models(inputs, study),
        "Heatmaps": heatmaps(inputs, study),
        "Scores": scores(inputs),
        "Statistics": statistics.write(inputs, study["stats"]),
        "Software": software(),
    }
    text = "\n\n".join(f"## {title}\n\n{part}" for title, part in parts.items())
    head = (
        f"# Methods of study {inputs.study}\n\nWritten from the study's configuration; edit it to the journal's taste."
    )
    text, keys = references.numbered(text)
    return f"{head}\n\n{text}\n\n## References\n\n{references.listed(keys)}\n", references.bibtex(keys)


def data(inputs: Inputs, study: dict) -> str:
    config, manifest = study["data"], inputs.manifest
    kind = inputs.results.groups.kind
    unit = numbers.UNITS[kind]
    counts = artifacts.truth(manifest, len(inputs.classes)).sum(0)
    classes = numbers.listed([f"{escape(name)} ({counts[i]:,})" for i, name in enumerate(inputs.classes)])
    dealt = f"{len(inputs.classes)} labels, of which an image may have several" if inputs.multilabel else ""
    dealt = dealt or f"{len(inputs.classes)} classes"
    of = "" if kind == "image" else f" of {numbers.counted(manifest['group'].nunique(), *unit)}"
    made = f": {KINDS[config['kind']]}" if config["kind"] in KINDS else ""
    marked = int((manifest["truth"] != "none").sum())
    truth = f"{marked:,} of them have a true region" if marked else "none of them has a mask of the true region"
    cropped = "cut to the body and " if config["crop"] == "body" else ""
    return (
        f"The study has {numbers.counted(len(manifest), 'image')}{of} in {dealt}, {classes}{made}; "
        f"{truth}. Images were {cropped}{FITS[config['fit']]} of {config['size']} by {config['size']} pixels with "
        f"{numbers.counted(config['channels'], 'channel')}. {_split(inputs)} {_kept(inputs)}"
    )


def _split(inputs: Inputs) -> str:
    if len(inputs.folds) > 1:
        return (
            f"They were dealt into {len(inputs.folds)} folds; each was the test part of one training and another its "
            f"validation part, so that every image was tested once."
        )
    sizes = inputs.manifest["split"].value_counts()
    if set(sizes.index) == {"test"}:
        return "All of them were test images."
    parts = {"train": "training", "val": "validation", "test": "test"}
    listed = numbers.listed([f"{sizes.get(part, 0):,} {to}" for part, to in parts.items()])
    return f"They were split into {listed} images."


def _kept(inputs: Inputs) -> str:
    measured = f" (thumbnails of 32 by 32 pixels that correlate with {inputs.audit.threshold:g} or more)"
    return data_tables.apart(inputs.audit, measured)


def models(inputs: Inputs, study: dict) -> str:
    networks = study.get("networks", {})
    named = [f"{model}{cite(references.architecture(model))}" for model in inputs.trained if model not in networks]
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
        f"model took part in verdicts if the lower end of the {inputs.results.interval:.0%} interval of the "
        f"{inputs.measure} of each of its trainings on test images lay above {numbers.number(competence.floor)} "
        f"(guessing scores {numbers.number(competence.chance)}){left}.{_ensembles(inputs)}"
    )


def _network(inputs: Inputs, model: str, network: dict) -> str:
    """Return where a model that was trained elsewhere comes from, and what happens to pixels before it sees them."""
    card = artifacts.read_json(artifacts.Checkpoint(inputs.study, model, inputs.seeds[0], inputs.folds[0]).card)
    return f"{model} ({provenance.placeless(network['source'])}; images: {card['normalization']})"


def _ensembles(inputs: Inputs) -> str:
    told = [
        f"{name} ({overview.COMBINED[of.combine]}; of {numbers.listed(of.models)})"
        for name, of in inputs.ensembles.items()
    ]
    if not told:
        return ""
    return (
        f" Beside them stand ensembles: {'; '.join(told)}. An ensemble was explained as one network; it is "
        f"described and compared with its best member, and enters no test between models."
    )


def _taken(recipes: dict[str, dict], fitted: dict[str, dict]) -> str:
    """Which of several models were not trained in the study."""
    taken = [model for model in recipes if model not in fitted]
    if not taken or not fitted:
        return ""
    return (
        f" {numbers.listed(taken)} {'were' if len(taken) > 1 else 'was'} not: these checkpoints were trained elsewhere."
    )


def _unstated(inputs: Inputs) -> str:
    models = inputs.results.setting.unstated
    if not models:
        return ""
    return (
        f"Which images {numbers.listed(models)} had been trained on is not stated. Test images may be among them, and "
        f"accuracies on them say nothing about unseen images."
    )


def _trained(inputs: Inputs, recipes: dict[str, dict], shared: dict) -> str:
    if not recipes:
        return "taken as trained elsewhere."
    shared = shared if shared["epochs"] else next(iter(recipes.values()))  # of those that were trained here
    start = {"scratch": "from random weights", "pretrained": "from timm's pretrained weights"}
    begun = start.get(shared["weights"], "from given weights")
    scaled = (
        "Pixels were normalized by mean and standard deviation of the training images"
        if all(recipe["weights"] == "scratch" for recipe in recipes.values())
        else "Pixels were normalized by the mean and standard deviation that the weights came with"
        if all(recipe["weights"] != "scratch" for recipe in recipes.values())
        else "Pixels were normalized by mean and standard deviation of the training images where training began from "
        "random weights, else by those that the weights came with"
    )
    own = {
        model: {key: value for key, value in recipe.items() if key != "models" and value != shared.get(key)}
        for model, recipe in recipes.items()
    }
    told = "; ".join(
        f"{model} ({', '.join(f'{key} {_plain(value)}' for key, value in changes.items())})"
        for model, changes in own.items()
        if changes
    )
    loss, balanced, kept = "cross-entropy", "every class counting the same", "balanced accuracy"
    if inputs.multilabel:
        loss, balanced = "binary cross-entropy of each label", "its presence counting as much as its absence"
        kept = "mean over labels of the balanced accuracy"
    augmented = [
        key if value is True else f"{key} {_plain(value)}" for key, value in shared["augment"].items() if value
    ]
    return (
        f"trained {begun} to the least {loss}{f', {balanced},' if shared['balance'] else ''} "
        f"by AdamW for {numbers.counted(shared['epochs'], 'epoch')} in batches of {shared['batch_size']} (learning "
        f"rate {shared['lr']:g} with {numbers.counted(shared['warmup_epochs'], 'epoch')} of warm-up and a cosine to a "
        f"hundredth, weight decay {shared['weight_decay']:g}, gradients clipped at {shared['clip_norm']:g}; "
        f"augmentation: {', '.join(augmented) or 'none'}){f', except for {told}' if told else ''}. The epoch with the "
        f"highest {kept} on the validation images was kept.{THRESHOLDS if inputs.multilabel else ''} {scaled}."
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
            named.append(f"{method} (made elsewhere)")
            continue
        options = explain["options"].get(method, {})
        told = f" ({', '.join(f'{key} {_plain(value)}' for key, value in options.items())})" if options else ""
        named.append(f"{method}{cite(METHODS[method].cite if method in METHODS else ())}{told}")
    target = TARGETS[inputs.multilabel][explain["target"]]
    index = inputs.index[inputs.models[0]]
    explained = index["image" if inputs.multilabel else "image_id"].nunique()
    refused = [f"{name}: {numbers.listed(list(found))}" for name, found in inputs.refused.items() if found]
    text = (
        f"Heatmaps of the logit of the {target} were made for {numbers.counted(explained, 'test image')} by "
        f"{numbers.listed(named)}. {_layers(inputs, explain)} Maps were scored as they are, without scaling; a map "
        f"that is zero, constant or not finite has no score, and is counted."
    )
    return text + (f" Methods that a network cannot carry were left out ({'; '.join(refused)})." if refused else "")


def _layers(inputs: Inputs, explain: dict) -> str:
    """Which layers were explained, on which grids, and how they were chosen."""
    by_layer: dict[tuple[str, int, int], list[str]] = {}
    for model in inputs.trained:
        for one in inputs.layers[model]:
            by_layer.setdefault(one, []).append(model)
    told = [
        f"{layer} of {numbers.listed(of)} ({rows} by {columns} cells)"
        for (layer, rows, columns), of in by_layer.items()
    ]
    chosen = [model for model in inputs.trained if model in (explain.get("layers") or {})]
    least = f"the deepest whose grid has at least {explain['min_grid']} cells a side, or the deepest there is"
    how = f": {least}" if not chosen else " as configured" if len(chosen) == len(inputs.trained) else ""
    how = how or f": of {numbers.listed(chosen)} as configured, else {least}"
    return f"Methods that read a layer read {numbers.listed(told)}{how}."


def _cited(metric: str) -> str:
    """What to cite for a metric; of a variant (another baseline) what is cited for its metric."""
    found = find_metric(metric)
    return cite(found.cite if found else ())


def scores(inputs: Inputs) -> str:
    lines = [
        "Every heatmap was scored by itself. One metric of each family is declared as primary in the configuration and "
        "tested; the others are described."
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
    told = [f"{control.title}, {control.explained}" for name, control in CONTROLS.items() if _scored(inputs, name)]
    beside = "Beside each score stands that of maps that know nothing of what the model saw, or of the truth itself"
    return f"{lines[0]}\n\n" + "\n".join(lines[1:]) + (f"\n\n{beside}: {'; '.join(told)}." if told else "")


def _unjudged(inputs: Inputs, family: str) -> str:
    return "" if inputs.judged(family) else " No heatmap has a value of it here."


def _scored(inputs: Inputs, control: str) -> bool:
    return bool(inputs.metrics.loc[inputs.metrics["method"].str.startswith(control), "mean"].notna().any())


def software() -> str:
    listed = [f"{name} {found}{cite(keys)}" for name, keys in SOFTWARE.items() if (found := _version(name))]
    own = f" {found}" if (found := _version("heatproof")) else ""
    return (
        f"The study was run by heatproof{own}{cite(['heatproof'])} on Python "
        f"{platform.python_version()} with {', '.join(listed)}: the versions that are installed where the report was "
        f"written, as `envs/requirements.lock` pins them."
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
