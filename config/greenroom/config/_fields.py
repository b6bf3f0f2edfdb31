"""The kinds of value that a deployment file holds, each with its limits."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

DAY_S: Final = 86_400.0
MINUTE_MS: Final = 60_000.0
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
LABEL_PATTERN: Final = r"^[^/\x00-\x1f\x7f]{1,128}$"
FOREIGN_PATTERN: Final = r"^[^\x00-\x1f\x7f]{1,256}$"
VARIABLE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
SECRET: Final = re.compile(r"(^|_)(token|secret|password|passwd|api_?key)$", re.IGNORECASE)
"""Keys whose values are secrets."""
AUDIO_SUFFIXES: Final = (".wav", ".flac")
"""What an output may end in: what `greenroom.adapters.files.FileSink` writes."""


class Section(BaseModel):
    """One table of the file: frozen, strict, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


def _steps(value: object) -> object:
    """Let a pipeline be the name of one, or a list of processors; a tuple inside."""
    if isinstance(value, list):
        return tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - checked below
    return value


def _names_something(value: object) -> object:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, tuple) and value and all(isinstance(v, str) and v for v in value):  # pyright: ignore[reportUnknownVariableType]
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError(
        "pipeline",
        'must be the name of a pipeline, or a list of processors that names at least one: ["denoise"]',
    )


def _file_name(value: str) -> str:
    """Refuse folders and formats that cannot be written."""
    if "/" in value or "\\" in value or value.startswith("."):
        raise PydanticCustomError(
            "output", "must be a file name without folders; they go into the folder of --out"
        )
    if not value.lower().endswith(AUDIO_SUFFIXES):
        raise PydanticCustomError("output", "must end in " + ", ".join(AUDIO_SUFFIXES))
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""Letters, digits, ``_ . -``; at most 64."""

Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
"""Any text without ``/`` and control characters, at most 128: rooms and participants are named by other people."""

Foreign = Annotated[str, Field(pattern=FOREIGN_PATTERN)]
"""Any text without control characters, at most 256: what a server calls something."""

Variable = Annotated[str, Field(pattern=VARIABLE_PATTERN)]
"""The name of an environment variable."""

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
"""A file, relative to the deployment file; ``shipped:demo/anna.flac`` is one that comes with greenroom."""

OutputName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_file_name)]
"""A file name, without folders, that ends in one of `AUDIO_SUFFIXES`."""

Steps = Annotated[
    Any,
    BeforeValidator(_steps),
    AfterValidator(_names_something),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    ),
]
"""The name of a pipeline, or the processors themselves: ``str | tuple[str, ...]``."""

Chain = Annotated[tuple[str, ...], Field(min_length=1, max_length=32, strict=False)]
"""The processors of a pipeline, in the order in which audio goes through them."""

Missing = SkipJsonSchema[None]
"""TOML has no null: an optional key may be left out, and its schema does not offer null."""

MediaTime = Annotated[float, Field(ge=0, le=DAY_S)]
"""Seconds since the session's first source started."""

Seconds = Annotated[float, Field(gt=0, le=DAY_S)]
"""A duration in seconds."""

Milliseconds = Annotated[float, Field(gt=0, le=MINUTE_MS)]
"""A duration in milliseconds."""


def ns_of_s(seconds: float) -> int:
    """Return ``seconds`` in nanoseconds: the one place where seconds become integers."""
    return round(seconds * 1_000_000_000)


def ns_of_ms(milliseconds: float) -> int:
    """Return ``milliseconds`` in nanoseconds."""
    return round(milliseconds * 1_000_000)
