"""A PostgreSQL server of a test's own: Debian's package, on a free port, with its own data."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

WAYS = ("/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb")


def programs() -> Path | None:
    """Find the folder of PostgreSQL's programs."""
    found = [path for way in WAYS for path in Path("/").glob(way[1:])]
    if there := shutil.which("initdb"):
        found.append(Path(there))
    return max(found).parent if found else None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start a server and give the address of a database in it; stopped at the end.

    It runs as another user when the test runs as root, whom PostgreSQL does not serve.

    Args:
        folder: Of the programs.
    """
    user = "nobody" if os.getuid() == 0 else None
    base = Path(tempfile.mkdtemp(prefix="postgres-"))
    log = base.with_suffix(".log")
    if user:
        shutil.chown(base, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"postgresql://test@127.0.0.1:{port}/postgres"
    data = base / "data"
    make: list[str | Path] = [
        folder / "initdb",
        "-D",
        data,
        "-U",
        "test",
        "-A",
        "trust",
        "--no-sync",
    ]
    serve: list[str | Path] = [
        folder / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-k",
        base,
        "-h",
        "127.0.0.1",
    ]
    with log.open("w") as output:
        subprocess.run(make, check=True, user=user, cwd=base, stdout=output, stderr=output)
        server = subprocess.Popen(serve, user=user, cwd=base, stdout=output, stderr=output)
    try:
        _wait_until_up(address, server, log)
        yield address
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(base)
        log.unlink()


def _wait_until_up(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until it serves: for a while it takes connections only to refuse them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        with suppress(psycopg.OperationalError):
            psycopg.connect(address).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"PostgreSQL did not come up at {address}: {log.read_text()}")
