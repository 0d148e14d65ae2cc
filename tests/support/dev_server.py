"""LangGraph's development server, in a process of its own."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stub_server import StubServer


@contextmanager
def dev_server(folder: Path, stub: StubServer) -> Iterator[str]:
    """Serve the graphs of a folder's langgraph.json on a free port; gives the address.

    Afterwards, nothing may have blocked the server's event loop.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sysconfig.get_path("scripts")) / "langgraph"), "dev", "--no-browser"]
    command += ["--no-reload", "--port", str(port), "--n-jobs-per-worker", "10"]
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=_environment(stub), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(address, server, log)
        yield address
    finally:
        server.terminate()
        assert server.wait(30) is not None
    assert "BlockingError" not in log.read_text(), "something blocked the server's event loop"


def _environment(stub: StubServer) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **keep,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}",
        "OPENAI_BASE_URL": f"{stub.url}/v1",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGSMITH_TRACING": "false",
    }


def _wait_until_up(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/ok", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the server did not come up:\n{log.read_text()}")
