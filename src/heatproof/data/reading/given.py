"""The user's own split: how train, val and test are spelled in the column of a table or in the names of folders."""

from collections.abc import Collection, Sequence

from heatproof.errors import InputError

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
