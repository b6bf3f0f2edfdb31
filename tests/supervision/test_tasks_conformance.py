"""The rules of OTP's supervisor_SUITE over children that are asyncio tasks: the same tests, with other workers."""

import inspect
from collections.abc import Callable
from types import ModuleType

import pytest
from tests.supervision import (
    test_conformance_admin,
    test_conformance_ends,
    test_conformance_further,
    test_conformance_running,
    test_conformance_significant,
    test_conformance_start,
    test_conformance_strategies,
)
from tests.supervision.taskkit import task_worker

from greenroom.supervision import ActorSystem

MODULES: tuple[ModuleType, ...] = (
    test_conformance_admin,
    test_conformance_ends,
    test_conformance_further,
    test_conformance_running,
    test_conformance_significant,
    test_conformance_start,
    test_conformance_strategies,
)
HANGS = "its children hang in a thread of their own; test_tasks.py has tasks that ignore their cancellation"
ARGS = "it gives arguments that only a `Probe` takes"
OF_ACTORS: dict[str, str] = {
    "test_sup_stop_timeout": HANGS,
    "test_sup_stop_timeout_dynamic": HANGS,
    "test_simple_one_for_one_shutdown": HANGS,
    "test_sup_stop_brutal_kill": "a task can only be killed by a cancellation, which it hears of; it is not waited for",
    "test_sup_stop_brutal_kill_dynamic": "the same",
    "test_do_not_save_start_parameters_for_temporary_children": ARGS,
    "test_sup_start_map": ARGS,
    "test_sup_start_map_simple": ARGS,
}
"""What is not run over tasks, and why."""


def cases() -> list[Callable[..., None]]:
    """Return the tests of the contract that start workers, and run in any order of events."""
    found: list[Callable[..., None]] = []
    for module in MODULES:
        for name, test in vars(module).items():
            if name.startswith("test_") and inspect.isfunction(test) and name not in OF_ACTORS:
                parameters = list(inspect.signature(test).parameters)
                if parameters in (["system"], ["simulated"]):
                    found.append(test)
    return found


CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.removeprefix("test_"))
def test_a_rule_of_supervisors_holds_for_tasks(
    case: Callable[..., None], simulated: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same test passes when its workers are asyncio tasks."""
    for module in MODULES:
        if hasattr(module, "worker"):
            monkeypatch.setattr(module, "worker", task_worker)
    case(simulated)
