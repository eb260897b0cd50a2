"""Heatmaps that users bring."""

import io
import zipfile

import numpy as np
import pytest

from heatproof.core.messages import InputError
from heatproof.explain.command import NONE, read_external

IDS = ["a/one", "two", "three"]
MEND = "an .npz file with one 2-d array an image id, or a folder of <image id>.npy files"


def maps(count=2, side=8):
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=(side, side)) for name in IDS[:count]}


def test_a_folder_and_an_archive_give_the_same(tmp_path):
    np.savez(tmp_path / "maps.npz", **maps())
    for name, array in maps().items():
        path = tmp_path / "folder" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    for where in ("maps.npz", "folder"):
        read = read_external(str(tmp_path / where), IDS)
        found, reasons = read(slice(0, 3), 8)
        np.testing.assert_array_equal(found, np.stack(list(maps().values())).astype(np.float32))
        assert reasons == ["", "", NONE]
        found, reasons = read(slice(1, 2), 16)
        assert found.shape == (1, 16, 16) and reasons == [""]
        found, reasons = read(slice(2, 3), 8)
        assert found.shape == (0, 8, 8) and reasons == [NONE]


def test_what_cannot_be_scored_says_why(tmp_path):
    np.savez(tmp_path / "maps.npz", **{"a/one": np.zeros((4, 4)), "two": np.full((4, 4), np.nan)})
    assert read_external(str(tmp_path / "maps.npz"), IDS)(slice(0, 3), 4)[1] == ["all_zero", "not_finite", NONE]


def write_pickle(path):
    np.savez(path, **{"a/one": np.array([{"any": "thing"}], dtype=object)})


def write_truncated(path):
    buffer = io.BytesIO()
    np.savez(buffer, **maps())
    path.write_bytes(buffer.getvalue()[:-30])


def write_no_array(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one.npy", b"not an array")


WRONG = {
    "nothing": (lambda path: None, f"not found; it names {MEND}"),
    "text": (lambda path: path.write_text("hello"), f"cannot be read (.*); {MEND}"),
    "truncated": (write_truncated, f"cannot be read (.*); {MEND}"),
    "one array": (lambda path: np.save(path.open("wb"), np.zeros((4, 4))), f"a single array; {MEND}"),
    "other ids": (
        lambda path: np.savez(path, one=np.zeros((4, 4))),
        f"no map of any image explained: it has 'one', asked is 'a/one'; {MEND}",
    ),
    "empty": (lambda path: np.savez(path), f"no map of any image explained: it is empty, asked is 'a/one'; {MEND}"),
    "pickle": (write_pickle, f"a/one: cannot be read (.*); {MEND}"),
    "no array": (write_no_array, r"a/one: .S12 of shape \(\); .*"),
    "three axes": (
        lambda path: np.savez(path, **{"a/one": np.zeros((3, 4, 4))}),
        r"a/one: float64 of shape \(3, 4, 4\); .*",
    ),
    "not square": (lambda path: np.savez(path, **{"a/one": np.zeros((4, 5))}), r"a/one: float64 of shape \(4, 5\); .*"),
    "words": (lambda path: np.savez(path, **{"a/one": np.full((4, 4), "x")}), r"a/one: <U1 of shape \(4, 4\); .*"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path, case):
    write, message = WRONG[case]
    path = tmp_path / "maps.npz"
    write(path)
    pattern = f"^explain.external: {path}: {message.replace('(.*)', chr(92) + '(.*' + chr(92) + ')')}$"
    with pytest.raises(InputError, match=pattern) as error:
        read_external(str(path), IDS)(slice(0, 3), 4)
    assert "\n" not in str(error.value)
