"""`AudioStream`: frames of real tracks through real processors, without a server."""

from livekit import rtc
from tests.livekit.sdkkit import Scribe, Sfu, Voice, level_of, play, until

from greenroom.adapters.livekit import AudioStream


def test_one_import_is_enough() -> None:
    """A stream on a remote track of a room that nobody attached: processed frames, full context, one close."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        async for event in stream:
            assert isinstance(event, rtc.AudioFrameEvent)
            if level_of(event) == 1001:
                break
        await stream.aclose()
        await until(lambda: scribe.closed)
        assert scribe.told == [
            ("info", "lobby", "anna", "TR_1"),
            ("credentials", "a.token.one", "wss://sfu.test"),
            ("info cleared",),
            ("credentials cleared",),
            ("close",),
        ]
        assert not scribe.after_close

    play(story)


def test_a_track_that_is_unsubscribed_ends_its_stream() -> None:
    """No frame comes after the event, and the processor is told and closed."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        await anext(stream)
        sfu.gone("anna", "TR_1")
        assert [event async for event in stream] == []
        await until(lambda: scribe.closed)
        assert scribe.told[2:] == [("info cleared",), ("credentials cleared",), ("close",)]

    play(story)
