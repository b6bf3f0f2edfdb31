"""Rooms on a LiveKit server in a deployment file: what is understood, what is refused, what is checked."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from greenroom.config import ConfigError, Deployment, Problem, check, describe, json_schema, parse

LIVE = """\
[processors.low-cut]
use = "highpass"

[pipelines]
clean = ["low-cut"]

[rooms.lobby]
source = "livekit"
pipeline = "clean"
"""


def live(*lines: str, more: str = "") -> Deployment:
    """Load a deployment with one room on a server, and these lines in its section."""
    return parse(LIVE + "".join(f"{line}\n" for line in lines) + more, origin="live.toml")


def refused(*lines: str, more: str = "") -> Problem:
    """Return the one thing that is wrong with that."""
    with pytest.raises(ConfigError) as caught:
        live(*lines, more=more)
    (problem,) = caught.value.problems
    return problem


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment that such a room needs."""
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:7880")
    monkeypatch.setenv("LIVEKIT_API_KEY", "devkey")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "not-a-secret-not-a-secret-not-a-secret")


def test_a_room_on_a_server_needs_a_pipeline_alone() -> None:
    """The rest has defaults: the usual variables, everybody's microphone, published back."""
    ((name, room),) = live().live()
    assert (name, room.room, room.identity, room.participants) == ("lobby", None, "greenroom", None)
    assert (room.url_env, room.key_env, room.secret_env) == (
        "LIVEKIT_URL",
        "LIVEKIT_API_KEY",
        "LIVEKIT_API_SECRET",
    )
    assert (room.sources, room.pipeline, room.output) == (("microphone",), "clean", "track")


def test_a_room_without_a_source_is_made_of_files() -> None:
    """`files` is the default, and may be said."""
    for line in ("", 'source = "files"\n'):
        deployment = parse(f"[rooms.lobby]\n{line}")
        assert list(deployment.file.scripted) == ["lobby"]
        assert not list(deployment.live())


@pytest.mark.parametrize(
    ("line", "where", "text"),
    [
        ('pipelin = "x"', "rooms.lobby.pipelin", "no key 'pipelin'; did you mean 'pipeline'?"),
        ('secret = "hush"', "rooms.lobby.secret", "a secret does not belong into this file"),
        ('url = "wss://example.org"', "rooms.lobby.url", "no key 'url'; did you mean 'url_env'?"),
        (
            'url_env = "wss://example.org"',
            "rooms.lobby.url_env",
            "must be the name of an environment variable",
        ),
        ("participants = []", "rooms.lobby.participants", "is empty; name one at least, or leave it out"),
        (
            'sources = ["mic"]',
            "rooms.lobby.sources[0]",
            "must be 'microphone', 'screenshare_audio' or 'unknown'",
        ),
        ('output = "lobby.wav"', "rooms.lobby.output", "must be 'track' or 'file'"),
        ('identity = ""', "rooms.lobby.identity", "must be 1 to 256 characters"),
        ('room = "a\\nb"', "rooms.lobby.room", "must be 1 to 256 characters, without control characters"),
    ],
)
def test_a_wrong_key_is_refused_by_name(line: str, where: str, text: str) -> None:
    """With what would do; a secret is not repeated."""
    problem = refused(line)
    assert (problem.where, problem.file) == (where, "live.toml")
    assert text in problem.text
    assert "hush" not in problem.text


def test_the_server_may_call_rooms_and_people_as_it_likes() -> None:
    """Other people name them: a slash is nothing special there."""
    ((_, room),) = live('room = "team/1"', 'identity = "a/b"', 'participants = ["user/1"]').live()
    assert (room.room, room.identity, room.participants) == ("team/1", "a/b", ("user/1",))


def test_an_unknown_source_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigError) as caught:
        parse('[rooms.lobby]\nsource = "livekitt"\n')
    assert "no source 'livekitt'; did you mean 'livekit'?" in str(caught.value)


def test_a_pipeline_must_be_there() -> None:
    """Both as a key, and as a pipeline."""
    with pytest.raises(ConfigError, match=r"rooms\.lobby\.pipeline: is missing"):
        parse('[rooms.lobby]\nsource = "livekit"\n')
    with pytest.raises(
        ConfigError, match=r"rooms\.lobby\.pipeline: no pipeline 'cleen'; did you mean 'clean'"
    ):
        parse(LIVE.replace('pipeline = "clean"', 'pipeline = "cleen"'))


def test_two_rooms_of_the_file_are_not_one_participant() -> None:
    """A server puts out the first of two participants with one identity."""
    other = '[rooms.stage]\nsource = "livekit"\nroom = "lobby"\npipeline = "clean"\n'
    problem = refused(more=other)
    assert problem.where == "rooms.stage"
    assert "is taken by rooms.lobby" in problem.text
    live(more=other + 'identity = "another"\n')


@pytest.mark.parametrize(
    "event",
    [
        'do = "refresh"\nroom = "lobby"',
        'do = "reconnect"\nroom = "lobby"',
        'do = "join"\nroom = "lobby"\nparticipant = "anna"',
        'do = "leave"\nroom = "lobby"\nparticipant = "anna"',
    ],
)
def test_a_script_does_not_reach_a_room_on_a_server(event: str) -> None:
    """What happens there comes from the server."""
    problem = refused(more=f"[[events]]\nat_s = 1.0\n{event}\n")
    assert (
        "is on a LiveKit server: what happens there comes from the server, not from a script" in problem.text
    )


@pytest.mark.usefixtures("reachable")
def test_check_builds_the_processors_of_such_a_room() -> None:
    """And finds nothing wrong where all is there."""
    check(live())


@pytest.mark.parametrize("variable", ["LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"])
@pytest.mark.usefixtures("reachable")
def test_check_wants_each_variable(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """It is named, with the key that names it."""
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigError, match=f"_env: environment variable {variable} is not set"):
        check(live())


@pytest.mark.usefixtures("reachable")
def test_the_variables_may_have_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key is heard."""
    lines = ('url_env = "A_URL"', 'key_env = "A_KEY"', 'secret_env = "A_SECRET"')
    with pytest.raises(ConfigError) as caught:
        check(live(*lines))
    assert [problem.where.rpartition(".")[2] for problem in caught.value.problems] == [
        "url_env",
        "key_env",
        "secret_env",
    ]
    for name in ("A_URL", "A_KEY", "A_SECRET"):
        monkeypatch.setenv(name, "wss://example.org")
    check(live(*lines))


@pytest.mark.usefixtures("reachable")
def test_an_address_that_is_none_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have put the secret there."""
    monkeypatch.setenv("LIVEKIT_URL", "not-a-secret-not-a-secret")
    with pytest.raises(ConfigError) as caught:
        check(live())
    assert "LIVEKIT_URL holds no address; one begins with ws://" in str(caught.value)
    assert "not-a-secret" not in str(caught.value)


@pytest.mark.usefixtures("reachable")
def test_check_says_how_the_sdk_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is missing, with the command."""
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name.partition(".")[0] == "livekit" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(ConfigError, match=r"pip install 'greenroom\[livekit\]'"):
        check(live())


def test_the_description_says_where_it_goes_without_secrets() -> None:
    """The room, the server's variable, whose audio, through what, to where."""
    told = describe(live('room = "l-1"', 'participants = ["anna"]'))
    assert (
        "room:lobby  l-1 at $LIVEKIT_URL as greenroom, key from $LIVEKIT_API_KEY and $LIVEKIT_API_SECRET"
        in told
    )
    assert "tracks of anna: microphone" in told
    assert "stream  low-cut > a track in the room" in told
    assert "low-cut  highpass, thread, bypass on fault: one for each stream that comes" in told
    assert "lobby-PARTICIPANT.wav" in describe(live('output = "file"'))
    assert "tracks of everybody" in describe(live())


def test_the_schema_knows_both_kinds_of_room() -> None:
    """So that editors complete either."""
    (rooms,) = json_schema()["properties"]["rooms"]["patternProperties"].values()
    assert sorted(rooms["discriminator"]["mapping"]) == ["files", "livekit"]
