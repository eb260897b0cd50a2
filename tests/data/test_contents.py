"""The very files that a study was made for."""

import hashlib
from pathlib import Path

import pytest
from data.making import message

from heatproof.data.sources.opening import check_contents, read_contents
from heatproof.data.sources.trees import open_tree

SHARED = Path(__file__).parents[3] / "shared" / "data"
EXPECTED = [("top/a/1.png", "1" * 64), ("top/a/2.png", "2" * 64), ("top/b/1.png", "3" * 64), ("top/b/2.png", "2" * 64)]


def renamed(entries, old, new):
    return [(name.replace(old, new, 1), digest) for name, digest in entries]


@pytest.mark.parametrize(
    "found",
    [EXPECTED, EXPECTED[::-1], renamed(EXPECTED, "top/", ""), renamed(EXPECTED, "a/", "other names/")],
    ids=["same", "other order", "other top", "other folders"],
)
def test_any_mirror_will_do(found):
    check_contents(EXPECTED, found, "x")


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (EXPECTED[1:], "1 missing (top/a/1.png)"),
        (EXPECTED[:3], "1 missing (top/b/2.png)"),
        ([EXPECTED[0], *EXPECTED[2:]], "1 missing (top/a/2.png)"),
        ([*EXPECTED, ("c/3.png", "4" * 64)], "1 unknown (c/3.png)"),
        ([*EXPECTED, ("c/3.png", "2" * 64)], "1 unknown (c/3.png)"),
        ([("a/1.png", "9" * 64), *EXPECTED[1:]], "1 changed (top/a/1.png)"),
        ([("b/9.png", "9" * 64), *EXPECTED[1:]], "1 missing (top/a/1.png); 1 unknown (b/9.png)"),
        ([], "4 missing (top/a/1.png, top/a/2.png, top/b/1.png, top/b/2.png)"),
        (
            EXPECTED + [(f"n{n}.png", f"{n:064}") for n in range(10, 17)],
            "7 unknown (n10.png, n11.png, n12.png, n13.png, n14.png and 2 more)",
        ),
    ],
)
def test_a_difference_names_its_files(found, what):
    said = f"in.zip: not the 4 files of data.contents: {what}; get the source again"
    assert message(check_contents, EXPECTED, found, "in.zip") == said


def test_lines_of_sha256sum(tmp_path):
    path = tmp_path / "a.sha256"
    path.write_text(f"{'A' * 64}  a b/肺 (1).png\n\n{'2' * 64} *c.png\n", encoding="utf-8")
    assert read_contents(path) == [("a b/肺 (1).png", "a" * 64), ("c.png", "2" * 64)]


@pytest.mark.skipif(not (SHARED / "iq_oth_nccd.zip").exists(), reason=f"the IQ-OTH/NCCD archive is not in {SHARED}")
def test_the_real_archive():
    expected = read_contents(SHARED / "iq_oth_nccd.sha256")
    with open_tree(SHARED / "iq_oth_nccd.zip", "archive") as tree:
        found = [(name, hashlib.sha256(tree.read(name)).hexdigest()) for name in tree.names]
    assert len(expected) == len(found) == 1097
    check_contents(expected, renamed(found, "The IQ-OTHNCCD", "mirror/The IQ-OTHNCCD"), "x")
    broken = [(found[0][0], "0" * 64), *found[2:]]
    assert message(check_contents, expected, broken, "x") == (
        f"x: not the 1097 files of data.contents: 1 missing ({found[1][0]}); 1 changed ({found[0][0]}); get the source "
        "again"
    )
