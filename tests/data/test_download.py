"""Downloads from a server that does what servers do at their worst."""

import errno
import hashlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from data import hostile
from data.hostile import document, file, redirect, status

from heatproof.data.download import disk, transfer
from heatproof.data.download import fetch as download
from heatproof.data.download.fetch import fetch
from heatproof.data.download.web import Patience, get_json, shown
from heatproof.errors import InputError

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
OTHER = bytes(reversed(range(256))) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(attempts=4, backoff=0.001, connect=1, read=0.2, worth=10**9)


@pytest.fixture
def server():
    with hostile.Server() as server:
        yield server


@pytest.fixture
def get(tmp_path):
    """Fetch an address to tmp_path/data/a.zip."""

    def get(url: str, sha256: str | None = SHA256, patience: Patience = QUICK) -> Path:
        source = tmp_path / "data" / "a.zip"
        return fetch(source, {"url": url, "sha256": sha256}, tmp_path / "state", patience=patience)

    return get


def left(tmp_path: Path) -> bytes | None:
    """What lies in the partial file."""
    parts = list((tmp_path / "state").glob("*.part"))
    assert len(parts) <= 1
    return parts[0].read_bytes() if parts else None


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refused(get, tmp_path, url, **options) -> str:
    said = message(get, url, **options)
    assert not (tmp_path / "data" / "a.zip").exists()
    return said


def test_a_file_comes_whole_and_only_once(server, get, tmp_path):
    url = server.answer(file(CONTENT))
    source = get(url)
    assert source == tmp_path / "data" / "a.zip" and source.read_bytes() == CONTENT
    assert left(tmp_path) is None and [path.suffix for path in (tmp_path / "state").iterdir()] == [".lock"]
    assert get(url) == source and len(server.asked) == 1
    _, headers, _ = server.asked[0]
    assert headers["User-Agent"].startswith("heatproof") and headers["Accept-Encoding"] == "identity"


def test_what_is_there_is_not_asked_for(tmp_path):
    assert fetch(tmp_path, {"url": "http://127.0.0.1:1/a.zip"}, tmp_path / "state") == tmp_path
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("reset", [False, True], ids=["cut off", "reset"])
def test_a_dropped_connection_is_resumed(server, get, tmp_path, capsys, reset):
    url = server.answer(file(CONTENT, cut=30_000, reset=reset), file(CONTENT, cut=50_000), file(CONTENT))
    assert get(url).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=30000-", "bytes=80000-"]
    assert [headers.get("If-Range") for _, headers, _ in server.asked] == [None, '"one"', '"one"']
    begun, *said = capsys.readouterr().err.splitlines()
    assert begun == f"{tmp_path}/data/a.zip: not there; downloading {url} to it"
    assert (
        said[0] == f"{url}: the connection broke off; attempt 2 of 4 in 0 s" and "a.zip: 102.4 kB of 102.4 kB" in said
    )


def test_a_stalled_server_is_asked_again(server, get, capsys):
    assert get(server.answer(file(CONTENT, stall=30_000), file(CONTENT))).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=30000-"]
    assert "not a byte for 0.2 s; attempt 2 of 4" in capsys.readouterr().err


def test_a_server_that_only_stalls(server, get, tmp_path):
    url = server.answer(file(CONTENT, stall=30_000), file(CONTENT, stall=0))
    assert refused(get, tmp_path, url) == (
        f"{url}: not a byte for 0.2 s, 4 times in a row; check the connection and run again to go on from 30.0 kB"
    )
    assert left(tmp_path) == CONTENT[:30_000]


def test_a_server_that_never_answers(get, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.zip"
        said = refused(get, tmp_path, url, patience=Patience(attempts=2, backoff=0.001, read=0.1))
    assert said == f"{url}: not a byte for 0.1 s, 2 times in a row; check the connection and run again"


def test_the_next_call_goes_on(server, get, tmp_path):
    url = server.answer(file(CONTENT, cut=20_000), file(CONTENT, cut=0))
    assert refused(get, tmp_path, url).endswith(
        "broke off, 4 times in a row; check the connection and run again to go on from 20.0 kB"
    )
    server.asked.clear()
    server.answer(file(CONTENT))
    assert get(url).read_bytes() == CONTENT and server.ranges() == ["bytes=20000-"]


def test_attempts_count_from_the_last_progress(server, get):
    url = server.answer(*[file(CONTENT, cut=10_000)] * 10, file(CONTENT))
    patience = Patience(attempts=2, backoff=0.001, worth=5000)
    assert get(url, patience=patience).read_bytes() == CONTENT and len(server.asked) == 11


@pytest.mark.slow
def test_whatever_happens_the_file_is_right(server, get, tmp_path):
    """Faults drawn at random, then a good server: one version of the file, whole, and with a sum the one meant."""
    rng = random.Random(0)
    faults = [
        lambda content, facts: file(content, cut=rng.randrange(102_000), **facts),
        lambda content, facts: file(content, cut=rng.randrange(102_000), vouch=False, **facts),
        lambda content, facts: file(content, cut=rng.randrange(102_000), ranges=False, **facts),
        lambda content, facts: file(content, cut=rng.randrange(102_000), chunked=True, **facts),
        lambda content, facts: file(content, length=rng.randrange(90_000, 110_000), **facts),
        lambda content, facts: status(rng.choice([416, 500, 503])),
        lambda content, facts: redirect("/a.zip"),
    ]
    versions = [(OTHER, '"old"'), (CONTENT, '"new"')]
    for sums in (True, False):
        for number in range(30):
            script = []
            for version in sorted(rng.choices([0, 1], k=5)):
                content, etag = versions[version]
                facts = {"etag": rng.choice([etag, f"W/{etag}"] + [None] * sums)}
                script.append(rng.choice(faults[: None if sums else 4])(content, facts))
            url = server.answer(*script, file(CONTENT, etag='"new"'), path=f"/{sums}{number}")
            source = tmp_path / str(sums) / str(number)
            download = {"url": url, "sha256": SHA256 if sums else None}
            for _ in range(6):
                try:
                    fetch(source, download, tmp_path / "state", patience=Patience(attempts=9, backoff=0, worth=10**9))
                    break
                except InputError:  # 416 without a part, a wrong sum, ...: the user runs it again
                    continue
            assert source.read_bytes() in ((CONTENT,) if sums else (CONTENT, OTHER)), number


def test_a_file_that_starts_again_each_time_gets_no_further(server, get, tmp_path):
    url = server.answer(file(CONTENT, cut=90_000, ranges=False))
    said = refused(get, tmp_path, url, patience=Patience(attempts=3, backoff=0.001, worth=5000))
    assert "broke off, 3 times in a row" in said and len(server.asked) == 3


def test_a_file_that_changes_all_the_time_gets_no_further(server, get, tmp_path):
    one, two = (file(CONTENT, cut=90_000, etag=etag, vouch=False) for etag in ('"one"', '"two"'))
    said = refused(get, tmp_path, server.answer(*[one, two] * 9), patience=Patience(4, 0.001, worth=5000))
    assert ": the rest that the server sends does not fit what has come, 4 times in a row" in said
    assert len(server.asked) == 4


def test_a_part_of_another_address_is_not_continued(server, tmp_path):
    first, second = server.answer(file(OTHER, cut=9)), server.answer(file(CONTENT), path="/b.zip")
    place = {"target": tmp_path / "a.zip", "part": tmp_path / "part", "patience": QUICK}
    server.answer(file(OTHER, cut=9), file(OTHER, cut=0))
    message(transfer.download, first, **place)
    transfer.download(second, **place)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT and server.ranges()[-1] is None


def test_a_body_that_ends_early_without_an_error(server, get, monkeypatch):
    """As urllib3 may have it one day: our own count must see it."""
    read, left_out = transfer._read, [b""]
    monkeypatch.setattr(transfer, "_read", lambda *args: left_out.pop() if left_out else read(*args))
    assert get(server.answer(file(CONTENT))).read_bytes() == CONTENT and len(server.asked) == 2


def test_a_server_that_ignores_range(server, get):
    url = server.answer(file(CONTENT, cut=30_000), file(CONTENT, ranges=False))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=30000-"]


def test_a_file_that_changed_in_between_starts_again(server, get):
    url = server.answer(file(OTHER, cut=30_000, etag='"old"'), file(CONTENT, etag='"new"'))
    assert get(url).read_bytes() == CONTENT and len(server.asked) == 2


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_changed_file_from_a_server_that_ignores_if_range(server, get, sha256):
    url = server.answer(file(OTHER, cut=30_000, etag='"old"'), file(CONTENT, etag='"new"', vouch=False))
    assert get(url, sha256).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=30000-", None]


def test_a_changed_length_starts_again(server, get):
    url = server.answer(file(OTHER + b"longer", cut=30_000, etag=None), file(CONTENT, etag=None))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=30000-", None]


def test_two_versions_that_nothing_but_the_sum_tells_apart(server, get):
    url = server.answer(file(OTHER, cut=30_000, etag=None), file(CONTENT, etag=None))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=30000-", None]


def test_without_a_sum_and_without_a_voucher_nothing_is_resumed(server, get):
    url = server.answer(file(OTHER, cut=30_000, etag=None), file(CONTENT, etag=None))
    assert get(url, None).read_bytes() == CONTENT and server.ranges() == [None, None]


DATE = "Sat, 01 Aug 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("etag", "modified", "vouch"), [(None, DATE, DATE), ('W/"weak"', DATE, DATE), ('"strong"', DATE, '"strong"')]
)
def test_what_vouches_for_the_rest(server, get, etag, modified, vouch):
    facts = {"etag": etag, "modified": modified}
    assert get(server.answer(file(CONTENT, cut=9, **facts), file(CONTENT, **facts)), None).read_bytes() == CONTENT
    assert server.asked[1][1]["If-Range"] == vouch


@pytest.mark.parametrize("span", ["bytes 29999-102399/102400", "bytes 30000-102399/102401", "bytes x"])
def test_a_rest_that_does_not_fit(server, get, span):
    url = server.answer(file(CONTENT, cut=30_000), file(CONTENT, span=span), file(CONTENT))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=30000-", None]


def test_a_rest_of_unknown_length_fits(server, get):
    url = server.answer(file(CONTENT, cut=30_000), file(CONTENT, span="bytes 30000-102399/*"))
    assert get(url).read_bytes() == CONTENT and len(server.asked) == 2


def test_a_length_that_is_too_long(server, get):
    """The server has no more than it sent; the sum tells that this is all."""
    url = server.answer(file(CONTENT, length=len(CONTENT) + 7), file(CONTENT))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=102400-"]


def test_a_length_that_is_too_short(server, get, tmp_path):
    url = server.answer(file(CONTENT, length=1000))
    found = hashlib.sha256(CONTENT[:1000]).hexdigest()
    assert f"{url}: the file's SHA-256 is {found}, not {SHA256}; " in refused(get, tmp_path, url)


@pytest.mark.parametrize("cut", [30_000, None])
def test_without_a_length(server, get, cut):
    url = server.answer(file(CONTENT, chunked=True, cut=cut), file(CONTENT))
    assert get(url).read_bytes() == CONTENT and len(server.asked) == (2 if cut else 1)


def test_an_empty_file(server, get):
    assert get(server.answer(file(b"")), hashlib.sha256(b"").hexdigest()).read_bytes() == b""


def test_wrong_bytes(server, get, tmp_path):
    url, found = server.answer(file(OTHER)), hashlib.sha256(OTHER).hexdigest()
    part = f"{tmp_path}/state/" + "{}"
    said = refused(get, tmp_path, url)
    (kept,) = (tmp_path / "state").glob("*.part")
    assert said == (
        f"{url}: the file's SHA-256 is {found}, not {SHA256}; if the file was renewed, set data.download.sha256 to it, "
        f"else download it by hand to {tmp_path}/data/a.zip; what came lies at {part.format(kept.name)}"
    )
    assert left(tmp_path) == OTHER and len(server.asked) == 1
    server.answer(file(CONTENT, etag='"new"'))
    assert get(url).read_bytes() == CONTENT, "the next call fetches it anew"


def test_wrong_bytes_that_turn_out_to_be_right(server, get, tmp_path):
    url = server.answer(file(OTHER))
    refused(get, tmp_path, url)
    assert get(url, hashlib.sha256(OTHER).hexdigest()).read_bytes() == OTHER and len(server.asked) == 1


def test_wrong_bytes_after_a_resume_are_fetched_once_more(server, get, tmp_path):
    url = server.answer(file(OTHER, cut=9), file(OTHER))
    assert "SHA-256" in refused(get, tmp_path, url) and server.ranges() == [None, "bytes=9-", None]


def test_a_web_page_instead_of_the_file(server, get, tmp_path):
    said = refused(get, tmp_path, server.answer(status(200, body=b"\n<!DOCTYPE html><p>Please log in")))
    assert f", not {SHA256}; what comes is a web page; if the file" in said


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_a_server_in_trouble_is_asked_again(server, get, code):
    assert get(server.answer(status(code), file(CONTENT))).read_bytes() == CONTENT and len(server.asked) == 2


def test_a_server_that_stays_in_trouble(server, get, tmp_path):
    url = server.answer(status(503))
    assert refused(get, tmp_path, url) == (
        f"{url}: the server says 503 Service Unavailable, 4 times in a row; check the connection and run again"
    )


def test_a_server_that_asks_for_a_pause(server, get, capsys):
    patience = Patience(backoff=0.001, ceiling=1)
    begun = time.monotonic()
    get(server.answer(status(503, {"Retry-After": "3600"}), file(CONTENT)), patience=patience)
    assert time.monotonic() - begun >= 1 and "attempt 2 of 8 in 1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (404, "the server says 404 Not Found; check the address, or download it by hand to {}"),
        (410, "the server says 410 Gone; check the address, or download it by hand to {}"),
        (403, "the server wants a login or refuses programs (403 Forbidden); download it by hand to {}"),
        (401, "the server wants a login or refuses programs (401 Unauthorized); download it by hand to {}"),
    ],
)
def test_refusals(server, get, tmp_path, code, what):
    url = server.answer(status(code))
    assert refused(get, tmp_path, url) == f"{url}: {what.format(tmp_path / 'data' / 'a.zip')}"
    assert len(server.asked) == 1


def test_redirects(server, get):
    url = server.answer(redirect("/b.zip"), path="/start")
    server.answer(redirect(server.root + "/a.zip"), path="/b.zip")
    server.answer(file(CONTENT, cut=9), file(CONTENT))
    assert get(url).read_bytes() == CONTENT
    assert [path for path, _, _ in server.asked] == ["/start", "/b.zip", "/a.zip"] * 2
    assert server.ranges()[-1] == "bytes=9-"


def test_redirects_without_end(server, get, tmp_path):
    url = server.answer(redirect("/a.zip"))
    assert refused(get, tmp_path, url) == f"{url}: redirects without end; check the address"


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/a.zip", "file:///etc/passwd"])
def test_a_redirect_to_something_else(server, get, tmp_path, to):
    url = server.answer(redirect(to))
    assert refused(get, tmp_path, url) == f"{url}: cannot be asked (InvalidSchema); check the address"


def test_nobody_listens(get, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a.zip"
    assert refused(get, tmp_path, url) == (
        f"{url}: the connection is refused, 4 times in a row; check the connection and run again"
    )


def test_a_name_that_cannot_be_resolved(get, tmp_path, monkeypatch):
    def resolve(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert refused(get, tmp_path, "http://data.invalid/a.zip") == (
        "http://data.invalid/a.zip: the name data.invalid cannot be resolved, 4 times in a row; "
        "check the connection and run again"
    )


def test_a_server_without_tls(server, get, tmp_path):
    url = server.answer(file(CONTENT)).replace("http:", "https:")
    assert refused(get, tmp_path, url) == (
        f"{url}: no TLS connection, 4 times in a row; check the connection and run again"
    )


def test_a_certificate_that_does_not_hold(get, tmp_path, monkeypatch):
    import ssl

    def connect(*_, **__):
        error = ssl.SSLCertVerificationError("certificate verify failed")
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", connect)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/a.zip"
        assert refused(get, tmp_path, url) == (
            f"{url}: the certificate does not hold (self-signed certificate); check the address, or name your "
            "network's certificates in REQUESTS_CA_BUNDLE"
        )


def test_passwords_and_signatures_are_not_shown(server, get, tmp_path):
    url = server.answer(status(404)).replace("//", "//me:secret@") + "?signature=secret"
    assert "secret" not in refused(get, tmp_path, url)
    assert shown("https://me:secret@host:8/a%20b?x=secret#y") == "https://host:8/a%20b"


def test_no_disk_before_the_first_byte(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    url = server.answer(file(CONTENT))
    assert refused(get, tmp_path, url) == (
        f"{url}: no disk left: 102.4 kB are to come and 1.0 kB are free at {tmp_path}/state; make room, or set "
        "data.source to another disk, and run again"
    )
    assert left(tmp_path) == b""


def test_no_disk_while_writing(server, get, tmp_path, monkeypatch):
    free = iter([10**6, 10**6, 100])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 0, next(free)))
    monkeypatch.setattr(transfer, "_DISK_STEP", 40_000)
    monkeypatch.setattr(transfer, "_CHUNK", 30_000)
    url = server.answer(file(CONTENT))
    said = refused(get, tmp_path, url)
    come = left(tmp_path)
    rest = disk.readable(len(CONTENT) - len(come))
    assert f": no disk left: {rest} are to come and 100 bytes are free at {tmp_path}/state; " in said
    assert CONTENT.startswith(come) and 80_000 <= len(come) < len(CONTENT)


def test_a_disk_that_becomes_full(server, get, tmp_path, monkeypatch):
    read = transfer._read

    def full(*args):
        if chunk := read(*args):
            raise OSError(errno.ENOSPC, "No space left on device")
        return chunk

    monkeypatch.setattr(transfer, "_read", full)
    url = server.answer(file(CONTENT))
    assert refused(get, tmp_path, url) == (
        f"{url}: no disk left at {tmp_path}/state; make room, or set data.source to another disk, and run again"
    )
    monkeypatch.undo()
    assert get(url).read_bytes() == CONTENT


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB."""
    disk = tmp_path / "small"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_real_disk_that_becomes_full(server, small_disk, monkeypatch):
    monkeypatch.setattr(transfer, "check_disk", lambda *_: None)  # as if another program had filled it in between
    url = server.answer(file(CONTENT))
    where = (small_disk / "a.zip", {"url": url, "sha256": SHA256}, small_disk / "state")
    assert message(fetch, *where, patience=QUICK) == (
        f"{url}: no disk left at {small_disk}/state; make room, or set data.source to another disk, and run again"
    )
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    begun = len(left(small_disk))
    assert fetch(*where, patience=QUICK).read_bytes() == CONTENT and server.ranges() == [None, f"bytes={begun}-"]


def test_a_real_small_disk_is_seen_before(server, small_disk):
    url = server.answer(file(CONTENT))
    said = message(fetch, small_disk / "a.zip", {"url": url}, small_disk / "state", patience=QUICK)
    assert said.startswith(f"{url}: no disk left: 102.4 kB are to come and ") and f"at {small_disk}/state; " in said


def test_a_place_on_another_disk_that_is_small(server, small_disk, tmp_path):
    url = server.answer(file(CONTENT))
    said = message(fetch, small_disk / "a.zip", {"url": url}, tmp_path / "state", patience=QUICK)
    assert f"free at {small_disk}; " in said


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "data").write_text("a file where a folder should be")
    said = message(fetch, tmp_path / "data" / "a.zip", {"url": server.answer(file(CONTENT))}, tmp_path / "state")
    assert said == f"{tmp_path}/data: cannot be written (File exists); mend its folder"


def test_another_disk(server, get, tmp_path, monkeypatch):
    """Where a rename cannot do it, the file is copied beside its place first."""
    replace = Path.replace

    def refuse(self, target):
        if self.suffix == ".part" and not self.name.startswith("."):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    source = get(server.answer(file(CONTENT)))
    assert source.read_bytes() == CONTENT and entries(source.parent) == ["a.zip"] and left(tmp_path) is None


def test_a_folder_to_another_disk(tmp_path, monkeypatch):
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "x").write_bytes(b"x")
    replace = Path.replace

    def refuse(self, target):
        if self == made:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    disk.place(made, tmp_path / "there")
    assert entries(tmp_path) == ["there"] and (tmp_path / "there" / "deep" / "x").read_bytes() == b"x"


PROGRAM = """
import sys
from pathlib import Path
from heatproof.data.download.fetch import fetch
fetch(Path(sys.argv[1]), {"url": sys.argv[2], "sha256": sys.argv[3]}, Path(sys.argv[4]))
"""


def start(tmp_path: Path, url: str) -> subprocess.Popen:
    arguments = [tmp_path / "data" / "a.zip", url, SHA256, tmp_path / "state"]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_is_resumed(server, get, tmp_path, kill):
    url = server.answer(file(CONTENT, stall=70_000), file(CONTENT))
    with start(tmp_path, url) as process:
        deadline = time.monotonic() + 20
        while not (left(tmp_path) or b"") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(kill)
        process.wait(10)
    begun = len(left(tmp_path))
    assert 0 < begun <= 70_000 and CONTENT.startswith(left(tmp_path))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, f"bytes={begun}-"]


def test_two_at_once_download_once(server, get, tmp_path):
    url = server.answer(file(CONTENT, stall=70_000), file(CONTENT))
    with start(tmp_path, url) as first:
        deadline = time.monotonic() + 20
        while not server.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        with start(tmp_path, url) as second:
            assert second.stderr.readline() == f"{tmp_path}/data/a.zip: another job is downloading it; waiting\n"
            time.sleep(0.2)
            assert len(server.asked) == 1 and second.poll() is None
            first.kill()
            assert second.wait(20) == 0
    assert (tmp_path / "data" / "a.zip").read_bytes() == CONTENT and len(server.asked) == 2


def test_progress_on_a_terminal_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with disk.Meter("a.zip", 4000, 1000) as meter:
        meter.update(3000)
    assert "\ra.zip:  25%|" in capsys.readouterr().err


def test_progress_in_a_log_is_few_lines(monkeypatch, capsys):
    clock = iter(range(0, 10_000))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with disk.Meter("a.zip", 1000, 500) as meter:
        for _ in range(500):
            meter.update(1)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"a.zip: {count} bytes of {total}"
        for count, total in [(600, "1.0 kB"), (700, "1.0 kB"), (800, "1.0 kB"), (900, "1.0 kB")]
    ] + ["a.zip: 1.0 kB of 1.0 kB"]
    with disk.Meter("b.zip", None) as meter:
        for _ in range(25):
            meter.update(1)
    assert capsys.readouterr().err.splitlines() == ["b.zip: 11 bytes", "b.zip: 22 bytes"]


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**6, "2.0 MB"), (3 * 10**12, "3000.0 GB")],
)
def test_bytes_for_people(count, said):
    assert disk.readable(count) == said


@pytest.fixture
def mendeley(server, monkeypatch, tmp_path):
    """The parts of Mendeley's public interface that its dataset pages use."""
    monkeypatch.setattr(download, "MENDELEY", server.root)

    def mendeley(dataset: str, files: object, folders: object = (), versions: object = ()) -> Path:
        name = dataset.partition("/")[0]
        for path, answer in (("versions", versions), ("files", files), ("folders/3", folders)):
            server.answer(document(json.dumps(answer)), path=f"/public-api/datasets/{name}/{path}")
        server.answer(redirect("/bucket.zip"), path=f"/public-api/zip/{name}/download/3")
        server.answer(file(CONTENT, cut=9), file(CONTENT), path="/bucket.zip")
        return fetch(tmp_path / "a.zip", {"mendeley": dataset, "url": None}, tmp_path / "state", patience=QUICK)

    return mendeley


def entry(server, sha256: str = SHA256) -> dict:
    details = {"download_url": f"{server.root}/public-files/one/file_downloaded", "sha256_hash": sha256}
    return {"filename": "one.zip", "size": len(CONTENT), "content_details": details}


def test_mendeley_gives_one_zip_of_many_files(server, mendeley):
    versions = [{"version": 1}, {"version": 3}, {"version": 2}]
    assert mendeley("bhmdr45bh2", [entry(server)] * 2, versions=versions).read_bytes() == CONTENT
    assert [path for path, _, _ in server.asked] == [
        "/public-api/datasets/bhmdr45bh2/versions",
        "/public-api/datasets/bhmdr45bh2/files?folder_id=root&version=3",
        "/public-api/datasets/bhmdr45bh2/folders/3",
        *["/public-api/zip/bhmdr45bh2/download/3", "/bucket.zip"] * 2,
    ]
    assert server.ranges()[-1] == "bytes=9-"


def test_mendeleys_only_file_comes_as_it_is(server, mendeley):
    server.answer(file(CONTENT), path="/public-files/one/file_downloaded")
    assert mendeley("bhmdr45bh2/3", [entry(server)]).read_bytes() == CONTENT
    assert server.asked[-1][0] == "/public-files/one/file_downloaded" and len(server.asked) == 3


@pytest.mark.parametrize("files", [[], {"files": []}, None, [{}], [{"content_details": {"download_url": 7}}]])
def test_a_listing_that_mendeley_gives_differently(mendeley, files):
    assert mendeley("bhmdr45bh2/3", files).read_bytes() == CONTENT


def test_mendeleys_file_is_checked(server, mendeley):
    server.answer(file(OTHER), path="/public-files/one/file_downloaded")
    said = message(mendeley, "bhmdr45bh2/3", [entry(server)])
    assert f", not {SHA256}; open {server.root}/datasets/bhmdr45bh2/3 in a browser and save the data as " in said


def test_mendeley_names_no_version(server, mendeley):
    assert message(mendeley, "bhmdr45bh2", [], versions={"error": "?"}) == (
        f"{server.root}/public-api/datasets/bhmdr45bh2/versions: names no version; set data.download.mendeley to "
        "bhmdr45bh2/VERSION"
    )


def test_mendeley_refuses_programs(server, mendeley, monkeypatch, tmp_path):
    monkeypatch.setattr(hostile, "document", None)
    server.scripts.clear()
    server.answer(status(403), path="/public-api/datasets/x/files")
    said = message(fetch, tmp_path / "a.zip", {"mendeley": "x/3"}, tmp_path / "state", patience=QUICK)
    assert said == (
        f"{server.root}/public-api/datasets/x/files: the server wants a login or refuses programs (403 Forbidden); "
        f"open {server.root}/datasets/x/3 in a browser and save the data as {tmp_path}/a.zip"
    )


def test_json_that_breaks_off(server):
    url = server.answer(status(500), file(b'{"a": 1}', cut=3), file(b'{"a": 1}'))
    assert get_json(url, by_hand="", patience=QUICK) == {"a": 1} and len(server.asked) == 3
    assert get_json(server.answer(status(200, body=b"<html>")), by_hand="", patience=QUICK) is None


@pytest.fixture
def kaggle(server, monkeypatch, tmp_path):
    """kagglehub itself, asking the server on loopback."""
    from kagglesdk import kaggle_env

    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.root)
    service = "/api/v1/datasets.DatasetApiService/"
    server.answer(document('{"currentVersionNumber": 3}'), path=f"{service}GetDataset")
    server.answer(redirect("/bucket"), path=f"{service}DownloadDataset")

    def kaggle(*script, patience: Patience = QUICK) -> Path:
        server.answer(*script, path="/bucket")
        return fetch(tmp_path / "scans", {"kaggle": "owner/scans"}, tmp_path / "state", patience=patience)

    return kaggle


def packed(size: int = 50_000) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Normal cases/a.png", os.urandom(size))
        archive.writestr("notes.txt", "x")
    return buffer.getvalue()


def bucket(content: bytes, **options) -> hostile.Answer:
    """A file as Kaggle's storage gives it: kagglehub resumes only where Accept-Ranges stands."""

    def answer(handler):
        send = handler.send_response

        def send_response(code, text=None):
            send(code, text)
            handler.send_header("Accept-Ranges", "bytes")

        handler.send_response = send_response
        file(content, **options)(handler)

    return answer


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_kaggle_unpacks_a_dataset_to_its_place(server, kaggle, tmp_path, capsys):
    source = kaggle(bucket(packed()))
    assert source == tmp_path / "scans" and names(source) == ["Normal cases/a.png", "notes.txt"]
    assert {Path(name).suffix for name in entries(tmp_path / "state")} == {".lock"}
    asked = len(server.asked)
    assert kaggle() == source and len(server.asked) == asked
    printed = capsys.readouterr()
    assert printed.out == "" and "\r" not in printed.err and "scans: 50.2 kB of 50.2 kB" in printed.err


@pytest.mark.slow
def test_kaggle_resumes(server, kaggle):
    content = packed(3_000_000)
    source = kaggle(bucket(content, cut=2_500_000), bucket(content))
    assert (source / "Normal cases" / "a.png").stat().st_size == 3_000_000
    assert "bytes=2097152-" in server.ranges(), "it writes a MiB at a time"


@pytest.mark.slow
def test_kaggle_stalls(server, kaggle, capsys):
    content = packed(3_000_000)
    kaggle(bucket(content, stall=2_500_000), bucket(content))
    assert "bytes=2097152-" in server.ranges() and "not a byte for" in capsys.readouterr().err


@pytest.mark.slow
def test_kaggle_serves_no_archive(server, kaggle, tmp_path):
    assert message(kaggle, bucket(b"not an archive")) == (
        "https://www.kaggle.com/datasets/owner/scans: what came is no archive, 4 times in a row; check the connection "
        "and run again"
    )
    assert not (tmp_path / "scans").exists()
    assert names(kaggle(bucket(packed()))) == ["Normal cases/a.png", "notes.txt"]


@pytest.mark.slow
def test_kaggle_checks_the_sum(kaggle):
    import base64

    content = packed()
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()

    def summed(body):
        return status(200, {"X-Goog-Hash": f"md5={md5}", "Accept-Ranges": "bytes"}, body)

    wrong = content[:-3] + b"xyz"
    assert names(kaggle(summed(wrong), summed(content))) == ["Normal cases/a.png", "notes.txt"]


def test_kaggle_has_no_disk(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 0, 60_000))
    said = message(kaggle, bucket(packed()))
    assert said.startswith(
        "https://www.kaggle.com/datasets/owner/scans: no disk left: 100.5 kB are to come and 60.0 kB"
    )


LOGIN = (
    "log in: make a token at kaggle.com (Settings, API) and put it into KAGGLE_API_TOKEN or ~/.kaggle/access_token; "
    "some datasets must also be agreed to on their page"
)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (401, f"the server wants a login (401); {LOGIN}"),
        (403, f"the server wants a login (403); {LOGIN}"),
        (404, "the server says 404; check data.download.kaggle"),
        (503, "the server says 503 Service Unavailable, 4 times in a row; check the connection and run again"),
    ],
)
@pytest.mark.slow
def test_kaggle_refuses(server, kaggle, code, what):
    server.answer(status(code), path="/api/v1/datasets.DatasetApiService/GetDataset")
    assert message(kaggle, bucket(b"")) == f"https://www.kaggle.com/datasets/owner/scans: {what}"


def test_kaggle_credentials_that_are_broken(kaggle, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text("not json")
    assert message(kaggle, bucket(b"")) == (
        "https://www.kaggle.com/datasets/owner/scans: Invalid Kaggle credentials file at "
        f"{tmp_path}/home/kaggle.json; {LOGIN}"
    )


def test_kaggle_leaves_requests_as_it_was(kaggle):
    import requests
    from kagglehub import clients

    send, tqdm = requests.adapters.HTTPAdapter.send, clients.tqdm
    kaggle(bucket(packed()))
    assert requests.adapters.HTTPAdapter.send is send and clients.tqdm is tqdm and "KAGGLEHUB_CACHE" not in os.environ
