"""The schema as editors see it, and the files that are shipped, held against it."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from greenroom.actors.processors import ProcessorSpec
from greenroom.config import DeploymentFile, json_schema, load, parse, shipped_file, starter
from greenroom.config._schema import ProcessorSection, SupervisionSection

UNITS = ("_hz", "_ms", "_s", "_frames", "_env", "_file")
PURE_NUMBERS = {"times", "restarts", "channels"}


def tables() -> Iterator[Mapping[str, Any]]:
    """Yield the schema of each table of the file."""
    schema = json_schema()
    yield schema
    yield from (node for node in schema["$defs"].values() if "properties" in node)


def test_every_key_of_every_table_is_described() -> None:
    """An editor can explain each key; the description is a sentence."""
    for table in tables():
        assert table["description"].endswith(".")
        for key, node in table["properties"].items():
            if key != "do" and "$ref" not in node:
                assert node["description"].rstrip(")`").endswith((".", ". ")), (table["description"], key)


def test_every_number_has_its_unit_in_its_name() -> None:
    """Nobody has to guess whether it is seconds."""
    for table in tables():
        for key, node in table["properties"].items():
            if node.get("type") in {"number", "integer"}:
                assert key.endswith(UNITS) or key in PURE_NUMBERS, key


def test_every_number_has_limits() -> None:
    """Everything has a limit."""
    for table in tables():
        for key, node in table["properties"].items():
            if node.get("type") in {"number", "integer"}:
                assert {"minimum", "exclusiveMinimum"} & set(node), key
                assert "maximum" in node, key


def test_no_table_takes_unknown_keys() -> None:
    """A typing error is an error."""
    for table in tables():
        assert table["additionalProperties"] is False


def test_toml_cannot_say_null_and_the_schema_does_not_offer_it() -> None:
    """Optional keys are left out."""
    assert "null" not in repr(json_schema())
    assert "None" not in repr(json_schema())


def test_a_processors_section_says_everything_that_a_spec_says() -> None:
    """No field of `ProcessorSpec` is out of reach of a deployment file."""
    renamed = {"use": {"factory", "instance"}, "restarts": {"intensity"}, "options_env": {"options"}}
    reached = {"name"}
    for key in ProcessorSection.model_fields:
        stem = key.removesuffix("_ms").removesuffix("_s")
        reached |= renamed.get(key, {key if stem == key else f"{stem}_ns"})
    assert reached == set(ProcessorSpec.__dataclass_fields__)


def test_supervision_defaults_are_those_of_a_spec() -> None:
    """A file that says nothing gets what code that says nothing gets."""
    plain, section = ProcessorSpec(name="x", factory=object), SupervisionSection()  # type: ignore[arg-type]
    assert section.restarts == plain.intensity
    assert section.period_s * 1e9 == plain.period_ns
    assert section.backoff_ms * 1e6 == plain.backoff_ns
    assert section.backoff_max_ms * 1e6 == plain.backoff_max_ns
    assert section.retry_s * 1e9 == plain.retry_ns


def test_a_file_survives_the_way_out_and_back() -> None:
    """What was read, written as plain values and read again is the same."""
    file = load("demo").file
    again = DeploymentFile.model_validate(file.model_dump(exclude_unset=True))
    assert again == file


def test_the_starter_loads() -> None:
    """It works as it is; its commented-out parts do as well."""
    assert len(list(parse(starter()).tracks())) == 2
    commented = [
        line for line in starter().splitlines() if line.startswith("# ") and "=" in line.split("#")[1]
    ]
    keys = [line for line in commented if line[2:].split("=")[0].strip().isidentifier()]
    text = starter()
    for line in ("# [processors.denoise]", *keys):
        text = text.replace(line, line[2:], 1)
    deployment = parse(text)
    assert deployment.file.processors["denoise"].use == "rnnoise"
    assert deployment.file.scripted["lobby"].token_env == "LOBBY_TOKEN"


def test_the_demo_shows_what_it_promises() -> None:
    """Three rooms, six tracks, four kinds of processor, a shared one, and each kind of trouble."""
    file = load("demo").file
    assert len(file.rooms) >= 3
    assert sum(len(room.tracks) for room in file.rooms.values()) >= 6
    assert len({p.use for p in file.processors.values()}) >= 4
    assert any(p.shared for p in file.processors.values())
    assert all(track.reference for room in file.rooms.values() for track in room.tracks)
    events = tomllib.loads(shipped_file("demo").read_text("utf8"))["events"]
    kinds = {event["do"] for event in events} | {event["kind"] for event in events if "kind" in event}
    assert kinds >= {
        "join",
        "leave",
        "refresh",
        "reconnect",
        "move",
        "raise",
        "hang",
        "wrong_frame",
        "fail_build",
    }


def test_the_shipped_audio_is_small() -> None:
    """Under 4 MB, references included."""
    folder = shipped_file("demo").parent
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000
