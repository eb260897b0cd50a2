"""Which class, split and masks a file belongs to: all follow from where it lies and what it is called."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from heatproof.core.messages import InputError, listed, setting
from heatproof.data.sources.trees import Tree

GIVEN = ("column", "folder")  # values of data.split.by: where the split stands
SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "validate", "dev", "development"),
    "test": ("test", "testing"),
}
_SPLITS = {word: split for split, words in SPELLINGS.items() for word in words}


def split_of(word: str) -> str | None:
    """Return train, val or test for one of its spellings, None for any other word.

    >>> split_of(" Validation"), split_of("fold 1")
    ('val', None)
    """
    return _SPLITS.get(word.strip().lower())


def split_above(parts: Sequence[str], classes: Collection[str] = ()) -> str | None:
    """Return the split that a folder above a file is named after, None where there is none.

    Args:
        parts: of the path of the file; the last is its name.
        classes: names of folders that are classes, whatever they are called.

    Raises:
        InputError: two folders name different splits.
    """
    named = {part: split for part in parts[:-1] if part not in classes and (split := split_of(part))}
    if len(set(named.values())) > 1:
        raise InputError(f"{'/'.join(parts)}: lies below {' and '.join(named)}; keep one of these folders")
    return next(iter(named.values()), None)


STEM = "{stem}"  # in a pattern of masks: the name of the image without its suffix
LABEL = "{label}"  # the label that a mask is of
# what data sets add to the name of an image to name its mask
_ENDINGS = r"[ _.-]?(masks?|seg|segmentation|gt|ground[ _-]?truth|annotation)([ _.-]?\d+)?$"


def suffix(name: str) -> str:
    """The suffix of a path, in lower case with its dot; empty where there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def stem(name: str) -> str:
    """The path without its suffix."""
    return name[: -len(end)] if (end := suffix(name)) else name


def class_depth(parts: list[str], folders: Collection[str]) -> int | None:
    """Index of the nearest folder above a file that is a class's."""
    return next((index for index in range(len(parts) - 2, -1, -1) if parts[index] in folders), None)


ELSEWHERE = "(masks)"  # what a folder of masks that lies outside the source is called among its files


def elsewhere(where: str | None) -> tuple[Path, str] | None:
    """Return the folder on disk that a whole path of masks names, and the place of the masks among the source's files;
    None of masks inside the source.

    >>> elsewhere("/data/lesions/{stem}_mask*"), elsewhere("masks/{stem}_mask*")
    ((PosixPath('/data/lesions'), '(masks)/{stem}_mask*'), None)
    """
    folder, _, pattern = (where or "").rpartition("/") if STEM in (where or "") else (where or "", "", "")
    if not folder.startswith("~") and not Path(folder).is_absolute():
        return None
    return Path(folder).expanduser(), "/".join(filter(None, [ELSEWHERE, pattern]))


class Pattern(NamedTuple):
    """What masks are called: `before`, the image's name, and `after`, in which `*` stands for any text.

    `suffixed`: whether the pattern says which suffix masks have, as `{stem}.png` does; `words`: the labels that
    `{label}` stands for, whatever separates their parts; without any, for any text.
    """

    before: str
    after: str
    suffixed: bool
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, words: Iterable[str] = ()) -> "Pattern":
        """Read the file name of a pattern, such as `{stem}_mask*` or `{stem}_{label}*`.

        Raises:
            ValueError: `{stem}` does not stand in it once, or nothing tells a mask from its image.
        """
        before, _, after = text.partition(STEM)
        said = text.count(STEM) == 1 and LABEL not in before and after.count(LABEL) < 2 and "*" not in before
        if not said or not (before + after).strip("*"):
            raise ValueError(
                f"a pattern is {STEM} and what masks are called beyond it, such as {STEM}_mask*; * may "
                f"stand after {STEM}, and {LABEL} once"
            )
        return cls(before, after, re.search(r"\.\w+$", after) is not None, tuple(words))

    @property
    def labelled(self) -> bool:
        """Whether a mask's name says which label it is of."""
        return LABEL in self.after

    @property
    def _rest(self) -> re.Pattern[str]:
        """What stands after the image's name."""
        words = sorted(self.words, key=len, reverse=True)
        words = "|".join(r"[\W_]*".join(map(re.escape, re.findall(r"[^\W_]+", word))) for word in words)
        parts = [".*".join(map(re.escape, part.split("*"))) for part in self.after.split(LABEL)]
        return re.compile(f"(?P<label>{words or '.+?'})".join(parts), re.I | re.S)

    def label(self, name: str, image: str) -> str:
        """Return the label, as it is written, in the name of a mask of an image."""
        text = name if self.suffixed else stem(name)
        return self._rest.fullmatch(text, len(self.before) + len(image))["label"]

    def image(self, name: str, stems: Collection[str]) -> str | None:
        """The longest of some images' stems that a file is a mask of, None where there is none."""
        text, start = name if self.suffixed else stem(name), len(self.before)
        if not text.startswith(self.before):
            return None
        rest = self._rest
        ends = range(len(text), start, -1)
        return next((text[start:end] for end in ends if text[start:end] in stems and rest.fullmatch(text, end)), None)

    def fits(self, name: str) -> bool:
        """Whether a file is called like a mask, of whatever image."""
        text, start = name if self.suffixed else stem(name), len(self.before)
        return self.image(name, {text[start:end] for end in range(start + 1, len(text) + 1)}) is not None


def parsed(where: str, words: Iterable[str] = ()) -> tuple[str | None, Pattern | None]:
    """The folder and the pattern of `data.masks`: `masks`, `{stem}_mask*`, or `masks/{stem}_mask*`.

    Args:
        words: the labels that a pattern's `{label}` stands for.

    Raises:
        ValueError: a pattern is none, or lies deeper than in one folder.
    """
    if STEM not in where:
        return where, None
    folder, _, name = where.rpartition("/")
    if STEM in folder or "/" in folder:
        raise ValueError("at most one folder may come before the file name of a pattern")
    return folder or None, Pattern.of(name, words)


def beside(
    names: Iterable[str], pattern: Pattern, suffixes: Collection[str], stem_of: Callable[[str], str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Find the masks that lie in the folder of their image.

    Args:
        names: of all files.
        suffixes: of masks.
        stem_of: the name of an image as its mask has it.

    Returns:
        image without its suffix -> its masks; and files that are called like a mask of an image that is not there.
    """
    folders: dict[str, list[tuple[bool, str]]] = {}
    for path in names:
        above, _, name = path.rpartition("/")
        folders.setdefault(above, []).append((suffix(name) in suffixes and pattern.fits(name), name))
    found: dict[str, list[str]] = {}
    lost = []
    for above, files in folders.items():
        top, images = f"{above}/" if above else "", set()
        # from the shortest name on, so that of `a`, `a_mask` and `a_mask_1` the first alone is an image
        for fits, name in sorted(files, key=lambda file: (len(stem_of(file[1])), *file)):
            image = pattern.image(name, images) if fits else None
            if image is not None:
                found.setdefault(top + image, []).append(top + name)
            elif fits:
                lost.append(top + name)
            else:
                images.add(stem_of(name))
    return found, sorted(lost)


def suspects(names: Iterable[str]) -> dict[str, str]:
    """Files that are called like a mask of an image beside them, as `a_mask.png` beside `a.png`: mask -> image.

    >>> suspects(["x/a (1).png", "x/a (1)_mask.png", "x/a (1)_mask_1.png", "x/b_mask.png"])
    {'x/a (1)_mask.png': 'x/a (1).png', 'x/a (1)_mask_1.png': 'x/a (1).png'}
    """
    names = list(names)
    images = {stem(name): name for name in names}
    found = {}
    for name in names:
        image = images.get(_bare(stem(name)))
        if image not in (None, name):
            found[name] = image
    return found


def _bare(name: str) -> str | None:
    match = re.search(_ENDINGS, name, re.I)
    return name[: match.start()] if match else None


def pattern_for(mask: str, image: str) -> str:
    """The pattern that reads a mask beside its image and those called like it: `{stem}_mask*`."""
    ending = stem(mask).removeprefix(stem(image))
    return f"{STEM}{re.sub(r'[ _.-]?[0-9]+$', '', ending)}*"


class Masks:
    """The masks of a tree.

    In folders called `where` each has the name of its image, suffix aside. Such a folder stands beside or above the
    class folders, in them, or beside the folder that the image is in. With a pattern masks have the names that it
    gives, in such folders or beside their images, and an image may have several.

    Args:
        where: see `parsed`; None: there are no masks.
        folders: names of the folders of the classes.
        suffixes: of masks.
        shown: how errors name a mask.
        stem_of: the name of an image as its mask has it.
        given: whether folders named after splits tell images of one name apart.
        words: the labels that a pattern's `{label}` stands for.

    Raises:
        InputError: two masks are of one image, and no pattern says that there may be several.
    """

    def __init__(
        self,
        tree: Tree,
        where: str | None,
        folders: Collection[str],
        suffixes: set[str],
        shown: Callable[[str], str] = str,
        stem_of: Callable[[str], str] = stem,
        given: bool = False,
        words: Iterable[str] = (),
    ):
        self._source, self._shown, self._where = tree.source, shown, where
        self._folder, self._pattern = parsed(where, words) if where else (None, None)
        self._unknown: list[str] = []  # masks of labels that are none of `words`
        self._classes, self._given = folders, given
        self._used: set[str] = set()
        self._found: dict[str, list[str]] = {}  # by ids, places below a class, or paths (* for the folder) of images
        self._lost: list[str] = []
        if where and self._folder is None:
            self._found, self._lost = beside(tree.names, self._pattern, suffixes, stem_of)
        elif where:
            stems = {stem_of(name.rpartition("/")[2]) for name in tree.names if not self.hold(name)}
            for name in tree.names:
                if suffix(name) in suffixes and self.hold(name):
                    self._file(name, stems)
        self._held = {mask for masks in self._found.values() for mask in masks} | set(self._lost)

    def _file(self, name: str, stems: set[str]) -> None:
        """Put a mask down under what its image can be looked up by."""
        parts = name.split("/")
        image = stem(parts[-1])
        if self._pattern:
            if not self._pattern.fits(parts[-1]):
                if self._pattern.labelled and self._pattern._replace(words=()).image(parts[-1], stems) is not None:
                    self._unknown.append(name)
                return
            image = self._pattern.image(parts[-1], stems)
            if image is None:
                return self._lost.append(name)
        at = parts.index(self._folder)
        before, after = parts[:at], [*parts[at + 1 : -1], image]
        above = class_depth([*before, ""], self._classes)
        named = above is not None and class_depth(after, self._classes) is None
        key = self._key([*before[above:], *after] if named else after, self._part(parts))
        if self._found.setdefault(key, [name]) != [name]:
            if not self._pattern:
                both = f"{self._shown(self._found[key][0])} and {self._shown(name)}"
                raise InputError(f"{self._source}: {both} are masks of one image; rename one of them")
            self._found[key].append(name)
        path = self._found.setdefault("/".join([*before, "*", *after]), [])
        path += [name] if self._pattern or not path else []

    def _part(self, parts: list[str]) -> str:
        return (split_above(parts, self._classes) or "") if self._given else ""

    def _key(self, place: list[str], part: str) -> str:
        """A place below a class; images of one name in two splits have two."""
        if not self._given:
            return "/".join(place)
        kept = [folder for folder in place[:-1] if folder in self._classes or not split_of(folder)]
        return f"{part}:/{'/'.join([*kept, place[-1]])}"

    @property
    def labelled(self) -> bool:
        """Whether the name of a mask says which label it is of."""
        return self._pattern is not None and self._pattern.labelled

    def label(self, mask: str, image: str) -> str:
        """Return the label that the name of a mask says, as it says it; `image` is what masks call its image."""
        return self._pattern.label(mask.rpartition("/")[2], image)

    def hold(self, name: str) -> bool:
        """Whether a file is a mask, or lies in a folder of masks."""
        return self._folder in name.split("/")[:-1] if self._folder else bool(self._where) and name in self._held

    def take(self, parts: list[str], depth: int, name: str) -> tuple[str, ...]:
        """The masks of an image; `name` is the last of its path's parts, as masks have it.

        Raises:
            InputError: one is another image's already.
        """
        if not self._where:
            return ()
        place = [*parts[depth:-1], name]
        beside_it, in_its_place = "/".join([*parts[:-1], name]), "/".join([*parts[:-2], "*", name])
        keys = [self._key(cut, part) for part in (self._part(parts), "") for cut in (place, place[1:]) if cut]
        keys = [beside_it] if self._folder is None else [*keys, in_its_place]
        masks = next((self._found[key] for key in keys if key in self._found), [])
        if twice := self._used.intersection(masks):
            raise InputError(
                f"{self._source}: {self._shown(min(twice))} is the mask of two images; put masks into a folder a class"
            )
        self._used.update(masks)
        return tuple(masks)

    def check(self, stems: set[str]) -> None:
        """Make sure that there are masks, and each is of an image; one that belongs to no class will do.

        Args:
            stems: names of all images, as masks have them.

        Raises:
            InputError: there is none, or some fit no image.
        """
        if not self._where:
            return
        if self._unknown:
            raise InputError(
                f"{self._source}: {setting('data.masks')}: {len(self._unknown)} masks have unknown labels: "
                f"{listed(map(self._shown, self._unknown))}; add them to data.classes or data.synonyms"
            )
        strange = [masks for key, masks in self._found.items() if key.rpartition("/")[2] not in stems]
        lost = sorted({*self._lost, *(mask for masks in strange for mask in masks if mask not in self._used)})
        if lost or not self._found:
            fit = f"{len(lost)} masks fit no image: {listed(map(self._shown, lost))}"
            place = f"below a folder {self._folder!r}" if self._folder else "beside the images"
            called = f"no file called like {self._where!r}" if self._pattern else "no image"
            rule = f"a mask is called like {self._where!r}" if self._pattern else "a mask has the name of its image"
            raise InputError(f"{self._source}: {setting('data.masks')}: {fit if lost else f'{called} {place}'}; {rule}")
