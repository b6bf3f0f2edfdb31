"""No token is seen anywhere: logs at every level, events, snapshots, errors, texts of things; however it gets out."""

import io
import logging
from typing import Any

import pytest
import structlog
from tests.actors.sessionkit import Collected, Counting, Journal, numbers, play, until

from greenroom.actors import Credentials, Pace, Session, SessionEvent, StreamFailed, Token

TOKEN = "sekrit-token-xyz"
CREDENTIALS = Credentials(token=TOKEN, url="wss://one")


def leaky(_instance: int, what: str, number: int) -> None:
    """Fail with a text that holds the token, wherever a processor can."""
    if what in ("info", "build") and number == 1 and _instance < 3:
        raise RuntimeError(f"cannot use {TOKEN}")
    if what == "frame" and number == 5:
        raise ValueError(f"bad token {TOKEN!r}") from KeyError(TOKEN)
    if what in ("close", "info cleared"):
        raise RuntimeError(TOKEN)


async def _story(session: Session, shown: list[str]) -> None:
    journal = Journal()
    journal.plan = leaky
    events: list[SessionEvent] = []
    session.observe(events.append)

    def bad_observer(_: SessionEvent) -> None:
        raise RuntimeError(TOKEN)

    session.observe(bad_observer)
    room = await session.open_room("lobby", credentials=CREDENTIALS)
    track = await room.add_track("TR_1", participant="g", source=Counting())
    stream = await track.open_stream([journal.spec(), journal.spec("q", intensity=0)])
    lease = await session.hold(journal.spec("held"))
    shown += [
        repr(each)
        for each in (session.snapshot(), room, track, stream, lease, stream.snapshot(), journal.spec())
    ]
    await numbers(stream)
    await room.refresh(CREDENTIALS)
    broken = await room.add_track("TR_2", participant="h", source=Counting(fail_at=(2, OSError(TOKEN))))
    with pytest.raises(StreamFailed) as failed:
        await numbers(await broken.open_stream([journal.spec()]))
    shown += [str(failed.value), repr(failed.value)]
    lost = await room.add_track("TR_3", participant="i", source=Counting())
    sink = Collected(fail_at=1, error=OSError(TOKEN))
    stream = await lost.open_stream([], sink=sink)
    with pytest.raises(StreamFailed) as failed:
        await stream.ended()
    shown += [str(failed.value), repr(failed.value)]
    await until(session, lambda: True)
    shown += [repr(events), repr(session.snapshot())]


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("configured", [True, False])
def test_no_token_is_seen(seed: int | None, configured: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Processors, sources, sinks and observers that raise the token itself do not get it shown."""
    written = io.StringIO()
    if configured:
        structlog.configure(
            processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
            logger_factory=structlog.PrintLoggerFactory(written),
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )
    shown: list[str] = []
    try:
        with caplog.at_level(logging.DEBUG):
            _, report = play(seed, lambda session: _story(session, shown), pace=Pace.FAST)
    finally:
        structlog.reset_defaults()
    texts = [
        *shown,
        repr(report),
        written.getvalue(),
        caplog.text,
        *(repr(vars(each)) for each in caplog.records),
    ]
    assert ("processor.failed" in written.getvalue()) == configured
    assert configured or any("processor.failed" in text for text in texts)
    for text in texts:
        assert TOKEN not in text


def test_a_token_that_is_shown_breaks_the_law() -> None:
    """What the session itself lets out it finds in its own record."""

    async def story(session: Session) -> None:
        await session.open_room(f"room-{TOKEN}", credentials=CREDENTIALS)

    _, report = play(0, story, lawful=False)
    assert [verdict.law for verdict in report.verdicts if not verdict.held] == [8]
    assert report.secrets_shown == ("***",)


def test_a_token_prints_as_stars() -> None:
    """However a token is turned into text it is stars; only ``reveal`` says it."""
    token: Any = Token(TOKEN)
    assert (
        TOKEN not in f"{token} {token!r} {token!s} {token:>20} {CREDENTIALS} {CREDENTIALS!r} {[token]} {vars}"
    )
    assert token.reveal() == TOKEN
