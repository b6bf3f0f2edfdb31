"""The tables at the end of a run."""

from dataclasses import replace

import pytest
from tests.console.samples import (
    BROKEN,
    sample_facts,
    sample_processor,
    sample_snapshot,
    sample_stream,
)
from tests.console.test_view import drawn, line_with

from greenroom.actors.processors import Reason
from greenroom.console._facts import processor_facts, stream_facts
from greenroom.console._measure import Method, NoiseReduction
from greenroom.console._tables import EndReport


def test_a_track_shows_where_its_frames_went() -> None:
    """In, out, dropped and bypassed by reason, and latency stand in one row."""
    row = line_with("lobby / ben", drawn(EndReport(sample_facts()), 120))
    for fact in ("1200", "1197", "late 3", "warming 17, fault 1", "0.42", "12"):
        assert fact in row


def test_noise_reduction_is_shown_with_its_sign_and_its_method() -> None:
    """Better is plus; how it was measured is told."""
    facts = sample_facts()
    noise = NoiseReduction(
        method=Method.REFERENCE, before_db=5.0, after_db=12.3, reduction_db=7.3, delay_frames=480
    )
    facts = replace(facts, streams=(replace(facts.streams[0], noise=noise),))
    assert "+7.3 dB reference" in line_with("lobby / anna", drawn(EndReport(facts), 120))


def test_a_processor_shows_opened_closed_restarts_and_leases() -> None:
    """Past ones too: by the end most are."""
    row = line_with("gain#1", drawn(EndReport(sample_facts()), 120)).split()
    assert row[:7] == ["gain#1", "·", "closed", "1", "1", "0", "1"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_last_line_is_the_verdict(width: int) -> None:
    """One reads from the last line whether all is well."""
    assert drawn(EndReport(sample_facts()), width)[-1].endswith("all laws held")
    assert drawn(EndReport(sample_facts(verdicts=BROKEN)), width)[-1].endswith("1 law did not hold")


def test_a_broken_law_says_what_was_found() -> None:
    """The row of the law says no, and why."""
    row = line_with("4. no frame is lost", drawn(EndReport(sample_facts(verdicts=BROKEN)), 120))
    assert "✗ NO" in row
    assert "7 frames are nowhere" in row


def test_what_was_found_is_never_squeezed_into_a_column_of_letters() -> None:
    """Where there is little room it stands beside broken laws alone, and wide enough to be read."""
    assert not any("found" in line for line in drawn(EndReport(sample_facts()), 60))
    assert any("frames are nowhere" in line for line in drawn(EndReport(sample_facts(verdicts=BROKEN)), 60))


def test_leftovers_are_listed() -> None:
    """What should be gone and is not is named."""
    facts = replace(sample_facts(), leftovers=("thread worker-3",))
    assert any("left over: thread worker-3" in line for line in drawn(EndReport(facts)))


def test_faults_that_did_not_happen_are_listed() -> None:
    """A rehearsal that tested nothing is told, and so is a file that could not be written."""
    facts = replace(
        sample_facts(), unplayed=("denoise: raise x1",), failures=("anna, stream 1: out/a.wav: full",)
    )
    lines = drawn(EndReport(facts), 120)
    assert line_with("a fault of the script did not happen", lines).endswith("denoise: raise x1")
    assert "failed: anna, stream 1: out/a.wav: full" in [line.rstrip() for line in lines]


def test_no_line_exceeds_the_terminal() -> None:
    """At 80 columns the tables wrap inside their cells."""
    assert max(len(line) for line in drawn(EndReport(sample_facts()), 80)) <= 80


def test_past_streams_and_processors_are_facts_too() -> None:
    """What ended before the end is in the report, in its place, and nothing twice."""
    snapshot = replace(
        sample_snapshot(),
        past_streams=(sample_stream("room:lobby/track:dora/microphone/stream:1", ended=True),),
        past_processors=(sample_processor("denoise#1"),),
    )
    labels = [stream.label for stream in stream_facts(snapshot)]
    assert "lobby / dora" in labels
    assert len(labels) == 4
    assert [p.name for p in processor_facts(snapshot)].count("denoise#1") == 1


def test_frames_that_are_nowhere_are_lost() -> None:
    """Neither out, nor dropped for a reason, nor on their way: that is what lost means."""
    whole = stream_facts(sample_snapshot())[1]
    assert whole.dropped == {Reason.LATE: 3}
    assert whole.frames_lost == 0
    assert replace(whole, frames_out=whole.frames_out - 5).frames_lost == 5
    assert replace(whole, frames_out=whole.frames_out - 5, in_flight=5).frames_lost == 0
