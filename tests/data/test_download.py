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
import ssl
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from data import hostile
from data.hostile import document, file, redirect, status

from heatproof.core.messages import InputError
from heatproof.data.download import transfer
from heatproof.data.download.transfer import fetch

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
OTHER = bytes(reversed(range(256))) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    for name, value in {"ATTEMPTS": 4, "PROGRESS": 10**9, "BACKOFF": 0.001, "TIMEOUT": (1, 0.2)}.items():
        monkeypatch.setattr(transfer, name, value)


@pytest.fixture
def server():
    with hostile.Server() as server:
        yield server


@pytest.fixture
def get(tmp_path):
    """Fetch an address to tmp_path/data/a.zip."""

    def get(url: str, sha256: str | None = SHA256) -> Path:
        return fetch(tmp_path / "data" / "a.zip", {"url": url, "sha256": sha256}, tmp_path / "state")

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
    assert begun == f"{tmp_path}/data/a.zip: not found; downloading {url} to it"
    assert said[0] == f"{url}: the connection broke off; attempt 2 of 4 in 0 s"
    assert said[-1] == "a.zip: 102.4 kB of 102.4 kB"


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
        said = refused(get, tmp_path, url)
    assert said == f"{url}: not a byte for 0.2 s, 4 times in a row; check the connection and run again"


def test_the_next_call_goes_on(server, get, tmp_path):
    url = server.answer(file(CONTENT, cut=20_000), file(CONTENT, cut=0))
    assert refused(get, tmp_path, url).endswith(
        "broke off, 4 times in a row; check the connection and run again to go on from 20.0 kB"
    )
    server.asked.clear()
    server.answer(file(CONTENT))
    assert get(url).read_bytes() == CONTENT and server.ranges() == ["bytes=20000-"]


def test_attempts_count_from_the_last_progress(server, get, monkeypatch):
    monkeypatch.setattr(transfer, "PROGRESS", 5000)
    url = server.answer(*[file(CONTENT, cut=10_000)] * 10, file(CONTENT))
    assert get(url).read_bytes() == CONTENT and len(server.asked) == 11


@pytest.mark.slow
def test_whatever_happens_the_file_is_right(server, tmp_path, monkeypatch):
    """Faults drawn at random, then a good server: one version of the file, whole, and with a sum the one meant."""
    monkeypatch.setattr(transfer, "ATTEMPTS", 9)
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
                    fetch(source, download, tmp_path / "state")
                    break
                except InputError:  # 416 without a part, a wrong sum, ...: the user runs it again
                    continue
            assert source.read_bytes() in ((CONTENT,) if sums else (CONTENT, OTHER)), number


def test_a_file_that_starts_again_each_time_gets_no_further(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "PROGRESS", 5000)
    url = server.answer(file(CONTENT, cut=90_000, ranges=False))
    assert "broke off, 4 times in a row" in refused(get, tmp_path, url) and len(server.asked) == 4


def test_a_server_that_ignores_range(server, get):
    url = server.answer(file(CONTENT, cut=30_000), file(CONTENT, ranges=False))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=30000-"]


def test_a_file_that_changed_in_between_starts_again(server, get):
    url = server.answer(file(OTHER, cut=30_000, etag='"old"'), file(CONTENT, etag='"new"'))
    assert get(url).read_bytes() == CONTENT and len(server.asked) == 2


@pytest.mark.parametrize("sha256", [SHA256, None])
@pytest.mark.parametrize("new", ['"new"', 'W/"new"'])
def test_a_changed_file_from_a_server_that_ignores_if_range(server, get, sha256, new):
    url = server.answer(file(OTHER, cut=30_000, etag='"old"'), file(CONTENT, etag=new, vouch=False))
    assert get(url, sha256).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=30000-", None]


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


@pytest.mark.parametrize("span", ["bytes 29999-102399/102400", "bytes x"])
def test_a_rest_that_does_not_fit(server, get, span):
    url = server.answer(file(CONTENT, cut=30_000), file(CONTENT, span=span), file(CONTENT))
    assert get(url).read_bytes() == CONTENT and server.ranges() == [None, "bytes=30000-", None]


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
        f"else download it by hand to {tmp_path}/data/a.zip; the downloaded file is at {part.format(kept.name)}"
    )
    assert left(tmp_path) == OTHER and len(server.asked) == 1
    server.answer(file(CONTENT, etag='"new"'))
    assert get(url).read_bytes() == CONTENT, "the next call fetches it anew"


def test_wrong_bytes_that_turn_out_to_be_right(server, get, tmp_path):
    url = server.answer(file(OTHER))
    refused(get, tmp_path, url)
    assert get(url, hashlib.sha256(OTHER).hexdigest()).read_bytes() == OTHER
    assert server.ranges() == [None, "bytes=102400-"], "nothing was missing"


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
        f"{url}: the server reports 503 Service Unavailable, 4 times in a row; check the connection and run again"
    )


@pytest.mark.parametrize("pause", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_server_that_asks_for_a_pause(server, get, capsys, monkeypatch, pause):
    monkeypatch.setattr(transfer, "LONGEST", 1)
    begun = time.monotonic()
    get(server.answer(status(503, {"Retry-After": pause}), file(CONTENT)))
    assert time.monotonic() - begun >= 1 and "attempt 2 of 4 in 1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (404, "the server reports 404 Not Found; check the address, or download it by hand to {}"),
        (410, "the server reports 410 Gone; check the address, or download it by hand to {}"),
        (403, "the server requires a login or blocks programs (403 Forbidden); download it by hand to {}"),
        (401, "the server requires a login or blocks programs (401 Unauthorized); download it by hand to {}"),
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
    assert refused(get, tmp_path, url) == f"{url}: TooManyRedirects; check the address"


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/a.zip", "file:///etc/passwd"])
def test_a_redirect_to_something_else(server, get, tmp_path, to):
    url = server.answer(redirect(to))
    assert refused(get, tmp_path, url) == f"{url}: InvalidSchema; check the address"


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
        "http://data.invalid/a.zip: the name of the server cannot be resolved, 4 times in a row; "
        "check the connection and run again"
    )


def test_a_server_without_tls(server, get, tmp_path):
    url = server.answer(file(CONTENT)).replace("http:", "https:")
    assert refused(get, tmp_path, url) == (
        f"{url}: no TLS connection, 4 times in a row; check the connection and run again"
    )


def test_a_certificate_that_is_not_trusted(get, tmp_path, monkeypatch):
    def connect(*_, **__):
        raise ssl.SSLCertVerificationError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", connect)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/a.zip"
        assert refused(get, tmp_path, url) == (
            f"{url}: the server's certificate is not trusted; check the address, or name your network's certificates "
            "in REQUESTS_CA_BUNDLE"
        )


def test_passwords_and_signatures_are_not_shown(server, get, tmp_path):
    url = server.answer(status(404)).replace("//", "//me:secret@") + "?signature=secret"
    assert "secret" not in refused(get, tmp_path, url)
    assert transfer.shown("https://me:secret@host:8/a%20b?x=secret#y") == "https://host:8/a%20b"


def test_no_disk_before_the_first_byte(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    url = server.answer(file(CONTENT))
    assert refused(get, tmp_path, url) == (
        f"{url}: no disk left: 102.4 kB are to come and 1.0 kB are free at {tmp_path}/state; make room and run again"
    )
    assert left(tmp_path) == b""


def test_a_disk_that_becomes_full(server, get, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    url = server.answer(file(CONTENT))
    said = f"{tmp_path}/data/a.zip: no disk left at {tmp_path}/state or at {tmp_path}/data; make room and run again"
    assert refused(get, tmp_path, url) == said
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
    url = server.answer(file(CONTENT))
    where = (small_disk / "a.zip", {"url": url, "sha256": SHA256}, small_disk / "state")
    assert message(fetch, *where).startswith(f"{url}: no disk left: 102.4 kB are to come and ")
    with monkeypatch.context() as patch:  # as if another program filled it in between
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 10**9))
        assert f"no disk left at {small_disk}/state" in message(fetch, *where)
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    begun = len(left(small_disk))
    assert fetch(*where).read_bytes() == CONTENT and server.ranges() == [None, None, f"bytes={begun}-"]


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "data").write_text("a file where a folder should be")
    said = message(fetch, tmp_path / "data" / "a.zip", {"url": server.answer(file(CONTENT))}, tmp_path / "state")
    assert said == f"{tmp_path}/data: cannot be written (File exists); make its folder writable"


@pytest.mark.parametrize("folder", [False, True])
def test_another_disk(tmp_path, monkeypatch, folder):
    """Where a rename cannot do it, a copy beside the place comes first."""
    made, place, rename = tmp_path / "made", tmp_path / "there" / "a", os.rename
    for path in (made, place.with_name(".a.part")):  # the second is what a killed call left
        (path / "deep").mkdir(parents=True)
        (path / "deep" / path.name).write_bytes(b"x")
    if not folder:
        made = made / "deep" / "made"

    def refuse(source, target):
        if Path(source) == made:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    transfer.place(made, place)
    assert entries(tmp_path / "there") == ["a"] and not made.exists()
    assert (names(place) == ["deep/made"]) if folder else (place.read_bytes() == b"x")


PROGRAM = """
import sys
from pathlib import Path
from heatproof.data.download.transfer import fetch
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


def test_progress_on_a_terminal_is_a_bar(server, get, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    get(server.answer(file(CONTENT, cut=30_000), file(CONTENT)))
    assert "\ra.zip:  29%|" in capsys.readouterr().err


@pytest.mark.parametrize(("quiet", "lines"), [(-1.0, 5), (1000.0, 1)])
def test_progress_in_a_log_is_a_line_now_and_then(monkeypatch, capsys, quiet, lines):
    monkeypatch.setattr(transfer, "QUIET", quiet)
    assert list(transfer._metered(iter([b"x" * 250] * 4), "a.zip", 1000, 2000)) == [b"x" * 250] * 4
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines and said[-1] == "a.zip: 2.0 kB of 2.0 kB"


@pytest.fixture
def mendeley(server, monkeypatch, tmp_path):
    """The parts of Mendeley's public interface that its dataset pages use."""
    monkeypatch.setattr(transfer, "MENDELEY", server.root)

    def mendeley(dataset: str, files: object, folders: object = (), versions: object = ()) -> Path:
        name = dataset.partition("/")[0]
        for path, answer in (("versions", versions), ("files", files), ("folders/3", folders)):
            server.answer(document(json.dumps(answer)), path=f"/public-api/datasets/{name}/{path}")
        server.answer(redirect("/bucket.zip"), path=f"/public-api/zip/{name}/download/3")
        server.answer(file(CONTENT, cut=9), file(CONTENT), path="/bucket.zip")
        return fetch(tmp_path / "a.zip", {"mendeley": dataset, "url": None}, tmp_path / "state")

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


def test_mendeley_refuses_programs(server, mendeley, tmp_path):
    server.answer(status(403), path="/public-api/datasets/x/files")
    said = message(fetch, tmp_path / "a.zip", {"mendeley": "x/3"}, tmp_path / "state")
    assert said == (
        f"{server.root}/public-api/datasets/x/files: the server requires a login or blocks programs (403 Forbidden); "
        f"open {server.root}/datasets/x/3 in a browser and save the data as {tmp_path}/a.zip"
    )


def test_json_that_breaks_off(server):
    url = server.answer(status(500), file(b'{"a": 1}', cut=3), file(b'{"a": 1}'))
    assert transfer.get_json(url, "") == {"a": 1} and len(server.asked) == 3
    assert transfer.get_json(server.answer(status(200, body=b"<html>")), "") is None


@pytest.fixture
def kaggle(server, monkeypatch, tmp_path):
    """kagglehub itself, asking the server on loopback."""
    from kagglesdk import kaggle_env

    for name in ("KAGGLEHUB_CACHE", "DISABLE_KAGGLE_CACHE", "DISABLE_COLAB_CACHE"):
        monkeypatch.setenv(name, "")  # so that what the call sets is taken back
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.root)
    service = "/api/v1/datasets.DatasetApiService/"
    server.answer(document('{"currentVersionNumber": 3}'), path=f"{service}GetDataset")
    server.answer(redirect("/bucket"), path=f"{service}DownloadDataset")

    def kaggle(*script) -> Path:
        server.answer(*script, path="/bucket")
        return fetch(tmp_path / "scans", {"kaggle": "owner/scans"}, tmp_path / "state")

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


KAGGLE = "https://www.kaggle.com/datasets/owner/scans: "
FIX = (
    "check data.download.kaggle and the connection; log in (make a token at kaggle.com, Settings, API; put it into "
    "KAGGLE_API_TOKEN or ~/.kaggle/access_token) and agree to the dataset's terms on its page; then run again"
)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_kaggle_unpacks_a_dataset_to_its_place(server, kaggle, tmp_path):
    source = kaggle(bucket(packed()))
    assert source == tmp_path / "scans" and names(source) == ["Normal cases/a.png", "notes.txt"]
    assert {Path(name).suffix for name in entries(tmp_path / "state")} == {".lock"}
    asked = len(server.asked)
    assert kaggle() == source and len(server.asked) == asked


@pytest.mark.slow
def test_kaggle_goes_on_where_it_broke_off(server, kaggle):
    content = packed(3_000_000)
    said = message(kaggle, bucket(content, cut=2_500_000))
    assert said.startswith(KAGGLE) and said.endswith(FIX)
    source = kaggle(bucket(content))
    assert (source / "Normal cases" / "a.png").stat().st_size == 3_000_000
    assert "bytes=2097152-" in server.ranges(), "it writes a MiB at a time"


@pytest.mark.slow
def test_kaggle_serves_no_archive(kaggle, tmp_path):
    assert message(kaggle, bucket(b"not an archive")).startswith(KAGGLE)
    assert not (tmp_path / "scans").exists()
    assert names(kaggle(bucket(packed()))) == ["Normal cases/a.png", "notes.txt"], "the damaged one is not continued"


@pytest.mark.slow
@pytest.mark.parametrize("code", [401, 403, 404, 503])
def test_kaggle_refuses(server, kaggle, code):
    server.answer(status(code), path="/api/v1/datasets.DatasetApiService/GetDataset")
    said = message(kaggle, bucket(b""))
    assert said.startswith(KAGGLE) and str(code) in said and said.endswith(FIX)


def test_kaggle_credentials_that_are_broken(kaggle, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text("not json")
    wrong = f"Invalid Kaggle credentials file at {tmp_path}/home/kaggle.json"
    assert message(kaggle, bucket(b"")) == f"{KAGGLE}{wrong}; {FIX}"


def test_kaggle_on_a_full_disk(kaggle, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kagglehub.dataset_download", full)
    said = message(kaggle)
    assert said == f"{tmp_path}/scans: no disk left at {tmp_path}/state or at {tmp_path}; make room and run again"
