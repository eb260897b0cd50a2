"""A statement: what statistics or the audit found, before it is put into words by `text`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

Number = int | float | None


@dataclass(frozen=True)
class Statement:
    """One finding as a value; its kind names the template of the sentence.

    Args:
        kind: what is stated, `area.outcome`, such as `pairs.no_evidence`.
        subjects: role -> the names it is about, such as `models`, `methods`, `metric`.
        numbers: name -> effect, interval bound, p value, count or level; or one for each of the subjects of a role.
        reason: code of why nothing can be stated; None where something is.
        evidence: anchors of the tables and rows that it is based on.

    Example:
        >>> Statement.of({"kind": "pairs.apart", "subjects": {"models": ["a", "b"]}}).subjects["models"]
        ('a', 'b')
    """

    kind: str
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, Number | tuple[Number, ...]] = field(default_factory=dict)
    reason: str | None = None
    evidence: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping) -> "Statement":
        """Return the statement that `stored` made JSON of.

        Raises:
            TypeError: a key is unknown or `kind` is missing.
        """
        subjects = {role: tuple(names) for role, names in stored.get("subjects", {}).items()}
        numbers = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.get("numbers", {}).items()
        }
        evidence = tuple(stored.get("evidence", ()))
        return cls(**{**stored, "subjects": subjects, "numbers": numbers, "evidence": evidence})

    @property
    def area(self) -> str:
        """What is spoken of: the kind's first part."""
        return self.kind.split(".")[0]

    def one(self, role: str) -> str:
        """Return the first name of a role, "" where there is none."""
        return next(iter(self.subjects.get(role, ())), "")

    def stored(self) -> dict:
        """Return what JSON holds of it, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {}, ())}
