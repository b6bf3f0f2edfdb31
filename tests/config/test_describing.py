"""The tree that people read before they start something."""

from greenroom.config import describe, load, parse
from greenroom.config._events import AnyEvent

FILE = """\
[session]
name = "small"
[processors.voice]
use = "silero"
shared = true
options = { threshold = 0.5 }
options_env = { api_key = "MY_KEY" }
[processors.spare]
use = "gain"
[processors.own]
use = "gain"
placement = "inline"
[pipelines]
all = ["own", "voice"]
[rooms.lobby]
url = "wss://x"
token_file = "t"
[[rooms.lobby.tracks]]
sid = "A"
participant = "anna"
input = "a.flac"
pipeline = "all"
[[rooms.lobby.tracks]]
sid = "B"
participant = "ben"
source = "screen"
join_s = 2.5
input = "b.flac"
pipeline = ["voice"]
output = "b.wav"
[rooms.empty]
[[events]]
at_s = 4.0
do = "move"
track = "B"
to = "empty"
[[events]]
at_s = 3.5
do = "fault"
processor = "own"
track = "A"
kind = "raise"
times = 2
"""

TREE = """\
session:small  48000 Hz, frames of 10 ms
|- processors
|  |- voice  silero(threshold=0.5, api_key=$MY_KEY), thread, bypass on fault: one for 2 streams
|  |  `- worker
|  |- spare  gain, thread, bypass on fault: used by no stream at the start
|  `- own  gain, inline, bypass on fault: 1, one per stream
|     `- worker
`- rooms
   |- room:lobby  wss://x, token from t
   |  |- track:anna/microphone  A
   |  |  `- stream:1  a.flac > own > voice > lobby-anna.wav
   |  `- track:ben/screen  B, from 2.5 s
   |     `- stream:1  b.flac > voice > b.wav
   `- room:empty

script
    3.50 s  fault: own on A: raise, 2 times
    4.00 s  track B moves to empty
"""


def test_the_tree_is_the_supervision_tree_that_would_start() -> None:
    """Processors with how many there would be and why, rooms, tracks, streams with their way; then the script in time."""
    assert describe(parse(FILE)) == TREE


def test_every_kind_of_event_has_its_line() -> None:
    """A reader can follow the whole script of the demo."""
    demo = load("demo")
    script = describe(demo).partition("script\n")[2].splitlines()
    assert len(script) == len(demo.file.events)
    kinds = {type(event) for event in demo.file.events}
    assert kinds == set(AnyEvent.__origin__.__args__)  # type: ignore[attr-defined]  # the union inside Annotated
