"""`heatproof diff` on small results that are made here: what it finds is known."""

import json
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report.audits import calm
from scipy.stats import spearmanr

from heatproof.cli import main
from heatproof.commands import compared as results
from heatproof.commands.compared import compare_heatmaps, compare_predictions, compare_scores
from heatproof.core.statements import Statement
from heatproof.data.audit.results import Finding
from heatproof.stats import results as values
from heatproof.store.artifacts import read_table, write_array, write_json, write_table
from heatproof.store.tables import DEALT, HEATMAPS, NUMBER, PREDICTIONS, READINGS, SCORES, TABLES
from heatproof.text.audit import sentence

# one statement of each kind
STATED = [
    Statement.of(json.loads(row))
    for row in (Path(__file__).parent / "text/statements.jsonl").read_text(encoding="utf-8").splitlines()
    if row.startswith("{")
]
SIDE, IMAGES = 8, 6
IDS = [f"i{number}" for number in range(IMAGES)]
MODELS, MAPS, STATS = "models/s/m/0/fold0", "heatmaps/s/m/0/fold0", "stats/s"
SCORED = "scores/s/m/0/fold0/localization.parquet"


def index(**columns) -> pd.DataFrame:
    plain = {"group": "g", "target": 1, "predicted": 1, "layer": "l", "grid_height": 2, "grid_width": 2}
    plain |= {"degenerate": "", "variant": "", "gap": np.nan, "signed": False}
    return pd.DataFrame(plain | {"image_id": IDS, "method": "cam", "row": range(IMAGES)} | columns)


def made_up() -> values.StudyResults:
    """One method's verdicts on models m and n, and a method that supports none of them."""
    outcome = values.Outcome(
        "checkpoints",
        values.Shares(0.025, 0.025),
        {},
        {"m": "better", "n": "unclear"},
        values.Omnibus("friedman", 2, IMAGES, 0, p=0.01),
        values.Pairs(1, "p_corrected", told_apart=(("m", "n"),)),
    )
    named = {"family": "localization", "method": "cam", "metric": "iou", "unit": "patient", "over": "m", "under": "n"}
    subjects = {role: (name,) for role, name in named.items()}
    numbers = {"apart": 1, "tested": 1, "difference": 0.25, "effect": 0.9}
    return values.StudyResults(
        "s",
        *(IMAGES, IMAGES),
        values.Groups("patient", "auto", True),
        ("cam", "lrp"),
        values.Seeds(1, 1),
        *(0.05, 0.95, "friedman", 0.8),
        {model: values.Model(competent=True) for model in "mn"},
        {"localization": values.Family("iou", separates={"m": True}, outcomes={"cam": outcome})},
        refused={"lrp": {"m": "no_rule"}},
        accuracy_relations={"localization": {"cam": values.AccuracyRelation((), 2, 2, rho=0.5, p=0.2)}},
        statements=(Statement("pairs.apart", subjects, numbers),),
    )


def row(table: str, **values) -> pd.DataFrame:
    empty = {column: np.nan if kind == NUMBER else 0 for column, kind in TABLES[table].items()}
    return pd.DataFrame([empty | {"family": "localization", "metric": "iou", "method": "cam"} | values])[
        list(TABLES[table])
    ]


def build(root: Path) -> Path:
    """Results of a study `s` with one trained model; a second one takes part in its verdicts."""
    draw = np.random.default_rng(0)
    manifest = pd.DataFrame({"image_id": IDS, "sha256": "0", "source": "x", "label": 1, "group": "g", "truth": ""})
    write_table(root / "data/s/manifest.parquet", manifest.assign(width=9, height=9, fold0="test"), DEALT)
    write_array(root / "data/s/pixels.npy", draw.integers(0, 255, (IMAGES, 1, SIDE, SIDE), dtype="uint8"))
    write_array(root / "data/s/masks.npy", draw.random((IMAGES, SIDE, SIDE)) > 0.5)
    predicted = pd.DataFrame({"image_id": IDS, "split": "test", "label": 1, "predicted": 1, "p_0": 0.4, "p_1": 0.6})
    write_table(root / MODELS / "predictions.parquet", predicted, PREDICTIONS)
    write_array(root / MAPS / "maps.npy", draw.random((IMAGES, SIDE, SIDE)).astype("float32"))
    write_table(root / MAPS / "index.parquet", index(), HEATMAPS)
    scores = {"group": "g", "model": "m", "seed": 0, "method": "cam", "metric": "iou", "reason": ""}
    write_table(root / SCORED, pd.DataFrame({"image_id": IDS, "value": draw.random(IMAGES)} | scores), SCORES)
    write_json(root / STATS / "summary.json", made_up().stored())
    rows = {
        "models": {"model": "m", "competent": True},
        "controls": {"model": "m", "control": "random", "verdict": "better"},
        "sensitivity": {"question": "controls", "subject": "m", "main": "better", "worst_rank": "unclear"},
        "claims": {"name": "c", "verdict": "supported"},
        "pairs": {"factor": "model", "within": "cam", "a": "m", "b": "n", "difference": 0.25},
        "relations": {"model": "m", "covariate": "lesion_area", "rho": 0.6, "p_corrected": 0.04},
    }
    for table, of in rows.items():
        write_table(root / STATS / f"{table}.csv", row(table, **of), TABLES[table])
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("built") / "results")


@pytest.fixture
def both(built, tmp_path) -> tuple[Path, Path]:
    for name in "ab":
        shutil.copytree(built, tmp_path / name / "results")
    return tmp_path / "a/results", tmp_path / "b/results"


@pytest.fixture
def compared(both, tmp_path, capsys):
    """Compare the two folders: the exit code, what was printed, and the study's part of the JSON file."""

    def compare(*options: str) -> tuple[int, str, dict]:
        file = tmp_path / "out.json"
        try:
            code = main(["diff", str(both[0]), str(both[1]), "--json", str(file), *options])
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out, json.loads(file.read_text())["studies"]["s"]

    return compare


def change(path: Path, schema: dict, **columns) -> None:
    write_table(path, read_table(path, schema).assign(**columns), schema)


def said(root: Path, edit) -> None:
    """Write results in which `edit` changed what is stored of one method's verdicts, of relations or of all."""
    found = made_up().stored()
    edit(found)
    write_json(root / STATS / "summary.json", found)


def test_the_same_bytes(both, compared):
    code, out, found = compared()
    assert code == 0 and out.endswith("Identical files.\n")
    assert len(found["files"]["data"]["same"]) == 3 and found["verdicts"] is None
    assert main(["diff", str(both[0].parent), str(both[1])]) == 0, "a project's folder does as well"


def test_heatmaps_are_compared_on_their_own_scale(both, compared):
    maps = np.load(both[0] / MAPS / "maps.npy")
    changed = maps * 3 + 7
    write_array(both[1] / MAPS / "maps.npy", changed)
    code, _, found = compared()
    row = found["heatmaps"][0]
    assert code == 0 and row["maps"] == IMAGES and row["largest"] < 1e-5 and row["correlation"] == pytest.approx(1)

    maps[:] = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    changed = maps.copy()
    changed[2, 0, 1] = 1 + 6.3  # a tenth of the range
    for root, array in zip(both, (maps, changed), strict=True):
        write_array(root / MAPS / "maps.npy", array)
    row = compare_heatmaps(both[0] / MAPS, both[1] / MAPS, tolerance=0.2)[0]
    assert row["largest"] == pytest.approx(0.1) and row["beyond"] == 0
    code, out, found = compared()
    assert code == 3 and found["heatmaps"][0]["beyond"] == 1
    assert out.splitlines()[-1] == "Different: heatmaps beyond tolerance (1)."
    assert compared("--heatmaps", "0.2")[0] == 0


def test_the_median_of_rank_correlations(both):
    draw = np.random.default_rng(1)
    pair = [draw.integers(0, 9, (IMAGES, SIDE, SIDE)).astype("float32") for _ in range(2)]  # with ties
    for root, maps in zip(both, pair, strict=True):
        write_array(root / MAPS / "maps.npy", maps)
    one, other = (maps.reshape(IMAGES, -1) for maps in pair)
    expected = np.median([spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)])
    assert compare_heatmaps(both[0] / MAPS, both[1] / MAPS, 0.01)[0]["correlation"] == pytest.approx(expected)


def test_maps_are_matched_by_image_and_class_not_by_row(both):
    write_array(both[1] / MAPS / "maps.npy", np.load(both[0] / MAPS / "maps.npy")[::-1])
    shuffled = index().iloc[::-1].assign(row=range(IMAGES))
    shuffled.loc[0, "target"] = 0  # another class explained
    shuffled.loc[1, "degenerate"] = "constant"
    write_table(both[1] / MAPS / "index.parquet", shuffled, HEATMAPS)
    expected = {"maps": 4, "largest": 0, "beyond": 0, "degenerate_in_one": 1, "only_a": 1, "only_b": 1}
    assert compare_heatmaps(both[0] / MAPS, both[1] / MAPS, 0.01)[0].items() >= expected.items()


def test_scores(both, compared):
    values = np.array([0.1, 0.2, 0.3, 0.4, 10, 0.6])
    change(both[0] / SCORED, SCORES, value=values)
    other = values + np.array([0, 0.01, 0, 0.2, 0.4, np.nan])  # of a score of 10, 0.4 is 4 %
    frame = read_table(both[0] / SCORED, SCORES).assign(value=other)
    write_table(both[1] / SCORED, frame.iloc[::-1], SCORES)
    row = compare_scores(both[0] / SCORED, both[1] / SCORED, tolerance=0.05)[0]
    assert row["scores"] == 5 and row["largest"] == pytest.approx(0.4) and row["median"] == pytest.approx(0.01)
    assert (row["beyond"], row["missing_in_one"], row["only_a"], row["only_b"]) == (1, 1, 0, 0)
    code, out, _ = compared()
    assert code == 3 and "1 missing in one only" in out
    assert compared("--scores", "inf")[0] == 0


def test_scores_of_several_labels_are_matched_by_label(both):
    frame = read_table(both[0] / SCORED, SCORES)
    twice = pd.concat([frame.assign(label=k, value=k / 4) for k in (0, 1)])
    write_table(both[0] / SCORED, twice, SCORES)
    write_table(both[1] / SCORED, twice.iloc[:0:-1], SCORES)  # in another order, and without the first
    row = compare_scores(both[0] / SCORED, both[1] / SCORED, tolerance=0)[0]
    assert (row["scores"], row["largest"], row["beyond"], row["only_a"]) == (2 * IMAGES - 1, 0, 0, 1)


def test_predicted_labels_that_change(both):
    frame = read_table(both[0] / MODELS / "predictions.parquet", PREDICTIONS).assign(label=pd.NA, predicted=pd.NA)
    frame = frame.assign(label_0=True, label_1=False, predicted_0=True, predicted_1=False)
    write_table(both[0] / MODELS / "predictions.parquet", frame, PREDICTIONS)
    frame.loc[2, "predicted_1"] = True
    write_table(both[1] / MODELS / "predictions.parquet", frame, PREDICTIONS)
    found = compare_predictions(*(root / MODELS / "predictions.parquet" for root in both), tolerance=0)
    assert (found["changed"], found["beyond"], found["images"]) == (1, 0, IMAGES)


def test_one_score_in_a_hundred_may_jump(both, compared):
    ids = {"image_id": [f"i{number}" for number in range(200)], "value": 0.5}
    scores = {"group": "g", "model": "m", "seed": 0, "method": "cam", "metric": "hit_rate", "reason": ""}
    write_table(both[0] / SCORED, pd.DataFrame(ids | scores), SCORES)
    for jumps, code in ((2, 0), (3, 3)):
        values = np.where(np.arange(200) < jumps, 1.0, 0.5)
        write_table(both[1] / SCORED, pd.DataFrame(ids | scores | {"value": values}), SCORES)
        assert compared()[0] == code


def test_predictions(both, compared):
    p_1 = [0.6, 0.6, 0.6, 0.6, 0.6, 0.3]
    columns = {"p_1": p_1, "p_0": [1 - p for p in p_1], "predicted": [1, 1, 1, 1, 1, 0]}
    change(both[1] / MODELS / "predictions.parquet", PREDICTIONS, **columns)
    code, _, found = compared()
    row = found["predictions"][0]
    assert code == 3 and row["largest"] == pytest.approx(0.3)
    assert (row["images"], row["beyond"], row["changed"], row["of"]) == (IMAGES, 1, 1, "m/0/fold0")


def test_other_images_have_no_tolerance(both, compared):
    pixels = np.load(both[0] / "data/s/pixels.npy")
    pixels[3, 0, 0, 0] ^= 4
    write_array(both[1] / "data/s/pixels.npy", pixels)
    change(both[1] / "data/s/manifest.parquet", DEALT, fold0=["train", *["test"] * 5])
    code, out, found = compared("--heatmaps", "inf")
    assert code == 3 and out.endswith("Different: other images.\n")
    assert found["images"] == {
        "images": IMAGES,
        "only_a": 0,
        "only_b": 0,
        "rows": 1,
        "pixels": 1,
        "largest": 4,
        "masks": 0,
    }


def outcome(stored: dict) -> dict:
    return stored["families"]["localization"]["outcomes"]["cam"]


CHANGES = [
    (
        lambda s: outcome(s)["verdicts"].update(m="worse"),
        "localization, cam, m: against all controls",
        "better",
        "worse",
    ),
    (
        lambda s: outcome(s)["pairs"].update(told_apart=[]),
        "localization, cam: m and n",
        "m over n",
        "no significant difference",
    ),
    (lambda s: outcome(s)["omnibus"].update(p=0.026), "localization, cam: the models differ", "shown", "not shown"),
    (
        lambda s: s["accuracy_relations"]["localization"]["cam"].update(p=0.05, rho=-0.9),
        "localization, cam: with accuracy",
        "not shown",
        "falls",
    ),
    (lambda s: s["refused"].clear(), "lrp, m", "refused: no_rule", "not there"),
]


def read_by_two(root: Path, **columns) -> None:
    """Write readings of two readers, one label an image; the second drew nothing in the last image."""
    plain = {"label": [0] * 2 * IMAGES, "truth": "mask", "instances": np.nan, "points": ""}
    table = pd.DataFrame(plain | {"image_id": IDS * 2, "reader": ["A"] * IMAGES + ["B"] * IMAGES})
    table = table.assign(place=[0] * IMAGES + [1] * IMAGES, row=[*range(2 * IMAGES - 1), -1])
    write_table(root / "data/s/readings.parquet", table.assign(**columns), READINGS)
    write_array(root / "data/s/readings.npy", np.random.default_rng(1).random((2 * IMAGES, SIDE, SIDE)) > 0.5)


def second_reader(outcome: str) -> values.SecondReader:
    number = values.Estimate(0.5, 0.4, 0.6)
    row = values.ReaderComparison(
        "iou", None, "m", "cam", 0.3, 0.6, number, number, number, 0.05, 0.5, 0.01, outcome, IMAGES, IMAGES
    )
    (stated,) = (one for one in STATED if one.kind == f"readers.{outcome}")
    return values.SecondReader("patient", True, 0.95, 0.05, (), (row,), (stated,))


def test_what_a_second_reader_drew_is_compared(both, compared):
    for root in both:
        read_by_two(root)
    assert compared()[0] == 0
    read_by_two(both[1], place=[1] * IMAGES + [0] * IMAGES, row=[*range(2 * IMAGES)])
    masks = np.load(both[1] / "data/s/readings.npy")
    masks[2] = ~masks[2]
    write_array(both[1] / "data/s/readings.npy", masks)
    code, out, found = compared()
    assert code == 3 and "Different: other readings" in out
    assert found["readings"] == {"readings": 12, "only_a": 0, "only_b": 0, "rows": 12, "masks": 2}
    assert "readings of second readers: 12 in both; only a 0; only b 0; rows 12; masks 2" in out


def test_an_outcome_beside_a_second_reader_is_a_verdict(both, compared):
    for root, outcome in zip(both, ("worse", "open"), strict=True):
        write_json(root / STATS / "summary.json", replace(made_up(), readers=second_reader(outcome)).stored())
    code, _, found = compared()
    what = "iou, all labels, cam, m: compared with a second reader"
    assert code == 3 and found["verdicts"]["changed"] == [{"what": what, "a": "worse", "b": "open"}]
    assert {row["where"].split(",")[0] for row in found["verdicts"]["sentences"]} == {"readers.worse", "readers.open"}


@pytest.mark.parametrize(("edit", "what", "before", "after"), CHANGES)
@pytest.mark.slow
def test_a_verdict_of_the_summary_that_changes_is_named(both, compared, edit, what, before, after):
    said(both[1], edit)
    code, out, found = compared()
    assert found["verdicts"]["changed"] == [{"what": what, "a": before, "b": after}]
    assert code == 3 and f"{what}: {before} -> {after}" in out
    assert out.splitlines()[-1] == "Different: verdicts changed (1)."


@pytest.mark.parametrize(
    ("table", "values", "what"),
    [
        ("models", {"competent": False}, "m, 0: models competent"),
        ("controls", {"verdict": "unclear"}, "localization, iou, cam, m, random: controls verdict"),
        ("sensitivity", {"worst_rank": "worse"}, "localization, iou, cam, controls, m: sensitivity worst_rank"),
        ("claims", {"verdict": "undecided"}, "c: claims verdict"),
        ("pairs", {"difference": -0.25}, "localization, cam: m and n"),
        ("relations", {"rho": -0.6}, "localization, iou, cam, m, lesion_area: relation"),
    ],
)
@pytest.mark.slow
def test_a_verdict_of_a_table_that_changes_is_named(both, compared, table, values, what):
    change(both[1] / STATS / f"{table}.csv", TABLES[table], **values)
    code, _, found = compared()
    assert code == 3 and [row["what"] for row in found["verdicts"]["changed"]] == [what]


def test_numbers_are_no_verdicts(both, compared):
    def edit(found):
        outcome(found)["omnibus"]["p"] = 0.0249
        found["statements"][0]["numbers"] |= {"difference": 0.26, "effect": 0.8}

    said(both[1], edit)
    change(both[1] / STATS / "pairs.csv", TABLES["pairs"], difference=0.2)
    code, out, found = compared()
    assert code == 0 and found["verdicts"]["compared"] == 14
    assert out.endswith("Within tolerance, and every verdict is the same.\n")


def test_a_statement_that_only_one_has_is_named(both, compared):
    said(both[1], lambda s: s["statements"][0]["subjects"].update(over=["n"], under=["m"]))
    code, out, found = compared()
    assert code == 3 and not found["verdicts"]["changed"]
    where = "pairs.apart, localization, cam"
    texts = [f"The two models differ: {over} scores 0.25 above {under}." for over, under in ("mn", "nm")]
    rows = [{"where": where, "a": texts[0], "b": "not there"}, {"where": where, "a": "not there", "b": texts[1]}]
    assert found["verdicts"]["sentences"] == rows
    assert f"changed sentence in {where}" in out and f"A: {texts[0]}" in out and f"B: {texts[1]}" in out


def test_an_alarm_of_the_audit_is_a_verdict(both, compared):
    quiet = calm(pd.DataFrame({"group": IDS, "label": 0}), ["ill"])
    copies = Finding("note", Statement("copies.files", numbers={"pairs": 2, "images": 4}))
    for root, more in zip(both, ((), (replace(copies, level="alarm"),)), strict=True):
        count = Finding("note", replace(copies.statement, numbers={"pairs": 2 + len(more), "images": 9}))
        write_json(root / "data/s/audit.json", replace(quiet, findings=(*quiet.findings, count, *more)).stored())
    code, out, found = compared()
    expected = {"where": "alarm", "a": "not there", "b": sentence(copies.statement)}
    assert code == 3 and found["audit"] == [expected]
    assert out.endswith("Different: changed sentences (1).\n")


def test_files_and_stages_that_only_one_has(both, compared):
    (both[0] / MODELS / "history.csv").write_text("")
    shutil.rmtree(both[1] / "heatmaps")
    code, out, _ = compared()
    assert code == 3 and "m/0/fold0/history.csv only in A" in out
    assert "  not compared, because not in both: heatmaps\n" in out
    assert out.endswith("Different: files in only one (1).\n")
    (both[0] / MODELS / "history.csv").unlink()
    code, out, _ = compared()
    assert code == 0 and out.endswith("Identical files in what both have.\n")


def test_studies_that_only_one_has_are_named(both, compared):
    shutil.copytree(both[1] / "stats/s", both[1] / "stats/t")
    code, out, _ = compared()
    assert code == 0 and f"only in {both[1]}: t" in out
    assert "only in" not in compared("--study", "s")[1]


def _other_size(root: Path) -> list[str]:
    write_array(root / MAPS / "maps.npy", np.zeros((IMAGES, 4, 4), "float32"))
    return []


def _damaged(root: Path) -> list[str]:
    path = root / MAPS / "maps.npy"
    path.write_bytes(path.read_bytes()[:-8])
    return []


def _renamed(root: Path) -> list[str]:
    for stage in root.iterdir():
        (stage / "s").rename(stage / "t")
    return []


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_other_size, r"maps.npy: of shape (4, 4) an image, in the other folder (8, 8)"),
        (_damaged, r"maps.npy: truncated or altered"),
        (_renamed, "no study in common (s and t)"),
        (lambda root: ["--study", "x"], "--study x: not in both folders; studies in both: s"),
        (lambda root: shutil.rmtree(root) or [], "no results; give a project folder"),
        (lambda root: ["--json", str(root / "no/folder/x.json")], "its folder does not exist"),
    ],
)
def test_bad_input_is_one_line(both, capsys, spoil, expected):
    options = spoil(both[1])
    assert main(["diff", str(both[0]), str(both[1]), *options]) == 1
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


@pytest.mark.parametrize("value", ["-1", "nan", "much"])
def test_a_tolerance_is_a_number(both, value, capsys):
    with pytest.raises(SystemExit) as end:
        main(["diff", str(both[0]), str(both[1]), f"--scores={value}"])
    assert end.value.code == 2 and "--scores" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_maps(both, monkeypatch):
    monkeypatch.setattr(results, "CHUNK", 1 << 17)
    side, peaks = 64, []
    for count in (100, 400):
        draw = np.random.default_rng(0)
        for root in both:
            write_array(root / MAPS / "maps.npy", draw.random((count, side, side), dtype="float32"))
            ids = {"image_id": [f"i{number}" for number in range(count)], "row": range(count), "group": "g"}
            write_table(root / MAPS / "index.parquet", pd.DataFrame(dict.fromkeys(HEATMAPS, 0) | ids), HEATMAPS)
        for root in both:
            change(root / MAPS / "index.parquet", HEATMAPS, degenerate="")
        tracemalloc.start()
        compare_heatmaps(both[0] / MAPS, both[1] / MAPS, 0.01)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0], "bytes at the peak, of so many maps and of four times as many"


@pytest.mark.slow
def test_it_starts_without_torch(both):
    snippet = f"import sys; from heatproof.cli import main; main(['diff', {str(both[0])!r}, {str(both[1])!r}])"
    done = subprocess.run([sys.executable, "-c", f"{snippet}; print('torch' in sys.modules)"], capture_output=True)
    assert done.stdout.decode().splitlines()[-1] == "False", done.stderr
