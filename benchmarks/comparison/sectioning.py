"""The sectioning rows: what is left after a failure, what is asked again, what doubles."""

from collections.abc import Callable, Mapping

from stub_server import ChatRequest, Record, Reply, StubServer

from comparison.sections import PROMPTS, Contender

Row = dict[str, str]
LAST = list(PROMPTS)[-1]
FAILING = PROMPTS[LAST]
SOON, LATER = 0.05, 0.2
_QUICKLY = {"retry-after-ms": "10"}


def _serve(server: StubServer, *, status: int, fails: int, slow: str = "") -> None:
    """Let the last section fail so many times, at 0.2 s; `slow` is answered after that."""

    def reply(request: ChatRequest) -> Reply:
        if FAILING not in request.text:
            return Reply("fine", delay=2 * LATER if slow and slow in request.text else SOON)
        if request.seen >= fails:
            return Reply("fine")
        return Reply(status=status, delay=LATER, headers=_QUICKLY)

    server.on("", reply)


async def _kept(contender: Contender) -> str:
    with StubServer() as server:
        _serve(server, status=400, fails=1000)
        texts = await contender.run(f"{server.url}/v1")
        return f"{len(texts)} of 2"


async def _asked_again(contender: Contender, slow: str = "") -> str:
    """Count the requests of the second try, when the first has failed."""
    if contender.resume is None:
        return ""
    with StubServer() as server:
        _serve(server, status=400, fails=1, slow=slow)
        await contender.resume(f"{server.url}/v1")
        return str(len(server.requests) - len(PROMPTS))


async def _results(contender: Contender) -> str:
    if contender.nested is None:
        return ""
    with StubServer(default="fine") as server:
        return str(len(await contender.nested(f"{server.url}/v1")))


async def _requests(contender: Contender, status: int) -> str:
    with StubServer() as server:
        _serve(server, status=status, fails=1000)
        await contender.run(f"{server.url}/v1")
        is_failing: Callable[[Record], bool] = lambda record: FAILING in record.request.text  # noqa: E731
        return str(sum(map(is_failing, server.requests)))


async def rows(contenders: Mapping[str, Contender]) -> list[Row]:
    """Measure all contenders."""
    return [
        {
            "contender": name,
            "paid results kept": await _kept(contender),
            "asked again": await _asked_again(contender),
            "asked again, one in flight": await _asked_again(contender, PROMPTS["b"]),
            "nested, 2 turns: results": await _results(contender),
            "requests for a 400": await _requests(contender, 400),
            "for a 500": await _requests(contender, 500),
        }
        for name, contender in contenders.items()
    ]
