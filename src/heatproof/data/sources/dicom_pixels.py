"""From the bytes of one DICOM file to pixels and a window.

No message from here repeats anything that a file says in free text, nor what an exception of pydicom says: both may
hold a name. What stands in them are terms of the standard and numbers.
"""

import io
import logging
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom import uid
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, get_decoder, pixel_array
from pydicom.pixels.utils import get_expected_length

from heatproof.data.sources.records import LEAST, MOST

_GRAY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_NEEDED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation")
_LARGEST = 1 << 29  # bytes that a deflated file may have
_BY_GDCM = {uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1}
_BY_GDCM |= {uid.JPEGLSLossless, uid.JPEGLSNearLossless, uid.JPEG2000, uid.JPEG2000Lossless}
_BY_OPENJPEG = {uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL}


ABOUT = (  # what a study may read of a header by name: how an image was made, nothing that identifies a patient
    "BodyPartExamined", "BurnedInAnnotation", "ConversionType", "ConvolutionKernel", "DetectorType", "ExposureTime",
    "FilterType", "ImageLaterality", "InstitutionName", "KVP", "Laterality", "Manufacturer", "ManufacturerModelName",
    "Modality", "PatientAge", "PatientOrientation", "PatientPosition", "PatientSex", "PhotometricInterpretation",
    "PresentationIntentType", "ScanningSequence", "SliceThickness", "SoftwareVersions", "StationName", "ViewPosition",
)  # fmt: skip


class Unusable(ValueError):
    """What is wrong with a file and how to fix it, without its name and without anything that identifies."""


class Decoded(NamedTuple):
    """pixels: [height, width] float32, or [height, width, 3] uint8; window: the values that become 0 and 255, None
    for colours; scaled: where it comes from: `study`, `header`, `range`, or `colour`; mode: photometric
    interpretation; patient, study and uid: PatientID, StudyInstanceUID and SOPInstanceUID as they stand, empty where
    they do not; about: what was requested of `ABOUT`, likewise."""

    pixels: np.ndarray
    window: tuple[float, float] | None
    scaled: str
    mode: str
    patient: str
    study: str
    uid: str
    about: Mapping[str, str] = MappingProxyType({})


def is_dicom(content: bytes) -> bool:
    """Whether a file starts as DICOM files do (PS3.10, 7.1)."""
    return content[128:132] == b"DICM"


def decode_dicom(content: bytes, window: tuple[float, float] | None = None, about: Iterable[str] = ()) -> Decoded:
    """Decode a file with one image.

    Stored values become modality values (Rescale or Modality LUT), which `window` is in; without one, the file's own
    window holds: the first of WindowCenter and WindowWidth (PS3.3, C.11.2.1.2), else its VOI LUT, else the full range:
    of what its bits can hold up to 8 bits, of the values in this image (padding aside) above. MONOCHROME1 is turned,
    so that the window's upper end is white always.

    Raises:
        Unusable: damaged, no image, several frames, names burned into the pixels, or a compression without decoder.
    """
    with quiet():
        try:
            dataset = _read(content)
            _check(dataset)
            keys = ("PatientID", "StudyInstanceUID", "SOPInstanceUID")
            known = {key: _text(dataset, key) for key in about if key in ABOUT}
            return Decoded(*_render(dataset, window), *(_text(dataset, key) for key in keys), known)
        except Unusable:
            raise
        except Exception as error:  # of any kind: damaged files cause many
            raise Unusable(f"cannot be decoded ({type(error).__name__}); get it again or remove it") from None


@contextmanager
def quiet() -> Iterator[None]:
    """pydicom warns of what it finds odd, and quotes it."""
    logger = logging.getLogger("pydicom")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled


def _read(content: bytes) -> pydicom.Dataset:
    if not content:
        raise Unusable("an empty file; get it again or remove it")
    if not is_dicom(content):
        raise Unusable("not a DICOM file (no DICM at byte 128); convert or remove it")
    _check_deflated(content)
    try:
        return pydicom.dcmread(io.BytesIO(content))
    except InvalidDicomError:
        raise Unusable("not a DICOM file; convert or remove it") from None
    except EOFError:
        raise Unusable("cut short; get it again or remove it") from None


def _check_deflated(content: bytes) -> None:
    """Refuse what inflates to far too much, before pydicom inflates it whole."""
    if uid.DeflatedExplicitVRLittleEndian.encode() not in content[:2048]:
        return
    start = 144 + int.from_bytes(content[140:144], "little")  # PS3.10, 7.1: the length of the meta information
    inflate, size, data = zlib.decompressobj(-zlib.MAX_WBITS), 0, content[start:]
    while data and not inflate.eof:
        size += len(inflate.decompress(data, 1 << 20))
        data = inflate.unconsumed_tail
        if size > _LARGEST:
            raise Unusable(f"unpacks to more than {_LARGEST >> 20} MiB; remove it")


def _check(dataset: pydicom.Dataset) -> None:
    """Refuse what is no single image that can be decoded."""
    kind = _name(dataset.get("SOPClassUID"))
    if kind and "Image Storage" not in kind:
        raise Unusable(f"no image but {kind}; remove it")
    if "PixelData" not in dataset:
        raise Unusable("no pixel data; get it again or remove it")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise Unusable(f"{frames} frames in one file; store one image a file")
    if "SharedFunctionalGroupsSequence" in dataset:
        raise Unusable("an enhanced multi-frame image; store it as one image a file")
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        raise Unusable("names are burned into its pixels (BurnedInAnnotation YES); blank them or remove it")
    missing = [keyword for keyword in _NEEDED if dataset.get(keyword) is None]
    if missing:
        raise Unusable(f"no {', '.join(missing)} in it; get it again or remove it")
    height, width = int(dataset.Rows), int(dataset.Columns)
    if height * width > MOST:
        raise Unusable(f"more than {MOST // 10**6} million pixels; shrink or remove it")
    if min(height, width) < LEAST:
        raise Unusable(f"{width}x{height} pixels, and nothing is seen below {LEAST} a side; remove it")
    if dataset.PhotometricInterpretation not in (*_GRAY, *_COLOURS, "PALETTE COLOR"):
        raise Unusable(
            f"a photometric interpretation other than {', '.join(_GRAY + _COLOURS)} and PALETTE COLOR; convert it"
        )
    _check_syntax(dataset)


def _check_syntax(dataset: pydicom.Dataset) -> None:
    """Refuse a compression that nothing here decodes, and native pixel data that are cut short."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if not syntax:
        raise Unusable("no transfer syntax in it; get it again or remove it")
    name = _name(syntax) or "an unknown transfer syntax"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise Unusable(
            f"compressed as {name}, which nothing here decodes; convert it to Explicit VR Little Endian"
        ) from None
    plugins = set(decoder.available_plugins)
    if syntax == uid.JPEGExtended12Bit and dataset.BitsStored != 8:
        plugins -= {"pillow"}  # it takes 8 bits only
    if syntax.is_encapsulated and not plugins:
        install = (
            "python-gdcm" if syntax in _BY_GDCM else "pylibjpeg pylibjpeg-openjpeg" if syntax in _BY_OPENJPEG else ""
        )
        fix = f"run `pip install {install}`, or decompress it" if install else "decompress it"
        raise Unusable(f"compressed as {name}, for which no decoder is installed; {fix} (gdcmconv --raw)")
    if not syntax.is_encapsulated:
        there, needed = len(dataset.PixelData), get_expected_length(dataset)
        if there < needed:
            raise Unusable(f"cut short: {there} of {needed} bytes of pixel data; get it again or remove it")


def _render(dataset: pydicom.Dataset, window: tuple[float, float] | None):
    """Pixels, window, where the window comes from, and the photometric interpretation."""
    mode = str(dataset.PhotometricInterpretation)
    stored = pixel_array(dataset)
    if mode in _GRAY:
        pixels, limits, scaled = _scale(dataset, stored, window)
        if not (np.isfinite(pixels).all() and np.isfinite(limits).all()):
            raise Unusable("values that are not finite; get it again or remove it")
        low, high = limits
        pixels = low + high - pixels if mode == "MONOCHROME1" else pixels
        return pixels.astype(np.float32), (float(low), float(high)), scaled, mode
    if window is not None and not (window[0] >= 0 and window[1] <= 255):
        raise Unusable(
            f"in colour, 8 bits a channel, and data.window is [{window[0]:g}, {window[1]:g}]; keep such files apart"
        )
    if mode == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)[..., :3]
        return _eight_bits(colours, colours.dtype.itemsize * 8), None, "colour", mode
    return _eight_bits(stored, int(dataset.BitsStored)), None, "colour", mode


def _eight_bits(colours: np.ndarray, bits: int) -> np.ndarray:
    return np.right_shift(colours, max(bits - 8, 0)).astype(np.uint8)


def _scale(dataset: pydicom.Dataset, stored: np.ndarray, window: tuple[float, float] | None):
    """Modality values with the window that they are to be seen in."""
    values = _modality(dataset, stored)
    if window is not None:
        return values, window, "study"
    centre, width = (_first(dataset.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if centre is not None and width is not None and width > 0:
        if function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -80, 80))), (0, 1), "header"
        if function == "LINEAR_EXACT":
            return values, (centre - width / 2, centre + width / 2), "header"
        reach = max(width - 1, 1e-3) / 2  # a width of 1 is a threshold
        return values, (centre - 0.5 - reach, centre - 0.5 + reach), "header"
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return apply_voi(np.rint(values).astype(np.int32), dataset), (0, 2**bits - 1), "header"
    if int(dataset.BitsStored) <= 8 and not dataset.get("ModalityLUTSequence"):
        signed = int(dataset.get("PixelRepresentation") or 0)
        ends = np.array([0, 2 ** int(dataset.BitsStored) - 1]) - signed * 2 ** (int(dataset.BitsStored) - 1)
        return values, sorted(_modality(dataset, ends)), "range"
    shown = values[_is_shown(dataset, stored)]
    low, high = (shown.min(), shown.max()) if shown.size else (values.min(), values.max())
    return values, (low, max(high, low + 1)), "range"


def _is_shown(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """False where pixels pad the image (PS3.3, C.7.5.1.1.2)."""
    padding, limit = (_first(dataset.get(k)) for k in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if padding is None:
        return np.ones(stored.shape, bool)
    ends = (padding, padding if limit is None else limit)
    return (stored < min(ends)) | (stored > max(ends))


def _modality(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(stored, dataset).astype(np.float64)
    slope, intercept = (_first(dataset.get(keyword)) for keyword in ("RescaleSlope", "RescaleIntercept"))
    return stored.astype(np.float64) * (1 if slope is None else slope) + (intercept or 0)


def _first(value) -> float | None:
    """The first of one or several numbers."""
    if value is None or value == "":
        return None
    several = not isinstance(value, str) and np.iterable(value)
    return _first(value[0] if len(value) else None) if several else float(value)


def _name(identifier) -> str:
    """What the standard calls a UID; empty for one that it does not know, which could identify anything."""
    known = uid.UID(str(identifier or ""))
    return "" if known.name == str(known) else known.name


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip("\0 ")
