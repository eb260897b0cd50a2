"""Archives and folders that cannot be read, and what is said of them; {at} stands for the source."""

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from data.making import FILES, Case, patch_zip, write_folder, write_tar, write_zip

from heatproof.data.sources.trees import open_tree


def opened(write: Callable[[Path], Path], kind: str | None = "archive") -> Case:
    def case(folder: Path) -> tuple:
        source = write(folder)
        return source, lambda: open_tree(source, kind)

    return case


def bytes_of(content: bytes) -> Callable[[Path], Path]:
    return lambda folder: write_folder(folder, {"in.zip": content}) / "in.zip"


def zipped(*names: str, **patch) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, b"x" * 100)
        return patch_zip(folder / "in.zip", **patch) if patch else folder / "in.zip"

    return write


def zip_entry(name: str, mode: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        with zipfile.ZipFile(folder / "in.zip", "w") as archive:
            archive.writestr(info, "/etc/passwd")
        return folder / "in.zip"

    return write


def tarred(*names: str, mode: str = "w", **facts) -> Callable[[Path], Path]:
    return lambda folder: write_tar(folder / "in.zip", dict.fromkeys(names, b""), mode, **facts)


def cut(write: Callable[[Path], Path], to: float) -> Callable[[Path], Path]:
    """A file cut off: `to` bytes, or that share of it, are left."""

    def write_cut(folder: Path) -> Path:
        path = write(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(to if to > 1 or to < 0 else to * len(content))])
        return path

    return write_cut


def renamed_zip(folder: Path) -> Path:
    path = write_zip(folder / "in.zip", {"肺.png": b"x"})
    path.write_bytes(path.read_bytes().replace("肺".encode(), b"\xe9\xe9\xe9"))
    return path


def damaged_tar(folder: Path) -> Path:
    """The second header is damaged: tarfile would take it for the end."""
    path = write_tar(folder / "in.zip", {"a.png": b"x", "b.png": b"y", "c.png": b"z"})
    content = bytearray(path.read_bytes())
    content[1024 + 148] ^= 0x11
    path.write_bytes(content)
    return path


def backwards_tar(folder: Path) -> Path:
    """A size below zero leads tarfile back to where it was, for ever."""
    info = tarfile.TarInfo("a.png")
    content = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    content[124:136] = b"\xff" * 10 + (-512 & 0xFFFF).to_bytes(2, "big")
    content[148:156] = b" " * 8
    content[148:155] = f"{sum(content):06o}\0".encode()
    path = folder / "in.zip"
    path.write_bytes(tarfile.TarInfo("0.png").tobuf(tarfile.GNU_FORMAT) + bytes(content) + bytes(1024))
    return path


def gzip_bomb(folder: Path) -> Path:
    path = folder / "in.zip"
    path.write_bytes(gzip.compress(bytes(20_000_000)) * 13)
    return path


def linked(name: str, target: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        source = write_folder(folder / "in", FILES)
        (source / name).symlink_to(target)
        return source

    return write


DAMAGED = "{at}: a truncated or damaged"
OUTSIDE = "{at}: names that lead out of the archive: "
LINKS = "; pack what they point to (tar --dereference --hard-dereference)"
WITHOUT = "; pack it again without them"
BOMB = (
    "{at}: unpacks to more than 200 times its weight and 256 MB, as archives made to do harm do; if you trust it, "
    "unpack it yourself and set data.source to its folder"
)
ASTRAY = "{at}: links that lead out of the folder, to nothing or in a circle: Malignant/x.png; put what they point to "
ASTRAY += "in their place"

ARCHIVES = {
    "not there": (
        opened(lambda folder: folder / "in.zip"),
        "{at}: not found; set data.source to the path of the archive",
    ),
    "no folder there": (
        opened(lambda folder: folder / "in", "folder"),
        "{at}: not found; set data.source to the folder with one sub-folder a class",
    ),
    "an empty folder": (
        opened(lambda folder: folder, None),
        "{at}: a folder without files; set data.source to the folder of the images",
    ),
    "an empty file": (opened(bytes_of(b"")), "{at}: an empty file; get the archive again"),
    "no archive": (
        opened(bytes_of(b"<html>Not found</html>" * 99)),
        "{at}: not a zip or tar archive; set data.source to one or a folder of images",
    ),
    "no file in a zip": (opened(zipped()), "{at}: an archive without files; get it again"),
    "no file in a tar": (opened(tarred()), "{at}: an archive without files; get it again"),
    "nothing but folders": (opened(zipped("a/", "b/")), "{at}: an archive without files; get it again"),
    "truncated zip": (
        opened(cut(zipped("a.png"), -30)),
        DAMAGED + " zip archive (File is not a zip file); get it again",
    ),
    "truncated tar": (
        opened(cut(lambda folder: write_tar(folder / "in.zip", {"a.png": bytes(9), "b.png": bytes(999)}), 2000)),
        DAMAGED + " tar archive (unexpected end of data); get it again",
    ),
    "tar without an end": (opened(cut(tarred("a.png"), 512)), DAMAGED + " tar archive (no end mark); get it again"),
    "truncated tar.gz": (
        opened(cut(tarred("a.png", mode="w:gz"), -9)),
        DAMAGED + " tar archive (Compressed file ended before the end-of-stream marker was reached); get it again",
    ),
    "gzip of no tar": (
        opened(bytes_of(gzip.compress(b"text" * 999))),
        DAMAGED + " tar archive (invalid header); get it again",
    ),
    "damaged tar": (opened(damaged_tar), DAMAGED + " tar archive (no end mark); get it again"),
    "circular tar": (opened(backwards_tar), DAMAGED + " tar archive (a header that points backwards); get it again"),
    "absolute name": (opened(zipped("a.png", "/etc/b.png")), OUTSIDE + "/etc/b.png" + WITHOUT),
    "absolute name in a tar": (opened(tarred("a.png", "/etc/b.png")), OUTSIDE + "/etc/b.png" + WITHOUT),
    "name that leads out": (
        opened(zipped(*(f"a/../../{n} ä.png" for n in range(5)))),
        OUTSIDE + "a/../../0 ä.png, a/../../1 ä.png, a/../../2 ä.png and 2 more" + WITHOUT,
    ),
    "name that leads out of a tar": (opened(tarred("../b.png", mode="w:gz")), OUTSIDE + "../b.png" + WITHOUT),
    "backslash that leads out": (opened(zipped("..\\b.png")), OUTSIDE + "..\\b.png" + WITHOUT),
    "drive": (opened(zipped("C:\\b.png")), OUTSIDE + "C:\\b.png" + WITHOUT),
    "share": (opened(zipped("\\\\host\\b.png")), OUTSIDE + "\\\\host\\b.png" + WITHOUT),
    "link in a zip": (
        opened(zip_entry("肺/b.png", stat.S_IFLNK | 0o777)),
        "{at}: links in an archive: 肺/b.png" + LINKS,
    ),
    "link in a tar": (
        opened(tarred("b.png", type=tarfile.SYMTYPE, linkname="../../x")),
        "{at}: links in an archive: b.png" + LINKS,
    ),
    "hard link": (
        opened(tarred("b.png", type=tarfile.LNKTYPE, linkname="a.png")),
        "{at}: links in an archive: b.png" + LINKS,
    ),
    "device": (opened(tarred("b.png", type=tarfile.CHRTYPE)), "{at}: neither files nor folders: b.png" + WITHOUT),
    "pipe in a zip": (
        opened(zip_entry("b.png", stat.S_IFIFO | 0o644)),
        "{at}: neither files nor folders: b.png" + WITHOUT,
    ),
    "encrypted": (opened(zipped("b.png", flags=1)), "{at}: encrypted: b.png; pack it again without a password"),
    "name that says it is UTF-8": (
        opened(renamed_zip),
        DAMAGED + " zip archive (not UTF-8); get it again",
    ),
    "two of one name": (
        opened(tarred("a b.png", "./a b.png")),
        "{at}: two files of one name: a b.png; pack it again with one of them",
    ),
    "zip bomb": (opened(zipped("b.png", size=400_000_000)), BOMB),
    "gzip bomb": (opened(gzip_bomb), BOMB),
    "one large file": (
        opened(zipped("b.png", size=1_000_000_001)),
        "{at}: more than 1 GB in one file: b.png; pack it again without",
    ),
    "link out of a folder": (opened(linked("Malignant/x.png", "/etc/passwd"), "folder"), ASTRAY),
    "link to nothing": (opened(linked("Malignant/x.png", "nope.png"), "folder"), ASTRAY),
    "circle of links": (opened(linked("Malignant/x.png", ".."), "folder"), ASTRAY),
}


def read(write: Callable[[Path], Path], name: str = "b.png") -> Case:
    def case(folder: Path) -> tuple:
        source = write(folder)
        return source, partial(open_tree(source).read, name)

    return case


def flipped(folder: Path) -> Path:
    path = folder / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.png", b"x" * 100)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"y" + b"x" * 99))
    return path


def sparse(folder: Path) -> Path:
    """GNU tar's way of leaving out zeros."""
    header = bytearray(tarfile.TarInfo("b.png").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"00000001000\0"
    header[148:156] = b" " * 8
    header[148:155] = f"{sum(header):06o}\0".encode()
    (folder / "in.zip").write_bytes(bytes(header) + bytes(1024))
    return folder / "in.zip"


UNREADABLE = "{at}: b.png: cannot be read ("
MEND = "); fix or remove it"

ENTRIES = {
    "longer than its header says": (
        read(zipped("b.png", size=60)),
        UNREADABLE + "more bytes than the 60 in its header" + MEND,
    ),
    "shorter than its header says": (
        read(zipped("b.png", size=160)),
        UNREADABLE + "fewer bytes than the 160 in its header" + MEND,
    ),
    "wrong checksum": (read(flipped), UNREADABLE + "its checksum is wrong" + MEND),
    "unknown compression": (
        read(zipped("b.png", method=97)),
        UNREADABLE + "That compression method is not supported" + MEND,
    ),
    "sparse file": (read(sparse), UNREADABLE + "a sparse file" + MEND),
}
