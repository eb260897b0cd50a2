"""Which study plays which part in the findings: `docs/findings/studies.yaml`."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from heatproof.config import StrictLoader
from heatproof.errors import InputError
from heatproof.schema_base import Section

FOLDER = Path("docs/findings")
ROLES = FOLDER / "studies.yaml"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class Transformer(Section):
    """The model whose heatmaps by `methods` are held against those by `reference`."""

    model: str
    reference: str
    methods: Annotated[list[str], Field(min_length=1)]


class Gpu(Section):
    """What the estimate for a GPU assumes, and why."""

    sustained_tflops: Annotated[float, Field(gt=0)]
    reason: str


class Roles(Section):
    """The studies by their parts; those of `cue` from the lowest rate up."""

    real: Name
    full: Name
    truth: Name
    cue: Annotated[list[Name], Field(min_length=1)]
    synthetic: Name
    attention: Name
    xray: Name
    machine: Annotated[str, Field(pattern=r"\S")]
    transformer: Transformer
    gpu: Gpu

    @property
    def studies(self) -> list[str]:
        """Those of the first paper that run here, in the order of the text."""
        return [self.real, self.truth, *self.cue, self.synthetic, self.attention]


def read(path: Path = ROLES) -> Roles:
    """Read and check the parts.

    Raises:
        InputError: the file is not there or not YAML, a key is missing, unknown or of the wrong kind, or a study has no
            file below `studies/`; a line for each mistake with file, key and mend.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run in the folder of a heatproof project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())}); mend it") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be keys and values, such as `real: phantom`")
    try:
        roles = Roles.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(_explain(path, item) for item in error.errors())) from None
    absent = [name for name in [*roles.studies, roles.full, roles.xray] if not Path(f"studies/{name}.yaml").exists()]
    if absent:
        lines = (f"{path}: {name!r}: no file studies/{name}.yaml; write it or name another study" for name in absent)
        raise InputError("\n".join(lines))
    return roles


def _explain(path: Path, item: dict) -> str:
    key = ".".join(map(str, item["loc"]))
    if item["type"] == "missing":
        return f"{path}: {key}: not set; add it"
    if item["type"] == "extra_forbidden":
        section = {"transformer": Transformer, "gpu": Gpu}.get(item["loc"][0] if len(item["loc"]) > 1 else "", Roles)
        return f"{path}: {key}: unknown key; allowed: {', '.join(section.model_fields)}"
    return f"{path}: {key}: {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}"
