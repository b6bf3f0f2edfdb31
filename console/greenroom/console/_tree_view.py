"""A snapshot of a tree, drawn for a terminal: one line for each actor, and below it what was asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from greenroom.console._tones import MARKS, TERMINAL_STYLES, Tone
from greenroom.console._words import NOTHING, count
from greenroom.supervision.snapshot import (
    ActorKind,
    ActorSnapshot,
    ActorState,
    FlightEntry,
    FlightKind,
    RestartBudget,
    TreeSnapshot,
    duration,
)

STATE_TONES: Final[dict[ActorState, Tone]] = {
    ActorState.STARTING: Tone.CARE,
    ActorState.RUNNING: Tone.GOOD,
    ActorState.DEGRADED: Tone.BAD,
    ActorState.RESTARTING: Tone.CARE,
    ActorState.BACKING_OFF: Tone.CARE,
    ActorState.STOPPING: Tone.CARE,
    ActorState.STOPPED: Tone.PLAIN,
    ActorState.FENCED: Tone.BAD,
}
ENTRY_TONES: Final[dict[FlightKind, Tone]] = {
    FlightKind.STARTED: Tone.GOOD,
    FlightKind.CRASHED: Tone.BAD,
    FlightKind.FENCED: Tone.BAD,
    FlightKind.ENDED: Tone.PLAIN,
    FlightKind.RESTARTING: Tone.CARE,
    FlightKind.DEAD_LETTER: Tone.CARE,
    FlightKind.OVERFLOW: Tone.CARE,
    FlightKind.UNRESPONSIVE: Tone.BAD,
    FlightKind.STOP_REQUESTED: Tone.PLAIN,
    FlightKind.MESSAGE: Tone.PLAIN,
}
COLUMNS: Final = ("state", "#", "up", "mail", "restarts", "last failure", "lost")
ALWAYS: Final = ("state", "#", "up")
"""Shown even if there is nothing in them; the others only if there is."""
FIRST_TO_GO: Final = ("up", "lost", "last failure", "restarts", "mail", "#")
"""What makes room for names where the terminal is narrow."""
NARROWEST_NAME: Final = 30
WIDEST_ERROR: Final = 20
GAP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeView:
    """A tree as people see it.

    Attributes:
        title: whose tree.
        recorder: whether to show what happened to each actor, and who died last.
        stacks: whether to show where zombies hang.
    """

    tree: TreeSnapshot
    title: str
    recorder: bool = False
    stacks: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        for line in self._all_lines(options.max_width):
            line.truncate(options.max_width, overflow="ellipsis")
            yield line

    def _all_lines(self, width: int) -> Iterator[Text]:
        yield self._headline()
        if self.tree.actors:
            yield from self._lines(width)
        if self.recorder and self.tree.dead:
            yield Text("gone", style="bold")
            yield from self._dead()
        yield from self._zombies()

    def _headline(self) -> Text:
        tree = self.tree
        states = ", ".join(f"{number} {state}" for state, number in tree.counts().items())
        facts = [count(len(tree.actors), "actor") + (f": {states}" if states else "")]
        if tree.dead_letters:
            facts.append(count(tree.dead_letters, "dead letter"))
        if tree.zombies:
            facts.append(count(len(tree.zombies), "zombie"))
        return Text.assemble((self.title, "bold"), "  ", (" · ".join(facts), "dim"))

    # -- the tree ---------------------------------------------------------------------------------------------

    def _lines(self, width: int) -> Iterator[Text]:
        budgets = {each.owner: each for actor in self.tree.actors for each in actor.budgets}
        rows = [self._cells(actor, budgets.get(actor.path)) for actor in self.tree.actors]
        guided = list(_guided(self.tree.actors))
        names = [Text.assemble((guides, "dim"), _name(actor)) for actor, guides, _ in guided]
        columns = {
            name: max(len(name), *(len(row[name]) for row in rows))
            for name in COLUMNS
            if name in ALWAYS or any(row[name] for row in rows)
        }
        widest = max(len("actor"), *(len(name) for name in names))
        room = width - sum(each + GAP for each in columns.values())
        for name in FIRST_TO_GO:
            if room < min(widest, NARROWEST_NAME) and name in columns:
                room += columns.pop(name) + GAP
        room = max(1, min(widest, room))
        yield _line(Text("actor"), {name: Text(name) for name in columns}, columns, room, "dim")
        for first, row, (actor, _, below) in zip(names, rows, guided, strict=True):
            yield _line(first, row, columns, room)
            if self.recorder:
                for entry in actor.recorder:
                    yield Text.assemble((below, "dim"), self._entry(entry))

    def _cells(self, actor: ActorSnapshot, budget: RestartBudget | None) -> dict[str, Text]:
        failure = actor.last_failure
        ago = ""
        if failure is not None:
            error = Text(failure.error)
            error.truncate(WIDEST_ERROR, overflow="ellipsis")
            ago = f"{error.plain} -{duration(self.tree.at_ns - failure.at_ns)}"
        lost = [f"{actor.dead_letters} letters" if actor.dead_letters else ""]
        lost.append(count(actor.zombies, "zombie") if actor.zombies else "")
        return {
            "state": _state(actor),
            "#": Text(str(actor.incarnation), style="yellow" if actor.incarnation > 1 else "dim"),
            "up": Text(NOTHING if actor.up_ns is None else duration(actor.up_ns), style="dim"),
            "mail": _mail(actor),
            "restarts": _restarts(budget),
            "last failure": Text(ago, style="red"),
            "lost": Text(" ".join(each for each in lost if each), style="red"),
        }

    # -- what happened ----------------------------------------------------------------------------------------

    def _entry(self, entry: FlightEntry) -> Text:
        tone = ENTRY_TONES[entry.kind]
        return Text.assemble(
            (f"{'-' + duration(self.tree.at_ns - entry.at_ns):>8} #{entry.incarnation} ", "dim"),
            (f"{MARKS[tone]} {entry.kind}", TERMINAL_STYLES[tone]),
            (f" {entry.detail}" if entry.detail else "", ""),
            (f" x{entry.count}" if entry.count > 1 else "", "dim"),
        )

    def _dead(self) -> Iterator[Text]:
        for dead in self.tree.dead:
            failed = "" if dead.last_failure is None else f"  {dead.last_failure.error}"
            ago = f"  -{duration(self.tree.at_ns - dead.at_ns)}"
            yield Text.assemble(f"  {dead.path}", (ago, "dim"), (failed, "red"))
            for entry in dead.recorder:
                yield Text.assemble("    ", self._entry(entry))

    def _zombies(self) -> Iterator[Text]:
        for zombie in self.tree.zombies:
            yield Text.assemble(
                ("zombie ", "bold red"),
                f"{zombie.path} #{zombie.incarnation} ",
                (f"on {zombie.thread}", "dim"),
            )
            if self.stacks:
                for frame in zombie.stack:
                    yield Text.assemble(f"    {frame.function}  ", (f"{frame.file}:{frame.line}", "dim"))


def _line(
    first: Text, row: Mapping[str, Text], columns: Mapping[str, int], room: int, style: str = ""
) -> Text:
    first.truncate(room, overflow="ellipsis", pad=True)
    line = Text(style=style).append_text(first)
    for name, width in columns.items():
        blank = " " * (width - len(row[name]))
        before, after = (blank, "") if name in ("#", "up") else ("", blank)
        line.append(" " * GAP + before).append_text(row[name]).append(after)
    line.rstrip()
    return line


def _guided(actors: tuple[ActorSnapshot, ...]) -> Iterator[tuple[ActorSnapshot, str, str]]:
    """Yield each actor with the lines that lead to it, and those that go on below it."""
    last: list[bool] = []
    below: dict[int, bool] = {}
    lasts: list[bool] = []
    for actor in reversed(actors):  # from below, one knows whether a sibling follows
        lasts.append(not below.get(actor.depth, False))
        below[actor.depth] = True
        for depth in [each for each in below if each > actor.depth]:
            del below[depth]
    for index, (actor, is_last) in enumerate(zip(actors, reversed(lasts), strict=True)):
        del last[actor.depth :]
        margin = "".join("   " if each else "│  " for each in last[1:])
        guide = "" if actor.depth == 0 else "└─ " if is_last else "├─ "
        last.append(is_last)
        own = "" if actor.depth == 0 else "   " if is_last else "│  "
        has_children = index + 1 < len(actors) and actors[index + 1].depth > actor.depth
        yield actor, margin + guide, margin + own + ("│  " if has_children else "   ")


def _name(actor: ActorSnapshot) -> Text:
    if actor.kind is ActorKind.WORKER:
        return Text(actor.name)
    mark = " ⟳" if actor.kind is ActorKind.TASK else ""
    return Text(actor.name + mark, style="bold" if actor.kind is ActorKind.SUPERVISOR else "italic")


def _state(actor: ActorSnapshot) -> Text:
    tone = STATE_TONES[actor.state]
    waits = "" if actor.backoff_left_ns is None else f" {duration(actor.backoff_left_ns)}"
    return Text(f"{MARKS[tone]} {actor.state}{waits}", style=TERMINAL_STYLES[tone] or "dim")


def _mail(actor: ActorSnapshot) -> Text:
    if not actor.mailbox_depth:
        return Text("")
    sign = "" if actor.mailbox_age_exact else "≤"
    age = "" if actor.mailbox_age_ns is None else f" {sign}{duration(actor.mailbox_age_ns)}"
    return Text(f"{actor.mailbox_depth}{age}")


def _restarts(budget: RestartBudget | None) -> Text:
    if budget is None or not budget.restarts:
        return Text("")
    return Text(f"{budget.restarts} of {budget.intensity}", style="red" if budget.left == 0 else "yellow")
