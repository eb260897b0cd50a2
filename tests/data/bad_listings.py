"""Class folders, tables and lists of contents that are wrong; {at} stands for the source."""

import gzip
from functools import partial
from pathlib import Path

from data.making import CLASSES, FILES, Case, gray, write_folder, write_zip

from heatproof.data.sources import image_table, images
from heatproof.data.sources.opening import read_contents
from heatproof.data.sources.trees import open_tree


def listing(files: dict[str, bytes], classes: dict[str, str] = CLASSES, **options) -> Case:
    def case(folder: Path) -> tuple:
        source = write_zip(folder / "in.zip", files)
        return source, lambda: images.list_records(open_tree(source), classes, **options)

    return case


HAS_NAME = "; a mask has the name of its image"
LISTINGS = {
    "unknown class folder": (
        listing(FILES | {"More/c.png": gray()}, CLASSES | {"benign": "Benign cases"}),
        "{at}: data.classes.benign: no image in a folder called 'Benign cases'; folders with images there: Malignant, "
        "More, Normal cases",
    ),
    "empty class": (
        listing({"Normal cases/a.png": gray(), "Malignant/b.txt": b"", "__MACOSX/Malignant/c.png": b""}),
        "{at}: data.classes.malignant: no image in a folder called 'Malignant'; folders with images there: Normal "
        "cases",
    ),
    "no image at all": (
        listing({"readme.txt": b""}),
        "{at}: data.classes.normal: no image in a folder called 'Normal cases'; folders with images there: none",
    ),
    "two images of one id": (
        listing(FILES | {"Normal cases/a 1.jpg": gray()}),
        "{at}: Normal cases/a 1.jpg and Normal cases/a 1.png have one id, Normal cases/a 1; rename one of them",
    ),
    "mask without an image": (
        listing(FILES | {"masks/a 1.png": gray(), "masks/b_mask.png": gray(), "masks/c.npy": b""}, masks="masks"),
        "{at}: data.masks: 2 masks fit no image: masks/b_mask.png, masks/c.npy" + HAS_NAME,
    ),
    "no folder of masks": (
        listing(FILES | {"mask/a 1.png": gray()}, masks="masks"),
        "{at}: data.masks: no image below a folder 'masks'" + HAS_NAME,
    ),
    "two masks of one image": (
        listing(FILES | {"masks/a 1.png": gray(), "masks/a 1.npy": b""}, masks="masks"),
        "{at}: masks/a 1.npy and masks/a 1.png are masks of one image; rename one of them",
    ),
    "one mask of two images": (
        listing(FILES | {"Malignant/a 1.png": gray(), "masks/a 1.png": gray()}, masks="masks"),
        "{at}: masks/a 1.png is the mask of two images; put masks into a folder a class",
    ),
    "no file of boxes": (
        listing(FILES, boxes="boxes.csv"),
        "{at}: boxes.csv: neither in it nor beside it (No such file or directory); fix the name",
    ),
}

ROWS = "path,label,mask\nNormal cases/a 1.png,0,\nMalignant/肺.png,1,\n"
COLUMNS = {"path": "path", "label": "label", "patient": None, "mask": None, "box": None}


def tabled(text: str | bytes, read: int | None = None, **columns: str) -> Case:
    def case(folder: Path) -> tuple:
        source = write_folder(folder / "in", FILES) / "t.csv"
        source.write_bytes(text.encode() if isinstance(text, str) else text)
        (source.parent / "out.png").symlink_to("/etc/passwd")
        run = partial(image_table.list_records, source, COLUMNS | columns, {"normal": "0", "malignant": "1"})
        return source, run if read is None else lambda: run()[0][read].read()

    return case


LOOKED = " (looked in {folder}, {folder.parent}, {folder.parent.parent}); fix the name or add the file"
LABELS = ": labels that data.classes does not list: "
ADD = "; add them there or remove the rows"
TABLES = {
    "no table": (
        lambda folder: (folder / "t.csv", lambda: image_table.list_records(folder / "t.csv", COLUMNS, {"a": "0"})),
        "{at}: cannot be read (No such file or directory); set data.source to the path of a CSV",
    ),
    "without a column": (
        tabled("path,Labels\na,b\n", patient="who"),
        "{at}: no column label, who; columns there: path, Labels",
    ),
    "empty table": (tabled(b""), "{at}: no column path, label; columns there: none"),
    "not UTF-8": (
        tabled(ROWS.encode() + b"\xe9.png,1,\n"),
        "{at}: not UTF-8 (byte 61 is 0xe9); save it as UTF-8 (in Excel: CSV UTF-8)",
    ),
    "a workbook": (
        tabled(b"PK\x03\x04"),
        "{at}: an Excel workbook or another archive; save the sheet as CSV UTF-8",
    ),
    "half a gzip": (
        tabled(gzip.compress(ROWS.encode())[:-4]),
        "{at}: damaged gzip file (Compressed file ended before the end-of-stream marker was reached); get it again",
    ),
    "a formula that failed": (
        tabled(ROWS.replace(",1,", ",#REF!,")),
        "{at}: line 3: label is #REF!; correct the formula and export it again",
    ),
    "open quote": (tabled(ROWS + '"x'), "{at}: line 4: not a CSV (unexpected end of data); correct it"),
    "two columns of one name": (
        tabled("path,label,label\n"),
        "{at}: two columns are called label; rename one of them",
    ),
    "rows of other lengths": (
        tabled(ROWS + "a\n" + "b,0,,0\n"),
        "{at}: not 3 cells as in the header: line 4, line 5; correct them",
    ),
    "empty label": (tabled(ROWS + "a.png, ,\nb.png,,\n"), "{at}: no label: line 4, line 5; fill the cells"),
    "empty path": (tabled(ROWS + ",1,\n"), "{at}: no path: line 4; fill the cells"),
    "unknown labels": (
        tabled(ROWS + "a.png,2,\nb.png,2,\nc.png,normal,\n"),
        "{at}" + LABELS + "'2' (line 4), 'normal' (line 6)" + ADD,
    ),
    "no row of a class": (tabled("path,label\na.png,0\n"), "{at}: data.classes.malignant: no row with the label '1'"),
    "no row": (
        tabled("path,label\n"),
        "{at}: data.classes.normal: no row with the label '0'\n{at}: data.classes.malignant: no row with the label '1'",
    ),
    "path twice": (
        tabled(ROWS + "./Normal cases/a 1.png,1,\n"),
        "{at}: paths that appear twice: Normal cases/a 1.png (lines 2 and 4); keep one row an image",
    ),
    "paths that leave": (
        tabled(ROWS + "../b.png,1,\n/etc/b.png,1,\nC:\\b.png,1,\nout.png,0,\nc.png,1,../m.png\n", mask="mask"),
        "{at}: paths that leave its folder: ../b.png (line 4), /etc/b.png (line 5), C:/b.png (line 6), "
        "out.png (line 7), ../m.png (line 8); put the files below it",
    ),
    "DICOM": (
        tabled(ROWS + "b.DCM,1,\n"),
        "{at}: DICOM files: b.DCM (line 4); set data.key_file, which keys their pseudonyms, or convert them to PNG",
    ),
    "bad boxes": (
        tabled(ROWS + "b.png,1,1 2 3\nc.png,1,1 2 3 4; 5 6 7 x\nd.png,1,1 2 3 4;\n", box="mask"),
        "{at}: boxes that are not x y width height: '1 2 3' (line 4), '1 2 3 4; 5 6 7 x' (line 5); fix them",
    ),
    "several mistakes": (
        tabled(ROWS + ",x,\n"),
        "{at}: no path: line 4; fill the cells\n{at}" + LABELS + "'x' (line 4)" + ADD,
    ),
    "image that is not there": (
        tabled(ROWS + "b.png,1,\n", read=2),
        "{at}: b.png: not found" + LOOKED,
    ),
    "mask that is not there": (
        tabled(ROWS.replace(",0,", ",0,m.png"), read=0, mask="mask"),
        "{at}: m.png: not found" + LOOKED,
    ),
    "box of a table outside": (
        tabled(ROWS.replace(",0,", ",0,1 2 39 28;1 2 40 3"), read=0, box="mask"),
        "{at}: Normal cases/a 1.png: box 1 2 40 3: leaves the image of 40x30 pixels; fix or remove it",
    ),
}


def digests(content: bytes | None) -> Case:
    def case(folder: Path) -> tuple:
        source = folder / "c.sha256"
        if content is not None:
            source.write_bytes(content)
        return source, partial(read_contents, source)

    return case


CONTENTS = {
    "no list": (
        digests(None),
        "{at}: cannot be read (No such file or directory); set data.contents to a file that sha256sum wrote",
    ),
    "not text": (
        digests(b"\xff" * 99),
        "{at}: cannot be read (not UTF-8); set data.contents to a file that sha256sum wrote",
    ),
    "empty list": (digests(b"\n"), "{at}: no line in it; write it with sha256sum"),
    "no digest": (
        digests(b"0" * 64 + b"  a.png\n" + b"0" * 32 + b"  b.png\n"),
        "{at}: line 2: not a SHA-256, two spaces and a name; write it with sha256sum",
    ),
    "no name": (
        digests(b"0" * 64 + b"  \n"),
        "{at}: line 1: not a SHA-256, two spaces and a name; write it with sha256sum",
    ),
}
