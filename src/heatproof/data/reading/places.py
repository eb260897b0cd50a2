"""Which class a file belongs to, and which mask: both are told by the folders that it lies in."""

from collections.abc import Callable

from heatproof.data.reading.names import listed
from heatproof.data.reading.trees import Tree
from heatproof.errors import InputError


def suffix(name: str) -> str:
    """The suffix of a path, in lower case with its dot; empty where there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def stem(name: str) -> str:
    """The path without its suffix."""
    return name[: -len(end)] if (end := suffix(name)) else name


def class_depth(parts: list[str], folders: dict[str, int]) -> int | None:
    """Index of the nearest folder above a file that is a class's."""
    return next((index for index in range(len(parts) - 2, -1, -1) if parts[index] in folders), None)


class Masks:
    """The masks of a tree: they lie in folders called `masks`, each with the name of its image, suffix aside.

    Such a folder stands beside or above the class folders, in them, or beside the folder that the image is in.

    Args:
        folder: what these folders are called; None: there are no masks.
        folders: class folder to label.
        suffixes: of masks.
        shown: how errors name a mask.

    Raises:
        InputError: two masks are of one image.
    """

    def __init__(
        self,
        tree: Tree,
        folder: str | None,
        folders: dict[str, int],
        suffixes: set[str],
        shown: Callable[[str], str] = str,
    ):
        self._source, self._folder, self._shown = tree.source, folder, shown
        self._used: set[str] = set()
        self._found: dict[str, str] = {}  # by ids, places below a class, or paths (with * for the folder) of images
        for name in tree.names:
            parts = name.split("/")
            if not self.hold(parts) or suffix(name) not in suffixes:
                continue
            at = parts.index(folder)
            before, after = parts[:at], [*parts[at + 1 : -1], stem(parts[-1])]
            above = class_depth([*before, ""], folders)
            named = above is not None and class_depth(after, folders) is None
            key = "/".join([*before[above:], *after] if named else after)
            if self._found.setdefault(key, name) != name:
                both = f"{shown(self._found[key])} and {shown(name)}"
                raise InputError(f"{tree.source}: {both} are masks of one image; rename one of them")
            self._found.setdefault("/".join([*before, "*", *after]), name)

    def hold(self, parts: list[str]) -> bool:
        """Whether a file lies in a folder of masks."""
        return self._folder in parts[:-1]

    def take(self, parts: list[str], depth: int, name: str) -> str | None:
        """The mask of an image; `name` is the last of its path's parts, as masks have it.

        Raises:
            InputError: it is another image's already.
        """
        place = [*parts[depth:-1], name]
        keys = ("/".join(place), "/".join(place[1:]), "/".join([*parts[:-2], "*", name]))
        mask = next((self._found[key] for key in keys if key in self._found), None)
        if mask in self._used:
            raise InputError(
                f"{self._source}: {self._shown(mask)} is the mask of two images; put masks into a folder a class"
            )
        self._used.update([mask] if mask else [])
        return mask

    def check(self, stems: set[str]) -> None:
        """Make sure that there are masks, and each is of an image; one that belongs to no class will do.

        Args:
            stems: names of all images, as masks have them.

        Raises:
            InputError: there is none, or some fit no image.
        """
        if self._folder is None:
            return
        unused = set(self._found.values()) - self._used
        lost = sorted(name for name in unused if stem(name.rpartition("/")[2]) not in stems)
        if lost or not self._found:
            fit = f"{len(lost)} masks fit no image: {listed(map(self._shown, lost))}"
            what = fit if lost else f"no image below a folder {self._folder!r}"
            raise InputError(f"{self._source}: data.masks: {what}; a mask has the name of its image")
