"""Replay tokens: they come back as they were, say so if they are damaged or of other code, and fill no memory."""

import base64
import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.supervision.tokens import LONGEST, BadToken, Token, fingerprint

NUMBERS = st.lists(st.integers(0, 2**60)).map(tuple)
EXTRA = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
)
TOKENS = st.builds(
    Token,
    program=st.text(),
    seed=st.integers(),
    schedule=st.text(),
    choices=st.none() | NUMBERS,
    draws=st.none() | NUMBERS,
    extra=EXTRA,
    code=st.text(),
)
TOKEN = Token(
    program="rooms", seed=7, schedule="random(7)", choices=(0, 2, 1), extra={"faults": []}, code="aa"
)


@given(TOKENS)
def test_a_token_comes_back_as_it_was(token: Token) -> None:
    """Whatever is in it; the text can be pasted anywhere, and wrapped."""
    text = token.encode()
    assert Token.decode(text) == token
    assert text.isascii()
    assert not set(text) & set(" \t\n\"'$`\\;&|<>*?()[]{}!#~=/+")
    assert Token.decode(f"  {text[:7]}\n{text[7:]}\n") == token


def test_a_token_of_a_long_run_is_short() -> None:
    """Ten thousand choices, mostly the first, take less than a page."""
    choices = tuple(3 if at % 500 == 0 else 0 for at in range(10_000))
    assert len(Token(program="p", seed=1, schedule="x", choices=choices, code="aa").encode()) < 400


@given(st.text())
def test_garbage_is_refused(text: str) -> None:
    """With an error that says what it is not."""
    with pytest.raises(BadToken, match="no replay token"):
        Token.decode(text)


@given(st.integers(5, len(TOKEN.encode()) - 1), st.sampled_from("ABCxyz019-_*"))
def test_a_damaged_token_is_refused_or_the_same(at: int, letter: str) -> None:
    """One wrong letter, or one that is missing, is never taken for another run."""
    text = TOKEN.encode()
    for damaged in (text[:at] + letter + text[at + 1 :], text[:at] + text[at + 1 :], text[:at]):
        with suppress(BadToken):
            assert Token.decode(damaged) == TOKEN


def packed(value: Any) -> str:
    """Pack anything as if it were a token."""
    return "gr1." + base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode().rstrip("=")


FIELDS: dict[str, Any] = {
    "program": "p", "seed": 1, "schedule": "s", "choices": [1], "draws": None, "extra": {}, "code": "aa",
}  # fmt: skip
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"program": 1}, "its program is no text"),
    ({"schedule": None}, "its schedule is no text"),
    ({"code": []}, "its code is no text"),
    ({"seed": "1"}, "its seed is no integer"),
    ({"seed": True}, "its seed is no integer"),
    ({"choices": 3}, "its choices are no list of integers from 0"),
    ({"choices": [-1]}, "its choices are no list of integers from 0"),
    ({"choices": [True]}, "its choices are no list of integers from 0"),
    ({"draws": ["1"]}, "its draws are no list of integers from 0"),
    ({"extra": []}, "its extra is no object"),
    ({"further": 1}, "it does not hold choices, code, draws, extra, program, schedule, seed"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG)
def test_each_field_is_checked(wrong: dict[str, Any], why: str) -> None:
    """By name; what is well made is taken."""
    assert Token.decode(packed(FIELDS)).choices == (1,)
    with pytest.raises(BadToken) as caught:
        Token.decode(packed(FIELDS | wrong))
    assert caught.value.why == why


def test_what_is_no_object_or_of_another_version_is_refused() -> None:
    """The version is part of the text."""
    others: list[Any] = [[], 3, None, "text", {}]
    for value in others:
        with pytest.raises(BadToken, match="does not hold"):
            Token.decode(packed(value))
    with pytest.raises(BadToken, match=r"begins with 'gr9', not with gr1\."):
        Token.decode("gr9." + TOKEN.encode()[4:])


def test_a_hostile_token_fills_no_memory() -> None:
    """A short text that would unfold to more than any schedule is refused."""
    bomb = base64.urlsafe_b64encode(zlib.compress(b" " * (LONGEST + 1), 9)).decode()
    assert len(bomb) < 50_000
    with pytest.raises(BadToken, match="cut off or too long"):
        Token.decode("gr1." + bomb)
    with pytest.raises(BadToken, match="damaged"):
        Token.decode("gr1." + base64.urlsafe_b64encode(zlib.compress(b"[" * 100_000)).decode())


def test_a_fingerprint_changes_with_the_sources_and_with_nothing_else(tmp_path: Path) -> None:
    """Not with their order, their place or their line ends; with each letter and each name."""
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_bytes(b"a = 1\n")
    other.write_bytes(b"b = 1\n")
    first = fingerprint(files=[one, other])
    assert first == fingerprint(files=[other, one])
    elsewhere = tmp_path / "deeper"
    elsewhere.mkdir()
    (elsewhere / "one.py").write_bytes(b"a = 1\r\n")
    assert fingerprint(files=[elsewhere / "one.py", other]) == first
    one.write_bytes(b"a = 2\n")
    assert fingerprint(files=[one, other]) != first
    one.rename(tmp_path / "two.py")
    assert fingerprint(files=[tmp_path / "two.py"]) != fingerprint(files=[elsewhere / "one.py"])


def test_a_fingerprint_is_of_packages_and_modules_by_name() -> None:
    """A package stands for all of its files, a module for itself."""
    whole = fingerprint("greenroom.supervision")
    assert whole == fingerprint("greenroom.supervision")
    assert (
        len(
            {whole, fingerprint("greenroom.supervision.tokens"), fingerprint("greenroom.supervision", "json")}
        )
        == 3
    )
    assert len(whole) == 16
    with pytest.raises(ImportError):
        fingerprint("greenroom.nowhere")
