"""What comes from outside runs nothing: no code of ours unpickles or evaluates, and hostile files are one line."""

import ast
import dataclasses
import os
import pickle
import re
import sys
from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import yaml
from shipped import PARAMS

from heatproof.config import load as config
from heatproof.core.messages import InputError

ROOT = Path(__file__).parents[1]
MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__", "breakpoint"}
CALLS = {
    *(
        "torch.load",
        "torch.export.load",
        "torch.hub.load",
        "os.system",
        "os.popen",
        "pd.read_pickle",
        "pd.read_hdf",
        "pd.eval",
    ),
    *("yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "yaml.full_load_all", "np.fromregex"),
}
METHODS = {"extractall", "unpack_archive", "read_pickle", "query", "load_state_dict_from_url", "torch_load"}
NO_PICKLE = {"np.load", "np.lib.format.read_array", "np.lib.format.write_array"}


def faults(source: str) -> list[str]:
    """Calls and imports that may run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"import {name}" for name in names if name.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = re.sub(r"^(numpy|pandas)\.", lambda m: {"numpy": "np.", "pandas": "pd."}[m[1]], ast.unparse(node.func))
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        loader = ast.unparse(node.args[1]) if len(node.args) > 1 else options.get("Loader")
        unsafe = (
            (name in BUILTINS | CALLS and not (name == "torch.load" and options.get("weights_only") == "True"))
            or (isinstance(node.func, ast.Attribute) and node.func.attr in METHODS)
            or (name in NO_PICKLE and options.get("allow_pickle") != "False")
            or (name == "yaml.load" and loader not in ("StrictLoader", "yaml.SafeLoader"))
            or options.get("shell", "False") != "False"
            or (name.endswith("Environment") and options.get("autoescape") != "True")
        )
        found += [f"line {node.lineno}: {name}"] if unsafe else []
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "import dill.settings", "torch.load(path)", "eval(text)",
        "exec(text)", "np.load(path)", "numpy.load(path, allow_pickle=True)", "yaml.load(text)", "pd.read_pickle(path)",
        "yaml.load(text, yaml.Loader)", "yaml.load(text, Loader=yaml.FullLoader)", "os.system(text)",
        "subprocess.run(text, shell=True)", "archive.extractall()", "jinja2.Environment()", "frame.query(text)",
    ],
)  # fmt: skip
def test_the_search_finds(source):
    assert len(faults(source)) == 1


def test_no_code_of_ours_unpickles_or_evaluates():
    paths = sorted((ROOT / "src").rglob("*.py"))
    found = {path.relative_to(ROOT / "src"): faults(path.read_text(encoding="utf-8")) for path in paths}
    named = found.pop(Path("heatproof/train/libraries.py"))  # what the user names in `trust`, in one function
    assert sorted(fault.split(": ")[1] for fault in named) == ["torch.export.load", "torch.load"]
    assert len(paths) > 100 and not {path: what for path, what in found.items() if what}
    assert issubclass(config.StrictLoader, yaml.SafeLoader)


def test_no_text_of_a_configuration_stands_bare_in_a_shell_command():
    """Numbers, options and names do, and the configuration checks of which letters a name is made."""
    bare = set()
    for path in (ROOT / "rules").glob("*.smk"):
        bare |= set(re.findall(r"\{(params\.\w+)\}", path.read_text()))
    fine = "models seeds folds random methods shuffled shards combine members interval kind timeout blank regions"
    assert bare <= {f"params.{name}" for name in fine.split()}


@pytest.fixture(scope="session")
def watch() -> list[str]:
    """What is unpickled while it is not empty; a hook of Python's cannot be taken away again."""
    seen: list[str] = []

    def hook(event: str, arguments: tuple) -> None:
        if event == "pickle.find_class" and seen:
            seen.append(".".join(map(str, arguments)))

    sys.addaudithook(hook)
    return seen


@pytest.fixture
def unpickled(watch):
    watch[:] = ["watching"]
    yield watch
    watch.clear()


def test_the_watch_sees_what_is_unpickled(unpickled):
    pickle.loads(pickle.dumps(Counter))
    assert unpickled == ["watching", "collections.Counter"]


@pytest.fixture
def marker(tmp_path) -> Path:
    """There once anything hostile ran."""
    return tmp_path / "it ran"


@pytest.fixture
def bad(marker):
    """An object whose pickle runs a command when it is read."""

    class Bad:
        def __reduce__(self):
            return os.system, (f"touch '{marker}'",)

    return Bad()


def test_the_hostile_pickle_is_hostile(bad, marker):
    pickle.loads(pickle.dumps(bad))
    assert marker.exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {marker}']",
        "models: !!python/name:os.system",
        "seeds: [!!python/object/new:tuple [[0]]]",
        "data: !include /etc/passwd",
    ],
)
@pytest.mark.parametrize("file", ["params.yaml", "studies/own.yaml"])
def test_yaml_makes_no_objects(tmp_path, marker, file, text):
    (tmp_path / "studies").mkdir()
    (tmp_path / "params.yaml").write_text("studies: [own]\n")
    (tmp_path / "studies/own.yaml").write_text("models: [resnet50]\n")
    (tmp_path / file).write_text(text.replace("{marker}", str(marker)))
    with pytest.raises(InputError, match=rf"^{file}, line 1: not YAML: could not determine a constructor .*$") as error:
        config.load(tmp_path)
    assert "\n" not in str(error.value) and not marker.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("explain.external", "{a;b: x.npz}"),
        ("models", "['resnet50.$(touch x)']"),
        ("models", "['hf-hub:me/mine']"),
        ("stats.claims", "{x: {source: s, claim: c, check: differ, family: sanity, method: '$(x)'}}"),
        ("compute.device", "'cpu; touch x'"),
    ],
)
def test_no_name_is_a_command(tmp_path, key, value):
    (tmp_path / "studies").mkdir()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"studies": ["own"]}))
    first, _, rest = key.partition(".")
    own = f"{first}: {{{rest}: {value}}}" if rest else f"{first}: {value}"
    (tmp_path / "studies/own.yaml").write_text(f"{'' if key == 'models' else 'models: [resnet50]'}\n{own}\n")
    with pytest.raises(InputError, match=rf": {re.escape(key)}\b") as error:
        config.load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_study_is_not_called_by_a_command(tmp_path):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/a$(touch x).yaml").write_text("models: [resnet50]\n")
    (tmp_path / "params.yaml").write_text("studies: ['a$(touch x)']\n")
    with pytest.raises(InputError, match=r"a study's name is made of letters, digits, _ \. and -$"):
        config.load(tmp_path)


@pytest.mark.parametrize("protocol", ["zip", "legacy", "plain pickle"])
def test_a_pickle_called_safetensors_is_refused(tmp_path, bad, marker, protocol):
    import torch

    from heatproof.train.model import load

    path = tmp_path / "model.safetensors"
    if protocol == "plain pickle":
        path.write_bytes(pickle.dumps(bad))
    else:
        torch.save({"fc.weight": bad}, path, _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(InputError, match=rf"^{path}: cannot be read as safetensors .*save_file\(") as error:
        load("test_resnet", 3, 64, path)
    assert "\n" not in str(error.value) and not marker.exists()


class Opening:
    """Read by torch's restricted loader it is a TypeError, after which timm tries again without the restriction."""

    def __reduce__(self):
        return OrderedDict, (), (None, {})


def served(patch, path: Path, way: str) -> None:
    """Makes a file what timm gets as the pretrained weights of its model for tests."""
    from timm.models import _hub, _registry

    def download(repo_id, filename, **_):
        if filename.endswith(".safetensors"):
            raise _hub.EntryNotFoundError("no such file")
        return str(path)

    source = {"url": path.as_uri()} if way == "address" else {"url": "", "hf_hub_id": "me/mine"}
    source |= {"hf_hub_filename": path.name} if way == "named file of a hub" else {}
    known = _registry._model_pretrained_cfgs
    for name in [name for name in known if name.split(".")[0] == "test_resnet"]:
        patch.setitem(known, name, dataclasses.replace(known[name], **{"hf_hub_id": None} | source))
    patch.setattr(_hub, "hf_hub_download", download)
    patch.setenv("TORCH_HOME", str(path.parent / "torch"))


@pytest.mark.parametrize("way", ["address", "hub", "named file of a hub"])
@pytest.mark.parametrize("opening", [False, True], ids=["plain", "around timm's guard"])
def test_pretrained_weights_run_nothing(tmp_path, monkeypatch, bad, marker, way, opening):
    import torch

    from heatproof.train.model import build

    path = tmp_path / "weights.pth"
    torch.save([Opening(), bad] if opening else [bad], path)
    served(monkeypatch, path, way)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0")  # and given back after the test
    with pytest.raises(InputError) as error:
        build("test_resnet", 3, 64, pretrained=True)
    assert "\n" not in str(error.value) and not marker.exists()


def test_pretrained_weights_of_tensors_alone_are_taken(tmp_path, monkeypatch, unpickled):
    import timm
    import torch

    from heatproof.train.model import build

    net = timm.create_model("test_resnet")
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    served(monkeypatch, tmp_path / "weights.pth", "address")
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0")
    model = build("test_resnet", 3, 64, pretrained=True)
    assert torch.equal(model.net.conv1[0].weight, net.conv1[0].weight) and unpickled == ["watching"]


def test_a_parquet_table_runs_nothing(tmp_path, bad, marker):
    """Older pyarrow read the metadata of such a column as a pickle (CVE-2023-47248)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from heatproof.stats.tables.score_table import read

    told = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(bad)}
    text = [pa.field(name, pa.string()) for name in ("image_id", "model")]
    schema = pa.schema([*text, pa.field("value", pa.float64(), metadata=told)])
    table = pa.table({"image_id": ["=1+1", "<script>"], "model": ["@a", "@a"], "value": [1.0, 2.0]}, schema=schema)
    pq.write_table(table, tmp_path / "scores.parquet")
    found = read(tmp_path / "scores.parquet", None).scores
    assert set(found["image_id"]) == {"=1+1", "<script>"} and not marker.exists()


def test_objects_in_a_folder_of_maps_are_refused(tmp_path, bad, marker):
    import numpy as np

    from heatproof.explain.command import read_external

    np.save(tmp_path / "one.npy", np.array([[bad]], dtype=object), allow_pickle=True)
    (tmp_path / "two.npy").write_bytes(pickle.dumps(bad))
    for name in ("one", "two"):
        line = rf"^explain.external: {tmp_path}: {name}: cannot be read \(.*\); an .npz file .*$"
        with pytest.raises(InputError, match=line) as error:
            read_external(str(tmp_path), [name])(slice(0, 1), 4)
        assert "\n" not in str(error.value) and not marker.exists()


@pytest.mark.parametrize("kind", ["folder", "archive", "table", "dicom"])
def test_reading_images_unpickles_nothing(tmp_path, unpickled, kind):
    """The other readers are watched in a whole run, in workflow/test_untrusted_run.py."""
    from data.making import CLASSES, FILES, write_folder, write_zip
    from pydicom.data import get_testdata_file

    from heatproof.data.sources import dicom, image_table, images
    from heatproof.data.sources.trees import open_tree

    if kind == "table":
        write_folder(tmp_path, FILES)
        rows = [f"{name},{name.split('/')[0]}" for name in FILES]
        (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
        records, *_ = image_table.list_records(tmp_path / "list.csv", {"path": "path", "label": "label"}, CLASSES)
    elif kind == "dicom":
        scan = Path(get_testdata_file("CT_small.dcm")).read_bytes()
        tree = open_tree(write_folder(tmp_path, {f"{name}/a.dcm": scan for name in CLASSES.values()}))
        records, _ = dicom.list_records(tree, CLASSES, key=b"0" * 32, window=(-1000, 400))
    else:
        write = write_folder if kind == "folder" else write_zip
        records, _ = images.list_records(open_tree(write(tmp_path / "in", FILES)), CLASSES)
    assert all(record.read().pixels.any() for record in records) and len(records) == 2
    assert unpickled == ["watching"]


def test_reading_the_configuration_unpickles_nothing(unpickled):
    assert config.load(ROOT) and unpickled == ["watching"]
