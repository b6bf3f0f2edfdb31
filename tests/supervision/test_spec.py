"""Specs: each field with each wrong value, each combination that makes no sense, and the defaults."""

import itertools
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from greenroom.supervision._backoff import LONGEST_NS, SECOND_NS, Backoff
from greenroom.supervision._liveness import Liveness
from greenroom.supervision._restart import Restart
from greenroom.supervision.errors import BadSpec
from greenroom.supervision.runtime import Dispatcher
from greenroom.supervision.spec import (
    LONGEST_ID,
    MOST_CHILDREN,
    MOST_MESSAGES,
    MOST_RESTARTS,
    AutoShutdown,
    ChildSpec,
    ChildType,
    MailboxSpec,
    OnCrash,
    OnRestart,
    Overflow,
    ShutdownBudget,
    Strategy,
    SupervisorFlags,
    check_children,
)


def nothing() -> None:
    """Start nothing."""


def child(name: str = "mic", **more: Any) -> ChildSpec:
    """Return a spec that is right but for what ``more`` says."""
    return ChildSpec(id=name, start=nothing, **more)


WRONG: list[tuple[type[Any], str, Any, str]] = [
    (ChildSpec, "id", "", "printable text"),
    (ChildSpec, "id", "  ", "printable text"),
    (ChildSpec, "id", "a\nb", "printable text"),
    (ChildSpec, "id", "x" * (LONGEST_ID + 1), "1 to 200 characters"),
    (ChildSpec, "id", 7, "printable text"),
    (ChildSpec, "id", None, "printable text"),
    (ChildSpec, "start", None, "callable"),
    (ChildSpec, "start", "module:function", "callable"),
    (ChildSpec, "restart", "permanent", "Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY"),
    (ChildSpec, "restart", None, "Restart.PERMANENT"),
    (ChildSpec, "shutdown_ns", 0, "from 1"),
    (ChildSpec, "shutdown_ns", -1, "from 1"),
    (ChildSpec, "shutdown_ns", True, "an integer"),
    (ChildSpec, "shutdown_ns", 5.0, "an integer"),
    (ChildSpec, "shutdown_ns", "brutal", "ShutdownBudget"),
    (ChildSpec, "shutdown_ns", LONGEST_NS + 1, "an integer"),
    (ChildSpec, "type", "worker", "ChildType.WORKER, ChildType.SUPERVISOR"),
    (ChildSpec, "significant", 1, "True or False"),
    (ChildSpec, "significant", True, "False for a permanent child"),
    (ChildSpec, "backoff", 2.0, "a Backoff"),
    (ChildSpec, "dispatcher", "pool", "Dispatcher.POOL"),
    (ChildSpec, "mailbox", 100, "a MailboxSpec"),
    (ChildSpec, "mailbox", None, "a MailboxSpec"),
    (ChildSpec, "start_ns", 0, "from 1"),
    (ChildSpec, "start_ns", False, "an integer"),
    (ChildSpec, "loop", "asyncio", "an asyncio event loop that is not closed"),
    (ChildSpec, "loop", False, "an asyncio event loop"),
    (ChildSpec, "register", "", "printable text of 1 to 200"),
    (ChildSpec, "register", "a\nb", "printable text"),
    (ChildSpec, "register", 7, "printable text"),
    (ChildSpec, "liveness", 5, "a Liveness"),
    (ChildSpec, "record_messages", 1, "True or False"),
    (MailboxSpec, "capacity", 0, "from 1"),
    (MailboxSpec, "capacity", MOST_MESSAGES + 1, "from 1"),
    (MailboxSpec, "capacity", True, "an integer"),
    (MailboxSpec, "capacity", None, "an integer"),
    (MailboxSpec, "overflow", "fail", "Overflow.FAIL, Overflow.BLOCK"),
    (MailboxSpec, "on_restart", "keep", "OnRestart.KEEP, OnRestart.DROP, OnRestart.DEAD_LETTERS"),
    (MailboxSpec, "on_restart", None, "OnRestart.KEEP"),
    (MailboxSpec, "on_crash", "drop", "OnCrash.DROP, OnCrash.RETRY_ONCE"),
    (MailboxSpec, "on_crash", OnRestart.DROP, "OnCrash.DROP"),
    (SupervisorFlags, "strategy", "one_for_one", "Strategy.ONE_FOR_ONE"),
    (SupervisorFlags, "intensity", -1, "from 0"),
    (SupervisorFlags, "intensity", float("inf"), "from 0"),
    (SupervisorFlags, "intensity", MOST_RESTARTS + 1, "from 0"),
    (SupervisorFlags, "intensity", True, "an integer"),
    (SupervisorFlags, "period_ns", 0, "from 1"),
    (SupervisorFlags, "period_ns", float("inf"), "from 1"),
    (SupervisorFlags, "auto_shutdown", "never", "AutoShutdown.NEVER"),
    (SupervisorFlags, "auto_shutdown", False, "AutoShutdown.NEVER"),
    (SupervisorFlags, "max_children", 0, "from 1"),
    (SupervisorFlags, "max_children", None, "from 1"),
    (SupervisorFlags, "max_children", MOST_CHILDREN + 1, "from 1"),
    (SupervisorFlags, "subtree", 5, "a SubtreeBudget"),
]
GOOD: dict[type[Any], dict[str, Any]] = {
    ChildSpec: {"id": "mic", "start": nothing},
    MailboxSpec: {},
    SupervisorFlags: {},
}


@pytest.mark.parametrize(("spec", "field", "value", "hint"), WRONG)
def test_a_wrong_field_is_refused_by_name_and_value(
    spec: type[Any], field: str, value: Any, hint: str
) -> None:
    """child_specs, sup_flags: before anything starts, with the field, the value and what would do."""
    with pytest.raises(BadSpec, match=hint) as caught:
        spec(**{**GOOD[spec], field: value})
    assert caught.value.field == f"{spec.__name__}.{field}"
    assert caught.value.value is value


def test_every_field_has_a_wrong_value_above() -> None:
    """No field goes unchecked."""
    below = {(ChildSpec, "kwargs"), (ChildSpec, "args"), (SupervisorFlags, "shared_args")}
    tried = {(spec, field) for spec, field, _, _ in WRONG} | below
    assert tried == {(spec, each.name) for spec in GOOD for each in fields(spec)}


@pytest.mark.parametrize("spec", GOOD)
def test_an_unknown_keyword_is_refused(spec: type[Any]) -> None:
    """OTP ignores unknown keys; we do not."""
    with pytest.raises(TypeError, match="restrat"):
        spec(**GOOD[spec], restrat=1)


@pytest.mark.parametrize("missing", ["id", "start"])
def test_id_and_start_are_needed(missing: str) -> None:
    """sup_start_map_faulty_specs."""
    given = {name: value for name, value in GOOD[ChildSpec].items() if name != missing}
    with pytest.raises(TypeError, match=missing):
        ChildSpec(**given)


def test_the_defaults_are_otps() -> None:
    """sup_start_map: permanent, 5 s for a worker, infinite for a supervisor, type worker; one restart in 5 s."""
    worker = child()
    assert (worker.restart, worker.type, worker.significant) == (Restart.PERMANENT, ChildType.WORKER, False)
    assert worker.shutdown_ns == 5 * SECOND_NS
    assert child(type=ChildType.SUPERVISOR).shutdown_ns is ShutdownBudget.INFINITE
    assert (worker.backoff, worker.dispatcher, worker.mailbox) == (None, Dispatcher.POOL, MailboxSpec())
    assert (worker.register, worker.liveness, worker.record_messages) == (None, None, False)
    flags = SupervisorFlags()
    assert (flags.strategy, flags.intensity, flags.period_ns) == (Strategy.ONE_FOR_ONE, 1, 5 * SECOND_NS)
    assert flags.auto_shutdown is AutoShutdown.NEVER
    mailbox = MailboxSpec()
    assert (mailbox.overflow, mailbox.on_restart, mailbox.on_crash) == (
        Overflow.FAIL,
        OnRestart.KEEP,
        OnCrash.DROP,
    )


def test_what_was_given_can_be_read_back() -> None:
    """A spec is data: every field is what was given, and a copy with one change is checked again."""
    given: dict[str, Any] = {
        "id": "mic",
        "start": nothing,
        "args": (1,),
        "kwargs": {"rate_hz": 48_000},
        "restart": Restart.TRANSIENT,
        "shutdown_ns": 1,
        "type": ChildType.SUPERVISOR,
        "significant": True,
        "backoff": Backoff(),
        "dispatcher": Dispatcher.PINNED,
        "mailbox": MailboxSpec(capacity=1, overflow=Overflow.DROP_OLDEST),
        "start_ns": 1,
        "liveness": Liveness(handler_ns=1),
        "record_messages": True,
        "register": "stage",
        "loop": None,
    }
    spec = ChildSpec(**given)
    assert {each.name: getattr(spec, each.name) for each in fields(spec)} == given
    assert replace(spec, start_ns=2).start_ns == 2
    with pytest.raises(BadSpec):
        replace(spec, restart=Restart.PERMANENT)


def test_every_right_combination_is_accepted() -> None:
    """child_specs: only significant with permanent is a bad one."""
    budgets = (1, *ShutdownBudget)
    for restart, budget, kind, significant in itertools.product(Restart, budgets, ChildType, (False, True)):
        if restart is Restart.PERMANENT and significant:
            continue
        spec = child(restart=restart, shutdown_ns=budget, type=kind, significant=significant)
        assert spec.shutdown_ns == budget


@pytest.mark.parametrize("value", ["token", [("a", 1)], None, {1: "secret"}])
def test_keyword_arguments_are_a_mapping_from_texts(value: object) -> None:
    """The error names the field, and does not print what may be a secret."""
    with pytest.raises(BadSpec) as caught:
        child(kwargs=value)
    assert caught.value.field == "ChildSpec.kwargs"
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)


@pytest.mark.parametrize("value", ["token", ["secret"], None, {"secret": 1}])
@pytest.mark.parametrize(("spec", "field"), [(ChildSpec, "args"), (SupervisorFlags, "shared_args")])
def test_positional_arguments_are_a_tuple(spec: type[Any], field: str, value: object) -> None:
    """The error names the field and the type; it does not print what may be a secret."""
    with pytest.raises(BadSpec, match="it must be a tuple") as caught:
        spec(**{**GOOD[spec], field: value})
    assert caught.value.field == f"{spec.__name__}.{field}"
    assert caught.value.value is type(value)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_a_spec_does_not_change_after_it_was_checked() -> None:
    """Neither by assignment nor through the mapping that it was made from."""
    kwargs = {"rate_hz": 48_000}
    spec = child(kwargs=kwargs)
    kwargs["rate_hz"] = 0
    assert spec.kwargs["rate_hz"] == 48_000
    with pytest.raises(TypeError):
        spec.kwargs["rate_hz"] = 0  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    with pytest.raises(FrozenInstanceError):
        spec.start_ns = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_printed_spec_shows_no_arguments() -> None:
    """Arguments may be secrets, and specs are logged."""
    assert "hunter2" not in repr(child(args=("hunter2",), kwargs={"password": "hunter2"}))


def test_children_are_checked_against_each_other() -> None:
    """Duplicate ids, too many, significant for nothing, and things that are no specs: refused by field and reason."""
    some = SupervisorFlags(max_children=2, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    lead = child("lead", restart=Restart.TRANSIENT, significant=True)
    assert check_children(some, iter([child(), lead])) == (child(), lead)
    with pytest.raises(BadSpec, match=r"ChildSpec\.id is 'mic'; it must be unique among its siblings"):
        check_children(some, [child(), child()])
    with pytest.raises(BadSpec, match="at most 2"):
        check_children(some, [child("a"), child("b"), child("c")])
    with pytest.raises(BadSpec, match="False for 'lead', as auto_shutdown is never"):
        check_children(SupervisorFlags(), [lead])
    with pytest.raises(BadSpec, match="a ChildSpec"):
        check_children(some, ["mic"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def test_shared_arguments_are_for_dynamic_supervisors() -> None:
    """Where each child is listed with its own arguments, shared ones are refused."""
    with pytest.raises(BadSpec, match="dynamic where there are shared_args"):
        SupervisorFlags(shared_args=(1,))
    assert SupervisorFlags(strategy=Strategy.DYNAMIC, shared_args=(1,)).shared_args == (1,)
