"""What a processor is told: the SDK's own path and ours, side by side, over the same protobuf room events.

Each story is played twice, with the SDK's stream and with ours. After each step both processors must have been told
the same, in the same order, with the same values. Where greenroom differs on purpose, the step says by which number of
the table in docs/livekit.md.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from livekit import rtc
from tests.livekit.sdkkit import URL, Scribe, Sfu, Voice, play

from greenroom.adapters.livekit import AudioStream

Told = list[tuple[Any, ...]]
PATIENCE_S = 10.0
CLEARED: Told = [("info cleared",), ("credentials cleared",)]


class Stage:
    """What a story plays on: rooms, tracks, and streams of one of the two kinds.

    Args:
        kind: the class of streams.
        script: what the other kind's processors were told after each step; None for the first kind.
    """

    def __init__(self, kind: Any, script: list[list[Told]] | None) -> None:
        self.kind = kind
        self.ours = kind is AudioStream
        self.script = script
        self.lines: list[list[Told]] = []
        self.scribes: list[Scribe] = []
        self.streams: list[Any] = []
        self.differs: dict[int, Told] = {}

    def open(self, track: Any) -> Any:
        """Open a stream with a processor of its own."""
        scribe = Scribe()
        stream = self.kind(track, noise_cancellation=scribe)
        self.scribes.append(scribe)
        self.streams.append(stream)
        return stream

    async def step(
        self, what: str, *, instead: dict[int, Told] | None = None, more: Told | None = None
    ) -> None:
        """Compare what has been told by now.

        Args:
            what: has just happened.
            instead: by processor: what ours have been told in all.
            more: what ours are told on top of it.
        """
        if self.script is None:
            self.lines.append([list(scribe.told) for scribe in self.scribes])
            return
        expected = [list(told) for told in self.script[len(self.lines)]]
        self.lines.append(expected)
        for index, told in (instead or {}).items():
            self.differs[index] = told
        for index, told in self.differs.items():
            expected[index] = told
        if more is not None:
            expected = [told + more for told in expected]
        loop = asyncio.get_running_loop()
        late_s = loop.time() + PATIENCE_S
        while [each.told for each in self.scribes] != expected and loop.time() < late_s:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        for scribe, told in zip(self.scribes, expected, strict=True):
            assert scribe.told == told, what
            assert not scribe.after_close

    async def close(self) -> None:
        for stream in self.streams:
            await stream.aclose()


Story = Callable[[Stage], Any]


def compare(story: Story) -> None:
    """Play a story with the SDK's streams, then with ours."""

    async def both() -> None:
        first = Stage(rtc.AudioStream, None)
        await story(first)
        for stream in first.streams:
            await stream.aclose()
        second = Stage(AudioStream, first.lines)
        await story(second)
        assert len(second.lines) == len(first.lines)
        await second.close()
        assert all(scribe.closed == 1 and not scribe.after_close for scribe in second.scribes)

    play(both)


def test_a_stream_on_a_track_that_is_in_a_room() -> None:
    """It is told info, then credentials, when it opens; nothing else until something changes."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        stream = stage.open(track)
        await stage.step("opened")
        assert stage.scribes[0].told == [
            ("info", "lobby", "anna", "TR_1"),
            ("credentials", "a.token.one", URL),
        ]
        await anext(stream)
        await stage.step("a frame came")

    compare(story)


def test_a_stream_on_a_track_that_enters_a_room_later() -> None:
    """It is told nothing until then, whatever happens in the room."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        stream = stage.open(voice.track)
        await anext(stream)
        sfu.refresh("a.token.two")
        await stage.step("nothing")
        assert stage.scribes[0].told == []
        sfu.publish_local(voice.track, "TR_L1")
        await stage.step("published")
        assert stage.scribes[0].told == [
            ("info", "lobby", "me", "TR_L1"),
            ("credentials", "a.token.two", URL),
        ]

    compare(story)


def test_refreshes() -> None:
    """A refresh tells the credentials alone; each one does; the newest are what a later stream is told."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        stage.open(track)
        await stage.step("opened")
        sfu.refresh("a.token.two")
        await stage.step("refreshed")
        assert stage.scribes[0].told[2:] == [("credentials", "a.token.two", URL)]
        sfu.refresh("a.token.three")
        await stage.step("refreshed again")
        stage.open(track)
        await stage.step("a second stream")
        sfu.refresh("a.token.four")
        await stage.step("refreshed for both")

    compare(story)


@pytest.mark.parametrize("local", [False, True])
def test_refreshes_in_one_burst(local: bool) -> None:
    """A loop that was busy hears several at once, and each is told, though the second takes the first one back."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        if local:
            sfu.publish_local(voice.track, "TR_1")
        stream = stage.open(voice.track if local else sfu.enter("anna", "TR_1", voice))
        await anext(stream)
        await stage.step("opened")
        for token in ("a.token.two", "a.token.one", "a.token.three"):
            sfu.refresh(token)
        await stage.step("refreshed three times")
        assert [values[1] for values in stage.scribes[0].told[2:]] == [
            "a.token.two",
            "a.token.one",
            "a.token.three",
        ]

    compare(story)


@pytest.mark.parametrize("streams", [1, 3])
def test_a_refresh_right_behind_the_end_of_a_track(streams: int) -> None:
    """In one burst: both are cleared, and the new token is told to nobody who has left."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        for _ in range(streams):
            await anext(stage.open(track))
        await stage.step("opened")
        sfu.unsubscribe("anna", "TR_1")
        sfu.refresh("a.token.two")
        sfu.refresh("a.token.three")
        await stage.step("left", more=[("close",)])
        assert all(scribe.told[2:4] == CLEARED for scribe in stage.scribes)

    compare(story)


@pytest.mark.parametrize("streams", [1, 3, 12])
@pytest.mark.parametrize("end", ["unsubscribed", "gone"])
def test_a_refresh_right_before_the_end_of_a_track(streams: int, end: str) -> None:
    """In one burst: each is told the newest token, and then cleared; of a room that tells some at a time, too."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        for _ in range(streams):
            await anext(stage.open(track))
        await stage.step("opened")
        sfu.refresh("a.token.two")
        (sfu.unsubscribe if end == "unsubscribed" else sfu.gone)("anna", "TR_1")
        await stage.step("left", more=[("close",)])
        assert all(("credentials", "a.token.two", URL) in scribe.told for scribe in stage.scribes)

    compare(story)


def test_publications_and_refreshes_in_one_burst() -> None:
    """Each is told what it brought, in its order."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        sfu.publish_local(voice.track, "TR_L1")
        await anext(stage.open(voice.track))
        await stage.step("opened")
        sfu.refresh("a.token.two")
        sfu.republish_local("TR_L1", "TR_L2")
        sfu.unpublish_local("TR_L2")
        sfu.refresh("a.token.three")
        sfu.publish_local(voice.track, "TR_L3")
        sfu.refresh("a.token.four")
        sfu.republish_local("TR_L3", "TR_L3")
        await stage.step("all of it")

    compare(story)


def test_a_republication() -> None:
    """A local track that the SDK has published again: the new sid, and the credentials again; the processor stays."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        sfu.publish_local(voice.track, "TR_L1")
        stream = stage.open(voice.track)
        await stage.step("opened")
        sfu.republish_local("TR_L1", "TR_L2")
        await stage.step("published again")
        assert stage.scribes[0].told[2:] == [
            ("info", "lobby", "me", "TR_L2"),
            ("credentials", "a.token.one", URL),
        ]
        sfu.refresh("a.token.two")
        await stage.step("refreshed")
        await anext(stream)
        sfu.republish_local("TR_L2", "TR_L2")
        await stage.step("published again under the same sid")

    compare(story)


@pytest.mark.parametrize("way", ["unsubscribe", "gone", "twice"])
def test_leaving(way: str) -> None:
    """Both are cleared once, however many events say so; then, for ours, closed (G9, G30: theirs goes on)."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        stage.open(track)
        await stage.step("opened")
        if way == "gone":
            sfu.gone("anna", "TR_1")
        else:
            sfu.unsubscribe("anna", "TR_1")
        if way == "twice":
            sfu.unsubscribe("anna", "TR_1")
            sfu.unpublish("anna", "TR_1")
            sfu.leave("anna")
        await stage.step("left", more=[("close",)])
        assert stage.scribes[0].told[2:4] == CLEARED

    compare(story)


def test_a_local_track_that_is_unpublished_and_published_elsewhere() -> None:
    """Cleared on leaving, told of the new room on entering; nothing more from the old one; the stream goes on."""

    async def story(stage: Stage) -> None:
        lobby, stage_room = Sfu("lobby"), Sfu("stage", token="another.token.one")
        voice = Voice(1000).start()
        lobby.publish_local(voice.track, "TR_L1")
        stream = stage.open(voice.track)
        await stage.step("opened")
        lobby.unpublish_local("TR_L1")
        await stage.step("unpublished")
        assert stage.scribes[0].told[2:] == CLEARED
        lobby.refresh("a.token.two")
        await stage.step("the old room is refreshed")
        await anext(stream)
        stage_room.publish_local(voice.track, "TR_L7")
        await stage.step("published elsewhere")
        assert stage.scribes[0].told[4:] == [
            ("info", "stage", "me", "TR_L7"),
            ("credentials", "another.token.one", URL),
        ]
        lobby.refresh("a.token.three")
        await stage.step("the old room is refreshed again")
        stage_room.refresh("another.token.two")
        await stage.step("the new one is")

    compare(story)


def test_both_paths_of_an_unpublication() -> None:
    """`unpublish_track` and the room's event race in the SDK; whichever comes first, both are cleared once."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        voice = Voice(1000).start()
        sfu.publish_local(voice.track, "TR_L1")
        stage.open(voice.track)
        await stage.step("opened")
        sfu.unpublish_local("TR_L1")
        voice.track._set_room(None)
        sfu.unpublish_local("TR_L1")
        await stage.step("unpublished")
        assert stage.scribes[0].told[2:] == CLEARED

    compare(story)


def test_a_room_that_is_moved() -> None:
    """The token comes first, then the name: ours tells the new name as well (G17: theirs keeps the old one)."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        stage.open(sfu.enter("anna", "TR_1", Voice(1000).start()))
        await stage.step("opened")
        sfu.refresh("a.token.two")
        await stage.step("refreshed")
        sfu.move("backstage")
        moved = [("info", "backstage", "anna", "TR_1"), ("credentials", "a.token.two", URL)]
        before = list(stage.scribes[0].told)
        await stage.step("moved", instead={0: before + moved})
        sfu.refresh("a.token.three")
        await stage.step(
            "refreshed there", instead={0: [*before, *moved, ("credentials", "a.token.three", URL)]}
        )

    compare(story)


def test_several_streams_on_one_track() -> None:
    """Each processor is told everything; a stream that closes takes nothing from the others."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        for _ in range(3):
            stage.open(track)
        await stage.step("opened")
        sfu.refresh("a.token.two")
        await stage.step("refreshed")
        await stage.streams[1].aclose()
        before = list(stage.script[1][1]) if stage.script else []
        # Theirs is closed with all that it was told; ours clears it first, as RoomIO's should (G24).
        await stage.step("one is closed", instead={1: [*before, *CLEARED, ("close",)]})
        sfu.refresh("a.token.three")
        await stage.step("refreshed for those that are left")

    compare(story)


def test_a_stream_that_is_closed_in_its_room() -> None:
    """Nothing is told after the close; ours clears what was told before it (G24)."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby")
        stream = stage.open(sfu.enter("anna", "TR_1", Voice(1000).start()))
        await stage.step("opened")
        before = list(stage.scribes[0].told)
        await stream.aclose()
        await stage.step("closed", instead={0: [*before, *CLEARED, ("close",)]})
        sfu.refresh("a.token.two")
        sfu.gone("anna", "TR_1")
        await stage.step("nothing more")

    compare(story)


def test_a_stream_outside_of_any_room() -> None:
    """It is told nothing at all, and closed."""

    async def story(stage: Stage) -> None:
        stream = stage.open(Voice(1000).start().track)
        await anext(stream)
        await stage.step("opened")
        await stream.aclose()
        await stage.step("closed")
        assert stage.scribes[0].told == [("close",)]

    compare(story)


def test_a_room_without_a_token() -> None:
    """Info comes alone; credentials when there are some."""

    async def story(stage: Stage) -> None:
        sfu = Sfu("lobby", token="")
        sfu.room._token = None
        stage.open(sfu.enter("anna", "TR_1", Voice(1000).start()))
        await stage.step("opened")
        assert stage.scribes[0].told == [("info", "lobby", "anna", "TR_1")]
        sfu.refresh("a.token.one")
        await stage.step("refreshed")

    compare(story)
