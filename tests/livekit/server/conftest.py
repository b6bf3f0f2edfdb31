"""One livekit-server for all of these tests; where there is none, they are skipped with one line that says so."""

import importlib.util
from collections.abc import Iterator

import pytest
from tests.livekit.server.serverkit import HERE, Server, binary

LIMIT_S = 600


def _missing() -> str:
    """Return what these tests lack, and what would bring it; nothing if they can run."""
    if importlib.util.find_spec("livekit") is None:
        return "the LiveKit SDK is not installed: pip install 'greenroom[livekit]'"
    if binary() is None:
        return "no livekit-server on PATH or in .cache/bin: make livekit-server builds one"
    return ""


collect_ignore_glob = ["test_*.py"] if _missing() else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once why nothing of this folder has run."""
    if _missing():
        terminalreporter.write_line(f"tests/livekit/server skipped: {_missing()}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests the time that a busy machine takes: processes start, connections are lost and found."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a livekit-server that runs; whoever kills it starts it again."""
    program = binary()
    assert program is not None
    running = Server(program, tmp_path_factory.mktemp("livekit-server"))
    running.start()
    yield running
    running.kill()
