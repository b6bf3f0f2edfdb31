"""Lines of keys: compared with what `tomllib` makes of the same text."""

import tomllib
from collections.abc import Iterable, Iterator

import pytest

from greenroom.config import shipped_file, starter
from greenroom.config._positions import positions
from greenroom.config.errors import KeyPath

ODD = '''\
top = 1  # a comment = "not a key"
"quoted key".'and.another' = """
x = 1
[not.a.table]
""\\"""" # still no key = 1
lines = \'\'\'
a = [
\'\'\'
list = [ # comment ]
  1,
  { inline = "a # b", "deep"."er" = [[], [2]] },

  "]",
]
when = 1979-05-27 07:32:00

[ a . "b c" ]
x = 1
[[array]]
name = 'first'
[array.sub]
y = 2
[[array.nested]]
z = 3
[[array.nested]]
z = 4
[[array]]
name = "second"
[[array.nested]]
z = 5
'''


Toml = dict[str, "Toml"] | list["Toml"] | str | int | float | bool


def paths(value: Toml, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of everything in a parsed file."""
    if path:
        yield path
    items: Iterable[tuple[str | int, Toml]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from paths(inner, (*path, key))


@pytest.mark.parametrize("text", [ODD, shipped_file("demo").read_text("utf8"), starter(), "", "\n\n"])
def test_every_key_and_item_is_found_and_no_other(text: str) -> None:
    """The scanner sees exactly the structure that the parser sees."""
    assert set(positions(text).lines) == set(paths(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 1),
        (("quoted key", "and.another"), 2),
        (("lines",), 6),
        (("list", 0), 10),
        (("list", 1, "inline"), 11),
        (("list", 1, "deep", "er", 1, 0), 11),
        (("list", 2), 13),
        (("when",), 15),
        (("a", "b c", "x"), 18),
        (("array", 0, "name"), 20),
        (("array", 0, "sub", "y"), 22),
        (("array", 0, "nested", 1, "z"), 26),
        (("array", 1), 27),
        (("array", 1, "nested", 0, "z"), 30),
    ],
)
def test_the_line_is_the_line_of_the_key(path: KeyPath, line: int) -> None:
    """Counted from 1, through comments, quotes and texts of several lines."""
    assert positions(ODD).line(path) == line


def test_what_is_not_there_is_on_the_line_of_what_is_around_it() -> None:
    """A missing key is reported where its table begins; nothing at all has line 0."""
    assert positions(ODD).line(("array", 1, "nested", 0, "missing", 3)) == positions(ODD).line(
        ("array", 1, "nested", 0)
    )
    assert positions(ODD).line(("nowhere",)) == 0


@pytest.mark.parametrize(
    "text", ["a", "a = ", "[a", "a = [1", "a = {b = 1", "[" * 10_000, "a = " + "[" * 10_000, '"\\q" = 1']
)
def test_a_text_that_is_not_toml_does_no_harm(text: str) -> None:
    """It keeps what it has found; it never raises."""
    positions(text)
