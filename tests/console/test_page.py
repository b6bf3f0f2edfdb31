"""The two reports: JSON for programs, a page for people."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.console.samples import BROKEN, SECOND, sample_facts

from greenroom.console import _audio, _page, _report
from greenroom.console._facts import StreamAudio
from greenroom.console._page import report_html
from greenroom.console._report import SCHEMA, report, report_json
from greenroom.console._writing import write_reports

VOID = {"meta", "img", "input", "br", "hr", "link"}
RATE = 16_000


class Wellformed(HTMLParser):
    """Fails on a tag that is closed before those inside it, and collects ids and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.images_without_words = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag."""
        found = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [
            value for name, value in attrs if name in {"src", "href", "action", "data"} and value
        ]
        self.images_without_words += tag == "img" and not found.get("alt")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that is closed at once, as in SVG."""

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        assert self.open.pop() == tag


def parsed(page: str) -> Wellformed:
    """The page, read to its end."""
    parser = Wellformed()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture
def audio(tmp_path: Path) -> StreamAudio:
    """A second of noise, and half of it."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.1, RATE)
    soundfile.write(tmp_path / "in.wav", noise, RATE)
    soundfile.write(tmp_path / "out.wav", noise / 2, RATE)
    return StreamAudio(before=tmp_path / "in.wav", after=tmp_path / "out.wav")


def test_the_page_is_well_formed(audio: StreamAudio) -> None:
    """Every tag is closed in its turn, every id is there once, every picture has words."""
    page = parsed(report_html(sample_facts(audio=audio)))
    assert len(page.ids) == len(set(page.ids))
    assert page.images_without_words == 0


def test_the_page_needs_no_network(audio: StreamAudio) -> None:
    """All it shows is inside it, and browsers are told to load nothing."""
    page = report_html(sample_facts(audio=audio))
    assert all(address.startswith("data:") for address in parsed(page).addresses)
    assert not re.search(r"https?:|url\(|@import|//[a-z]+\.", re.sub(r"base64,[\w+/=]+", "", page))
    assert "default-src 'none'" in page


def test_the_page_shows_before_and_after(audio: StreamAudio) -> None:
    """Two pictures and two players for each stream, and the measured difference."""
    page = report_html(sample_facts(audio=audio))
    assert page.count("data:image/png") == 6
    assert page.count("data:audio/mpeg") == 6
    assert "+6.0 dB" in page


def test_long_audio_is_not_packed_into_the_page(audio: StreamAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a player the page says where to listen."""
    monkeypatch.setattr(_audio, "LARGEST_CLIP_BYTES", 100)
    page = report_html(sample_facts(audio=audio))
    assert "<audio" not in page
    assert "listen to" in page


def test_a_page_of_many_streams_pictures_those_with_most_to_tell(
    audio: StreamAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred streams do not make a page of a hundred pictures; the one that lost frames is among those shown."""
    monkeypatch.setattr(_page, "MOST_PICTURED", 1)
    page = report_html(sample_facts(audio=audio))
    assert page.count("data:image/png") == 2
    assert "Only the 1 with most to tell" in page
    cards = page[page.index("Tracks, before and after") :]
    assert cards.index("lobby / ben") < cards.index("data:image/png") < cards.index("studio / carla-with")


def test_audio_that_is_gone_is_said_to_be_missing(tmp_path: Path) -> None:
    """A report is still made when an input cannot be read any more."""
    gone = StreamAudio(before=tmp_path / "gone.wav", after=tmp_path / "gone-too.wav")
    assert "Cannot be shown" in report_html(sample_facts(audio=gone))


def test_what_comes_from_outside_is_escaped() -> None:
    """Names and errors are text, never markup."""
    page = report_html(sample_facts())
    assert "demo &lt;1&gt;" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no</b>" not in page


def test_a_broken_law_is_the_headline() -> None:
    """One sees at once that something is wrong, and what."""
    page = report_html(sample_facts(verdicts=BROKEN))
    assert "1 law did not hold" in page
    assert "7 frames are nowhere" in page
    assert "All" not in re.findall(r'<div class="verdict.*?</div>', page)[0]


def test_what_failed_and_what_was_not_rehearsed_is_in_both_reports() -> None:
    """Streams that failed are the headline, beside laws that held; faults that did not happen stand with the laws."""
    facts = replace(sample_facts(), unplayed=("denoise: raise x1",), failures=("anna: <full>",))
    page = report_html(facts)
    assert "✗ 1 stream failed" in page
    assert "anna: &lt;full&gt;" in page
    assert "did not happen: denoise: raise x1" in page
    found = json.loads(report_json(facts))
    assert (found["unplayed"], found["failures"]) == (["denoise: raise x1"], ["anna: <full>"])


def test_the_time_line_of_a_fast_run_counts_audio() -> None:
    """A run that did not wait for the clock is drawn over what was read; its axis says so."""
    facts = sample_facts()
    assert "Seconds since the run began" in report_html(facts)
    fast = report_html(replace(facts, pace="fast"))
    assert "Seconds of audio" in fast
    assert "lobby: open, 0.000 to 3.500 s" in fast


def test_the_json_report_says_what_the_tables_say(audio: StreamAudio) -> None:
    """Counts, verdicts and measures are there as numbers, times from the start of the run."""
    found = json.loads(report_json(sample_facts(audio=audio)))
    assert found["schema"] == SCHEMA
    assert found["held"] is True
    ben = found["streams"][1]
    assert (ben["room"], ben["track"], ben["lost"], ben["dropped"]) == (
        "lobby",
        "ben/microphone",
        0,
        {"late": 3},
    )
    assert ben["noise"]["method"] == "floor"
    assert ben["noise"]["reduction_db"] == pytest.approx(6.0, abs=0.1)
    assert ben["output"] == "out.wav"
    assert found["events"][1] == {
        "at_ns": SECOND // 10,
        "media_ns": SECOND // 20,
        "kind": "room.opened",
        "subject": "room:studio",
        "details": {},
    }
    assert json.loads(report_json(sample_facts(verdicts=BROKEN)))["held"] is False


def test_every_field_of_the_report_is_documented() -> None:
    """The table in the module is the contract; a field that is added without a word there fails here."""
    found = report(sample_facts())
    rows = re.findall(r"^(\w+) {2,}", _report.__doc__ or "", re.MULTILINE)
    assert [row for row in rows if row != "field"] == list(found)
    for name in (*found["streams"][0], *found["processors"][0], *found["events"][0], *found["verdicts"][0]):
        assert f"``{name}``" in (_report.__doc__ or ""), name


def test_both_reports_are_written(tmp_path: Path) -> None:
    """Two files, and nothing beside them."""
    write_reports(tmp_path, sample_facts())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error names the report that people asked for, not a temporary file."""
    with pytest.raises(OSError, match=r"report\.json"):
        write_reports(tmp_path / "gone", sample_facts())
