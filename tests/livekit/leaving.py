"""A plugin for pytest: the process ends as soon as the tests have, and how they ended is how it ends.

The SDK's native threads may be in Python while the interpreter takes itself apart; that aborts the process (G26), in about
one of six runs with upstream's own streams left open, and a run whose tests have all passed would have failed. What is to
be done at exit is done here, before; only the taking apart is left out.
"""

import atexit
import os
import sys

import pytest

_session = pytest.StashKey[pytest.Session]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remember where the outcome is: other plugins may still change it."""
    session.config.stash[_session] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave, if the SDK is in this process."""
    session = config.stash.get(_session, None)
    if session is None or "livekit.rtc" not in sys.modules:
        return
    atexit._run_exitfuncs()
    config.get_terminal_writer().flush()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(int(session.exitstatus))
