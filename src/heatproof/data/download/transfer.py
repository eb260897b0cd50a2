"""One file over HTTP(S): resumed, repeated, checked.

The HTTP itself is requests; resuming is ours, because no library at hand does all of it: pooch, datahugger and
urllib3's Retry begin again from the start when a body breaks off; kagglehub and huggingface_hub send Range without
If-Range, and so mix two versions of a file that changed in between; pypdl looks at no free disk; pyhaul does much of
what is needed, but not under Python 3.11.

What has come lies in a partial file, with a note beside it on what it is a part of (address, ETag, Last-Modified,
length). It is continued only if the server vouches that it still is the same file, or if a SHA-256 will tell.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import requests
import urllib3

from heatproof.data.download.disk import Meter, check_disk, is_full, no_disk, place
from heatproof.data.download.web import Broken, Patience, ask, check_status, explain, insist, open_session, shown
from heatproof.errors import InputError

_CHUNK = 1 << 18
_DISK_STEP = 1 << 26  # bytes after which the disk is looked at again


def download(
    url: str,
    target: Path,
    part: Path,
    *,
    sha256: str | None = None,
    by_hand: str | None = None,
    patience: Patience | None = None,
) -> None:
    """Bring the file at an address to `target`, which is there whole or not at all.

    Args:
        part: where the bytes gather; it stays, with `<part>.json`, whenever the download does not end well.
        sha256: of the file, in hex. A file with another one never gets to `target`; it stays at `part`, and the
            next call takes it if it is what is asked for by then, else fetches the file anew.
        by_hand: the mend where the server refuses; without it, to download the file by hand.

    Raises:
        InputError: one line with the address, what happened, and the mend.
    """
    patience = patience or Patience()
    renewed = "" if by_hand else "if the file was renewed, set data.download.sha256 to it, else "
    by_hand = by_hand or f"download it by hand to {target}"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        for last in (False, True):
            mixed = _complete(url, part, target, sha256 is not None, by_hand, patience)
            found = _sha256(part) if sha256 else None
            if found == sha256:
                place(part, target)
                _note(part).unlink(missing_ok=True)
                return
            if last or not mixed:
                break
            _discard(part)  # bytes of an earlier attempt may be what is wrong
    except OSError as error:
        if is_full(error):
            raise no_disk(shown(url), part.parent) from None
        raise InputError(f"{error.filename or target}: cannot be written ({error.strerror}); mend its folder") from None
    web = "; what comes is a web page" if _is_web_page(part) else ""
    raise InputError(
        f"{shown(url)}: the file's SHA-256 is {found}, not {sha256}{web}; {renewed}{by_hand}; what came lies at {part}"
    )


def _complete(url: str, part: Path, target: Path, checked: bool, by_hand: str, patience: Patience) -> bool:
    """Fill the partial file; true if bytes of more than one attempt, or of an earlier call, are in it."""
    mixed = True

    def attempt() -> None:
        nonlocal mixed
        begun = _resumable(url, part, checked)
        if begun and begun == _read_note(part).get("length"):
            return
        with ask(session, url, _range(part, begun), patience) as response:
            begun = _begin(url, response, part, begun, by_hand)
            if begun is not None:
                mixed = begun > 0
                _copy(url, response, part, begun, target, patience)

    with open_session(patience) as session:
        insist(attempt, shown(url), patience, lambda: _size(part))
    return mixed


def _resumable(url: str, part: Path, checked: bool) -> int:
    """How many bytes of the partial file may be continued; those that may not are discarded."""
    note, size = _read_note(part), _size(part)
    vouched = checked or note.get("etag") or note.get("modified")
    if note.get("url") == url and vouched and size <= (note.get("length") or size):
        return size
    _discard(part)
    return 0


def _range(part: Path, begun: int) -> dict[str, str]:
    """The headers that ask for the rest of the file if it still is the same, else for the whole."""
    if not begun:
        return {}
    note = _read_note(part)
    strong = note.get("etag") if not (note.get("etag") or "W/").startswith("W/") else None
    vouch = strong or note.get("modified")  # If-Range takes no weak ETag
    return {"Range": f"bytes={begun}-"} | ({"If-Range": vouch} if vouch else {})


def _begin(url: str, response: requests.Response, part: Path, begun: int, by_hand: str) -> int | None:
    """From which byte on the answer is to be written, or None if nothing is left; notes what the file is."""
    headers, known = response.headers, _read_note(part)
    note = {"url": url, "etag": headers.get("ETag"), "modified": headers.get("Last-Modified")}
    span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    total = int(span[2]) if span and span[2] != "*" else None
    if begun and response.status_code == 416:
        if total == begun:
            return None
        _discard(part)
        raise Broken("the server does not go on from where the file was left")
    if begun and response.status_code == 206:
        same = all(known.get(key) == note[key] for key in ("etag", "modified") if known.get(key) and note[key])
        length = known.get("length") or total
        if not same or not span or span[1] != str(begun) or (total or length) != length:
            _discard(part)
            raise Broken("the rest that the server sends does not fit what has come")
        _write_note(part, known | {"length": length})
        return begun
    check_status(url, response, by_hand)
    if "Transfer-Encoding" not in headers and headers.get("Content-Length", "").isdecimal():
        note["length"] = int(headers["Content-Length"])
    _discard(part)
    part.touch()
    _write_note(part, note)
    return 0


def _copy(url: str, response: requests.Response, part: Path, begun: int, target: Path, patience: Patience) -> None:
    """Append the body to the partial file."""
    length = _read_note(part).get("length")
    apart = part.parent.stat().st_dev != target.parent.stat().st_dev

    def check_room(size: int) -> None:
        if length is not None:
            check_disk(shown(url), length - size, part.parent)
            if apart:  # the file is copied there once it is whole
                check_disk(shown(url), length, target.parent)

    size = begun
    check_room(size)
    with part.open("ab") as file, Meter(target.name, length, begun) as meter:
        while chunk := _read(response, url, patience):
            file.write(chunk)
            meter.update(len(chunk))
            size += len(chunk)
            if size // _DISK_STEP > (size - len(chunk)) // _DISK_STEP:
                check_room(size)
        file.flush()
        os.fsync(file.fileno())
    if length is not None and size < length:
        raise Broken("the connection broke off")
    _write_note(part, _read_note(part) | {"length": size})


def _read(response: requests.Response, url: str, patience: Patience) -> bytes:
    """Whatever bytes have come, so that none is lost when the connection breaks off; none at the end."""
    try:
        return response.raw.read1(_CHUNK, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise Broken(explain(error, url, patience)) from None


def _is_web_page(part: Path) -> bool:
    with part.open("rb") as file:
        return file.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> dict:
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(part: Path, note: dict) -> None:
    beside = part.with_name(f"{part.name}.json.new")
    beside.write_text(json.dumps(note), encoding="utf-8")
    beside.replace(_note(part))


def _discard(part: Path) -> None:
    _note(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)
