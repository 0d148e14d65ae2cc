"""The stub server in a process of its own, so that its work is not counted as the client's."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from stub_server import Reply, StubServer


@contextmanager
def stub_process(delay: float) -> Iterator[str]:
    """Run the stub server.

    Args:
        delay: Seconds after which it answers each request with one word.

    Yields:
        The base URL for clients.
    """
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=_serve, args=(there, delay))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


def _serve(talk: Connection, delay: float) -> None:
    with StubServer(default=Reply("fine", delay=delay)) as server:
        talk.send(f"{server.url}/v1")
        talk.recv()
