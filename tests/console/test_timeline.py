"""The time line: events in, lanes out."""

from tests.console.samples import SECOND, sample_event, sample_events

from greenroom.actors.snapshots import EventKind, SessionEvent
from greenroom.console._subjects import Subject, parse_subject
from greenroom.console._timeline import Lane, Span, lanes
from greenroom.console._timeline_svg import MOST_TICKS, tick_ns, timeline_svg
from greenroom.console._tones import Tone

MIC = "room:lobby/track:anna/microphone"


def lane(name: str, *events: SessionEvent, kind: str = "") -> Lane:
    """The lane of that name, after these events in ten seconds."""
    (found,) = [one for one in lanes(events, 0, 10 * SECOND) if one.name == name and kind in {"", one.kind}]
    return found


def states(spans: tuple[Span, ...]) -> list[tuple[str, float, float]]:
    """Spans in seconds."""
    return [(span.state, span.start_ns / SECOND, span.end_ns / SECOND) for span in spans]


def test_a_path_is_taken_apart_by_kinds() -> None:
    """A track's key holds a slash and stays whole."""
    assert parse_subject(f"{MIC}/stream:1") == Subject(room="lobby", track="anna/microphone", stream="1")
    assert parse_subject("processor:denoise#1") == Subject(processor="denoise#1")
    assert parse_subject("session") == Subject()


def test_rooms_come_with_their_tracks_and_then_processors() -> None:
    """The order of lanes is the tree's, whatever the order of events."""
    found = [(one.kind, one.name) for one in lanes(sample_events(), 0, 10 * SECOND)]
    assert found == [
        ("room", "lobby"),
        ("track", "anna/microphone"),
        ("room", "studio"),
        ("track", "carla/microphone"),
        ("processor", "denoise#1"),
    ]


def test_a_processor_is_seen_to_fail_and_come_back() -> None:
    """Building, ready, restarting, building, ready, gone: each with its time."""
    spans = states(lane("denoise#1", *sample_events()).spans)
    assert spans[:4] == [
        ("building", 0.5, 0.6),
        ("ready", 0.6, 3.0),
        ("restarting", 3.0, 3.1),
        ("building", 3.1, 3.3),
    ]
    assert spans[-1] == ("ready", 6.4, 9.2)


def test_a_processor_that_never_came_back_ends_with_its_last_lease() -> None:
    """Nothing of it is open any more, so nothing of it will be closed."""
    found = lane(
        "voice#1",
        sample_event(EventKind.LEASE_GRANTED, "processor:voice#1", 1),
        sample_event(EventKind.PROCESSOR_OPENED, "processor:voice#1", 1),
        sample_event(EventKind.PROCESSOR_DEGRADED, "processor:voice#1", 2),
        sample_event(EventKind.PROCESSOR_CLOSED, "processor:voice#1", 3),
        sample_event(EventKind.LEASE_ENDED, "processor:voice#1", 4),
    )
    assert states(found.spans) == [("building", 1.0, 2.0), ("degraded", 2.0, 4.0)]


def test_leases_are_counted() -> None:
    """Two holders overlap, one leaves, the other leaves."""
    found = lane(
        "voice#1",
        sample_event(EventKind.LEASE_GRANTED, "processor:voice#1", 1),
        sample_event(EventKind.LEASE_GRANTED, "processor:voice#1", 2),
        sample_event(EventKind.LEASE_ENDED, "processor:voice#1", 3),
        sample_event(EventKind.LEASE_ENDED, "processor:voice#1", 4),
    )
    assert states(found.leases) == [("1", 1.0, 2.0), ("2", 2.0, 3.0), ("1", 3.0, 4.0)]


def test_a_track_that_moves_is_in_both_rooms_one_after_the_other() -> None:
    """Its lane ends in the room that it left and begins in the one that it entered."""
    events = (
        sample_event(EventKind.TRACK_ADDED, MIC, 1),
        sample_event(EventKind.TRACK_MOVED, "room:stage/track:anna/microphone", 4, came_from="lobby"),
        sample_event(EventKind.TRACK_REMOVED, "room:stage/track:anna/microphone", 8),
    )
    found = [one for one in lanes(events, 0, 10 * SECOND) if one.kind == "track"]
    assert [states(one.spans) for one in found] == [[("live", 1.0, 4.0)], [("live", 4.0, 8.0)]]


def test_what_is_still_there_at_the_end_lasts_to_the_end() -> None:
    """A bar without an end reaches the right edge."""
    found = lane("lobby", sample_event(EventKind.ROOM_OPENED, "room:lobby", 2))
    assert states(found.spans) == [("open", 2.0, 10.0)]


def test_every_event_of_a_lane_is_a_mark() -> None:
    """Nothing that happened is left out of the picture; bad news are marked as such."""
    found = lane("denoise#1", *sample_events())
    assert len(found.marks) == 15
    assert [m.at_ns for m in found.marks if m.tone is Tone.BAD] == [3 * SECOND, 6 * SECOND]


def test_names_from_outside_cannot_break_the_picture() -> None:
    """A room may be called anything."""
    events = (sample_event(EventKind.ROOM_OPENED, 'room:<script>"&', 1),)
    picture = timeline_svg(lanes(events, 0, 2 * SECOND), 2 * SECOND)
    assert "<script" not in picture
    assert "&lt;script&gt;" in picture


def test_ticks_are_round_and_few() -> None:
    """From a fast run of 50 ms to an hour there are enough ticks to read, and no more than fit."""
    for duration in (SECOND // 20, SECOND, 20 * SECOND, 3_600 * SECOND):
        assert 1 <= duration / tick_ns(duration) <= MOST_TICKS


def test_a_run_without_events_has_a_picture() -> None:
    """Nothing to show is not an error."""
    assert timeline_svg((), 0).startswith("<svg")
