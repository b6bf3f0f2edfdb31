"""The end of a system: from several threads, interrupted, in the middle of everything."""

import threading

import pytest
from tests.supervision.supkit import PATIENCE_S, Tree, flags, worker

from greenroom.supervision import ActorSystem, RuntimeClosed
from greenroom.supervision.probes import Probe


def test_who_closes_too_waits_until_it_is_done() -> None:
    """Whichever thread calls `close`: when it returns, everything is over."""
    system = ActorSystem()
    gate, begun = threading.Event(), threading.Event()

    def on_stop(_: Probe) -> None:
        begun.set()
        gate.wait(PATIENCE_S)

    tree = Tree(system, flags(), [worker("a", on_stop=on_stop)])
    left: list[int] = []

    def close() -> None:
        system.close()
        left.append(len(system.roots()))

    threads = [threading.Thread(target=close) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(PATIENCE_S)
    assert left == []
    gate.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert left == [0, 0, 0]
    assert not tree.ref.is_alive()


def test_who_closes_with_less_patience_hurries_the_other() -> None:
    """One waits for ever, the other not at all: what is left is given up, and both return."""
    system = ActorSystem()
    gate, begun = threading.Event(), threading.Event()

    def on_stop(_: Probe) -> None:
        begun.set()
        gate.wait(PATIENCE_S)

    ref, started = system.launch(Probe, (), {"on_stop": on_stop}, name="slow", shutdown_ns=None)
    started.get(timeout=PATIENCE_S)
    patient = threading.Thread(target=system.close)
    patient.start()
    assert begun.wait(PATIENCE_S)
    system.close(1)
    patient.join(PATIENCE_S)
    assert not patient.is_alive()
    assert not ref.is_alive()
    gate.set()
    for thread in list(system.runtime.zombies.values()):
        thread.join(PATIENCE_S)


def test_a_close_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it waits; closed again, it does what is left to be done."""
    system = ActorSystem()
    ref = system.start(Probe)

    def interrupted(_: object = None) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(system, "stop", interrupted)
        with pytest.raises(KeyboardInterrupt):
            system.close()
    assert ref.is_alive()
    with pytest.raises(RuntimeClosed):
        system.start(Probe)
    system.close()
    assert not ref.is_alive()


def test_a_closer_that_raises_keeps_nothing_open() -> None:
    """The others are called, the threads end, and whoever closed hears of the first."""
    system = ActorSystem()
    called: list[str] = []

    def fail() -> None:
        raise OSError("its socket is gone")

    system.attach(fail)
    system.attach(lambda: called.append("second"))
    system.attach(system.close)  # by itself: it returns at once
    with pytest.raises(OSError, match="its socket is gone"):
        system.close()
    assert called == ["second"]
    system.close()


def test_a_stop_has_one_timeout_for_all() -> None:
    """However many roots there are."""
    with ActorSystem() as system:
        waits: list[float | None] = []
        original = system._stop_root

        def noted(cell: object, timeout_s: float | None) -> None:
            waits.append(timeout_s)
            original(cell, timeout_s)  # type: ignore[arg-type]

        system._stop_root = noted  # type: ignore[method-assign]
        system.start(Probe)
        system.start(Probe)
        assert system.stop(int(PATIENCE_S * 1e9))
        assert waits[0] is not None
        assert waits[1] is not None
        assert waits[1] < waits[0] <= PATIENCE_S
        system._stop_root = original  # type: ignore[method-assign]
