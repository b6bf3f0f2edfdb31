"""Options are checked against signatures before anything is built."""

from typing import Annotated, Any, Literal

import pytest
from annotated_types import Interval

from greenroom.actors.frames import Frame
from greenroom.actors.processors import AudioProcessor, Placement
from greenroom.adapters import BadOptions
from greenroom.adapters.processors import (
    check_options,
    gain,
    highpass,
    meter,
    offered,
    rnnoise,
    silero,
    webrtc_agc,
    webrtc_ns,
)
from greenroom.adapters.processors._options import options_of


def factory(
    count: Annotated[int, Interval(gt=0, lt=5)],
    *,
    mode: Literal["soft", "hard"] = "soft",
    loud: bool = False,
    key: str = "",
    ratio: float = 1.0,
) -> None:
    """Take one option of each kind."""


def open_ended(**options: int) -> None:
    """Take any names."""


class Unannotated:
    """Takes two options, and says nothing of their types."""

    def __init__(self, a: Any, b: Any = 1) -> None: ...


del Unannotated.__init__.__annotations__["a"], Unannotated.__init__.__annotations__["b"]


class Classy:
    def __init__(self, size: int) -> None: ...


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"count": 5}, "option 'count' is 5; it takes a whole number above 0 below 5"),
        ({"count": 0}, "option 'count' is 0"),
        ({"count": True}, "option 'count' is True"),
        ({"count": 1.0}, "option 'count' is 1.0"),
        ({"count": "2"}, "option 'count' is a text; it takes a whole number"),
        ({"count": [1]}, "option 'count' is a list"),
        ({"count": None}, "option 'count' is None"),
        ({}, "option 'count' is missing; it takes a whole number"),
        ({"count": 1, "mode": "sofd"}, "option 'mode' is 'sofd'; it takes 'soft' or 'hard'"),
        ({"count": 1, "loud": 1}, "option 'loud' is 1; it takes true or false"),
        ({"count": 1, "ratio": float("nan"), "lout": True}, "no option 'lout'; did you mean 'loud'?"),
    ],
)
def test_what_a_signature_refuses(options: dict[str, Any], text: str) -> None:
    """Each refusal names the option, its value and what would do."""
    with pytest.raises(BadOptions) as caught:
        check_options(factory, options)
    assert text in str(caught.value)
    assert str(caught.value).startswith("factory: ")


def test_all_problems_are_told_at_once() -> None:
    """Nobody fixes one option to learn of the next."""
    with pytest.raises(BadOptions) as caught:
        check_options(factory, {"count": 9, "loud": "yes", "nope": 1})
    assert len(caught.value.problems) == 3


def test_a_text_is_never_shown() -> None:
    """An option may be a secret; what is shown of a text is that it is one."""
    with pytest.raises(BadOptions) as caught:
        check_options(factory, {"count": "hunter2", "ratio": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (factory, {"count": 4, "mode": "hard", "ratio": 2, "key": "k"}),
        (open_ended, {"anything": 1}),
        (Unannotated, {"a": object()}),
        (Classy, {"size": 3}),
        (dict, {"whatever": 1}),
    ],
)
def test_what_a_signature_allows(target: Any, options: dict[str, Any]) -> None:
    """An integer is a number; what a signature does not say is not checked."""
    check_options(target, options)


def test_a_class_is_checked_like_a_function() -> None:
    """A processor class is a factory; its ``__init__`` says what it takes."""
    with pytest.raises(BadOptions, match="Classy: option 'size' is a text"):
        check_options(Classy, {"size": "big"})
    with pytest.raises(BadOptions, match="option 'a' is missing"):
        check_options(Unannotated, {})


def test_options_are_described() -> None:
    """What the catalogue says of each option: type, range, default."""
    said = {option.name: (option.takes, option.default) for option in options_of(factory)}
    assert said["count"] == ("a whole number above 0 below 5", "")
    assert said["mode"] == ("'soft' or 'hard'", "'soft'")
    assert [option.takes for option in options_of(Unannotated)] == ["anything", "anything"]


@pytest.mark.parametrize(
    ("build", "options", "text"),
    [
        (gain, {"db": 60.5}, "gain: option 'db' is 60.5; it takes a number from -60 to 60"),
        (gain, {"db": float("nan")}, "option 'db' is nan"),
        (highpass, {"cutoff_hz": 9}, "it takes a number from 10 to 1000"),
        (webrtc_ns, {"level": 0}, "it takes a whole number from 1 to 4"),
        (webrtc_ns, {"level": 5}, "option 'level' is 5"),
        (webrtc_agc, {"target": 3}, "no option 'target'; it takes none"),
        (meter, {"x": 1}, "no option 'x'"),
        (rnnoise, {"x": 1}, "no option 'x'"),
        (silero, {"x": 1}, "no option 'x'"),
    ],
)
def test_processors_refuse_wrong_options_when_built(build: Any, options: dict[str, Any], text: str) -> None:
    """What a check would have found is found by building, too."""
    with pytest.raises(BadOptions) as caught:
        build(**options)
    assert text in str(caught.value)


def test_others_can_decorate_theirs() -> None:
    """``offered`` is for other packages as well: it checks, and keeps the signature."""

    class Same(AudioProcessor):
        def _process(self, frame: Frame) -> Frame:
            return frame

    @offered(placement=Placement.INLINE)
    def same(*, size: int = 1) -> Same:
        return Same()

    assert isinstance(same(size=2), Same)
    with pytest.raises(BadOptions):
        same(size="2")  # type: ignore[arg-type]
    check_options(same, {"size": 3})
