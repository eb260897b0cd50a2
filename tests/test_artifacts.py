"""Files below results/: what is written comes back, and what is damaged says so."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.core.messages import InputError
from heatproof.store import artifacts, tables
from heatproof.store.artifacts import FLAG, INTEGER, NUMBER, TEXT, ArtifactError
from heatproof.store.sealing import sidecar

SCHEMAS = {name: value for name, value in vars(artifacts).items() if name.isupper() and isinstance(value, dict)}
SCHEMAS |= tables.TABLES | {"DATASETS": tables.DATASETS}
TEXTS = ["NA", 'a, "quoted" name', "007", "", " x ", "nan", "None", "1e5", "True", "zwei\nZeilen", "Ärzte 肺", "'"]
VALUES = {
    TEXT: TEXTS,
    INTEGER: [0, -1, pd.NA, 2**53 + 1, 7, 8, 9, 10, 11, 12, 13, 14],
    NUMBER: [0.1, -2.5, np.nan, 1e-9, 12345.678, 0.0, 1 / 4, 5e8, 1.0, 2.0, 3.0, 4.0],
    FLAG: [True, False] * 6,
    "float32": [0.0, 0.1, 0.25, np.nan, 1.0, -2.5, 1e-9, 3.0, 4.0, 5.0, 6.0, 7.0],
}


def table(schema: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({column: VALUES[kind] for column, kind in schema.items()}).astype(schema)


def failure(function, *args) -> str:
    with pytest.raises(ArtifactError) as caught:
        function(*args)
    text = str(caught.value)
    assert isinstance(caught.value, InputError) and "\n" not in text and text.startswith(str(args[0]))
    assert text.endswith((" delete the file and run again", "; run snakemake to make it"))
    return text.removeprefix(f"{args[0]}: ")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.slow
def test_a_table_comes_back(tmp_path, name, suffix):
    path, schema = tmp_path / f"new folder/ü{suffix}", SCHEMAS[name]
    frame = table(schema)
    artifacts.write_table(path, frame, schema)
    pd.testing.assert_frame_equal(artifacts.read_table(path, schema), frame)
    empty = frame.iloc[:0]
    artifacts.write_table(path, empty, schema)
    pd.testing.assert_frame_equal(artifacts.read_table(path, schema), empty, check_index_type=False)


def test_all_schemas_are_tested():
    of_stats = [*map(id, tables.TABLES.values()), id(tables.TABLES)]
    schemas = {name: value for name, value in vars(tables).items() if isinstance(value, dict) and name.isupper()}
    named = {name for name, value in schemas.items() if id(value) not in of_stats}
    assert named | set(tables.TABLES) == set(SCHEMAS)
    assert len(named) == 14 and {"MANIFEST", "DEALT", "PREDICTIONS", "SCORES"} < named


lines = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(lines, st.one_of(st.none(), st.integers(-(2**53), 2**53))), max_size=5))
def test_any_text_survives_a_csv(tmp_path_factory, rows):
    path, schema = tmp_path_factory.mktemp("csv") / "t.csv", {"text": TEXT, "whole": INTEGER, "again": TEXT}
    frame = pd.DataFrame([(text, whole, text) for text, whole in rows], columns=list(schema)).astype(schema)
    artifacts.write_table(path, frame, schema)
    pd.testing.assert_frame_equal(artifacts.read_table(path, schema), frame, check_index_type=False)


def test_predictions_have_a_column_a_class(tmp_path):
    path = tmp_path / "predictions.parquet"
    frame = table(artifacts.PREDICTIONS).assign(p_0=0.25, p_1=0.75)
    artifacts.write_table(path, frame, artifacts.PREDICTIONS)
    pd.testing.assert_frame_equal(artifacts.read_table(path, artifacts.PREDICTIONS), frame)
    assert failure(artifacts.write_table, path, frame.assign(q=1), artifacts.PREDICTIONS)[:17] == "unknown column q;"
    assert (
        failure(artifacts.write_table, path, frame.assign(p_x=1), artifacts.PREDICTIONS)[:19] == "unknown column p_x;"
    )


def dealt(**folds: list[str]) -> pd.DataFrame:
    own = {column: VALUES[kind][:4] for column, kind in artifacts.MANIFEST.items() if column != "split"}
    return pd.DataFrame(own | folds)


FOLDS = {
    "fold0": ["test", "train", "val", "train"],
    "fold1": ["val", "test", "train", "train"],
    "random0": ["train", "train", "train", "test"],
}


def test_a_manifest_is_read_as_one_fold_deals_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = dealt(**FOLDS)
    artifacts.write_manifest("s", frame)
    assert artifacts.read_manifest("s")["split"].tolist() == FOLDS["fold0"]
    for fold, splits in FOLDS.items():
        back = artifacts.read_manifest("s", fold)
        expected = frame.drop(columns=FOLDS).assign(split=splits)[list(artifacts.MANIFEST)].astype(artifacts.MANIFEST)
        pd.testing.assert_frame_equal(back, expected)


def test_a_manifest_that_is_not_dealt_as_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = artifacts.data_dir("s") / "manifest.parquet"

    def said(function, *args):
        with pytest.raises(ArtifactError) as caught:
            function(*args)
        return str(caught.value).removeprefix(f"{path}: ").removesuffix("; delete the file and run again")

    assert said(artifacts.read_manifest, "s") == "not found; run snakemake to make it"
    artifacts.write_manifest("s", dealt(**FOLDS))
    before = path.read_bytes()
    assert said(artifacts.read_manifest, "s", "fold2") == "no column fold2"
    assert said(artifacts.read_manifest, "s", "label") == "no column label"
    assert said(artifacts.write_manifest, "s", dealt()) == "no column fold0"
    assert said(artifacts.write_manifest, "s", dealt(**FOLDS, split=FOLDS["fold0"])) == "unknown column split"
    assert said(artifacts.write_manifest, "s", dealt(**FOLDS, folder=FOLDS["fold0"])) == "unknown column folder"
    wrong = dealt(**FOLDS | {"fold1": ["train", "Val", "test", None]})
    assert said(artifacts.write_manifest, "s", wrong) == "not of its format (fold1 holds 'Val')"
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_columns_that_are_not_of_the_format(tmp_path, suffix):
    path, schema = tmp_path / f"t{suffix}", tables.MODELS
    frame = table(schema)
    artifacts.write_table(path, frame, schema)
    before = path.read_bytes()
    less, more = frame.drop(columns=["low", "high"]), frame.assign(extra=1, other=2)
    for write in (artifacts.write_table, None):
        for wrong, expected in ((less, "no column low, high;"), (more, "unknown column extra, other;")):
            if write:
                assert failure(write, path, wrong, schema).startswith(expected)
                assert path.read_bytes() == before
            else:
                wrong.to_csv(path, index=False) if suffix == ".csv" else wrong.to_parquet(path, index=False)
                artifacts.seal(path)
                assert failure(artifacts.read_table, path, schema).startswith(expected)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(("column", "value"), [("seed", 1.5), ("low", "much"), ("competent", "yes"), ("competent", 2)])
def test_values_that_are_not_of_the_format(tmp_path, suffix, column, value):
    path, schema = tmp_path / f"t{suffix}", tables.MODELS
    wrong = table(schema).drop(columns=column).assign(**{column: value})
    assert failure(artifacts.write_table, path, wrong, schema).startswith("not of its format (")
    wrong.to_csv(path, index=False) if suffix == ".csv" else wrong.to_parquet(path, index=False)
    artifacts.seal(path)
    assert failure(artifacts.read_table, path, schema).startswith("not of its format (")


def test_a_flag_is_not_left_open(tmp_path):
    wrong = table(tables.MODELS).astype({"competent": object})
    wrong.loc[3, "competent"] = None
    assert failure(artifacts.write_table, tmp_path / "t.csv", wrong, tables.MODELS)


READERS = {
    "t.parquet": lambda path: artifacts.read_table(path, tables.MODELS),
    "t.csv": lambda path: artifacts.read_table(path, tables.MODELS),
    "t.npy": artifacts.read_array,
    "t.json": artifacts.read_json,
}


def written(path: Path) -> bytes:
    if path.suffix == ".npy":
        artifacts.write_array(path, np.arange(12.0).reshape(3, 4))
    elif path.suffix == ".json":
        artifacts.write_json(path, {"a": [1, 2]})
    else:
        artifacts.write_table(path, table(tables.MODELS), tables.MODELS)
    return path.read_bytes()


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_not_there(tmp_path, name):
    assert failure(READERS[name], tmp_path / name) == "not found; run snakemake to make it"


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_a_truncated_file_says_so(tmp_path, name, share):
    path = tmp_path / name
    content = written(path)
    path.write_bytes(content[: int((len(content) - 3) * share)])  # a CSV then ends in `Fal`
    assert failure(READERS[name], path).startswith("truncated or altered")
    artifacts.seal(path)  # as if it had been written so
    assert failure(READERS[name], path).startswith(("not of its format (", "no column"))


@pytest.mark.parametrize("name", READERS)
def test_another_kind_of_file_says_so(tmp_path, name):
    path = tmp_path / name
    for content in (b"\x80\x81\xff\0" * 40, b"a,b\n1,2,3\n4\n", b"PK\x03\x04"):
        path.write_bytes(content)
        artifacts.seal(path)
        failure(READERS[name], path)
    path.unlink()
    path.mkdir()
    failure(READERS[name], path)


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    artifacts.seal(path)
    assert failure(artifacts.read_array, path).startswith("not of its format (")


def test_arrays_and_json_come_back(tmp_path):
    array = np.arange(24, dtype="float32").reshape(2, 3, 4).transpose(0, 2, 1)
    artifacts.write_array(tmp_path / "a.npy", array)
    back = artifacts.read_array(tmp_path / "a.npy")
    assert isinstance(back, np.memmap) and not back.flags.writeable and back.dtype == "float32"
    np.testing.assert_array_equal(back, array)
    with artifacts.writing_array(tmp_path / "b.npy", (3, 2), "uint8") as rows:
        for row in range(3):
            rows[row] = row
        assert not (tmp_path / "b.npy").exists()
    assert artifacts.read_array(tmp_path / "b.npy").tolist() == [[0, 0], [1, 1], [2, 2]]
    artifacts.write_json(tmp_path / "c.json", {"b": "ü", "a": None})
    assert artifacts.read_json(tmp_path / "c.json") == {"a": None, "b": "ü"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifacts.write_json(tmp_path / "c.json", {"a": float("nan")})
    assert artifacts.read_json(tmp_path / "c.json") == {"a": None, "b": "ü"}
    names = ["a.npy", "b.npy", "c.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{name}.sha256" for name in names] + names


@pytest.mark.parametrize("name", READERS)
def test_the_same_values_are_the_same_bytes(tmp_path, name):
    assert written(tmp_path / "one" / name) == written(tmp_path / "two" / name)


def test_json_is_the_same_bytes_in_any_order(tmp_path):
    artifacts.write_json(tmp_path / "a.json", {"x": 1, "y": {"b": 1, "a": 2}})
    artifacts.write_json(tmp_path / "b.json", {"y": {"a": 2, "b": 1}, "x": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "t.npy"
    before = written(path)
    with pytest.raises(error), artifacts.writing_array(path, (100, 100), "float64") as rows:
        rows[:50] = 1
        raise error
    assert path.read_bytes() == before
    assert set(tmp_path.iterdir()) == {path, sidecar(path)}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.slow
def test_a_killed_write_leaves_what_was_there(tmp_path, end):
    path = tmp_path / "t.npy"
    before = written(path)
    snippet = f"""
import time
from pathlib import Path
from heatproof.store import artifacts, tables
with artifacts.writing_array(Path({str(path)!r}), (100, 100), "float64") as rows:
    rows[:50] = 1
    print("half", flush=True)
    time.sleep(60)
"""
    job = subprocess.Popen(
        [sys.executable, "-c", snippet], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={"PYTHONPATH": str(Path(artifacts.__file__).parents[2])},
    )  # fmt: skip
    assert job.stdout.readline() == "half\n"
    job.send_signal(end)
    job.communicate(timeout=30)
    assert job.returncode != 0 and path.read_bytes() == before
    left = set(tmp_path.iterdir()) - {path, sidecar(path)}
    assert len(left) <= (end == signal.SIGKILL)  # nothing can tidy up after SIGKILL ...
    assert written(path) == before
    assert set(tmp_path.iterdir()) == {path, sidecar(path)}  # ... but the next job


def test_paths_are_those_of_the_design():
    assert str(artifacts.data_dir("s")) == "results/data/s"
    assert str(artifacts.Checkpoint("s", "m", 0, "random1").folder) == "results/models/s/m/0/random1"
    assert str(artifacts.Checkpoint("s", "m", 0, "fold0").heatmaps) == "results/heatmaps/s/m/0/fold0"
    assert str(artifacts.Checkpoint("s", "m", 0, "fold2").scores("srg")) == "results/scores/s/m/0/fold2/srg.parquet"
    assert str(artifacts.Checkpoint("s", "m", None, "fold0").scores("iou")) == "results/scores/s/m/fold0/iou.parquet"
    assert str(artifacts.stats_dir("s")) == "results/stats/s"
    assert str(artifacts.report_path("s")) == "results/report/s.html"


def test_a_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert artifacts.digest(tmp_path / "a") == known


FULL = {  # how libraries say that a disk is full
    "safetensors": lambda: RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    "arrow": lambda: RuntimeError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
    "numpy": lambda: OSError("4096 requested and 512 written"),
    "python": lambda: OSError(28, "No space left on device"),
}


@pytest.mark.parametrize("library", FULL)
def test_a_full_disk_is_one_error_whoever_says_it(tmp_path, library):
    path = tmp_path / "maps.npy"
    with pytest.raises(OSError) as caught, artifacts.sealing(path):
        raise FULL[library]()
    assert (caught.value.errno, caught.value.filename) == (28, str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content[:-1] + b"?"])
def test_a_reader_knows_a_file_that_was_altered(tmp_path, change):
    path = tmp_path / "a.json"
    artifacts.write_json(path, {"a": 1})
    assert artifacts.read_json(path) == {"a": 1}
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(artifacts.ArtifactError, match="truncated or altered since it was written"):
        artifacts.read_json(path)


def test_the_digest_is_one_that_sha256sum_checks(tmp_path):
    artifacts.write_array(tmp_path / "a.npy", np.arange(3))
    done = subprocess.run(["sha256sum", "-c", ".a.npy.sha256"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "a.npy: OK\n"
    (tmp_path / ".a.npy.sha256").unlink()
    with pytest.raises(artifacts.ArtifactError, match=r"\.a\.npy\.sha256 is not beside it"):
        artifacts.read_array(tmp_path / "a.npy")
