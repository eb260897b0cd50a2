"""What a job of the workflow is about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from heatproof.artifacts import Checkpoint
from heatproof.schema import Recipe, Study


@dataclass(frozen=True)
class Job:
    """A study by its name; where it is about a checkpoint, its model, seed and fold; of scores, their family; of one
    method alone, which one; of a part of the images, which one.

    Wildcards of the rules have these names.
    """

    name: str
    study: Study
    model: str = ""
    seed: str = ""
    fold: str = ""
    family: str = ""
    method: str = ""
    shard: str = ""
    running: frozenset[str] = frozenset()  # names of the studies of this run

    @classmethod
    def of(cls, studies: Mapping[str, Study], wildcards: Mapping[str, str]) -> "Job":
        """Return the job of a rule's wildcards."""
        known = {"model", "seed", "fold", "family", "shard"} & set(wildcards)
        found = {key: wildcards[key] for key in known}
        return cls(wildcards["study"], studies[wildcards["study"]], **found, running=frozenset(studies))

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, with its paths."""
        return Checkpoint(self.name, self.model, self.seed, self.fold)

    @property
    def recipe(self) -> Recipe:
        """How the model is trained."""
        return self.study.train.recipe(self.model)

    def at(self, **changed: str | int) -> "Job":
        """Return the same job of another model, seed, fold or family."""
        return replace(self, **{key: str(value) for key, value in changed.items()})
