"""Tables as programs and spreadsheets write them are read alike."""

import gzip

import pytest

from heatproof.core.messages import InputError
from heatproof.data.sources.rows import parse_numbers, read_rows, read_sheet

TEXT = "image_id,Patient ID,value,note\na.png,3,0.5,\nb.png,03,,seen\n"
COLUMNS = {"image_id": ["a.png", "b.png"], "patient_id": ["3", "03"], "value": ["0.5", ""], "note": ["", "seen"]}
WRITTEN = {
    "plain": TEXT.encode(),
    "byte order mark, line ends of Windows": TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
    "semicolons": TEXT.replace(",", ";").encode(),
    "a line that names the separator": b"sep=;\r\n" + TEXT.replace(",", ";").encode(),
    "Excel's Unicode text": TEXT.replace(",", "\t").encode("utf-16"),
    "gzip": gzip.compress(TEXT.encode()),
    "blanks": TEXT.replace(",", ", ").replace("Patient ID", '" Patient\nID "').encode(),
    "not available": TEXT.replace(",,", ",#N/A,").encode(),
    "not available, in German": TEXT.replace(",,", ",#NV,").encode(),
    "blank columns and rows at the end": (TEXT.replace("\n", ",,\n") + ",,,,,\n").encode(),
    "rows cut after the last cell in use": TEXT.replace("0.5,", "0.5").encode(),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_a_table_is_the_same_however_it_is_written(way):
    sheet = read_sheet(WRITTEN[way], "t.csv", ["image_id", "patient_id"], ["value", "note", "seed"])
    assert sheet.columns == COLUMNS
    assert [row for _, row in read_rows(WRITTEN[way], "t.csv", list(COLUMNS)[:3])] == [
        {name: cells[place] for name, cells in COLUMNS.items()} for place in (0, 1)
    ]


def test_an_exact_name_comes_before_one_that_is_alike():
    table = b"label,Label,Label\n1,2,3\n"
    assert read_rows(table, "t.csv", ["label"])[0][1]["label"] == "1"
    with pytest.raises(InputError, match="two columns are called LABEL; rename"):
        read_sheet(table, "t.csv", ["LABEL"])


def test_a_separator_that_also_stands_in_cells():
    table = b"path,label,box\na.png,1,1 2 3 4;5 6 7 8;9 9 9 9\n"
    assert read_rows(table, "t.csv", ["path", "label", "box"]) == [
        (2, {"path": "a.png", "label": "1", "box": "1 2 3 4;5 6 7 8;9 9 9 9"})
    ]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0,512", "1,25", "-0,3e-2"], [0.512, 1.25, -0.003]),
        (["0,512", "1,234"], [0.512, 1.234]),  # the first tells that the comma is decimal
        (["1.5", ".5", "2", "1E-05", "\N{MINUS SIGN}3"], [1.5, 0.5, 2, 1e-5, -3]),
        (["TRUE", "False"], [1, 0]),
        (["", "NA", "n/a", "NaN", "None"], [None] * 5),
    ],
)
def test_numbers(cells, numbers):
    assert parse_numbers(cells) == pytest.approx([float("nan") if n is None else n for n in numbers], nan_ok=True)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["0,5", "0.5"], "holds '0,5' and '0.5'; write all numbers with the same decimal mark"),
        (["1.234,5"], "write all numbers with the same decimal mark"),
        (["1,234", "5"], "holds '1,234', with a comma that is decimal or groups thousands; write it without"),
        (["52%"], "holds '52%'; it must be a number"),
        (["01. Mai"], "holds '01. Mai'; it must be a number"),
        (["1_0"], "must be a number"),
        (["inf"], "must be a number"),
    ],
)
def test_what_is_no_number_is_refused(cells, words):
    with pytest.raises(ValueError, match="holds") as error:
        parse_numbers(cells)
    assert words in str(error.value)
