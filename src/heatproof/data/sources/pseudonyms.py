"""Pseudonyms: what stands for patients, studies and files wherever heatproof writes.

A pseudonym is an HMAC-SHA256 (RFC 2104) under a key of the user's, so that the same patient has the same pseudonym in
every file and every run, and nobody without the key can test a guess: a plain hash would not do, for patient numbers
are few enough to try them all. Who loses the key loses the link; who leaks it leaks every identifier that can be
guessed. It belongs outside of the project's folder, of git and of what DVC pushes.

What is replaced: PatientID, StudyInstanceUID, names of files and folders (they often hold either), and the SHA-256 of
a file (who has the archive that it came from could look it up).

No table from pseudonyms to names is ever written, printed or logged. Whoever holds the files and the key finds one with

    python -m heatproof.data.sources.pseudonyms SOURCE KEY_FILE PSEUDONYM [PSEUDONYM ...]

which prints names on the terminal, and is best run on one.
"""

import argparse
import hashlib
import hmac
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from heatproof.core.messages import InputError, setting
from heatproof.data.sources.trees import Tree, open_tree

SHORTEST = 16  # bytes of a key
HINT = "to find a file: python -m heatproof.data.sources.pseudonyms SOURCE KEY_FILE PSEUDONYM"


def read_key(path: str | Path) -> bytes:
    """The bytes of the user's key file.

    Raises:
        InputError: it is not there, cannot be read, or has fewer than 16 bytes.
    """
    named = f"{path}: {setting('data.key_file')}"
    make = f"make one with `head -c 32 /dev/urandom > {shlex.quote(str(path))}`"
    try:
        key = Path(path).expanduser().read_bytes()
    except FileNotFoundError:
        raise InputError(f"{named}: not found; {make} and keep it safe: another one gives other pseudonyms") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{named}: cannot be read ({reason}); set it to a file with a secret") from None
    if len(key) < SHORTEST:
        raise InputError(f"{named}: {len(key)} bytes, but a key needs at least {SHORTEST}; {make}")
    return key


class Pseudonyms:
    """Pseudonyms under one key. Each kind has its own: a patient and a study of one number do not look alike."""

    def __init__(self, key: bytes):
        if len(key) < SHORTEST:
            raise ValueError(f"a key of {len(key)} bytes; it needs at least {SHORTEST}")
        self._key = key

    def patient(self, identifier: str) -> str:
        """`patient-` and 16 hex digits, for a PatientID."""
        return f"patient-{self._digest('patient', identifier.encode('utf-8', 'backslashreplace'))[:16]}"

    def study(self, uid: str) -> str:
        """`study-` and 16 hex digits, for a StudyInstanceUID: it stands for the patient where no PatientID does."""
        return f"study-{self._digest('study', uid.encode('utf-8', 'backslashreplace'))[:16]}"

    def file(self, name: str) -> str:
        """16 hex digits for the path of a file, relative to the source."""
        return self._digest("file", name.encode("utf-8", "backslashreplace"))[:16]

    def instance(self, uid: str) -> str:
        """64 hex digits for a SOPInstanceUID, by which annotations name an image."""
        return self._digest("instance", uid.encode("utf-8", "backslashreplace"))

    def content(self, content: bytes) -> str:
        """64 hex digits for the bytes of a file: equal for equal files, as a SHA-256 is."""
        return self._digest("content", content)

    def _digest(self, kind: str, value: bytes) -> str:
        return hmac.new(self._key, kind.encode() + b"\0" + value, hashlib.sha256).hexdigest()


def locate(tree: Tree, key: bytes, pseudonyms: Iterable[str]) -> dict[str, str | None]:
    """The name of the file behind each pseudonym, with or without its class; None where there is none."""
    names = Pseudonyms(key)
    known = {names.file(name): name for name in tree.names}
    return {pseudonym: known.get(pseudonym.rpartition("/")[2]) for pseudonym in pseudonyms}


def main(arguments: list[str] | None = None) -> int:
    """Print the file behind each pseudonym: on the terminal, for whoever holds the files and the key."""
    parser = argparse.ArgumentParser(prog="python -m heatproof.data.sources.pseudonyms", description=main.__doc__)
    parser.add_argument("source", type=Path, help="data.source")
    parser.add_argument("key_file", type=Path, help="data.key_file")
    parser.add_argument("pseudonym", nargs="+", help="as errors and quarantine.csv give it")
    given = parser.parse_args(arguments)
    try:
        with open_tree(given.source) as tree:
            found = locate(tree, read_key(given.key_file), given.pseudonym)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    for pseudonym, name in found.items():
        print(f"{pseudonym}\t{name or 'no file of this source under this key'}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
