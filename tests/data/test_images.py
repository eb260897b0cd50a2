"""Images from zip archives and folders."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatproof.data.images import list_records, resize
from heatproof.data.listing import fingerprint
from heatproof.errors import InputError

CLASSES = {"normal": "Normal cases", "malignant": "Malignant 肺"}
OPTIONS = {"masks": None, "patient": None, "size": 32, "channels": 1, "fit": "squash"}
ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "iq_oth_nccd.zip"


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gray(value: int = 100, size: tuple[int, int] = (40, 30)) -> bytes:
    return encoded(Image.new("L", size, value))


@pytest.fixture
def folder(tmp_path):
    """Write files below a folder; two plain images are there already."""

    def write(files: dict[str, bytes] | None = None) -> Path:
        files = {"Normal cases/a 1.png": gray(10), "Malignant 肺/b.png": gray(200)} | (files or {})
        for name, content in files.items():
            path = tmp_path / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / "source"

    return write


def zipped(source: Path) -> Path:
    path = source.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for item in sorted(source.rglob("*"), reverse=True):
            archive.write(item, item.relative_to(source))
    return path


def records(source: Path, **changed):
    kind = "archive" if source.suffix == ".zip" else "folder"
    return {record.image_id: record for record in list_records(source, kind, CLASSES, **OPTIONS | changed)}


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folder_and_archive_are_the_same(folder):
    source = folder({"deep/er/Normal cases/c.JPG": encoded(Image.new("RGB", (50, 20), (9, 99, 199)), "JPEG")})
    one, two = records(source), records(zipped(source))
    assert list(one) == list(two) == ["Malignant 肺/b", "Normal cases/a 1", "Normal cases/c"]
    for name, record in one.items():
        other = two[name]
        assert (record.source, record.label, record.group) == (other.source, other.label, other.group)
        a, b = record.read(), other.read()
        assert (a.width, a.height, a.sha256) == (b.width, b.height, b.sha256)
        assert a.pixels.tobytes() == b.pixels.tobytes() and a.mask is b.mask is None
    record = one["Normal cases/c"]
    assert (record.source, record.label, record.group) == ("deep/er/Normal cases/c.JPG", 0, "Normal cases/c")
    image = record.read()
    assert (image.width, image.height, image.pixels.shape) == (50, 20, (1, 32, 32))
    assert image.sha256 == hashlib.sha256((source / record.source).read_bytes()).hexdigest()


def test_what_is_not_an_image_of_a_class_is_left_out(folder):
    source = folder(
        {
            "__MACOSX/Normal cases/._a 1.png": b"junk",
            "Normal cases/.DS_Store": b"junk",
            "Normal cases/.hidden.png": b"junk",
            ".cache/Normal cases/x.png": b"junk",
            "Normal cases/notes.txt": b"text",
            "Others/d.png": gray(),
            "e.png": gray(),
        }
    )
    for place in (source, zipped(source)):
        assert list(records(place)) == ["Malignant 肺/b", "Normal cases/a 1"]


@pytest.mark.parametrize(
    "name",
    ["masks/b.png", "masks/Malignant 肺/b.gif", "Malignant 肺/masks/b.png", "deep/masks/Malignant 肺/b.png"],
)
def test_masks_by_name(folder, name):
    drawn = Image.new("L", (40, 30))
    drawn.paste(1, (0, 0, 20, 15))  # any value above 0 is lesion
    source = folder({name: encoded(drawn, Path(name).suffix[1:].upper())})
    for place in (source, zipped(source)):
        listed = records(place, masks="masks")
        assert list(listed) == ["Malignant 肺/b", "Normal cases/a 1"]
        mask = listed["Malignant 肺/b"].read().mask
        assert mask.dtype == bool and mask[:16, :16].all() and mask.sum() == 256
        assert listed["Normal cases/a 1"].read().mask is None


def test_a_mask_belongs_to_one_image(folder):
    source = folder({"Normal cases/b.png": gray(), "masks/b.png": gray()})
    assert message(records, source, masks="masks") == (
        f"{source}: masks/b.png is the mask of two images; put masks into a folder a class"
    )
    for_class = {"masks/Malignant 肺/b.png": gray(255), "masks/Normal cases/b.png": gray(0)}
    source = folder(for_class)
    listed = records(source, masks="masks")
    assert listed["Malignant 肺/b"].read().mask.all() and not listed["Normal cases/b"].read().mask.any()


def test_an_image_has_one_mask(folder):
    source = folder({"masks/b.png": gray(), "masks/b.gif": encoded(Image.new("L", (40, 30)), "GIF")})
    assert message(records, zipped(source), masks="masks").endswith("are masks of one image; rename one of them")


@pytest.mark.parametrize(
    ("masks", "what"),
    [("maskz", "no image below a folder 'maskz'"), ("masks", "1 masks fit no image, such as masks/b_mask.png")],
)
def test_masks_that_fit_no_image(folder, masks, what):
    source = folder({"masks/b_mask.png": gray(), "masks/b.png": gray()})
    said = f"{source}: data.masks: {what}; a mask has the name of its image"
    assert message(records, source, masks=masks) == said


def test_an_image_below_a_folder_a_patient_belongs_to_the_class_above(folder):
    source = folder({"Normal cases/p1/x.png": gray(), "Normal cases/p2/x.png": gray()})
    listed = records(source)
    assert {"Normal cases/p1/x", "Normal cases/p2/x"} <= set(listed)
    assert listed["Normal cases/p1/x"].label == listed["Normal cases/a 1"].label
    folder({"masks/Normal cases/p2/x.png": gray(255)})
    masked = records(source, masks="masks")
    assert masked["Normal cases/p2/x"].read().mask.all()
    assert masked["Normal cases/p1/x"].read().mask is None


def test_a_mask_of_another_size(folder):
    source = folder({"masks/b.png": gray(255, (30, 40))})
    assert message(records(source, masks="masks")["Malignant 肺/b"].read) == (
        f"{source}: masks/b.png: 30x40 pixels, its image has 40x30"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"not an image", gray()[:60], b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a" + b"\xff" * 9, b"II*\0\x08"],
    ids=["empty", "text", "truncated", "PNG", "GIF", "TIFF"],
)
def test_a_broken_image_names_itself(folder, content):
    source = folder({"Normal cases/bad.png": content})
    said = message(records(source)["Normal cases/bad"].read)
    assert said.startswith(f"{source}: Normal cases/bad.png: ")
    assert "not an image" in said or "cannot be decoded (" in said
    assert said.endswith("; mend or remove it") and "object at" not in said


def test_a_damaged_archive_names_the_image(folder):
    source = zipped(folder())
    content = source.read_bytes()
    place = content.index(gray(10))
    source.write_bytes(content[: place + 40] + b"\xff\xff" + content[place + 42 :])
    assert message(records(source)["Normal cases/a 1"].read).startswith(
        f"{source}: Normal cases/a 1.png: cannot be decoded (Bad CRC-32"
    )


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(folder, mode):
    name = "Normal cases/deep.tif"
    source = folder({name: encoded(Image.new(mode, (8, 8)), "TIFF")})
    assert message(records(source)["Normal cases/deep"].read) == (
        f"{source}: {name}: more than 8 bits a pixel ({mode}); convert it to 8 bits"
    )


def test_exif_turns_image_and_size(folder):
    upright = Image.new("L", (40, 20))
    upright.paste(255, (0, 0, 20, 20))  # left half white
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    source = folder({"Normal cases/turned.png": encoded(turned, exif=exif)})
    image = records(source)["Normal cases/turned"].read()
    assert (image.width, image.height) == (40, 20)
    assert image.pixels[0, :, :14].min() == 255 and image.pixels[0, :, 18:].max() == 0


RED = (255, 0, 0)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.new("RGB", (8, 8), RED), "PNG"),
        (Image.new("RGBA", (8, 8), (*RED, 80)), "PNG"),
        (Image.new("RGB", (8, 8), RED).convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"),
    ],
    ids=["RGB", "RGBA", "palette", "CMYK"],
)
def test_colours_are_converted(folder, image, kind):
    suffix = ".tif" if kind == "TIFF" else ".png"
    source = folder({f"Normal cases/c{suffix}": encoded(image, kind)})
    one = records(source)["Normal cases/c"].read().pixels
    three = records(source, channels=3)["Normal cases/c"].read().pixels
    assert one.shape == (1, 32, 32) and three.shape == (3, 32, 32)
    assert (three == np.array(RED)[:, None, None]).all()
    assert (one == 76).all()  # 0.299 of 255, ITU-R 601-2


@pytest.mark.parametrize(
    ("image", "value"),
    [
        (Image.new("L", (8, 8), 90), 90),
        (Image.new("LA", (8, 8), (90, 7)), 90),
        (Image.new("1", (8, 8), 1), 255),
    ],
    ids=["L", "LA", "1"],
)
def test_grays_are_converted(folder, image, value):
    source = folder({"Normal cases/c.png": encoded(image)})
    assert (records(source, channels=3)["Normal cases/c"].read().pixels == value).all()
    assert (records(source)["Normal cases/c"].read().pixels == value).all()


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("crop", (slice(0, 32), slice(16, 32))),  # the middle 64x64 of 128x64, halved
        ("pad", (slice(8, 24), slice(16, 24))),  # 32x16 in the middle
        ("squash", (slice(0, 32), slice(16, 24))),
    ],
)
def test_image_and_mask_are_fitted_alike(folder, fit, expected):
    """A white box from 64 to 96 in an image of 128x64 pixels lands where geometry says, in both."""
    drawn = Image.new("L", (128, 64))
    drawn.paste(255, (64, 0, 96, 64))
    source = folder({"Normal cases/box.png": encoded(drawn), "masks/box.png": encoded(drawn)})
    image = records(source, fit=fit, masks="masks")["Normal cases/box"].read()
    truth = np.zeros((32, 32), bool)
    truth[expected] = True
    np.testing.assert_array_equal(image.mask, truth)
    np.testing.assert_array_equal(image.pixels[0] >= 128, truth)
    assert (image.width, image.height) == (128, 64)


def test_upright_images_are_fitted_as_well():
    drawn = Image.new("L", (64, 128))
    drawn.paste(255, (0, 64, 64, 96))
    assert np.asarray(resize(drawn, 32, "pad"))[:, :8].max() == 0
    assert np.asarray(resize(drawn, 32, "crop"))[17:].min() > 200
    assert resize(drawn, 32, "squash").size == (32, 32)


def test_two_images_of_one_id(folder):
    source = folder({"Normal cases/a 1.jpg": encoded(Image.new("L", (8, 8)), "JPEG")})
    assert message(records, source) == (
        f"{source}: Normal cases/a 1.png and Normal cases/a 1.jpg have one id; rename one of them"
    )


def test_a_source_that_is_not_there(tmp_path):
    gone = tmp_path / "gone"
    said = f"{gone}: not a folder; set data.source to the folder with one sub-folder a class"
    assert message(records, gone) == said
    assert message(fingerprint, gone, "folder") == said
    gone = tmp_path / "gone.zip"
    said = f"{gone}: not there; set data.source to the path of the archive"
    assert message(records, gone) == said
    assert message(fingerprint, gone, "archive") == said
    gone.write_bytes(b"not a zip")
    assert message(records, gone) == f"{gone}: not a zip archive (File is not a zip file); set data.source to one"
    gone.unlink()
    gone.mkdir()
    assert message(fingerprint, gone, "archive").startswith(f"{gone}: not a zip archive (")


def test_a_class_without_images_lists_what_is_there(folder):
    source = folder({"__MACOSX/x/y.png": b"", "Extra/z.png": gray()})
    (source / "Normal cases/a 1.png").unlink()
    assert message(records, source) == (
        f"{source}: data.classes.normal: no image in a folder called 'Normal cases'; folders there: Extra, Malignant 肺"
    )
    empty = source.parent / "empty"
    empty.mkdir()
    assert message(records, empty).endswith("; folders there: none")


def test_patients_by_name(folder):
    source = folder({"Normal cases/p7_s1.png": gray(), "Malignant 肺/p7_s2.png": gray()})
    for name in ("Normal cases/a 1.png", "Malignant 肺/b.png"):
        (source / name).unlink()
    listed = records(source, patient=r"(p\d+)_")
    assert [record.group for record in listed.values()] == ["p7", "p7"]
    assert message(records, source, patient=r"q(\d+)").endswith(
        "p7_s2.png: data.patient 'q(\\\\d+)' finds no patient in this file name"
    )
    assert message(records, source, patient=r"p7(x)?").endswith("finds no patient in this file name")


def test_a_fingerprint_follows_the_content(folder):
    source = folder()
    first, again = fingerprint(source, "folder"), fingerprint(source, "folder")
    archive = fingerprint(zipped(source), "archive")
    assert first == again and len(first) == 64
    (source / "Normal cases/a 1.png").rename(source / "Normal cases/a 2.png")
    renamed = fingerprint(source, "folder")
    (source / "Normal cases/a 2.png").write_bytes(gray(10) + b"\0")
    grown = fingerprint(source, "folder")
    assert len({first, renamed, grown}) == 3
    assert fingerprint(zipped(source), "archive") != archive
    (source / "Thumbs.db").write_bytes(b"x")
    (source / "Normal cases" / ".DS_Store").write_bytes(b"x")
    assert fingerprint(source, "folder") == grown, "only images count"


@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"the IQ-OTH/NCCD archive is not at {ARCHIVE}")
def test_the_real_archive():
    from heatproof.config import load

    data = load(Path(__file__).parents[2], studies=["iq_oth_nccd"])["iq_oth_nccd"].data
    options = data.model_dump(include={"masks", "patient", "size", "channels", "fit"})
    listed = list_records(ARCHIVE, "archive", data.classes, **options)
    counts = {name: sum(r.label == label for r in listed) for label, name in enumerate(data.classes)}
    assert counts == {"normal": 416, "benign": 120, "malignant": 561} and len(listed) == 1097
    for record in listed[::100]:
        image = record.read()
        assert image.pixels.shape == (1, 96, 96) and image.pixels.std() > 10 and image.mask is None
        assert min(image.width, image.height) > 96
    assert fingerprint(ARCHIVE, "archive") == fingerprint(ARCHIVE, "archive")
