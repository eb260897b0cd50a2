"""How DVC puts files in place (`cache.type`): as reflinks or copies, so that jobs never write into its cache."""

import configparser
from contextlib import suppress
from pathlib import Path

from heatproof.errors import InputError

# the first that sets the type holds
CONFIGS = [Path(".dvc/config.local"), Path(".dvc/config"), Path("~/.config/dvc/config"), Path("/etc/xdg/dvc/config")]


def check_type() -> None:
    """Refuse hard and symbolic links: Snakemake writes its records in place, through a link into the cache.

    Raises:
        InputError: `cache.type` allows links.
    """
    for path in CONFIGS:
        config = configparser.ConfigParser(interpolation=None, strict=False)
        with suppress(configparser.Error, OSError):  # DVC reports what is wrong with its configuration
            config.read(path.expanduser())
        if config.has_option("cache", "type"):
            types = config["cache"]["type"].strip(" \"'")
            if not {kind.strip() for kind in types.split(",")} <= {"reflink", "copy"}:
                raise InputError(
                    f"{path}: cache.type: {types}: jobs would write through links into DVC's cache; run"
                    " `dvc config --local cache.type reflink,copy && dvc checkout --relink`"
                )
            return
