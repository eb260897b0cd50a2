"""DICOM files: what is decoded, what is refused, and that nothing tells who the patients are."""

import io
import json
import logging
import warnings
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from data.configured import data_config
from PIL import Image as Pillow
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing, get_decoder
from pydicom.sequence import Sequence

from heatproof.core.messages import InputError
from heatproof.data.prepare.preprocess import to_uint8
from heatproof.data.sources import dicom_pixels, opening
from heatproof.data.sources.dicom import list_records
from heatproof.data.sources.dicom_pixels import decode_dicom
from heatproof.data.sources.pseudonyms import Pseudonyms, locate, main, read_key
from heatproof.data.sources.records import Facts, Image
from heatproof.data.sources.trees import fingerprint, open_tree

KEY = bytes(range(32))
CLASSES = {"normal": "Normal cases", "malignant": "Malignant 肺"}
PLANTED = ["PID-4711", "DOE^JANE", "1.2.826.0.1.3680043.9.4711", "19640229", "Charite Ward 9"]
PATIENT, NAME, STUDY, BIRTH, WARD = PLANTED
RAMP = (np.arange(24 * 32, dtype=np.uint16) * 5).reshape(24, 32)  # 0 to 3835


def quiet(function):
    """What is made here is odd, and pydicom says so."""

    def quietly(*args, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **options)

    return quietly


@quiet
def make(
    pixels: np.ndarray = RAMP, syntax: str = uid.ExplicitVRLittleEndian, encoded: bytes | None = None, **tags
) -> bytes:
    """A DICOM file; `tags` set what they name, None leaves it out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = uid.CTImageStorage, syntax
    meta.MediaStorageSOPInstanceUID = f"{STUDY}.3"
    colours = pixels.ndim == 3
    bits = pixels.dtype.itemsize * 8
    facts = {
        "SOPClassUID": uid.CTImageStorage,
        "SOPInstanceUID": f"{STUDY}.3",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": f"{STUDY}.2",
        "PatientID": PATIENT,
        "PatientName": NAME,
        "PatientBirthDate": BIRTH,
        "InstitutionName": WARD,
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3 if colours else 1,
        "PhotometricInterpretation": "RGB" if colours else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.tobytes() if encoded is None else encapsulate([encoded]),
    }
    if colours:
        facts["PlanarConfiguration"] = 0
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in (facts | tags).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if bits == 16 and encoded is None else "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def picture(image: Pillow.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def shown(content: bytes, window=None) -> np.ndarray:
    """The grey levels that a person sees."""
    decoded = decode_dicom(content, window)
    image = Image(decoded.pixels, None, Facts(1, 1, ""), "", window=decoded.window)
    return to_uint8(image, window)


@pytest.fixture
def folder(tmp_path):
    """A folder of files, two DICOM files of two classes there already."""

    def write(files: dict[str, bytes] | None = None) -> Path:
        two = {
            "Normal cases/a.dcm": make(),
            "Malignant 肺/b.dcm": make(PatientID="PID-4712", StudyInstanceUID=f"{STUDY}.9"),
        }
        for name, content in (two | (files or {})).items():
            path = tmp_path / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / "source"

    return write


def listed(source: Path, **options):
    """Records by the names of their files, which the tests may know."""
    tree = open_tree(source)
    records, _ = list_records(tree, CLASSES, **{"key": KEY} | options)
    found = locate(tree, options.get("key", KEY), [record.source for record in records])
    return {found[record.source]: record for record in records}


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    said = str(caught.value)
    assert "\n" not in said and not any(secret in said for secret in PLANTED)
    return said


def bad(folder, content: bytes, **options) -> str:
    """What is said of a bad file, without the source and the pseudonym, which are checked."""
    source = folder({f"Normal cases/{PATIENT}.dcm": content})
    record = listed(source, **options)[f"Normal cases/{PATIENT}.dcm"]
    said = message(record.read)
    start = f"{source}: normal/{Pseudonyms(KEY).file(f'Normal cases/{PATIENT}.dcm')}: "
    assert said.startswith(start)
    return said.removeprefix(start)


def test_a_record_and_its_image(folder):
    source = folder()
    record = listed(source)["Normal cases/a.dcm"]
    assert record.image_id == record.source and record.image_id.startswith("normal/") and len(record.image_id) == 23
    assert (record.label, record.patient) == (0, None)
    image = record.read()
    assert image.pixels.dtype == np.float32 and (image.pixels == RAMP).all() and image.window == (0, 3835)
    assert (image.mask, image.truth) == (None, "none")
    size = len((source / "Normal cases/a.dcm").read_bytes())
    facts = {"width": 32, "height": 24, "mode": "MONOCHROME2", "format": "DICOM", "bytes": size}
    assert {name: value for name, value in asdict(image.facts).items() if name != "quality"} == facts
    assert np.isnan(image.facts.quality)


def test_which_files_are_dicom(folder):
    source = folder(
        {
            "Normal cases/IM0001": make(),
            "Normal cases/1.2.826.0.1.55": make(),
            "Normal cases/x.IMA": make(),
            "Normal cases/deep/B.DICOM": make(),
            "Normal cases/DICOMDIR": make(),
            "Normal cases/README": b"not DICOM",
            "Normal cases/v.1": b"not DICOM",
            "Normal cases/notes.txt": make(),
            "Normal cases/.hidden.dcm": make(),
            "Others/c.dcm": make(),
        }
    )
    assert set(listed(source)) == {
        "Normal cases/a.dcm",
        "Malignant 肺/b.dcm",
        "Normal cases/IM0001",
        "Normal cases/1.2.826.0.1.55",
        "Normal cases/x.IMA",
        "Normal cases/deep/B.DICOM",
    }
    assert list_records(open_tree(source), CLASSES, key=KEY)[1] == [
        f"{source}: left out, as they are not DICOM: 4 files",
        f"{source}: left out, as data.classes names no folder above them: 1 DICOM files",
    ]


def test_an_archive_is_as_its_folder(folder):
    source = folder()
    packed = source.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for path in source.rglob("*.dcm"):
            archive.write(path, path.relative_to(source).as_posix())
    one, two = listed(source), listed(packed)
    assert [record.image_id for record in one.values()] == [record.image_id for record in two.values()]
    assert all((one[name].read().pixels == two[name].read().pixels).all() for name in one)


def test_the_nearest_class_folder_counts(folder):
    source = folder({"Malignant 肺/Normal cases/x.dcm": make(), "Normal cases/Malignant 肺/p/y.dcm": make()})
    records = listed(source)
    assert [
        records[name].label for name in ("Malignant 肺/Normal cases/x.dcm", "Normal cases/Malignant 肺/p/y.dcm")
    ] == [0, 1]


def test_rescale_and_the_window_of_the_header(folder):
    """By hand: HU = stored - 1024; the window of 40, 400 goes from -160 to 239 (PS3.3, C.11.2.1.2.1)."""
    decoded = decode_dicom(make(RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=[40, 500], WindowWidth=[400, 9]))
    assert (decoded.pixels == RAMP - 1024.0).all() and decoded.window == (-160.0, 239.0)


@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (2000, 400), (100.5, 33.3), (600, 2), (1000, 1)])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("inverted", [False, True])
def test_windows_are_pydicoms(centre, width, function, inverted):
    """Against pydicom's own windowing, which scales to the range of the stored bits."""
    tags = {"WindowCenter": centre, "WindowWidth": width, "VOILUTFunction": function, "BitsStored": 12, "HighBit": 11}
    content = make(PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2", **tags)
    with np.errstate(over="ignore"):
        expected = apply_windowing(RAMP, pydicom.dcmread(io.BytesIO(content))) / 4095 * 255
    expected = 255 - expected if inverted else expected
    assert np.abs(shown(content) - expected).max() < 0.51


def test_the_window_of_the_study_goes_first():
    content = make(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=40, WindowWidth=400)
    decoded = decode_dicom(content, (-1000.0, 400.0))
    assert decoded.window == (-1000.0, 400.0) and (decoded.pixels == RAMP * 2.0 - 1000).all()
    inverted = make(RescaleSlope=2, RescaleIntercept=-1000, PhotometricInterpretation="MONOCHROME1")
    there = shown(content, (-1000.0, 400.0)).astype(int)
    assert np.abs(there + shown(inverted, (-1000.0, 400.0)) - 255).max() <= 1 and there.max() == 255


def test_without_a_window_the_full_range(folder, capsys):
    assert decode_dicom(make(RAMP + 7)).window == (7, 3842)
    assert decode_dicom(make(np.full((16, 16), 9, np.uint16))).window == (9, 10)
    eight = (RAMP // 32).astype(np.uint8)
    assert decode_dicom(make(eight)).window == (0, 255) and (shown(make(eight)) == eight).all()
    assert decode_dicom(make(eight.astype(np.int8))).window == (-128, 127)
    assert decode_dicom(make(eight, RescaleSlope=-2, RescaleIntercept=10)).window == (-500, 10)
    for window in ({"WindowCenter": 5, "WindowWidth": 0}, {"WindowCenter": 5}, {"WindowCenter": "", "WindowWidth": ""}):
        assert decode_dicom(make(**window)).window == (0, 3835)
    for padding, window in (
        ({"PixelPaddingValue": 0}, (5, 3835)),
        ({"PixelPaddingValue": 3835, "PixelPaddingRangeLimit": 3000}, (0, 2995)),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 9999}, (0, 3835)),  # nothing else: padding is shown
        ({"PixelPaddingValue": 0, "RescaleIntercept": -1024}, (-1019, 2811)),
    ):
        assert decode_dicom(make(**padding)).window == window
    padded = np.where(RAMP == 0, -2000, RAMP).astype(np.int16)
    assert decode_dicom(make(padded, PixelPaddingValue=-2000)).window == (5, 3835)
    source = folder()
    for record in listed(source).values():
        record.read()
    said = f"{source}: files without a window: their full range is shown; data.window sets one for all\n"
    assert capsys.readouterr().err == said, "said once"


def lut(first: int, bits: int, values: list[int]) -> Sequence:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(values), first, bits], values
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    return Sequence([item])


def test_look_up_tables():
    falling = [255 - value for value in range(256)]
    content = make((RAMP // 16).astype(np.uint16), VOILUTSequence=lut(0, 8, falling))
    assert (shown(content) == 255 - RAMP // 16).all()
    doubled = decode_dicom(
        make((RAMP // 16).astype(np.uint16), ModalityLUTSequence=lut(0, 16, [v * 2 for v in range(256)]))
    )
    assert (doubled.pixels == RAMP // 16 * 2).all()


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.int8, np.uint32])
def test_types_of_values(kind):
    values = (RAMP % 100 - (50 if np.dtype(kind).kind == "i" else 0)).astype(kind)
    assert (decode_dicom(make(values)).pixels == values).all()


def test_twelve_bits_with_a_sign():
    values = (RAMP.astype(np.int16) - 2000).clip(-2048, 2047)
    stored = (values & 0x0FFF).astype(np.uint16)
    content = make(stored, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert (decode_dicom(content).pixels == values).all()


COLOURS = np.stack([RAMP // 16, RAMP[::-1] // 16, np.full_like(RAMP, 200)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar):
    pixels = COLOURS if planar == 0 else COLOURS.transpose(2, 0, 1)
    content = make(COLOURS, PlanarConfiguration=planar, PixelData=pixels.tobytes())
    decoded = decode_dicom(content)
    assert decoded.pixels.dtype == np.uint8 and (decoded.pixels == COLOURS).all() and decoded.window is None


def test_colours_of_sixteen_bits():
    assert (decode_dicom(make(COLOURS.astype(np.uint16) << 8)).pixels == COLOURS).all()


def test_ybr_becomes_rgb():
    stored = np.asarray(Pillow.fromarray(COLOURS).convert("YCbCr"))
    decoded = decode_dicom(make(np.ascontiguousarray(stored), PhotometricInterpretation="YBR_FULL"))
    assert np.abs(decoded.pixels.astype(int) - COLOURS).max() <= 3 and decoded.mode == "YBR_FULL"


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes(bits):
    """Index i shows the colour (i, 255 - i, 7)."""
    index = (RAMP // 16).astype(np.uint8)
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, values in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [7] * 256)):
        table = np.array(values, np.uint8)
        data = table.tobytes() if bits == 8 else (table.astype(np.uint16) * 257).tobytes()
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        tags[f"{colour}PaletteColorLookupTableData"] = data
    decoded = decode_dicom(make(index, **tags))
    expected = np.stack([index, 255 - index, np.full_like(index, 7)], axis=-1)
    assert (decoded.pixels == expected).all() and decoded.mode == "PALETTE COLOR"


def compressed(syntax: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(make()))
    dataset.compress(syntax, generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_rle():
    assert (decode_dicom(compressed(uid.RLELossless)).pixels == RAMP).all()


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian]
)
def test_other_orders_of_bytes(syntax):
    data = RAMP.astype(">u2" if syntax == uid.ExplicitVRBigEndian else "<u2").tobytes()
    assert (decode_dicom(make(syntax=syntax, PixelData=data)).pixels == RAMP).all()


def test_jpeg_baseline():
    smooth = (np.add.outer(np.arange(32), np.arange(32)) * 4).astype(np.uint8)
    content = make(smooth, uid.JPEGBaseline8Bit, picture(Pillow.fromarray(smooth), "JPEG", quality=95))
    assert np.abs(shown(content).astype(int) - smooth).max() <= 3


def test_jpeg_baseline_in_colour():
    smooth = np.stack([np.add.outer(np.arange(32), np.arange(32)) * 4, np.full((32, 32), 90), np.full((32, 32), 9)], -1)
    smooth = smooth.astype(np.uint8)
    encoded = picture(Pillow.fromarray(smooth), "JPEG", quality=95, subsampling=0)
    decoded = decode_dicom(make(smooth, uid.JPEGBaseline8Bit, encoded, PhotometricInterpretation="YBR_FULL_422"))
    assert np.abs(decoded.pixels.astype(int) - smooth).max() <= 6


@pytest.mark.parametrize("pixels", [RAMP, (RAMP // 16).astype(np.uint8)], ids=["16 bits", "8 bits"])
def test_jpeg_2000(pixels):
    encoded = picture(Pillow.fromarray(pixels), "JPEG2000", irreversible=False, no_jp2=True)
    assert (decode_dicom(make(pixels, uid.JPEG2000Lossless, encoded)).pixels == pixels).all()


DEVICE = [
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
]


@pytest.mark.parametrize("name", DEVICE)
def test_files_of_a_device(name):
    """One slice of a real scanner, which pydicom ships in several encodings."""
    shipped = Path(pydicom.__file__).parent / "data" / "test_files"
    if not (shipped / name).exists():
        pytest.skip(f"this pydicom ships no {name}")
    dataset = pydicom.dcmread(shipped / name)
    expected = apply_windowing(pydicom.dcmread(shipped / DEVICE[0]).pixel_array, dataset)
    low, high = -(2**15), 2**15 - 1  # what its bits can hold, to which pydicom stretches
    assert np.abs(shown((shipped / name).read_bytes()) - (expected - low) / (high - low) * 255).max() < 0.51


CUT = "; get it again or remove it"
PLAIN = "convert it to Explicit VR Little Endian"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", f"an empty file{CUT}"),
        (b"not DICOM at all " * 20, "not a DICOM file (no DICM at byte 128); convert or remove it"),
        (make()[:-500], f"cut short: 1036 of 1536 bytes of pixel data{CUT}"),
        (make()[:300], None),
        (make()[:160], None),
        (b"\0" * 128 + b"DICM" + b"\xff" * 200, None),
        (make(PixelData=None), f"no pixel data{CUT}"),
        (make(PixelData=None, SOPClassUID=uid.BasicTextSRStorage), "no image but Basic Text SR Storage; remove it"),
        (
            make(PixelData=None, SOPClassUID=uid.GrayscaleSoftcopyPresentationStateStorage),
            "no image but Grayscale Softcopy Presentation State Storage; remove it",
        ),
        (make(SOPClassUID=uid.SegmentationStorage), "no image but Segmentation Storage; remove it"),
        (make(SOPClassUID=STUDY, PixelData=None), f"no pixel data{CUT}"),
        (make(NumberOfFrames=3), "3 frames in one file; store one image a file"),
        (
            make(SharedFunctionalGroupsSequence=Sequence([Dataset()])),
            "an enhanced multi-frame image; store it as one image a file",
        ),
        (
            make(BurnedInAnnotation="YES"),
            "names are burned into its pixels (BurnedInAnnotation YES); blank them or remove it",
        ),
        (make(Rows=None), f"no Rows in it{CUT}"),
        (make(BitsStored=None, PhotometricInterpretation=None), f"no BitsStored, PhotometricInterpretation in it{CUT}"),
        (make(RAMP[:8]), "32x8 pixels, and nothing is seen below 16 a side; remove it"),
        (make(Rows=60000, Columns=60000), "more than 89 million pixels; shrink or remove it"),
        (
            make(PhotometricInterpretation=NAME[:16]),
            "a photometric interpretation other than MONOCHROME1, MONOCHROME2, RGB, YBR_FULL, YBR_FULL_422, YBR_ICT, "
            "YBR_RCT and PALETTE COLOR; convert it",
        ),
        (
            make(syntax=uid.MPEG2MPML, encoded=b"\0\0"),
            f"compressed as MPEG2 Main Profile / Main Level, which nothing here decodes; {PLAIN}",
        ),
        (
            make(syntax=f"{STUDY}.77", encoded=b"\0\0"),
            f"compressed as an unknown transfer syntax, which nothing here decodes; {PLAIN}",
        ),
        (make(syntax=uid.JPEGBaseline8Bit, encoded=b"\xff\xd8\xff\xe0"), None),
        (make(syntax=uid.JPEG2000Lossless, encoded=b"\xff\x4f\xff\x51"), None),
        (make(syntax=uid.RLELossless, encoded=b"\0" * 64), None),
        (make(RescaleSlope="1", RescaleIntercept="1e400"), f"values that are not finite{CUT}"),
        (make(PhotometricInterpretation="PALETTE COLOR"), f"cannot be decoded (ValueError){CUT}"),
        (
            make(PatientID=None, StudyInstanceUID=None),
            "neither PatientID nor StudyInstanceUID, so that its group is not known; add one or remove it",
        ),
        (
            make(PatientID=" ", StudyInstanceUID=""),
            "neither PatientID nor StudyInstanceUID, so that its group is not known; add one or remove it",
        ),
    ],
)
def test_bad_files(folder, content, said):
    found = bad(folder, content)
    if said is None:  # which exception a damaged file causes is pydicom's business
        assert found.startswith(("cannot be decoded (", "cut short", "no ")) and found.endswith(CUT)
    else:
        assert found == said


GDCM = "run `pip install python-gdcm`, or decompress it (gdcmconv --raw)"
OPENJPEG = "run `pip install pylibjpeg pylibjpeg-openjpeg`, or decompress it (gdcmconv --raw)"


@pytest.mark.parametrize(
    ("syntax", "name", "fix"),
    [
        (uid.JPEGLSLossless, "JPEG-LS Lossless Image Compression", GDCM),
        (
            uid.JPEGLosslessSV1,
            "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
            GDCM,
        ),
        (uid.HTJ2KLossless, "High-Throughput JPEG 2000 Image Compression (Lossless Only)", OPENJPEG),
    ],
)
def test_a_compression_without_a_decoder(folder, monkeypatch, syntax, name, fix):
    monkeypatch.setattr(get_decoder(syntax), "_available", {})  # whatever is installed here
    said = bad(folder, make(syntax=syntax, encoded=b"\xff\xd8"))
    assert said == f"compressed as {name}, for which no decoder is installed; {fix}"


def test_twelve_bits_that_pillow_would_not_decode(folder, monkeypatch):
    decoder = get_decoder(uid.JPEGExtended12Bit)
    monkeypatch.setattr(decoder, "_available", {"pillow": decoder._available["pillow"]})
    said = bad(folder, make(syntax=uid.JPEGExtended12Bit, encoded=b"\xff\xd8"))
    assert said == f"compressed as JPEG Extended (Process 2 and 4), for which no decoder is installed; {GDCM}"


def test_a_deflated_bomb(folder, monkeypatch):
    monkeypatch.setattr(dicom_pixels, "_LARGEST", 1 << 20)
    content = make(syntax=uid.DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(content[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(b"\0" * (8 << 20)) + deflate.flush()
    assert bad(folder, content[:start] + bomb) == "unpacks to more than 1 MiB; remove it"


def test_colours_and_a_window_for_densities(folder):
    said = bad(folder, make(COLOURS), window=(-1000.0, 400.0))
    assert said == "in colour, 8 bits a channel, and data.window is [-1000, 400]; keep such files apart"


def test_a_file_that_cannot_be_read(folder):
    source = folder({f"Normal cases/{PATIENT}.dcm": make()})
    record = listed(source)[f"Normal cases/{PATIENT}.dcm"]
    (source / "Normal cases" / f"{PATIENT}.dcm").unlink()
    assert message(record.read).endswith(": cannot be read; get it again or remove it")


def test_a_class_without_files(folder):
    source = folder({f"{NAME}/c.dcm": make()})
    (source / "Normal cases" / "a.dcm").unlink()
    assert message(listed, source) == (
        f"{source}: data.classes.normal: no DICOM file in a folder called 'Normal cases'; below no class's folder "
        "there are 1"
    )


DRAWN = Pillow.fromarray(np.pad(np.full((10, 10), 255, np.uint8), ((2, 12), (3, 19))))


@pytest.mark.parametrize(
    "name",
    ["masks/a.png", "masks/Normal cases/a.png", "Normal cases/masks/a.png", "masks/a.npy", "masks/Normal cases/a.tif"],
)
def test_masks(folder, name):
    npy = io.BytesIO()
    np.save(npy, np.asarray(DRAWN) > 0)
    content = npy.getvalue() if name.endswith("npy") else picture(DRAWN, "TIFF" if name.endswith("tif") else "PNG")
    records = listed(folder({name: content, "masks/Normal cases/no_mask.dcm": make()}), masks="masks")
    assert set(records) == {"Normal cases/a.dcm", "Malignant 肺/b.dcm"}
    image = records["Normal cases/a.dcm"].read()
    assert image.truth == "mask" and (image.mask == (np.asarray(DRAWN) > 0)).all()
    assert records["Malignant 肺/b.dcm"].read().mask is None


def test_a_mask_of_nothing_is_no_truth(folder):
    source = folder({"masks/a.png": picture(Pillow.new("L", (32, 24)))})
    image = listed(source, masks="masks")["Normal cases/a.dcm"].read()
    assert (image.mask, image.truth) == (None, "none")


def test_masks_of_files_without_a_suffix(folder):
    source = folder(
        {
            "Normal cases/1.2.3.44": make(),
            "Normal cases/x/IM1": make(),
            "masks/1.2.3.44.png": picture(DRAWN),
            "masks/Normal cases/x/IM1.png": picture(DRAWN),
        }
    )
    records = listed(source, masks="masks")
    assert {name for name, record in records.items() if record.read().mask is not None} == {
        "Normal cases/1.2.3.44",
        "Normal cases/x/IM1",
    }


def test_bad_masks(folder):
    hidden = Pseudonyms(KEY).file
    source = folder({f"Normal cases/{PATIENT}.dcm": make(), f"masks/{PATIENT}.png": picture(DRAWN.resize((30, 24)))})
    record = listed(source, masks="masks")[f"Normal cases/{PATIENT}.dcm"]
    said = message(record.read)
    start = f"{source}: normal/{hidden(f'Normal cases/{PATIENT}.dcm')}"
    assert said == f"{start}: mask: 30x24 pixels, its image has 32x24; fix or remove the mask"
    for content in (b"", b"\x93NUMPY\x01\0" + PATIENT.encode(), picture(Pillow.linear_gradient("L").resize((32, 24)))):
        (source / "masks" / f"{PATIENT}.png").write_bytes(content)
        assert message(record.read).startswith(f"{start}: mask: ")
    (source / "masks" / f"{PATIENT}.tif").write_bytes(picture(DRAWN, "TIFF"))
    both = f"{hidden(f'masks/{PATIENT}.png')} and {hidden(f'masks/{PATIENT}.tif')}"
    assert message(listed, source, masks="masks") == f"{source}: {both} are masks of one image; rename one of them"
    (source / "masks" / f"{PATIENT}.tif").unlink()
    (source / "Malignant 肺" / f"{PATIENT}.dcm").write_bytes(make())
    assert message(listed, source, masks="masks") == (
        f"{source}: {hidden(f'masks/{PATIENT}.png')} is the mask of two images; put masks into a folder a class"
    )


def test_masks_that_fit_no_file(folder):
    source = folder({f"masks/{PATIENT}.png": picture(DRAWN)})
    hidden = Pseudonyms(KEY).file(f"masks/{PATIENT}.png")
    assert message(listed, source, masks="masks") == (
        f"{source}: data.masks: 1 masks fit no image: {hidden}; a mask has the name of its image"
    )
    assert message(listed, source, masks="maskz") == (
        f"{source}: data.masks: no image below a folder 'maskz'; a mask has the name of its image"
    )


def test_masks_of_other_files_are_no_mistake(folder):
    source = folder({"Others/c.dcm": make(), "masks/c.png": picture(DRAWN), "masks/a.png": picture(DRAWN)})
    assert listed(source, masks="masks")["Normal cases/a.dcm"].read().mask is not None


def test_series_of_one_patient_are_one_group(folder):
    source = folder(
        {
            "Normal cases/s2/a.dcm": make(StudyInstanceUID=f"{STUDY}.1", SeriesInstanceUID=f"{STUDY}.1.1"),
            "Malignant 肺/s3/a.dcm": make(StudyInstanceUID=f"{STUDY}.2", PatientID=f" {PATIENT} "),
        }
    )
    groups = {name: record.read().patient for name, record in listed(source).items()}
    one = groups["Normal cases/a.dcm"]
    assert one == groups["Normal cases/s2/a.dcm"] == groups["Malignant 肺/s3/a.dcm"] == Pseudonyms(KEY).patient(PATIENT)
    assert one != groups["Malignant 肺/b.dcm"]


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_without_a_patient_the_study_is_the_group(folder, capsys, blank):
    source = folder({"Normal cases/c.dcm": make(PatientID=blank), "Normal cases/d.dcm": make(PatientID=blank)})
    groups = {name: record.read().patient for name, record in listed(source).items()}
    assert groups["Normal cases/c.dcm"] == groups["Normal cases/d.dcm"] == Pseudonyms(KEY).study(STUDY)
    assert groups["Normal cases/c.dcm"].startswith("study-") and groups["Normal cases/a.dcm"].startswith("patient-")
    said = f"{source}: files without a PatientID: each study counts as a patient"
    assert capsys.readouterr().err.splitlines().count(said) == 1


def test_another_key_gives_other_pseudonyms(folder):
    source = folder()
    one, two = (
        listed(source)["Normal cases/a.dcm"],
        listed(source, key=b"another key of 24 bytes.")["Normal cases/a.dcm"],
    )
    same, other = one.read(), two.read()
    assert one.image_id != two.image_id and same.patient != other.patient and same.sha256 != other.sha256
    again = listed(source)["Normal cases/a.dcm"]
    assert again.image_id == one.image_id and again.read().sha256 == same.sha256


def test_pseudonyms_by_hand():
    """Against HMAC as RFC 2104 spells it out."""
    import hashlib

    def slow(value: bytes) -> str:
        key = KEY.ljust(64, b"\0")
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + value).digest()
        return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()

    names = Pseudonyms(KEY)
    assert names.patient(PATIENT) == "patient-" + slow(b"patient\0" + PATIENT.encode())[:16]
    assert names.study(STUDY) == "study-" + slow(b"study\0" + STUDY.encode())[:16]
    assert names.file("Malignant 肺/b") == slow(b"file\0" + "Malignant 肺/b".encode())[:16]
    assert names.content(b"bytes") == slow(b"content\0bytes")


def test_equal_files_have_equal_sums_and_no_file_its_sha256(folder):
    import hashlib

    source = folder({"Normal cases/twin.dcm": make()})
    records = listed(source)
    one, twin, other = (
        records[n].read().sha256 for n in ("Normal cases/a.dcm", "Normal cases/twin.dcm", "Malignant 肺/b.dcm")
    )
    assert one == twin != other and one != hashlib.sha256(make()).hexdigest() and len(one) == 64


def everything(images: list[Image], records, notes) -> bytes:
    """All bytes of what the module gives, as text and as arrays."""
    gives = [repr((r.image_id, r.source, r.label, r.patient)) for r in records] + notes
    for image in images:
        gives.append(json.dumps(asdict(image) | {"pixels": 0, "mask": 0}))
        gives.append(image.pixels.tobytes().decode("latin-1"))
    return "\n".join(gives).encode("utf-8", "replace")


def test_nothing_tells_who_the_patients_are(folder, capfd, caplog, recwarn):
    """Identifiers stand in tags, names of files and folders, values that pydicom warns of, and damaged files."""
    caplog.set_level(logging.DEBUG)
    odd = {"PatientID": PATIENT, "StudyInstanceUID": STUDY, "WindowCenter": 40, "WindowWidth": 400}
    plain = make(**odd)
    no_date = plain.replace(BIRTH.encode(), PATIENT.encode())  # pydicom warns of both, and quotes them
    no_number = plain.replace(b"40.0", b"J^DO", 1)
    assert plain != no_date and plain != no_number
    files = {
        f"Normal cases/{NAME}/{PATIENT}.dcm": plain,
        f"Normal cases/{PATIENT}/{STUDY}.7": no_date,
        f"Malignant 肺/{WARD}/{PATIENT}_number.dcm": no_number,
        f"Malignant 肺/{WARD}/{PATIENT}_cut.dcm": make(**odd)[:700],
        f"Malignant 肺/{WARD}/{PATIENT}_syntax.dcm": make(syntax=f"{STUDY}.77", encoded=b"\0\0"),
        f"Malignant 肺/{WARD}/{PATIENT}_class.dcm": make(SOPClassUID=STUDY),
        f"Malignant 肺/{PATIENT}_charset.dcm": make(SpecificCharacterSet=NAME[:16], PatientID=PATIENT),
        f"Malignant 肺/{PATIENT}_several.dcm": make(PatientID=[PATIENT, NAME]),
        f"Others/{PATIENT}.dcm": plain,
        f"masks/{PATIENT}_class.png": picture(DRAWN),
    }
    source = folder(files)
    caplog.clear(), recwarn.clear()  # of making the files
    records, notes = list_records(open_tree(source), CLASSES, key=KEY, masks="masks")
    assert len(records) == 10
    images, errors = [], []
    for record in records:
        try:
            images.append(record.read())
        except InputError as error:
            errors.append(str(error))
            assert error.__cause__ is None and error.__suppress_context__
    assert len(images) >= 6 and len(errors) >= 2
    printed = capfd.readouterr()
    given = everything(images, records, notes) + "\n".join(errors).encode() + (printed.out + printed.err).encode()
    given += caplog.text.encode() + "".join(str(warning.message) for warning in recwarn).encode()
    secrets = [*PLANTED, "4711", "DOE", "JANE", "Charite", "J^DO"]
    # the source's path is the user's own choice, and the test's folder is not about patients
    given = given.replace(str(source).encode(), b"")
    found = [secret for secret in secrets if secret.encode() in given or secret.encode("utf-16-le") in given]
    assert found == []


def zip_of(path: Path, *names: str, mode: int = 0o100644) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for name in names:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, b"x")
    return path


def test_a_source_that_cannot_be_opened_tells_no_name(folder, tmp_path, monkeypatch):
    """Nor does its fingerprint, which is taken before any job runs."""
    key, source = tmp_path / "key", tmp_path / "a.zip"
    key.write_bytes(KEY)
    listing = {"kind": "dicom", "classes": CLASSES, "key_file": str(key)}

    def said(source: Path) -> str:
        one = message(opening.list_source, "toy", data_config(**listing, source=str(source)))
        assert message(fingerprint, source, "dicom") == one
        return one.removeprefix(f"{source}: ")

    for names, mode, expected in (
        ([f"{NAME}/1", f"{NAME}/2"], 0o120777,
         "links in an archive (2); pack what they point to (tar --dereference --hard-dereference)"),
        ([f"../{PATIENT}"], 0o100644, "names that lead out of the archive (1); pack it again without them"),
        ([PATIENT, PATIENT], 0o100644, "two files of one name (1); pack it again with one of them"),
    ):  # fmt: skip
        zip_of(source, *names, mode=mode)
        assert (
            message(opening.list_source, "toy", data_config(**listing, source=str(source))) == f"{source}: {expected}"
        )
    source.write_bytes(source.read_bytes()[:-30])
    assert said(source) == "a truncated or damaged zip archive; get it again"
    files = folder()
    (files / f"{NAME}.dcm").symlink_to("/etc/passwd")
    astray = "links that lead out of the folder, to nothing or in a circle (1); put what they point to in their place"
    assert said(files) == astray

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)
    assert said(files) == "a folder in it cannot be read (Permission denied); fix its permissions"


def test_who_has_the_key_finds_a_file(folder, tmp_path, capsys):
    source, key = folder(), tmp_path / "key"
    key.write_bytes(KEY)
    records, _ = list_records(open_tree(source), CLASSES, key=KEY)
    known = Pseudonyms(KEY).file("Normal cases/a.dcm")
    assert f"normal/{known}" in [record.image_id for record in records]
    assert main([str(source), str(key), f"normal/{known}", known]) == 0
    assert capsys.readouterr().out == f"normal/{known}\tNormal cases/a.dcm\n{known}\tNormal cases/a.dcm\n"
    assert main([str(source), str(key), "0" * 16]) == 1
    assert capsys.readouterr().out == f"{'0' * 16}\tno file of this source under this key\n"
    assert main([str(source), str(tmp_path / "gone"), known]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/gone: data.key_file: not found; ")


def test_keys(tmp_path):
    path = tmp_path / "my key"
    make_one = f"make one with `head -c 32 /dev/urandom > '{path}'`"
    assert message(read_key, path) == (
        f"{path}: data.key_file: not found; {make_one} and keep it safe: another one gives other pseudonyms"
    )
    path.write_bytes(b"x" * 15)
    assert message(read_key, path) == f"{path}: data.key_file: 15 bytes, but a key needs at least 16; {make_one}"
    path.write_bytes(b"x" * 15 + b"\n")
    assert read_key(path) == read_key(str(path)) == b"x" * 15 + b"\n"
    assert message(read_key, tmp_path) == (
        f"{tmp_path}: data.key_file: cannot be read (Is a directory); set it to a file with a secret"
    )
    with pytest.raises(ValueError, match="a key of 3 bytes"):
        Pseudonyms(b"abc")


def test_pydicom_is_left_as_it_was(folder):
    before = logging.getLogger("pydicom").disabled
    with pytest.raises(ValueError):
        decode_dicom(b"junk")
    assert logging.getLogger("pydicom").disabled is before


def test_damaged_files_are_one_line(folder):
    """Bytes of a good file changed at random, and cut at random: an image, or one line without a secret."""
    rng = np.random.default_rng(0)
    for base in (make(WindowCenter=40, WindowWidth=400), compressed(uid.RLELossless)):
        for _ in range(150):
            content = bytearray(base)
            for place in rng.integers(132, len(base), rng.integers(1, 30)):
                content[place] = rng.integers(256)
            content = bytes(content[: rng.integers(140, len(base) + 1)] if rng.random() < 0.3 else content)
            try:
                decode_dicom(content)
            except dicom_pixels.Unusable as error:
                assert not any(secret in str(error) for secret in PLANTED)


def test_what_a_study_reads_of_the_header_by_name(folder):
    views = {"Normal cases/c.dcm": make(ViewPosition="AP", Manufacturer="Maker"), "Malignant 肺/d.dcm": make(KVP="80")}
    about = ["ViewPosition", "Manufacturer", "InstitutionName"]
    records = listed(folder(views), about=about)
    assert records["Normal cases/c.dcm"].read().about == dict(zip(about, ["AP", "Maker", WARD], strict=True))
    assert records["Malignant 肺/d.dcm"].read().about == {
        "ViewPosition": "",
        "Manufacturer": "",
        "InstitutionName": WARD,
    }
    assert listed(folder())["Normal cases/a.dcm"].read().about == {}
    for name in ("PatientName", "PatientID", "StudyDate", "SeriesDescription"):
        said = message(listed, folder(), about=[name])
        assert said.startswith(f"data.audit.columns: {name}: not read from the header of DICOM files; choose from Body")
