"""Every refusal of the loader: where it points to, and what it says would do."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greenroom.config import ConfigError, Deployment, Problem, load, parse, shipped_file, shipped_names

DEMO = shipped_file("demo").read_text("utf8")

SMALL = """\
[session]
name = "small"

[processors.low-cut]
use = "highpass"

[processors.meter]
use = "meter"
placement = "inline"

[processors.voice]
use = "silero"
shared = true

[pipelines]
clean = ["low-cut", "meter"]

[rooms.lobby]
url = "wss://example.org"
token_env = "LOBBY_TOKEN"

[[rooms.lobby.tracks]]
sid = "TR_anna"
participant = "anna"
input = "anna.flac"
pipeline = "clean"

[[rooms.lobby.tracks]]
sid = "TR_ben"
participant = "ben"
input = "ben.flac"
pipeline = ["low-cut", "voice"]
join_s = 2.0

[rooms.stage]
"""


def small(old: str = "", new: str = "", *, script: str = "") -> Deployment:
    """Load the small deployment with one thing changed, and events, one a line."""
    assert old in SMALL
    events = "".join(f"[[events]]\n{line.replace('; ', chr(10))}\n" for line in script.splitlines())
    return parse(SMALL.replace(old, new, 1) + events, origin="small.toml")


def refused(old: str = "", new: str = "", *, script: str = "") -> tuple[Problem, ...]:
    """Return what is wrong with the changed deployment."""
    with pytest.raises(ConfigError) as caught:
        small(old, new, script=script)
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    return caught.value.problems


def problems_of(text: str) -> tuple[Problem, ...]:
    """Return what is wrong with a file; anything else that it makes the loader raise fails the test."""
    try:
        parse(text)
    except ConfigError as error:
        return error.problems or (Problem(file="", text=""),)
    return ()


def test_the_small_deployment_is_right() -> None:
    """What the other tests break is whole."""
    deployment = small()
    assert [(room, track.sid) for room, track in deployment.tracks()] == [
        ("lobby", "TR_anna"),
        ("lobby", "TR_ben"),
    ]
    assert deployment.steps("clean") == ("low-cut", "meter")
    assert deployment.steps(("voice",)) == ("voice",)


SCHEMA_CASES = [
    # old, new, line, where, what the text must hold
    ('name = "small"', "nam = 1", 2, "session.nam", "no key 'nam'; did you mean 'name'?"),
    ('name = "small"', 'name = "a b"', 2, "session.name", "begin with a letter or digit"),
    ('name = "small"', "rate_hz = 4_000", 2, "session.rate_hz", "at least 8000; it is 4000"),
    ('name = "small"', "rate_hz = 48_001", 2, "session.rate_hz", "multiple of 100"),
    ('name = "small"', "rate_hz = 48000.0", 2, "session.rate_hz", "whole number"),
    ('name = "small"', "frame_ms = 15", 2, "session.frame_ms", "multiple of 10"),
    ('name = "small"', "shutdown_s = 0", 2, "session.shutdown_s", "greater than 0"),
    ('name = "small"', "shutdown_s = inf", 2, "session.shutdown_s", "finite"),
    ('name = "small"', 'shutdown_s = "5"', 2, "session.shutdown_s", "a number; it is '5'"),
    ('[session]\nname = "small"', "session = 1", 1, "session", "must be a table"),
    ('use = "highpass"', "", 4, "processors.low-cut.use", "is missing"),
    ('use = "highpass"', "use = 1", 5, "processors.low-cut.use", "text in quotes"),
    (
        'placement = "inline"',
        'placement = "process"',
        9,
        "processors.meter.placement",
        "'inline', 'thread' or 'pinned'",
    ),
    (
        'placement = "inline"',
        'on_fault = "skip"',
        9,
        "processors.meter.on_fault",
        "'bypass', 'silence' or 'drop'",
    ),
    ('placement = "inline"', "shared = 1", 9, "processors.meter.shared", "true or false"),
    ('placement = "inline"', "restarts = -1", 9, "processors.meter.restarts", "at least 0"),
    ('placement = "inline"', "options = 1", 9, "processors.meter.options", "a table"),
    (
        'placement = "inline"',
        'options = { api_key = "s3cret" }',
        7,
        "processors.meter",
        "options_env = { api_key =",
    ),
    ('clean = ["low-cut", "meter"]', "clean = []", 16, "pipelines.clean", "is empty"),
    ('clean = ["low-cut", "meter"]', 'clean = "meter"', 16, "pipelines.clean", "a list"),
    (
        'clean = ["low-cut", "meter"]',
        'clean = ["low-cut", 3]',
        16,
        "pipelines.clean[1]",
        "text in quotes; it is 3",
    ),
    ('"clean"', "[]", 26, "rooms.lobby.tracks[0].pipeline", "names at least one"),
    ('"clean"', '""', 26, "rooms.lobby.tracks[0].pipeline", "names at least one"),
    ('"clean"', "7", 26, "rooms.lobby.tracks[0].pipeline", "a list of processors"),
    ("join_s = 2.0", "join_s = -2.0", 33, "rooms.lobby.tracks[1].join_s", "at least 0; it is -2.0"),
    ("join_s = 2.0", 'output = "../ben.wav"', 33, "rooms.lobby.tracks[1].output", "without folders"),
    (
        "join_s = 2.0",
        'output = "ben.mp3"',
        33,
        "rooms.lobby.tracks[1].output",
        ".wav, .flac; it is 'ben.mp3'",
    ),
    ("join_s = 2.0", 'participant_name = "b"', 33, "rooms.lobby.tracks[1].participant_name", "'participant'"),
    ('participant = "ben"\n', "", 28, "rooms.lobby.tracks[1].participant", "is missing. Whose track"),
    ("[rooms.stage]", '[rooms."a/b"]', 35, 'rooms."a/b"', "without '/'"),
    ('token_env = "LOBBY_TOKEN"', "", 18, "rooms.lobby", "token_env or token_file"),
    ('url = "wss://example.org"', 'token_file = "a"', 18, "rooms.lobby", "not both"),
]


@pytest.mark.parametrize(("old", "new", "line", "where", "text"), SCHEMA_CASES)
def test_a_schema_error_names_line_key_value_and_what_would_do(
    old: str, new: str, line: int, where: str, text: str
) -> None:
    """One problem per mistake: the line of the key or of what holds it, the key's path, and a remedy."""
    (problem,) = refused(old, new)
    assert (problem.line, problem.where) == (line, where)
    assert text in problem.text
    assert str(problem) == f"small.toml:{line}: {where}: {problem.text}"


def test_an_inline_token_is_refused_with_the_way_to_do_it_and_not_repeated() -> None:
    """The message says token_env and token_file, and never the token."""
    (problem,) = refused('token_env = "LOBBY_TOKEN"', 'token = "eyJhbGci"')
    assert problem.where == "rooms.lobby.token"
    assert 'token_env = "GREENROOM_TOKEN"' in problem.text
    assert 'token_file = "room.token"' in problem.text
    assert "eyJhbGci" not in str(problem)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('token_env = "LOBBY_TOKEN"', 'token_env = "eyJhbGci.x"'),
        ('token_env = "LOBBY_TOKEN"', 'token_env = ["eyJhbGci.x"]'),
        ('placement = "inline"', 'options = { api_key = "eyJhbGci.x" }'),
        ('placement = "inline"', 'options_env = { api_key = "eyJhbGci.x" }'),
    ],
)
def test_what_may_be_a_secret_is_not_repeated(old: str, new: str) -> None:
    """A token pasted where the name of a variable belongs does not get into a message."""
    (problem,) = refused(old, new)
    assert "eyJhbGci" not in str(problem)


REFERENCE_CASES = [
    ('"clean"', '"claen"', "rooms.lobby.tracks[0].pipeline", "no pipeline 'claen'; did you mean 'clean'?"),
    ('"clean"', '"meter"', "rooms.lobby.tracks[0].pipeline", "that is a processor. Write ['meter']"),
    ('"voice"]', '"vioce"]', "rooms.lobby.tracks[1].pipeline[1]", "did you mean 'voice'?"),
    (
        '["low-cut", "meter"]',
        '["low-cut", "mtr"]',
        "pipelines.clean[1]",
        "no processor 'mtr'; did you mean 'meter'?",
    ),
    ('"TR_ben"', '"TR_anna"', "rooms.lobby.tracks[1].sid", "taken by rooms.lobby.tracks[0].sid"),
    ('"ben"', '"anna"', "rooms.lobby.tracks[1]", "participant and source 'lobby/anna/microphone' is taken"),
    (
        "join_s = 2.0",
        'output = "LOBBY-anna.wav"',
        "rooms.lobby.tracks[1].output",
        "'LOBBY-anna.wav' is taken by",
    ),
]


@pytest.mark.parametrize(("old", "new", "where", "text"), REFERENCE_CASES)
def test_a_name_that_does_not_fit_is_refused(old: str, new: str, where: str, text: str) -> None:
    """Names that must exist exist; names that must be unique are, outputs regardless of case."""
    problem = refused(old, new)[0]
    assert problem.where == where
    assert problem.line > 0
    assert text in problem.text


def test_all_problems_are_reported_at_once() -> None:
    """Whoever writes a file is told everything that is wrong, in the file's order."""
    text = SMALL.replace("use =", "ues =").replace('name = "small"', "name = 3")
    with pytest.raises(ConfigError) as caught:
        parse(text)
    lines = [problem.line for problem in caught.value.problems]
    assert len(lines) == 7  # three missing, three unknown, one of the wrong type
    assert lines == sorted(lines)


SCRIPT_CASES = [
    ('at_s = 1; do = "lave"', "events[0]", "no event 'lave'; did you mean 'leave'?"),
    ("at_s = 1", "events[0]", "has no 'do'; it is one of: close_stream,"),
    ('at_s = -1; do = "refresh"; room = "lobby"', "events[0].at_s", "at least 0; it is -1"),
    ('at_s = 1; do = "refresh"; room = "loby"', "events[0].room", "did you mean 'lobby'?"),
    ('at_s = 1; do = "refresh"; room = "stage"', "events[0]", "has no token"),
    ('at_s = 1; do = "refresh"; room = "stage"; token = "x"', "events[0].token", "token_env ="),
    ('at_s = 1; do = "refresh"; room = "lobby"; token_env = "A"; token_file = "b"', "events[0]", "not both"),
    ('at_s = 1; do = "leave"; room = "lbby"; participant = "anna"', "events[0].room", "no room 'lbby'"),
    (
        'at_s = 1; do = "leave"; room = "lobby"; participant = "ben"',
        "events[0].participant",
        "no participant in",
    ),
    ('at_s = 5; do = "join"; room = "lbby"; participant = "ben"', "events[0].room", "no room"),
    (
        'at_s = 5; do = "join"; room = "lobby"; participant = "bn"',
        "events[0].participant",
        "did you mean 'ben'?",
    ),
    ('at_s = 5; do = "join"; room = "lobby"; participant = "ben"', "events[0].participant", "there already"),
    ('at_s = 1; do = "join"; room = "lobby"; participant = "ben"', "events[0].participant", "join_s = 2"),
    ('at_s = 1; do = "reconnect"; room = "lbby"', "events[0].room", "did you mean 'lobby'?"),
    (
        'at_s = 1; do = "reconnect"; room = "lobby"; sids = { TR_ben = "X" }',
        "events[0].sids",
        "no track in room",
    ),
    (
        'at_s = 3; do = "reconnect"; room = "lobby"; sids = { TR_anna = "X", TR_ben = "X" }',
        "events[0].sids",
        "'X' would be there twice",
    ),
    ('at_s = 1; do = "move"; track = "TR_anna"; to = "stge"', "events[0].to", "did you mean 'stage'?"),
    ('at_s = 1; do = "move"; track = "TR_ana"; to = "stage"', "events[0].track", "did you mean 'TR_anna'?"),
    (
        'at_s = 1; do = "move"; track = "TR_ben"; to = "stage"',
        "events[0].track",
        "not there yet; it joins at",
    ),
    ('at_s = 1; do = "move"; track = "TR_anna"; to = "lobby"', "events[0].to", "is in room 'lobby' already"),
    (
        'at_s = 1; do = "fault"; kind = "raise"; processor = "mter"',
        "events[0].processor",
        "did you mean 'meter'?",
    ),
    ('at_s = 1; do = "fault"; kind = "rise"; processor = "meter"', "events[0].kind", "'raise'"),
    ('at_s = 1; do = "fault"; kind = "hang"; processor = "meter"', "events[0].kind", "inline"),
    ('at_s = 1; do = "fault"; kind = "raise"; hold_s = 1; processor = "meter"', "events[0]", "'hang' only"),
    (
        'at_s = 1; do = "fault"; kind = "fail_build"; track = "TR_anna"; processor = "meter"',
        "events[0]",
        "Take 'track'",
    ),
    (
        'at_s = 1; do = "fault"; kind = "raise"; times = 0; processor = "meter"',
        "events[0].times",
        "at least 1",
    ),
    (
        'at_s = 3; do = "fault"; kind = "raise"; processor = "voice"; track = "TR_ben"',
        "events[0].track",
        "is shared",
    ),
    (
        'at_s = 3; do = "fault"; kind = "raise"; processor = "meter"; track = "TR_ben"',
        "events[0].track",
        "does not go",
    ),
    ('at_s = 1; do = "hold"; lease = "a"; processor = "x"', "events[0].processor", "no processor 'x'"),
    ('at_s = 1; do = "release"; lease = "a"', "events[0].lease", "no lease held then 'a'"),
    (
        'at_s = 1; do = "open_stream"; track = "TR_anna"; stream = "s"; pipeline = "x"',
        "events[0].pipeline",
        "no pipeline",
    ),
    (
        'at_s = 1; do = "open_stream"; track = "TR_ben"; stream = "s"; pipeline = "clean"',
        "events[0].track",
        "not there",
    ),
    (
        'at_s = 1; do = "close_stream"; track = "TR_anna"; stream = "s"',
        "events[0].stream",
        "no stream open then",
    ),
    ('at_s = 1; do = "close_stream"; track = "TR_ben"; stream = "s"', "events[0].track", "not there yet"),
]


@pytest.mark.parametrize(("event", "where", "text"), SCRIPT_CASES)
def test_an_event_that_cannot_happen_is_refused(event: str, where: str, text: str) -> None:
    """Each event must find what it speaks of, at its time."""
    (problem,) = refused(script=event)
    assert problem.where == where
    assert problem.line >= SMALL.count("\n") + 1
    assert text in problem.text


STORIES = [
    (
        """at_s = 3; do = "leave"; room = "lobby"; participant = "ben"
at_s = 4; do = "move"; track = "TR_ben"; to = "stage\"""",
        "its participant has left",
    ),
    (
        """at_s = 1; do = "hold"; lease = "a"; processor = "meter"
at_s = 2; do = "hold"; lease = "a"; processor = "meter\"""",
        "held already",
    ),
    (
        """at_s = 1; do = "open_stream"; track = "TR_anna"; stream = "s"; pipeline = "clean"; output = "1.wav"
at_s = 2; do = "open_stream"; track = "TR_anna"; stream = "s"; pipeline = "clean"; output = "2.wav\"""",
        "open already",
    ),
    (
        'at_s = 1; do = "open_stream"; track = "TR_anna"; stream = "s"; pipeline = "clean"; output = "lobby-anna.wav"',
        "'lobby-anna.wav' is taken",
    ),
    (
        """at_s = 1; do = "move"; track = "TR_anna"; to = "stage"; sid = "TR_ben"
at_s = 3; do = "move"; track = "TR_ben"; to = "stage\"""",
        "sid 'TR_ben' is taken in room 'stage'",
    ),
]


@pytest.mark.parametrize(("script", "text"), STORIES)
def test_what_happened_before_counts(script: str, text: str) -> None:
    """The script is played in time: whoever left is gone, what was taken is taken."""
    (problem,) = refused(script=script)
    assert text in problem.text


def test_the_order_of_the_file_is_not_the_order_in_time() -> None:
    """Events are played by `at_s`, and in the file's order only at the same time."""
    small(
        script='at_s = 9; do = "join"; room = "lobby"; participant = "ben"\n'
        'at_s = 3; do = "leave"; room = "lobby"; participant = "ben"'
    )
    assert refused(
        script='at_s = 3; do = "release"; lease = "a"\nat_s = 3; do = "hold"; lease = "a"; processor = "meter"'
    )


def test_an_event_after_the_end_is_refused() -> None:
    """With `length_s`, an event later than that would never happen."""
    (problem,) = refused('name = "small"', "length_s = 2", script='at_s = 3; do = "refresh"; room = "lobby"')
    assert problem.where == "events[0].at_s"
    assert "length_s = 2" in problem.text


def test_a_syntax_error_has_file_line_and_column(tmp_path: Path) -> None:
    """TOML that cannot be parsed is refused with the place."""
    path = tmp_path / "broken.toml"
    path.write_text("[session]\nname = \n", "utf8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2:8: not TOML: Invalid value"


def test_a_syntax_error_at_the_end_has_a_place_too() -> None:
    """Tomllib says only 'at end of document'; we say where that is."""
    with pytest.raises(ConfigError) as caught:
        parse('a = """\nb')
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 2)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xff", "not UTF-8 text: byte 0xff"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"9" * 5_000, "not TOML that can be read"),
        (b"#" * (4 * 1024 * 1024 + 1), "larger than"),
        (b"", "rooms: is missing; a deployment has a [rooms.NAME] at least."),
        (b"rooms = {}", "at least 1 item"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, raw: bytes, text: str) -> None:
    """Whatever a file holds, there is one clear message."""
    path = tmp_path / "odd.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert text in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf-8-sig")
    assert load(path).name == "small"


def test_a_folder_does_not_hide_a_shipped_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``run demo --out demo`` the demo can still be run."""
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("demo").name == "demo"


def test_missing_files_and_names_are_refused_with_the_nearest(tmp_path: Path) -> None:
    """A path suggests its neighbours, a name the shipped deployments."""
    (tmp_path / "lobby.toml").write_text(SMALL, "utf8")
    for name, text in (
        (tmp_path / "loby.toml", "no such file; did you mean 'lobby.toml'?"),
        (tmp_path / "none" / "a.toml", "nor is there a folder"),
        ("dmo", "no shipped deployment 'dmo'; did you mean 'demo'?"),
        (tmp_path / "lobby.tml", "did you mean 'lobby.toml'?"),
        (str(tmp_path / "lobby.tml"), "did you mean 'lobby.toml'?"),
        (tmp_path, "is a folder; name a deployment file in it, like lobby.toml"),
        ("", "names no file"),
        ("a\0b.toml", "no such file"),
        ("x" * 5000 + ".toml", "no such file"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(name)
        assert text in str(caught.value)


def test_paths_are_relative_to_the_file_and_shipped_ones_to_the_package(tmp_path: Path) -> None:
    """A deployment can be run from any folder, and a copy of a shipped one from any place."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf8")
    deployment = load(path)
    assert deployment.path("anna.flac") == tmp_path / "anna.flac"
    assert deployment.path("/abs/anna.flac") == Path("/abs/anna.flac")
    assert deployment.path("shipped:demo/anna.flac") == shipped_file("demo").parent / "anna.flac"


def test_every_shipped_deployment_loads_by_name() -> None:
    """What comes with greenroom is right."""
    assert "demo" in shipped_names()
    for name in shipped_names():
        assert load(name).file.rooms


def test_an_error_survives_pickling() -> None:
    """Errors cross process borders, in test runners for one."""
    import pickle  # noqa: PLC0415 - only here

    error = ConfigError([Problem(file="a", line=1, text="b")])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems  # noqa: S301 - our own


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(DEMO)),
        st.integers(0, 40),
        st.sampled_from(
            [
                '"',
                "[",
                "]",
                "=",
                "\n",
                "0",
                "-1",
                "true",
                "[]",
                "{}",
                "'",
                "''",
                "nan",
                "x",
                ".",
                "",
                "1979-05-27",
            ]
        ),
    ),
    max_size=4,
)


@given(mutations=MUTATIONS)
@example(mutations=[])
def test_the_loader_raises_nothing_but_its_own_error(mutations: list[tuple[int, int, str]]) -> None:
    """Whatever is done to a file, it loads or is refused, with a message per problem."""
    text = DEMO
    for at, length, put in mutations:
        text = text[:at] + put + text[at + length :]
    assert all(problem.text for problem in problems_of(text))


TOML_VALUES = [
    *("0", "-1", "1e999", "nan", "true", '""', '"x"', "[]", "[[]]", "[1, 'a']", "{}", "{ a = { b = [1] } }"),
    *("1979-05-27", "07:32:00", "99999999999999999999", '"\\u0000"', '"""\n"""'),
]
SETTINGS = [index for index, line in enumerate(DEMO.splitlines()) if "=" in line and not line.startswith("#")]


@given(st.dictionaries(st.sampled_from(SETTINGS), st.sampled_from(TOML_VALUES), max_size=3))
def test_a_value_of_any_other_kind_is_refused_or_fits(values: dict[int, str]) -> None:
    """Every key takes every kind of value without anything but a `ConfigError`, which points at its line."""
    lines = DEMO.splitlines()
    for index, value in values.items():
        lines[index] = f"{lines[index].partition('=')[0]}= {value}"
    assert all(problem.line and problem.text for problem in problems_of("\n".join(lines)))
