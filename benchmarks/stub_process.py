"""The stub server in a process of its own, so that its work is not counted as the client's."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from stub_server import StubServer
from stub_types import Answers


@contextmanager
def stub_process(default: Answers) -> Iterator[str]:
    """Run the stub server.

    Args:
        default: What it answers, as `StubServer` takes it; a function must be a module's.

    Yields:
        The base URL for clients.
    """
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=_serve, args=(there, default))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


def _serve(talk: Connection, default: Answers) -> None:
    with StubServer(default=default) as server:
        talk.send(f"{server.url}/v1")
        talk.recv()
