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
