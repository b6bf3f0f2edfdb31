"""A process that is forked in the middle of everything: the parent does not notice, the child never waits for ever."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, warnings
from greenroom.supervision import Actor, ActorSystem, Dispatcher, RuntimeClosed

warnings.simplefilter("ignore")

class Echo(Actor):
    def on_receive(self, message):
        return message

system = ActorSystem()
refs = [system.launch(Echo, name=str(kind), dispatcher=kind)[0] for kind in Dispatcher]
assert [ref.ask(1) for ref in refs] == [1] * len(refs)
child = os.fork()
if not child:
    refused = 0
    for ref in refs:
        for ask in (ref.ask, ref.ask):
            try:
                ask(2)
            except RuntimeClosed as error:
                assert "forked" in str(error), error
                refused += 1
    system.close()
    with ActorSystem() as own:
        assert own.start(Echo).ask(3) == 3
    print("child", refused / len(refs), flush=True)
    os._exit(0)
os.waitpid(child, 0)
assert [ref.ask(4) for ref in refs] == [4] * len(refs)
system.close()
print("parent", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_is_refused_and_does_not_hang() -> None:
    """Asks there fail at once and say why, a close returns, a system of its own works; the parent goes on."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["child", "2.0", "parent"]


HELD = """
import os, signal, sys, threading, warnings
from contextlib import ExitStack, suppress
from greenroom.supervision import Actor, ActorSystem, ChildSpec, Dispatcher, RuntimeClosed, Supervisor, SupervisorFlags
from greenroom.supervision import _cycles, _default

warnings.simplefilter("ignore")

class Echo(Actor):
    dispatcher = Dispatcher.BLOCKING

    def on_receive(self, message):
        return message.ask(1) if hasattr(message, "ask") else message

Echo.start()
system = ActorSystem()
top = system.start(Supervisor, SupervisorFlags(), [ChildSpec(id="deep", start=Echo, register="name")])
ref = system.whereis("name")
crew = system.launch(Echo, name="crew", dispatcher=Dispatcher.ELASTIC)[0]
held, over = threading.Event(), threading.Event()

def hold():
    \"\"\"Be in the middle of everything.\"\"\"
    runtime = system.runtime
    locks = [system._lock, system.names._lock, top._cell.lock, ref._cell.lock, system._closing._lock]
    locks += [runtime._lock, runtime._crew._lock, runtime._clock._condition, _cycles._book.lock, _default._default.lock]
    with ExitStack() as stack:
        for lock in locks:
            stack.enter_context(lock)
        held.set()
        over.wait(60)

holder = threading.Thread(target=hold)
holder.start()
held.wait(60)
child = os.fork()
if not child:
    signal.alarm(30)
    refused = 0
    for call in (
        lambda: ref.tell(1),
        lambda: top.ask(1, timeout=1),
        lambda: ref.stop(),
        lambda: crew.tell(1),
        lambda: system.launch(Echo, name="new", dispatcher=Dispatcher.ELASTIC),
        lambda: system.launch(Echo, name="new"),
        lambda: system.start(Echo),
        lambda: system.unregister("name"),
    ):
        try:
            call()
        except RuntimeClosed:
            refused += 1
    ref.send(1)
    ref.watch(print)
    system.runtime.call_later(0, print)
    assert system.registered() == ("name",)
    system.dead_letter(ref._cell, 1, "why")
    assert system.snapshot().actors
    system.close()
    with ActorSystem() as own:
        one, other = own.start(Echo), own.start(Echo)
        assert one.ask(other, timeout=20) == 1
    assert Echo.start().ask(2, timeout=20) == 2
    print("child", refused, flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
over.set()
holder.join()
assert ref.ask(4) == 4
_default.close_default_system()
system.close()
print("parent", status, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_waits_for_no_lock_that_another_thread_held() -> None:
    """Whoever was in the middle of something, whatever it was, is not there any more."""
    ran = subprocess.run(
        [sys.executable, "-c", HELD], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["child", "8", "parent", "0"]
