"""What a configuration may say, and the line that comes back where it may not."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shipped import PARAMS, checked
from shipped import study as configured

from heatproof.config.base import Section, architectures
from heatproof.config.load import load, section, shipped
from heatproof.config.stages import Claim, Explain
from heatproof.config.study import Recipe, Study, merge
from heatproof.core.messages import InputError

ROOT = Path(__file__).parents[1]
SMALL = {"models": ["test_resnet"], "data": {"size": 64}, "train": {"weights": "scratch"}}


@pytest.fixture
def project(tmp_path):
    """Write a project and load it: `project(changes to params.yaml, toy=overlay, **options)`."""

    def write(params: dict | str, toy: dict | str | None = None, **options):
        params = merge(PARAMS, {"studies": ["toy"]} | params) if isinstance(params, dict) else params
        (tmp_path / "studies").mkdir(exist_ok=True)
        for path, content in {"params.yaml": params, "studies/toy.yaml": toy or {}}.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content)
            (tmp_path / path).write_text(text, encoding="utf-8")
        return load(tmp_path, **options)

    write.root = tmp_path
    return write


def message(write, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        write(*args, **options)
    return str(caught.value)


def test_what_is_shipped_loads():
    studies = load(ROOT, studies=["phantom", "iq_oth_nccd"])
    assert list(studies) == ["phantom", "iq_oth_nccd"]
    assert list(load(ROOT)) == ["quickstart"]
    for study in studies.values():
        assert study.models == ["resnet50", "resnet101", "densenet161", "efficientnet_b0", "vit_base_patch16_224"]
    assert studies["phantom"].group_kind == "patient"
    assert studies["iq_oth_nccd"].group_kind == "lookalike"
    assert studies["iq_oth_nccd"].train.recipe("vit_base_patch16_224").lr == 1e-4
    assert studies["iq_oth_nccd"].train.recipe("resnet50").lr == 1e-3


def test_a_study_takes_what_it_does_not_set_from_the_one_that_it_extends(project):
    first = {"extends": "second", "train": {"epochs": 7}}
    second = {"extends": "third", "train": {"epochs": 6, "lr": 0.2}, "seeds": [5]}
    for name, content in {"second": second, "third": SMALL | {"train": {"lr": 0.3, "batch_size": 3}}}.items():
        project(SMALL, {})
        (project.root / f"studies/{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    study = project({"train": {"lr": 0.1, "weight_decay": 0.5}}, first)["toy"]
    recipe = study.train.recipe("test_resnet")
    assert (recipe.epochs, recipe.lr, recipe.batch_size, recipe.weight_decay) == (7, 0.2, 3, 0.5)
    assert study.seeds == [5] and study.models == ["test_resnet"]
    said = message(project, {}, {"extends": "second", "train": {"lr": 0}})
    assert said == "studies/toy.yaml: train.lr: 0: input should be greater than 0"
    (project.root / "studies/third.yaml").write_text("trian: {}", encoding="utf-8")
    assert message(project, SMALL, first) == "studies/third.yaml: trian: unknown key; did you mean train or setting?"
    (project.root / "studies/third.yaml").write_text("extends: toy", encoding="utf-8")
    expected = "studies/third.yaml: extends: 'toy': goes round in a circle; let it extend a study that does not"
    assert message(project, SMALL, first) == expected
    for wrong in ("secnd", ["second"], 3):
        said = message(project, SMALL, {"extends": wrong})
        assert said.startswith(f"studies/toy.yaml: extends: {wrong!r}: no file studies/{wrong}.yaml; ")


def test_every_study_that_is_shipped_loads():
    names = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))
    studies = load(ROOT, studies=names)
    full, small = studies["iq_oth_nccd_full"], studies["iq_oth_nccd"]
    assert full.data.model_copy(update={"size": 64}) == small.data and full.models == small.models
    assert (full.data.size, full.train.weights, small.train.weights) == (224, "pretrained", "scratch")
    marked = [studies[name] for name in names if name.startswith("planted_ct_mark_")]
    assert [study.data.shortcut.rate for study in marked] == [0.5, 0.7, 0.8, 0.9, 1.0]
    assert {study.data.shortcut.test_rate for study in marked} == {0.5}


def test_claims_of_a_paper_are_checked_where_a_study_names_it(project):
    """A study of one's own checks none; `papers` itself reaches no job, only the claims do."""
    names = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))
    asking = {name for name, study in load(ROOT, studies=names).items() if any(study.stats.claims.values())}
    silent = (
        "covid_cxr_full",
        "nih_cxr",
        "xray_phantom",
        "cue_blur",
        "cue_contrast",
        "cue_noise",
    )  # cues without a place
    assert asking == {name for name in names if not name.startswith(silent)}
    assert project(SMALL)["toy"].stats.claims == {}
    paper = project.root / "studies/papers/smith.yaml"
    paper.parent.mkdir()
    claim = {"source": "Smith", "claim": "so", "check": "differ", "family": "sanity", "method": "gradcam"}
    paper.write_text(yaml.safe_dump({"one": claim, "two": claim}))
    named = project(SMALL, {"stats": {"papers": ["smith"], "claims": {"two": None}}})["toy"]
    assert named.stats.claims["one"].source == "Smith" and named.stats.claims["two"] is None
    assert "papers" not in json.loads(section(named.stats))
    assert message(project, SMALL, {"stats": {"papers": ["smit"]}}) == (
        "studies/toy.yaml: stats.papers: 'smit': no file studies/papers/smit.yaml; did you mean smith?"
    )
    criterion = {"family": "sanity", "metric": "ssim_cascade", "yardstick": "other_image"}
    several = {
        "source": "Smith",
        "claim": "all fail",
        "criteria": [criterion, criterion | {"metric": "ssim_independent"}],
    }
    paper.write_text(yaml.safe_dump({"one": claim, "all": several}))
    named = project(SMALL, {"stats": {"papers": ["smith"]}})["toy"].stats
    assert list(named.claims) == ["one"] and len(named.findings["all"].criteria) == 2
    for wrong, told in (
        ({"criteria": [criterion]}, "stats.findings.all: criteria: needs at least two"),
        ({"models": ["resnet18"]}, "criteria: are on every model; leave out models, than and parts"),
        ({"criteria": [criterion, criterion | {"yardstick": "center"}]}, "yardstick: center is no control of sanity"),
    ):
        paper.write_text(yaml.safe_dump({"all": several | wrong}))
        assert told in message(project, SMALL, {"stats": {"papers": ["smith"]}})
    paper.write_text(yaml.safe_dump({"one": claim | {"check": "maybe"}}))
    said = message(project, SMALL, {"stats": {"papers": ["smith"]}})
    assert said.startswith("studies/papers/smith.yaml: stats.claims.one.check: 'maybe': allowed: ")


def test_what_a_shortcut_needs(project):
    where = "studies/toy.yaml: data: "
    data = {"kind": "phantom", "regions": ["cue"]}
    assert message(project, SMALL, {"data": data}).startswith(f"{where}data.regions: there is no cue without")
    film = {"kind": "phantom", "regions": ["lungs"], "modality": "xray"}
    assert message(project, SMALL, {"data": film}).startswith(f"{where}data.regions: lungs are looked for in CT alone")
    film = {"kind": "xray_phantom", "regions": ["body"]}
    assert message(project, SMALL, {"task": "multilabel", "data": film}).startswith(
        f"{where}data.modality: an xray_phan"
    )
    films = "studies/toy.yaml: data.kind: an xray_phantom has several findings an image; set task: multilabel"
    assert message(project, SMALL, {"data": {"kind": "xray_phantom"}}) == films
    data = {"shortcut": {"kind": "blur", "rate": 0.9}, "regions": ["cue"]}
    whole = f"{where}data.regions: cue: blur changes the whole image and has no place; leave cue out"
    assert message(project, SMALL, {"data": data}) == whole
    data = {"shortcut": {"kind": "corner_mark", "rate": 0.9, "test_rate": 0.5}, "split": {"folds": 3}}
    assert message(project, SMALL, {"data": data}).startswith(f"{where}data.shortcut.test_rate needs one test split")
    said = message(project, SMALL, {"score": {"localization": {"classes": ["tumour"]}}})
    assert "score.localization.classes: 'tumour' is no class; allowed: normal, benign, malignant" in said
    said = message(project, SMALL, {"score": {"primary": {"localization": "on_border"}}})
    assert "score.primary.localization: on_border is not computed; turn on_border on" in said
    said = message(project, SMALL, {"score": {"primary": {"localization": "inside_cue"}}})
    assert said.startswith("studies/toy.yaml: score.primary.localization: 'inside_cue': did you mean ")


def test_the_command_line_goes_before_the_study_and_the_study_before_what_is_shared(project):
    shared = SMALL | {"train": {"epochs": 1, "lr": 0.1, "batch_size": 4}}
    study = project(shared, {"train": {"epochs": 2, "lr": 0.2}}, overrides={"train": {"epochs": 3}})["toy"]
    assert (study.train.epochs, study.train.lr, study.train.batch_size) == (3, 0.2, 4)
    assert study.train.clip_norm == PARAMS["train"]["clip_norm"]  # nobody else sets it


def test_an_unknown_key_of_the_command_line_may_be_meant_for_studies(project):
    text = message(project, {}, SMALL, overrides={"study": "toy"})
    assert text == "command line: study: 'toy': unknown key; did you mean studies?"


def test_sections_are_merged_and_lists_and_values_replaced():
    base = {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "list": [1, 2], "value": 1}
    over = {"a": {"c": {"d": 4}}, "list": [3], "value": {"now": "a section"}, "new": 5}
    kept = copy.deepcopy(base)
    assert merge(base, over) == {
        "a": {"b": 1, "c": {"d": 4, "e": 3}},
        "list": [3],
        "value": {"now": "a section"},
        "new": 5,
    }
    assert base == kept


@pytest.mark.parametrize(
    ("toy", "expected"),
    [
        ({"trian": {"epochs": 1}}, "studies/toy.yaml: trian: unknown key; did you mean train or setting?"),
        ({"train": {"epoch": 1}},
         "studies/toy.yaml: train.epoch: 1: unknown key; did you mean epochs or warmup_epochs?"),
        (
            {"train": {"augment": {"flp": True}}},
            "studies/toy.yaml: train.augment.flp: True: unknown key; did you mean flip?",
        ),
        (
            {"data": {"phantom": {"zzz": 1}}},
            "studies/toy.yaml: data.phantom.zzz: 1: unknown key; allowed: patients, slices, varied",
        ),
        (
            "data: {kind: folder, source: x, classes: {yes: yes, b: b}}",
            "studies/toy.yaml: data.classes: 'True': YAML reads yes, on and true as one value, not as text; put the "
            "word in quotes",
        ),
        (
            {"train": {"weights": "a/x.pth"}},
            "studies/toy.yaml: train.weights: 'a/x.pth': must be scratch, pretrained or the path of a .safetensors "
            "file; convert it: python -c 'import torch, safetensors.torch as s; d = torch.load(\"a/x.pth\", "
            "map_location=\"cpu\", weights_only=True); d = d.get(\"state_dict\", d); s.save_file({k: v.clone() for "
            "k, v in d.items()}, \"a/x.safetensors\")'",
        ),
        ({"studies": ["toy"]}, "studies/toy.yaml: studies: ['toy']: unknown key; did you mean stats or seeds?"),
        (
            {"train": {"epochs": "many"}},
            "studies/toy.yaml: train.epochs: 'many': input should be a valid integer, unable to parse string as an "
            "integer",
        ),
        ({"train": {"lr": 0}}, "studies/toy.yaml: train.lr: 0: input should be greater than 0"),
        ({"train": {"lr": float("inf")}}, "studies/toy.yaml: train.lr: inf: input should be a finite number"),
        ({"seeds": [0, -1]}, "studies/toy.yaml: seeds: -1: input should be greater than or equal to 0"),
        ({"seeds": [1, 1]}, "studies/toy.yaml: seeds: [1, 1]: 1 appears twice"),
        ({"models": []}, "studies/toy.yaml: models: []: list should have at least 1 item after validation, not 0"),
        ({"models": ["test_vit", "test_vit"]}, "studies/toy.yaml: models: ['test_vit', 'test_vit']: test_vit appears "
         "twice"),
        ({"models": ["resnet5O"]}, "studies/toy.yaml: models: 'resnet5O': did you mean resnet50 or resnet51q or "
         "resnet50t?"),
        ({"explain": {"methods": ["gradcm"]}}, "studies/toy.yaml: explain.methods: 'gradcm': did you mean gradcam "
         "or xgradcam or legrad?"),
        ({"explain": {"methods": ["gradcam.x"]}}, "studies/toy.yaml: explain.methods: 'gradcam.x': did you mean "
         "gradcam or xgradcam or eigengradcam?"),
        (
            {"explain": {"options": {"integrated_gradients": {"step": 3}}}},
            "studies/toy.yaml: explain.options.integrated_gradients.step: 3: unknown key; did you mean steps?",
        ),
        (
            {"explain": {"options": {"integrated_gradients": {"steps": 2.5}}}},
            "studies/toy.yaml: explain.options.integrated_gradients.steps: 2.5: input should be a valid integer, got a "
            "number with a fractional part",
        ),
        (
            {"explain": {"options": {"gradcam": {"images": 0}}}},
            "studies/toy.yaml: explain.options.gradcam.images: 0: input should be greater than 0",
        ),
        (
            {"explain": {"external": {"edges": "x.npz"}}},
            "studies/toy.yaml: explain.external: edges is a name of heatproof's own; give your maps another one",
        ),
        (
            {"explain": {"external": {"mine": "{study}.npz"}}},
            "studies/toy.yaml: explain.external: mine: only {model} and {seed} may be in braces",
        ),
        (
            {"explain": {"variants": {"transforms": ["flop"]}}},
            "studies/toy.yaml: explain.variants.transforms: 'flop': did you mean flip?",
        ),
        (
            {"score": {"faithfulness": {"baselines": ["mean", "mean"]}}},
            "studies/toy.yaml: score.faithfulness.baselines: ['mean', 'mean']: mean appears twice",
        ),
        (
            {"score": {"faithfulness": {"naopc": {"beam": 4}}}},
            "studies/toy.yaml: score.faithfulness.naopc.beam: 4: input should be less than or equal to 3",
        ),
        (
            {"score": {"primary": {"faithfulness": "road"}, "faithfulness": {"road": None}}},
            "studies/toy.yaml: score.primary.faithfulness: road is not computed; turn road on, or name "
            "another",
        ),
        (
            {"score": {"families": ["sanity"]}, "explain": {"variants": {"randomize": {"cascade": False}}}},
            "params.yaml: score.primary.sanity: rank_correlation_cascade is not computed; turn cascade "
            "on, or name another",
        ),
        (
            {"score": {"primary": {"complexity": "entropy"}}},
            "studies/toy.yaml: score.primary.complexity: 'entropy': unknown key; allowed: agreement, consistency, "
            "faithfulness, localization, robustness, sanity",
        ),
        (
            {"score": {"primary": {"faithfulness": "insertion_acu"}}},
            "studies/toy.yaml: score.primary.faithfulness: 'insertion_acu': did you mean insertion_auc or "
            "deletion_auc?",
        ),
        (
            {"score": {"primary": {"localisation": "srg"}}},
            "studies/toy.yaml: score.primary.localisation: 'srg': unknown key; did you mean localization?",
        ),
        (
            {"score": {"families": ["locallization"]}},
            "studies/toy.yaml: score.families: 'locallization': did you mean localization?",
        ),
        ({"data": {"channels": 2}}, "studies/toy.yaml: data.channels: 2: allowed: 1, 3"),
        ({"data": {"fit": "krop"}}, "studies/toy.yaml: data.fit: 'krop': did you mean crop?"),
        (
            {"ensembles": {"resnet50": {"combine": "mean"}}},
            "studies/toy.yaml: ensembles.resnet50: is the name of a model; give the ensemble another one",
        ),
        (
            {"ensembles": {"both": {"combine": "median"}}},
            "studies/toy.yaml: ensembles.both.combine: 'median': did you mean mean?",
        ),
        (
            {"ensembles": {"both": {"combine": "vote"}}},
            "studies/toy.yaml: ensembles.both.models: one model is no ensemble; name two or more",
        ),
        (
            {"ensembles": {"both": {"combine": "vote", "models": ["test_resnet", "test_vit"]}}},
            "studies/toy.yaml: ensembles.both.models: test_vit is none of models: test_resnet",
        ),
        (
            {"models": ["test_resnet", "inception_v3"], "data": {"size": 64}},
            "studies/toy.yaml: data.size: 64: inception_v3 takes images of 75 pixels or more, and has a grid worth "
            "explaining from 128 on",
        ),
        (
            {"profiles": {"layers": {"resnet50": ["layer4"]}}},
            "studies/toy.yaml: profiles.layers.resnet50: is none of models: test_resnet",
        ),
        (
            {"explain": {"layers": {"resnet50": "layer4"}}},
            "studies/toy.yaml: explain.layers.resnet50: is none of models: test_resnet",
        ),
        (
            {"task": "multilabel"},
            "params.yaml: data.kind: task: multilabel needs a table, whose cells name several labels, or "
            "xray_phantom; it is phantom",
        ),
        (
            {"explain": {"target": "either"}},
            "studies/toy.yaml: explain.target: either is of task: multilabel, where an image can have several labels",
        ),
        ({"task": "regression"}, "studies/toy.yaml: task: 'regression': allowed: multiclass, multilabel"),
        (
            {"data": {"split": {"train": 0.9, "val": 0.2, "test": 0.2}}},
            "studies/toy.yaml: data.split: train + val + test is 1.3, not 1",
        ),
        (
            {"data": {"split": {"train": 0.8, "val": 0.2, "test": 0}}},
            "studies/toy.yaml: data.split: train, val and test must each be above 0",
        ),
        (
            {"data": {"kind": "archive", "classes": {"a": "a", "b": "b"}}},
            "studies/toy.yaml: data: data.kind archive needs data.source, the path of the images",
        ),
        (
            {"data": {"kind": "folder", "source": "x", "classes": {"a": "a"}}},
            "studies/toy.yaml: data: data.classes must map at least two class names to folder names",
        ),
        (
            {"data": {"kind": "folder", "source": "x", "classes": {"a": "one", "b": "one"}}},
            "studies/toy.yaml: data: data.classes maps two classes to one folder",
        ),
        (
            {"data": {"kind": "table", "source": "x", "columns": {"label": ""}, "classes": {"a": "0", "b": "1"}}},
            "studies/toy.yaml: data.columns.label: '': needs the name of a column",
        ),
        (
            {"data": {"kind": "table", "source": "x", "classes": {"a": 0, "b": True}}},
            "studies/toy.yaml: data.classes.b: 'True': YAML reads yes, on and true as one value, not as text; put the "
            "word in quotes",
        ),
        (
            {"data": {"kind": "dicom", "source": "x", "classes": {"a": "0", "b": "1"}}},
            "studies/toy.yaml: data: DICOM needs data.key_file, a file with the secret key of the pseudonyms",
        ),
        (
            {"data": {"patient": "p(\\d+"}},
            "studies/toy.yaml: data.patient: 'p(\\\\d+': not a regular expression: missing ), unterminated "
            "subpattern at position 1",
        ),
        (
            {"data": {"patient": "p\\d+"}},
            "studies/toy.yaml: data.patient: 'p\\\\d+': needs a group in parentheses around the patient's id",
        ),
        (
            {"train": {"weights": "model.pth"}},
            "studies/toy.yaml: train.weights: 'model.pth': must be scratch, pretrained or the path of a .safetensors "
            "file; convert it: python -c 'import torch, safetensors.torch as s; d = torch.load(\"model.pth\", "
            'map_location="cpu", weights_only=True); d = d.get("state_dict", d); '
            's.save_file({k: v.clone() for k, v in d.items()}, "model.safetensors")\'',
        ),
        *(
            (
                {"train": {"weights": f"{places}.safetensors"}},
                f"studies/toy.yaml: train.weights: '{places}.safetensors': only {{model}} and {{seed}} may be in "
                "braces",
            )
            for places in ("{model.__class__}", "{model:>99999999999}", "{seed!r}", "{model", "{}")
        ),
        (
            {"train": {"weights": "{modle}.safetensors"}},
            "studies/toy.yaml: train.weights: '{modle}.safetensors': only {model} and {seed} may be in braces",
        ),
        (
            {"train": {"epochs": 0, "weights": "scratch"}},
            "studies/toy.yaml: train: epochs: 0 trains nothing, and weights: scratch has no head for your classes",
        ),
        (
            {"train": {"epochs": 0, "weights": "pretrained"}},
            "studies/toy.yaml: train: epochs: 0 trains nothing, and weights: pretrained has no head for your classes",
        ),
        (
            {
                "seeds": [0],
                "train": {"epochs": 0, "weights": "mine.safetensors"},
                "data": {"split": {"compare": "random"}},
            },
            "studies/toy.yaml: train.weights: 'mine.safetensors': an external checkpoint may be trained on images that "
            "another fold tests: set folds: 1, compare: null",
        ),
        (
            {"seeds": [0, 1], "train": {"epochs": 0, "weights": "mine.safetensors"}},
            "studies/toy.yaml: train.weights: 'mine.safetensors': one checkpoint is not several trainings: put {seed} "
            "into the path, or set seeds: [0]",
        ),
        (
            {"models": ["resnet50.a1_in2k"]},
            "studies/toy.yaml: models: 'resnet50.a1_in2k': did you mean resnet50.a1_in1k or resnet50.a1h_in1k or "
            "resnet50.ra_in1k?",
        ),
        ({"models": ["test_vit.x;z"]}, "studies/toy.yaml: models: 'test_vit.x;z': did you mean test_vit.r160_in1k?"),
        ({"data": {"channels": 3}}, "studies/toy.yaml: data: a phantom study has one channel: set data.channels to 1"),
        ({"seeds": [10**20]}, "studies/toy.yaml: seeds: 100000000000000000000: input should be less than 2147483648"),
        (
            {"train": {"models": {"test_resnett": {"lr": 1}}}},
            "studies/toy.yaml: train.models.test_resnett: no such model; did you mean test_resnet?",
        ),
        (
            {"train": {"models": {"test_resnet": {"epoch": 1}}}},
            "studies/toy.yaml: train.models.test_resnet.epoch: 1: unknown key; did you mean epochs or "
            "warmup_epochs?",
        ),
        (
            {"train": {"models": {"test_resnet": {"augment": {"flpi": 1}}}}},
            "studies/toy.yaml: train.models.test_resnet.augment.flpi: 1: unknown key; did you mean flip?",
        ),
        (
            {"train": {"models": {"test_resnet": {"lr": "fast"}}}},
            "studies/toy.yaml: train.models.test_resnet.lr: 'fast': input should be a valid number, unable to parse "
            "string as a number",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_key_value_and_fix(project, toy, expected):
    assert message(project, SMALL, toy) == expected


LESIONS = "leave it out: nodules are planted into images without lesions"


@pytest.mark.parametrize(
    ("kind", "data", "key", "fix"),
    [
        ("table", {"masks": "m"}, "masks", "set data.columns.mask"),
        ("dicom", {"boxes": "b.csv"}, "boxes", "draw them as masks and set data.masks"),
        ("dicom", {"patient": "(p)"}, "patient", "leave it out: DICOM files name their patients"),
        ("folder", {"columns": {"mask": "m"}}, "columns", "leave it out: only a table has columns"),
        ("phantom", {"columns": {"mask": "m"}}, "columns", "leave it out: only a table has columns"),
        ("planted", {"columns": {"patient": "who"}}, "columns", "leave it out: only a table has columns"),
        ("phantom", {"lungs": "m"}, "lungs", "leave it out: its lungs are looked for"),
        ("folder", {"lungs": "m", "regions": ["body"]}, "lungs", "add lungs to data.regions"),
        ("phantom", {"sample": 9}, "sample", "set data.phantom.patients"),
        ("planted", {"masks": "m"}, "masks", LESIONS),
        ("planted", {"boxes": "b.csv"}, "boxes", LESIONS),
        ("planted", {"planted": {"kind": "table"}, "columns": {"box": "b"}}, "columns.box", LESIONS),
    ],
)
def test_a_key_that_is_not_read(project, kind, data, key, fix):
    toy = {"kind": kind, "source": "x", "key_file": "k", "classes": {"a": "0", "b": "1"}} | data
    said = f"studies/toy.yaml: data: data.{key} is not read where data.kind is {kind}; {fix}"
    assert message(project, SMALL, {"data": toy}) == said


@pytest.mark.parametrize("download", [{"kaggle": "a/b"}, {"mendeley": "a/1"}, {"url": "http://x/a.zip"}])
def test_dicom_that_is_downloaded_is_checked_by_its_sum(project, download):
    toy = {"kind": "dicom", "source": "x", "key_file": "k", "classes": {"a": "0", "b": "1"}, "download": download}
    said = "studies/toy.yaml: data: only url downloads can be checked for DICOM: set data.download.url and its sha256"
    assert message(project, SMALL, {"data": toy}) == said
    checked = {"download": {"url": "http://x/a.zip", "sha256": "0" * 64}}
    assert project(SMALL, {"data": toy | checked})["toy"].data.download.sha256 == "0" * 64


TABLE = {"kind": "table", "source": "x", "classes": {"a": "0", "b": "1"}}
TAKEN = {"train": {"weights": "w/{model}-{seed}.safetensors", "epochs": 0}}


@pytest.mark.parametrize(
    ("toy", "said"),
    [
        (
            {"data": {"split": {"by": "column"}}},
            "data: data.split.by: column needs a table, and data.kind is phantom; by: folder",
        ),
        (
            {"data": TABLE | {"split": {"by": "folder"}}},
            "data: data.split.by: folder needs an archive or a folder of images, and data.kind is table",
        ),
        ({"data": TABLE | {"split": {"by": "column", "folds": 3}}}, "data.split: by: column gives one split"),
        (
            {"data": TABLE | {"split": {"by": "column", "test": "all"}}},
            "data.split: test: all tests every image, and by",
        ),
        (
            {"data": {"split": {"test": "all", "folds": 3}}},
            "data.split: test: all leaves nothing to train on; set folds: 1",
        ),
        ({"data": {"split": {"test": "every"}}}, "data.split.test: 'every': must be a share from 0 to 1, or all"),
        ({"data": {"split": {"test": "all"}}}, "data.split.test: 'all': no image is left to train test_resnet on; set"),
        (
            {"data": TABLE | {"columns": {"split": "s"}}},
            "data: data.columns.split is not read where data.kind is table; set",
        ),
        (
            {"data": {"kind": "folder", "source": "x", "masks": "{stem}*"}},
            "data.masks: '{stem}*': a pattern is {stem} and what masks are called beyond it",
        ),
        (
            {"data": {"kind": "folder", "source": "x", "masks": "a/b/{stem}_m"}},
            "data.masks: 'a/b/{stem}_m': at most one",
        ),
        (
            {"data": {"mask_value": 2}},
            "data: data.mask_value is not read where data.kind is phantom; set data.masks too",
        ),
        (
            {"data": TABLE | {"annotations": "a.json", "columns": {"mask": "m"}}},
            "data: data.columns.mask is not read where data.kind is table; leave it or data.annotations out",
        ),
        (
            {"data": TABLE | {"masks": "{stem}_{label}", "mask_value": {"a": 1}}},
            "data: data.mask_value is not read where data.kind is table; the names of masks say their labels",
        ),
        ({"data": TABLE | {"masks": "{stem}_m", "mask_value": {"c": 1}}}, "data: data.mask_value.c: it is none of"),
        ({"data": TABLE | {"masks": "{label}_{stem}"}}, "data.masks: '{label}_{stem}': a pattern is {stem}"),
        ({"data": {"annotations": "a.json"}}, "data: data.annotations is not read where data.kind is phantom; leave"),
        (
            {"data": {"kind": "folder", "source": "x", "readers": ["a"]}},
            "data: data.readers is not read where data.kind",
        ),
        ({"data": TABLE | {"annotations": {"a": []}}}, "data.annotations: must be a path, or reader: path or paths"),
        (
            {"data": TABLE | {"readers": "some"}},
            "data.readers: 'some': must be a list of names, each once, or rotating",
        ),
        (
            {"data": TABLE | {"masks": "{stem}_m", "mask_value": "x"}},
            "data.mask_value: 'x': must be a number, or label",
        ),
        ({"stats": {"regressions": ["miou"]}}, "stats.regressions: 'miou': did you mean iou"),
        ({"data": TABLE | {"marks": ["a"]}}, "data.marks: is not read where task is multiclass"),
        (
            {"task": "multilabel", "data": TABLE | {"marks": ["c"]}},
            "data.marks: 'c': it is none of data.classes: a, b",
        ),
        (
            TAKEN | {"data": {"split": {"test": "all"}}, "explain": {"variants": {"random_labels": True}}},
            "explain.variants.random_labels: True: test_resnet is not trained here, so that no model",
        ),
    ],
)
def test_a_split_of_ones_own_and_masks_in_any_form_are_checked(project, toy, said):
    text = message(project, SMALL, toy)
    assert text.startswith(f"studies/toy.yaml: {said}") and "\n" not in text


def test_whether_a_checkpoint_has_seen_the_test_images_is_known_where_it_is_stated(project):
    def unstated(toy, **params):
        return project(SMALL | params, TAKEN | toy)["toy"].training.get("unstated")

    assert unstated({}) == ["test_resnet"]
    assert unstated({"data": {"split": {"test": "all"}}}) is None
    assert unstated({"data": {"split": {"test": "all", "unseen": False}}}) == ["test_resnet"]
    assert unstated({"data": TABLE | {"split": {"by": "column"}}}) is None
    assert unstated({"train": {"weights": "scratch", "epochs": 3}}) is None
    other = {"train": TAKEN["train"] | {"weights": "results/models/phantom/{model}/{seed}/fold0/model.safetensors"}}
    assert unstated(other) is None and unstated(other | {"data": TABLE}) == ["test_resnet"]
    assert unstated(other | {"data": {"drawn_as": "phantom"}}) == ["test_resnet"]
    some = {"models": ["test_resnet", "resnet18"], "train": TAKEN["train"] | {"models": {"resnet18": {"epochs": 2}}}}
    assert unstated(some) == ["test_resnet"]
    paper = {"stats": {"published": {"x": PAPER}}}
    assert "stats.published.x: what is published is of unseen images" in message(project, SMALL, TAKEN | paper)
    assert load(ROOT, studies=["phantom_vit"])["phantom_vit"].unstated == []


def test_labels_that_are_numbers_are_texts(project):
    toy = {"kind": "table", "source": "x", "classes": {"normal": 0, 1: 1.5}}
    assert project(SMALL, {"data": toy})["toy"].data.classes == {"normal": "0", "1": "1.5"}


@pytest.mark.parametrize("nothing", ["null", "~", "NULL", "none", None])
def test_null_of_the_command_line_is_nothing(project, nothing):
    toy = {
        "kind": "folder", "source": "x", "classes": {"a": "0", "b": "1"}, "download": {"kaggle": "a/b"},
        "contents": "x.sha256",
        "shortcut": {"kind": "corner_mark", "rate": 1}, "window": [0, 1], "masks": "m", "split": {"compare": "random"},
    }  # fmt: skip
    off = dict.fromkeys(("download", "contents", "shortcut", "window", "masks"), nothing)
    overrides = {"data": off | {"split": {"compare": nothing}, "key_file": nothing}}
    data = project(SMALL, {"data": toy}, overrides=overrides)["toy"].data
    assert not any(getattr(data, key) for key in (*off, "key_file")) and data.split.compare is None
    other = {"data": {"download": {"kaggle": nothing, "url": "http://x/a", "sha256": "0" * 64}}}
    assert project(SMALL, {"data": toy}, overrides=other)["toy"].data.download.kaggle is None


def test_the_file_named_is_the_one_that_sets_the_key(project):
    wrong = {"train": {"epochs": "many"}}
    said = ": train.epochs: 'many': input should be a valid integer, unable to parse string as an integer"
    assert message(project, SMALL | wrong, {"train": {"lr": 1}}) == "params.yaml" + said
    assert message(project, SMALL, wrong) == "studies/toy.yaml" + said
    assert message(project, SMALL, {"train": {"epochs": 1}}, overrides=wrong) == "command line" + said


def leaves(tree: dict, prefix: tuple = ()):
    """Keys of params.yaml that have to be there, each with its value: not null, and not named by a user."""
    for key, value in tree.items():
        path = (*prefix, key)
        if isinstance(value, dict) and value:
            yield from leaves(value, path) if path not in OWN else ()
        elif value is not None:
            yield path, value


OWN = {("explain", "options"), ("stats", "claims"), ("stats", "margin")}


def test_keys_that_params_yaml_lacks_are_named_with_their_lines(tmp_path):
    """As in a project that is older than the key."""
    bare, missing = copy.deepcopy(PARAMS), dict(leaves(PARAMS))
    for path in missing:
        of(bare, path[:-1]).pop(path[-1])
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/toy.yaml").write_text("models: [test_resnet]\ndata: {split: {folds: 3}}")
    given = {("models",), ("data", "split", "folds")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(bare | {"studies": ["toy"]}))
    found = {}
    for line in message(load, tmp_path).splitlines():
        file, key, said = line.split(": ", 2)
        assert file == "params.yaml" and said.startswith("not set; add `"), line
        assert line.endswith("` from the params.yaml that heatproof ships")
        found[tuple(key.split("."))] = yaml.safe_load(said.split("`")[1])
    assert found == {path: {path[-1]: value} for path, value in missing.items() if path not in given}
    for path, line in found.items():
        of(bare, path[:-1]).update(line)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(bare | {"studies": ["toy"]}))
    assert load(tmp_path)["toy"] == configured(models=["test_resnet"], data={"split": {"folds": 3}})


def of(tree: dict, path: tuple) -> dict:
    return of(tree[path[0]], path[1:]) if path else tree


def test_keys_that_nothing_has_a_value_for(project, monkeypatch):
    claim = {"stats": {"claims": {"mine": {"claim": "so", "source": "P", "method": "gradcam", "check": "differ"}}}}
    said = message(project, SMALL, claim)
    assert said == "studies/toy.yaml: stats.claims.mine.family: not set; give it a value"
    off, on = ({"score": {"faithfulness": {"road": road}}} for road in (None, {"images": 3, "noise": 0.01}))
    said = message(project, SMALL, off, overrides=on)
    assert said == "command line: score.faithfulness.road.percentiles: not set; give it a value"
    lost = {key: value for key, value in PARAMS.items() if key != "train"}
    said = message(project, yaml.safe_dump(lost | {"studies": ["toy"]}))
    assert said == "params.yaml: train: not set; copy it from the params.yaml that heatproof ships"
    monkeypatch.setattr("heatproof.config.load.shipped", dict)  # a clone whose own file lacks the key
    said = message(project, yaml.safe_dump(lost | {"studies": ["toy"], "train": {}}))
    assert "params.yaml: train.lr: not set; copy it from the params.yaml that heatproof ships" in said.splitlines()
    assert message(project, {"stats": {"margin": None}}).startswith("params.yaml: stats.margin: None: ")
    text = yaml.safe_dump(PARAMS | {"studies": ["toy"], "stats": PARAMS["stats"] | {"margin": {}}})
    assert (
        message(project, text)
        == "params.yaml: stats.margin: needs default, the margin of metrics that have none of their own"
    )


def test_a_study_of_before_that_asks_for_profiles_is_told_how_to_now(project):
    said = "profiles: by is empty, so that no profiles are made: add by: [label, prediction, outcome]"
    for toy in ("profiles: {}", "profiles: {min_images: 3}"):
        assert message(project, SMALL, toy) == f"studies/toy.yaml: {said}"
    assert message(project, SMALL, "profiles:").startswith("studies/toy.yaml: profiles: None: ")
    assert project(SMALL, "profiles: {by: [label]}")["toy"].profiles.by == ["label"]
    assert project(SMALL, "profiles: {by: []}")["toy"].profiles.by == []
    assert project(SMALL | {"profiles": {"by": ["outcome"]}}, "profiles: {top: 3}")["toy"].profiles.by == ["outcome"]


def test_several_mistakes_are_a_line_each(project):
    toy = {
        "models": ["resnet5O", "test_vti"],
        "trian": {},
        "train": {"lr": -1},
        "explain": {"methods": ["gradkam"]},
        "score": {"primary": {"consistency": "iou_sedes"}},
    }
    lines = message(project, SMALL, toy).splitlines()
    assert {line.split(": ")[1] for line in lines} == {
        "models",
        "trian",
        "train.lr",
        "explain.methods",
        "score.primary.consistency",
    }
    assert len(lines) == 6 and all(line.startswith("studies/toy.yaml: ") for line in lines)


def test_a_mistake_in_what_studies_share_is_said_once(project, tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/other.yaml").write_text("")
    assert message(project, SMALL | {"trian": 1, "studies": ["toy", "other"]}) == (
        "params.yaml: trian: 1: unknown key; did you mean train or setting?"
    )


@pytest.mark.parametrize(
    ("params", "toy", "expected"),
    [
        ("models: [a\ntrain: {", "", "params.yaml, line 2: not YAML: expected ',' or ']', but got ':'"),
        ("- phantom", "", "params.yaml: must be keys and values, not a list"),
        (SMALL, "train:\n  lr: 1\nseeds: [0]\ntrain:\n  epochs: 3\n", "studies/toy.yaml, line 4: not YAML: train "
         "appears twice"),
        (SMALL, "a: \x00", "studies/toy.yaml: not YAML: unacceptable character #x0000: special characters are not "
         'allowed in "<unicode string>", position 3'),
        ("", "", "params.yaml: studies: not set; list the studies that run, such as [phantom]"),
        ("studeis: [toy]", "", "params.yaml: studies: not set; did you mean it by studeis?"),
        ("studies: []", "", "params.yaml: studies: []: must be a list of names, such as [phantom]"),
        ("studies: {toy: 1}", "", "params.yaml: studies: {'toy': 1}: must be a list of names, such as [phantom]"),
        ("studies: [tyo]", "", "params.yaml: studies: 'tyo': no file studies/tyo.yaml; did you mean toy?"),
    ],
)  # fmt: skip
def test_files_that_are_not_a_configuration(project, params, toy, expected):
    assert message(project, params, toy) == expected


def test_files_that_cannot_be_read(project, tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/dir.yaml").mkdir()
    assert message(project, SMALL | {"studies": ["dir"]}) == "studies/dir.yaml: cannot be read (Is a directory)"
    (tmp_path / "params.yaml").write_bytes(b"models: \xff")
    assert message(load, tmp_path).startswith("params.yaml: not YAML: 'utf-8' codec can't decode byte 0xff")


def test_studies_are_chosen_by_argument_command_line_or_file(project, tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/other.yaml").write_text("seeds: [7]")
    assert list(project(SMALL)) == ["toy"]
    assert list(project(SMALL, overrides={"studies": "other,toy"})) == ["other", "toy"]
    assert list(project(SMALL, overrides={"studies": ["other"]})) == ["other"]
    assert list(project(SMALL, overrides={"studies": None})) == ["toy"]
    assert list(project(SMALL, studies=["other"], overrides={"studies": "toy"})) == ["other"]
    assert message(project, SMALL, overrides={"studies": "othr"}) == (
        "command line: studies: 'othr': no file studies/othr.yaml; did you mean other?"
    )
    assert message(project, SMALL, overrides={"studies": 3}) == (
        "command line: studies: 3: must be a list of names, such as [phantom]"
    )


def test_texts_of_the_command_line_become_numbers_and_flags(project):
    """`snakemake --config data='{size: 96}'` hands every value over as text."""
    overrides = yaml.load(
        "{data: {size: 96, channels: 3, seed: -2, kind: folder, source: x, classes: {a: '1', b: '2'},"
        " split: {train: .5, val: .25, test: .25}}, seeds: [3, 4],"
        " train: {lr: 3e-4, balance: false, augment: {flip: 'no', rotate: 5}, models: {test_resnet: {epochs: 7}}}}",
        yaml.BaseLoader,
    )
    study = project(SMALL, overrides=overrides)["toy"]
    assert (study.data.size, study.data.channels, study.data.seed, study.seeds) == (96, 3, -2, [3, 4])
    assert (study.data.split.train, study.data.classes) == (0.5, {"a": "1", "b": "2"})
    assert (study.train.lr, study.train.balance, study.train.augment.flip) == (3e-4, False, False)
    assert study.train.recipe("test_resnet").epochs == 7
    assert '"channels":3' in section(study.data)
    assert message(project, SMALL, overrides={"data": {"channels": "2"}}) == (
        "command line: data.channels: 2: allowed: 1, 3"
    )


@pytest.mark.parametrize("weights", ["scratch", "pretrained", "a b/ü.safetensors", "w/{model}-{seed}.safetensors"])
def test_weights_that_may_stand_there(weights):
    assert recipe(weights=weights).weights == weights


def test_a_checkpoint_of_ones_own_needs_no_training():
    assert recipe(weights="mine.safetensors", epochs=0).epochs == 0


def recipe(**changes) -> Recipe:
    return Recipe.model_validate({key: value for key, value in (PARAMS["train"] | changes).items() if key != "models"})


def test_a_recipe_differs_from_the_shared_one_where_it_says_so(project):
    toy = {"train": {"epochs": 9, "augment": {"rotate": 3}, "models": {"test_resnet": {"augment": {"flip": False}}}}}
    train = project(SMALL, toy)["toy"].train
    assert train.recipe("test_resnet").augment.model_dump() == train.augment.model_dump() | {"flip": False}
    assert train.recipe("test_resnet").epochs == 9
    assert "models" not in train.recipe("test_resnet").model_dump()


def test_a_name_with_a_tag_of_weights_is_an_architecture(project):
    assert project({"models": ["resnet50.a1_in1k"]})["toy"].models == ["resnet50.a1_in1k"]


def test_architectures_are_those_of_timm():
    import timm

    assert architectures() == set(timm.list_models())


def test_only_options_that_are_set_of_methods_that_run_reach_a_job():
    options = {"integrated_gradients": {"steps": 4}, "scorecam": {"channels": 8}}
    explain = checked(Explain, "explain", methods=["gradcam", "integrated_gradients"], options=options)
    assert json.loads(section(explain))["options"] == {"integrated_gradients": {"steps": 4}}


def test_a_section_is_sorted_json_whatever_the_order(project):
    one = project(SMALL, "train: {lr: 0.1, epochs: 3}\ndata: {size: 48, fit: pad}")["toy"]
    two = project(SMALL, "data: {fit: pad, size: 48}\ntrain: {epochs: 3, lr: 0.1}")["toy"]
    assert section(one) == section(two)
    text = section(one.data, {"fingerprint": "ü"})
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) and "\n" not in text
    assert json.loads(text) == one.data.model_dump(mode="json") | {"fingerprint": "ü"}


def keys(values: dict, prefix: tuple = ()):
    for key, value in values.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from keys(value, (*prefix, key))


def known(schema: type[Section]) -> set[str]:
    fields = schema.model_fields.items()
    nested = (f.annotation for _, f in fields if isinstance(f.annotation, type) and issubclass(f.annotation, Section))
    return {name for name, _ in fields}.union(*map(known, nested))


NAMED = [("claims",), ("margin",)]  # sections whose keys a user names


@pytest.mark.slow
@settings(deadline=None)
@given(st.sampled_from(sorted(path for path in keys(shipped()) if path[-2:-1] not in NAMED)), st.data())
def test_any_typo_in_a_key_of_params_yaml_is_refused_by_name(tmp_path_factory, path, data):
    place = data.draw(st.integers(0, len(path[-1]) - 1))
    letter = data.draw(st.sampled_from(["", *"abcdefghijklmnopqrstuvwxyz_"]))
    typo = path[-1][:place] + letter + path[-1][place + data.draw(st.integers(0, 1)) :]
    assume(typo not in ("", path[-1]) and typo not in known(Study) | known(Claim) | {"studies"})
    params = parent = shipped()
    for key in path[:-1]:
        parent = parent[key]
    parent[typo] = parent.pop(path[-1])
    root = tmp_path_factory.mktemp("typo")
    (root / "studies").symlink_to(ROOT / "studies")
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(InputError) as caught:
        load(root)
    lines = str(caught.value).splitlines()
    named = f"params.yaml: {'.'.join((*path[:-1], typo))}:"
    if path == ("studies",):
        assert lines == [f"params.yaml: studies: not set; did you mean it by {typo}?"]
    else:
        assert sum(line.startswith(named) and "unknown key" in line for line in lines) == 1


@pytest.mark.slow
def test_snakemake_stops_before_anything_runs(tmp_path):
    for name in ("Snakefile", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("rules", "src", "profiles", "envs", "studies"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    study = tmp_path / "studies/quickstart.yaml"
    study.write_text(study.read_text().replace("models: [resnet10t,", "models: [resnet5O,"))
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--config", "data={sise: 32}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if "workflow specific profile" not in line] == [
        "studies/quickstart.yaml: models: 'resnet5O': did you mean resnet50 or resnet51q or resnet50t?",
        "command line: data.sise: '32': unknown key; did you mean size or classes or seed?",
    ]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recipe_may_stand_for_a_model_that_does_not_run_now():
    load(ROOT, overrides={"models": ["resnet50"]}, studies=["phantom"])


def test_a_study_name_is_safe_in_a_path_and_a_shell(tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "params.yaml").write_text("studies: ['my study; ls']\nmodels: [test_resnet]\n")
    (tmp_path / "studies" / "my study; ls.yaml").write_text("")
    with pytest.raises(InputError, match=r"a study's name is made of letters, digits, _ \. and -$"):
        load(tmp_path)


PAPER = {"source": "a paper", "accuracy": {"resnet50": 0.85}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"accuracy": {"resnet50": 85}},
            "accuracy.resnet50: 85: must be a share above 0 and at most 1, such as 0.85 for 85%",
        ),
        ({"f1_macro": {"resnet50": 0}}, "f1_macro.resnet50: 0: must be a share above 0 and at most 1"),
        (
            {"accuracy": {"resnet5": 0.85}},
            "accuracy.resnet5: 'resnet5': did you mean resnet50 or resnet51q or resnet50t?",
        ),
        ({"accuracy": {}}, "accuracy: dictionary should have at least 1 item after validation, not 0"),
        ({"source": None}, "source: None: YAML reads null and ~ as nothing, not as text; put the word in quotes"),
    ],
)
def test_what_is_published_is_of_architectures_and_in_shares(project, changes, expected):
    assert project(SMALL, {"stats": {"published": {"x": PAPER}}})["toy"].stats.published["x"].f1_macro == {}
    text = message(project, SMALL, {"stats": {"published": {"x": PAPER | changes}}})
    assert text == f"studies/toy.yaml: stats.published.x.{expected}"


def test_what_a_study_was_trained_from_and_on(project):
    recipes = {"resnet50": {"weights": "pretrained", "epochs": 3}, "resnet18": {"weights": "w/{seed}.safetensors"}}
    toy = {"models": ["test_resnet", "resnet50", "resnet18"], "train": {"epochs": 2, "models": recipes}, "seeds": [4]}
    found = project(SMALL, toy | {"setting": "Small."})["toy"].training
    assert found["weights"] == {"test_resnet": "scratch", "resnet50": "pretrained", "resnet18": "brought"}
    assert found["epochs"] == {"test_resnet": 2, "resnet50": 3, "resnet18": 2}
    assert (found["seeds"], found["text"]) == ([4], "Small.")
    assert project(SMALL)["toy"].training["text"] == ""


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("check: outdo, methods: [attnlrp], family: sanity", ""),
        ("check: outdo, methods: [attnlrp], family: localization, metric: iou", ""),
        ("check: shows_cue, family: localization, metric: inside_cue", ""),
        ("check: outdo, family: sanity", "`methods` are compared with `method`: only with check: outdo"),
        ("check: differ, methods: [attnlrp], family: sanity", "`methods` are compared with `method`"),
        ("check: outdo, methods: [gradcam], family: sanity", "`methods` are compared with `method`"),
        ("check: outdo, methods: [lrpp], family: sanity", r"stats\.claims\.x\.methods: lrpp is no method"),
        ("check: differ, family: faithfulness, metric: iou", "metric: iou is none of faithfulness; allowed: aopc"),
        ("check: shows_cue, family: sanity", "needs family: localization"),
        ("check: shows_cue, family: ''", "family: not set"),
        ("check: falls_within", "method: leave it out, the check is on models"),
        ("check: falls_within, family: sanity", "family: leave it out, the check is on models"),
    ],
)
def test_what_a_claim_needs(project, claim, said):
    text = f"stats: {{claims: {{x: {{source: a, claim: b, method: gradcam, {claim}}}}}}}"
    if not said:
        assert project(SMALL, text)["toy"].stats.claims["x"].method == "gradcam"
        return
    with pytest.raises(InputError, match=said):
        project(SMALL, text)


@pytest.mark.parametrize(("method", "known"), [("gradcam", True), ("gradcamm", False), ("mine", False)])
def test_a_claim_names_a_method_that_there_is(project, method, known):
    claim = f"{{source: a, claim: b, check: differ, family: localization, method: {method}}}"
    text = f"stats: {{claims: {{x: {claim}}}}}"
    if known:
        assert project(SMALL, text)["toy"].stats.claims["x"].method == method
    else:
        with pytest.raises(InputError, match=rf"stats\.claims\.x\.method: {method} is no method"):
            project(SMALL, text)
