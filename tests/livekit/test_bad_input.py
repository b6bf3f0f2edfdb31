"""What cannot work is refused at once, by name; nothing is left open, and the session is as it was."""

import asyncio
import subprocess
import sys
import threading
from functools import partial
from typing import Any

import pytest
from livekit import rtc
from tests.livekit.sdkkit import MICROPHONE, Scribe, Sfu, Voice, handlers_of, play, until

from greenroom.actors import (
    BadProcessorSpec,
    NotAProcessor,
    Session,
    SessionClosed,
    SessionSnapshot,
    UnknownProcessor,
)
from greenroom.adapters.livekit import (
    AlreadyAttached,
    Attachment,
    AudioStream,
    ConnectFailed,
    NotAnOption,
    NotAudio,
    NotInRoom,
    ProcessorOver,
    SdkUnsupported,
    WrongLoop,
    _native,
    attach,
    connect,
    default_session,
    hosted,
)
from greenroom.adapters.livekit._lobby import default_of
from greenroom.adapters.livekit._sdk import check_names, check_version

JWT = "aaaa.bbbb.cccc"


def selector(params: Any) -> Scribe:
    """Return the processor for somebody: what RoomIO can call, and a stream cannot."""
    return Scribe()


class Selector:
    """The same, as an object."""

    def __call__(self, params: Any) -> Scribe:
        return selector(params)


class Fitted(Scribe):
    """A processor that is made for somebody."""

    def __init__(self, model: str, *, voice: str) -> None:
        super().__init__()
        self.made_for = (model, voice)


def liberal(*_: Any, **__: Any) -> Scribe:
    """Return a processor, whatever it is given."""
    return Scribe()


async def built_later() -> Scribe:
    """Return a processor to who awaits it: lanes do not."""
    return Scribe()


def shown(session: Session) -> tuple[Any, ...]:
    """Return what a refusal must not change."""
    now: SessionSnapshot = session.snapshot()
    return now.rooms, now.processors, now.past_processors, now.past_streams


def test_a_track_of_a_room_that_is_closed() -> None:
    """By the server, or because it was left: there is nothing to hear."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attach(session, sfu.room)
        track = sfu.enter("anna", "TR_1", Voice(1000))
        sfu.end()
        before = shown(session)
        with pytest.raises(NotInRoom, match="closed"):
            AudioStream(track, processors=Scribe)
        assert shown(session) == before

    play(story)


def test_a_track_that_was_unsubscribed() -> None:
    """It is in no room any more."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000))
        sfu.unsubscribe("anna", "TR_1")
        with pytest.raises(NotInRoom):
            AudioStream(track)

    play(story)


def test_a_track_that_leaves_while_its_stream_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, what was opened already is closed again, and the next stream is served."""

    async def story() -> None:
        sfu = Sfu("lobby")
        track = sfu.enter("anna", "TR_1", Voice(1000).start())
        join = Attachment.join

        def gone(*_: Any) -> None:
            raise NotInRoom("the track has left its room")

        monkeypatch.setattr(Attachment, "join", gone)
        for _ in range(3):
            with pytest.raises(NotInRoom):
                AudioStream(track, processors=Scribe)
        monkeypatch.setattr(Attachment, "join", join)
        stream = AudioStream(track)
        await anext(stream)
        await until(lambda: len(_native._open) == 1)
        await stream.aclose()
        default = default_of(asyncio.get_running_loop())
        await until(lambda: default._streams == 0)

    play(story)


def test_what_is_no_audio_track() -> None:
    """A video track, or no track at all."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attach(session, sfu.room)
        sfu.join("anna")
        sfu.publish("anna", "TR_V", rtc.TrackSource.SOURCE_CAMERA)
        video = sfu.subscribe("anna", "TR_V", kind=rtc.TrackKind.KIND_VIDEO)
        before = shown(session)
        for wrong in (video, None, "TR_V"):
            with pytest.raises(NotAudio, match=f"{type(wrong).__name__} is no audio track"):
                AudioStream(wrong, processors=Scribe)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert shown(session) == before

    play(story)


def test_a_participant_who_has_left() -> None:
    """Or who never was in a room that is known."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attach(session, sfu.room)
        anna = sfu.join("anna")
        sfu.leave("anna")
        before = shown(session)
        with pytest.raises(NotInRoom, match="'anna'"):
            AudioStream.from_participant(participant=anna, track_source=MICROPHONE)
        with pytest.raises(NotInRoom, match="attach"):
            AudioStream.from_participant(participant=Sfu("elsewhere").join("ben"), track_source=MICROPHONE)
        with pytest.raises(NotAnOption, match="participant is a str"):
            AudioStream.from_participant(participant="anna", track_source=MICROPHONE)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert shown(session) == before

    play(story)


def test_two_loops() -> None:
    """A stream belongs to the loop that it is made in; another one is refused before anything is opened."""

    async def story() -> None:
        track = Voice(1000).start().track
        other = asyncio.new_event_loop()
        session = await default_session()
        before = shown(session)
        with pytest.raises(WrongLoop, match="another event loop"):
            AudioStream(track, loop=other, processors=Scribe)
        assert shown(session) == before
        other.close()
        stream = AudioStream(track, loop=asyncio.get_running_loop())
        refused: list[str] = []

        async def elsewhere() -> None:
            for misuse in (lambda: anext(stream), stream.aclose):
                try:
                    await misuse()
                except WrongLoop as error:
                    refused.append(str(error))

        thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
        thread.start()
        await until(lambda: not thread.is_alive())
        assert len(refused) == 2
        await anext(stream)
        await stream.aclose()

    play(story)


def test_no_loop_at_all() -> None:
    """Without a running loop and without ``loop`` there is nobody to read."""
    held: list[Voice] = []

    async def make() -> None:
        held.append(Voice(1000))
        await held[0].close()

    asyncio.run(make())
    with pytest.raises(WrongLoop, match="no event loop"):
        AudioStream(held[0].track)


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"auto_close_noise_cancellation": True}, "hold it"),
    ({"sample_rates": 48_000}, "sample_rates"),
    ({"participant": None}, "belong together"),
    ({"capacity": -1}, "capacity is -1"),
    ({"sample_rate": 0}, "sample_rate is 0"),
    ({"sample_rate": 99}, "sample_rate is 99; it must be from 100 to 384000 Hz"),
    ({"sample_rate": 768_100}, "sample_rate is 768100"),
    ({"num_channels": True}, "num_channels is True"),
    ({"frame_size_ms": 2.5}, "frame_size_ms is 2.5"),
    ({"frame_size_ms": 25, "processors": Scribe}, "10 ms"),
    ({"processors": rtc.NoiseCancellationOptions("m", {})}, "as noise_cancellation"),
    ({"processors": selector}, "selector"),
    ({"processors": Selector()}, "Selector takes arguments.* selector"),
    ({"processors": Fitted}, r"Fitted takes arguments.*partial\(Fitted"),
    ({"processors": partial(Fitted, voice="anna")}, "partial takes arguments"),
    ({"noise_cancellation": str}, "str is no class of processors"),
    ({"processors": [Scribe, built_later]}, "built_later is asynchronous"),
    ({"session": "s"}, "session is a str"),
]


@pytest.mark.parametrize(("values", "told"), ARGUMENTS)
def test_arguments(values: dict[str, Any], told: str) -> None:
    """Each is refused by its name, at once."""

    async def story() -> None:
        with pytest.raises(TypeError, match=told):
            AudioStream(Voice(1000).track, **values)

    play(story)


def test_the_flag_is_refused_whichever_way_a_stream_is_made() -> None:
    """The error says what to do instead."""

    async def story() -> None:
        flag: dict[str, Any] = {"auto_close_noise_cancellation": True}
        with pytest.raises(NotAnOption, match="hold it"):
            AudioStream.from_track(track=Voice(1000).track, **flag)
        anna = Sfu("lobby").join("anna")
        with pytest.raises(NotAnOption, match="hold it"):
            AudioStream.from_participant(participant=anna, track_source=MICROPHONE, **flag)

    play(story)


def test_factories_with_all_that_they_need() -> None:
    """Arguments that are given, or have defaults, or may be any number, are no reason to refuse one."""

    async def story() -> None:
        track = Voice(1000).start().track
        given = partial(Fitted, "model", voice="anna")
        for factory in (given, liberal, Scribe):
            stream = AudioStream(track, processors=[factory])
            await anext(stream)
            await stream.aclose()

    play(story)


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ("microphone", NotAnOption, "track_source is 'microphone'"),
        (99, NotAnOption, "track_source is 99"),
        (rtc.TrackSource.SOURCE_CAMERA, NotAudio, "camera"),
        (rtc.TrackSource.SOURCE_SCREENSHARE, NotAudio, "screenshare"),
    ],
)
def test_a_source_of_no_audio(source: Any, error: type[Exception], told: str) -> None:
    """Nothing would ever come, and who reads would wait for ever."""

    async def story() -> None:
        session = await default_session()
        sfu = Sfu("lobby")
        attach(session, sfu.room)
        before = shown(session)
        with pytest.raises(error, match=told):
            AudioStream.from_participant(participant=sfu.join("anna"), track_source=source)
        assert shown(session) == before

    play(story)


def test_a_room_that_is_connected_already() -> None:
    """Its connection would be left to nobody; and the SDK cannot connect one anew whose participants it still has."""

    async def story() -> None:
        async with Session("s") as session:
            sfu = Sfu("lobby")
            before = shown(session)
            with pytest.raises(ValueError, match="'lobby' is connected already"):
                await connect(session, "ws://127.0.0.1:9", JWT, room=sfu.room)
            ended = Sfu("stage")
            ended.join("anna")
            ended.end()
            with pytest.raises(ValueError, match=r"'stage' was connected before.* new rtc\.Room"):
                await connect(session, "ws://127.0.0.1:9", JWT, room=ended.room)
            wrong: Any = "lobby"
            with pytest.raises(TypeError, match="room is a str"):
                await connect(session, "ws://127.0.0.1:9", JWT, room=wrong)
            with pytest.raises(TypeError, match="options is a str"):
                await connect(session, "ws://127.0.0.1:9", JWT, options=wrong)
            with pytest.raises(TypeError, match="session is a str"):
                attach(wrong, sfu.room)
            assert shown(session) == before
            assert not handlers_of(sfu.room)

    play(story)


def test_what_cannot_be_a_processor_is_told_to_who_reads() -> None:
    """A name that nobody knows, something that is nothing: the first frame's reader hears of it, and all is closed."""

    async def story() -> None:
        track = Voice(1000).start().track
        for wrong, error in (("no such processor", UnknownProcessor), (7, NotAProcessor)):
            stream = AudioStream(track, processors=wrong)
            with pytest.raises(error):
                await anext(stream)
            with pytest.raises(error):
                await anext(stream)
            await stream.aclose()
        assert not (await default_session()).snapshot().processors

    play(story)


def test_an_instance_that_is_closed() -> None:
    """Nothing is called after a close: the same instance again is refused, and the hint says what would do."""

    async def story() -> None:
        track = Voice(1000).start().track
        scribe = Scribe()
        stream = AudioStream(track, noise_cancellation=scribe)
        await until(lambda: scribe.frames)
        await stream.aclose()
        assert scribe.closed
        with pytest.raises(ProcessorOver, match="hold"):
            AudioStream(track, noise_cancellation=scribe)
        assert not scribe.after_close

    play(story)


def test_a_lease_on_a_processor_that_has_no_shell() -> None:
    """One held without `hosted` would be given frames that are not LiveKit's."""

    async def story() -> None:
        session = await default_session()
        lease = await session.hold(Scribe)
        with pytest.raises(NotAnOption, match="hosted"):
            AudioStream(Voice(1000).track, processors=lease)
        await lease.release()
        with pytest.raises(BadProcessorSpec, match="deadline_ns"):
            await hosted(session, Scribe, deadline_ns=-1)

    play(story)


def test_a_room_has_one_session() -> None:
    """A second one is refused while streams are open; so is a session that is closed, and what is no room."""

    async def story() -> None:
        sfu = Sfu("lobby")
        async with Session("first") as first, Session("second") as second:
            attachment = attach(first, sfu.room)
            assert attach(first, sfu.room) is attachment
            with pytest.raises(AlreadyAttached):
                attach(second, sfu.room)
            track = sfu.enter("anna", "TR_1", Voice(1000))
            with pytest.raises(NotAnOption, match="session"):
                AudioStream(track, session=second)
            with pytest.raises(TypeError, match=r"rtc\.Room"):
                attach(first, "lobby")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            await attachment.detach()
            again = attach(second, sfu.room)
            assert again.name == "lobby"
            await again.detach()
        with pytest.raises(SessionClosed):
            attach(first, sfu.room)
        with pytest.raises(SessionClosed):
            attach(Session("never entered"), sfu.room)

    play(story)


@pytest.mark.parametrize(
    ("url", "token", "error", "told"),
    [
        (7, JWT, TypeError, "url is a int"),
        ("sfu.test", JWT, ValueError, "'sfu.test'"),
        ("ftp://sfu.test", JWT, ValueError, "LiveKit server"),
        ("ws://sfu.test:99999", JWT, ValueError, "LiveKit server"),
        ("ws://[::1", JWT, ValueError, "url is"),
        ("ws://sfu.test", b"token", TypeError, "token is a bytes"),
        ("ws://sfu.test", "my secret", ValueError, "three parts"),
        ("ws://127.0.0.1:9", JWT, ConnectFailed, "cannot connect to 127.0.0.1"),
    ],
)
def test_a_wrong_address_or_token(url: Any, token: Any, error: type[Exception], told: str) -> None:
    """Refused before anything is sent, or by the server that is not there; the session is as it was; no token is shown."""

    async def story() -> None:
        async with Session("s") as session:
            before = shown(session)
            room = rtc.Room()
            with pytest.raises(error, match=told) as raised:
                await connect(session, url, token, room=room, options=rtc.RoomOptions(connect_timeout=1.0))
            assert "secret" not in str(raised.value)
            assert JWT not in str(raised.value)
            assert shown(session) == before
            assert not handlers_of(room)

    play(story)


def test_a_room_that_was_attached_stays_so_when_it_cannot_be_connected() -> None:
    """What `connect` did not do, it does not undo."""

    async def story() -> None:
        async with Session("s") as session:
            room = rtc.Room()
            attachment = attach(session, room)
            with pytest.raises(ConnectFailed):
                await connect(
                    session,
                    "ws://127.0.0.1:9",
                    JWT,
                    room=room,
                    options=rtc.RoomOptions(connect_timeout=1.0),
                )
            assert not attachment.closed
            await attachment.detach()

    play(story)


@pytest.mark.parametrize("version", ["1.1.11", "0.18.0", "2.0.0", "2.1.0rc1"])
def test_an_sdk_that_is_not_known(version: str) -> None:
    """It is refused by its version, with those that would do."""
    with pytest.raises(SdkUnsupported, match=r">=1\.1\.12,<2"):
        check_version(version)


def test_an_sdk_that_is_not_known_is_refused_when_the_adapter_is_imported() -> None:
    """At once, by an `ImportError` that a stranger can read; not when a room is busy."""
    code = "import livekit.rtc; livekit.rtc.__version__ = '0.18.0'; import greenroom.adapters.livekit"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        "SdkUnsupported: livekit 0.18.0 is installed; greenroom supports livekit>=1.1.12,<2"
    )


@pytest.mark.parametrize("name", ["_resolve_room", "_unregister_audio_stream"])
def test_an_sdk_without_a_name_that_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused at the import, by that name, whatever its version says."""
    check_names()
    monkeypatch.delattr(rtc.Track, name)
    with pytest.raises(SdkUnsupported, match=f"without Track.{name}"):
        check_names()


def test_sdks_that_are_known() -> None:
    """The oldest, the one that agents pin, and the newest."""
    for version in ("1.1.12", "1.1.21", "1.2.1", "1.3.0"):
        check_version(version)
