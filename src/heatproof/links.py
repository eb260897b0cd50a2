"""How DVC puts files in place (`cache.type`): what is a link into its cache becomes a file of its own.

Snakemake writes its records and benchmarks in place, and refuses to make a file again that is read-only, as DVC's links
are. Root is not stopped, and would write through the link into the cache.
"""

import configparser
import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from heatproof.errors import InputError
from heatproof.progress import line

FOLDERS = [Path("results"), Path("benchmarks"), Path(".snakemake/metadata")]  # what dvc.yaml gives DVC to keep
CONFIGS = [Path("/etc/xdg/dvc/config"), Path("~/.config/dvc/config"), Path(".dvc/config"), Path(".dvc/config.local")]
FICLONE = 0x40049409  # ioctl(2) that makes a file share the blocks of another


def check_type() -> None:
    """Make sure that DVC can put files in place at all: where it cannot, it names no reason.

    Raises:
        InputError: `cache.type` is `reflink` alone, and the disk has none.
    """
    kind, said = "", Path()
    for path in CONFIGS:  # the later one holds
        config = configparser.ConfigParser(interpolation=None, strict=False)
        with suppress(configparser.Error, OSError):  # what is wrong with it is DVC's to say
            config.read(path.expanduser())
            kind, said = (config["cache"]["type"], path) if config.has_option("cache", "type") else (kind, said)
    if kind.strip(" \"'") == "reflink" and not _reflinks(Path()):
        raise InputError(
            f"{said}: cache.type: reflink: this disk has no reflinks, so DVC puts no file there; make it reflink,copy"
        )


def _reflinks(folder: Path) -> bool:
    with tempfile.TemporaryFile(dir=folder) as source, tempfile.TemporaryFile(dir=folder) as target:
        source.write(b"0" * 4096)
        source.flush()
        try:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        except OSError:
            return False
        return True


def linked(path: Path) -> bool:
    """Whether what is written to this path would reach another one."""
    try:
        facts = path.lstat()
    except FileNotFoundError:  # a job beside this dry run has taken it away
        return False
    if stat.S_ISLNK(facts.st_mode):
        return path.is_file()
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1


def own() -> None:
    """Copy each linked file of the project's outputs, with its times, and put the copy in the link's place.

    Raises:
        InputError: one cannot be copied, or DVC cannot put files in place here.
    """
    check_type()
    found = [path for folder in FOLDERS for path in _files(folder) if linked(path)]
    if found:
        line(f"{len(found)} files are links into DVC's cache: each becomes a file of its own, as jobs write in place")
    for path in found:
        temporary = path.with_name(f".own.{os.getpid()}.part")  # a record's name leaves no room for a longer one
        try:
            shutil.copy2(path, temporary)
            temporary.chmod(temporary.stat().st_mode | stat.S_IWUSR)
            temporary.replace(path)
        except FileNotFoundError:
            continue  # a job has made it anew meanwhile
        except OSError as error:
            raise InputError(
                f"{path}: a link into DVC's cache that cannot become a file of its own ({error.strerror}): mend"
                " that, or set cache.type in .dvc/config to reflink,copy and run `dvc checkout --relink`"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()


def _files(folder: Path) -> list[Path]:
    """Files below a folder; what vanishes meanwhile is left out."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in sorted(names)]
