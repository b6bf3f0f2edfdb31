"""The laws of the machine that random programs hold, each with a name: so it can be said which one has caught what.

A world keeps what it finds wrong in a list of texts: ``law|detail``, or a detail alone where it is about the order of lives.
"""

from typing import Final

ANSWERED: Final = "every ask is answered"
ERRORS: Final = "every error is one of ours"
ORDER: Final = "lives are in order: one incarnation at a time, children first, live names, links told once"
WATCHED: Final = "every watch is told once"
DOWN: Final = "every monitor is told at most once, and none after it was taken back"
GONE: Final = "nothing is left after the end: no actor, name, timer or thread"
MESSAGES: Final = "every message is handled once, or is a dead letter"
TRIES: Final = (
    "a message that crashes its actor is tried as often as its mailbox says, and then before any other"
)
REFUSED: Final = "whatever was given up reaches nobody any more"
REST: Final = "what a supervisor says of its children is so"
BUDGET: Final = "restarts stay within the intensity"
GIVES_UP: Final = "a supervisor gives up only when its intensity is passed"
RESTARTED: Final = "at rest a permanent child runs, unless somebody has stopped it"
ONCE: Final = "one end of a child is answered by one restart, and each start that fails by one more"
STAYS: Final = "a temporary child is never restarted, and a transient one not after an orderly end"
STOPPED: Final = (
    "who stops a child is answered when it is over, and it stays stopped until somebody starts it"
)
BOOTED: Final = "a supervisor has started when its children have"
SIGNIFICANT: Final = (
    "a supervisor shuts itself down when its significant children have ended, as its mode says"
)
TOGETHER: Final = "one_for_all replaces all, rest_for_one those after it, one_for_one nobody else"
LAWS: Final = (
    ANSWERED, ERRORS, ORDER, WATCHED, DOWN, GONE, MESSAGES, TRIES, REFUSED, REST, BUDGET, GIVES_UP, RESTARTED, ONCE, STAYS,
    STOPPED, BOOTED, SIGNIFICANT, TOGETHER,
)  # fmt: skip


class LawBrokenError(AssertionError):
    """A law of a program does not hold."""

    def __init__(self, law: str, detail: str) -> None:
        self.law = law
        super().__init__(f"{law}: {detail}")


def hold(law: str, *, when: object, detail: object = "") -> None:
    """Raise unless a law holds.

    Raises:
        LawBrokenError: it does not.
    """
    if not when:
        raise LawBrokenError(law, f"{detail}")


def raise_first(broken: list[str]) -> None:
    """Raise the first of what a world has found wrong.

    Raises:
        LawBrokenError: there is something.
    """
    for each in broken[:1]:
        law, mark, detail = each.partition("|")
        raise LawBrokenError(law if mark else ORDER, detail if mark else each)
