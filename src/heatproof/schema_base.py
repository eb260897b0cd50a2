"""What every section of the configuration is made of."""

from collections.abc import Callable, Collection
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _nothing(cls, value: Any, info: ValidationInfo) -> Any:
        """Read null as the command line gives it, which is as a text, where a key may be left out."""
        optional = cls.model_fields[info.field_name].default is None
        return None if optional and isinstance(value, str) and value.lower() in ("null", "~", "none") else value


def number(value: Any) -> Any:
    """The command line gives texts, and pydantic does not read a literal number out of one."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def check_places(path: str, name: str = "") -> None:
    """Raise ValueError unless `{model}` and `{seed}` are all that is to be filled in: formats can do more than that."""
    try:
        parts = [part for part in Formatter().parse(path) if part[1] is not None]
        known = all(field in ("model", "seed") and not spec and not conversion for _, field, spec, conversion in parts)
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{name}only {{model}} and {{seed}} may stand in braces")


def one_of(names: Callable[[], Collection[str]], part: Callable[[str], str] = str) -> AfterValidator:
    """A name of which `part` is registered somewhere."""

    def check(value: str) -> str:
        if part(value) not in names():
            raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(names())})
        return value

    return AfterValidator(check)


def distinct(values: list) -> list:
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return values


Distinct = AfterValidator(distinct)
