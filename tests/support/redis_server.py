"""A Redis server of a test's own: Debian's package, on a socket in a folder, without a file."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

PROGRAM = shutil.which("redis-server")
"""The server's program; `None` where it is not installed."""


@contextmanager
def redis_server() -> Iterator["redis.Redis"]:
    """Start a server and give a client of it; both are closed at the end."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        path = Path(folder) / "socket"
        options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder]
        process = subprocess.Popen(
            [PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "eady to accept connections" in line:
                    break
            with redis.Redis(unix_socket_path=str(path)) as client:
                yield client
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout:
                process.stdout.close()
