"""Many runs with random delays of guard, first token and tokens; half of them trip."""

import asyncio
import random
from collections import Counter
from typing import Any

from stub_server import ChatRequest, Reply

from guardrail.scene import ANSWER, JUDGE, REFUSAL, guarded, stub
from langgraph_parallel.nodes import dispatch

WORDS = 12
AT_ONCE = 40
LONGEST = 0.08


async def random_runs(number: int, seed: int = 4) -> Counter[str]:
    """Run guardrails that must keep their promise whatever comes first.

    Args:
        number: Number of runs.
        seed: Seed of the delays.

    Returns:
        What was seen, by name; all but `runs` and `tripped` must be 0.
    """
    draw = random.Random(seed)  # noqa: S311
    plans: list[dict[str, Any]] = [
        {
            "trips": index % 2 == 0,
            "judge": Reply(
                {"tripped": index % 2 == 0, "reason": ""}, delay=draw.uniform(0, LONGEST)
            ),
            "answer": Reply(
                " ".join(f"secret{index}" for _ in range(WORDS)),
                first_token=draw.uniform(0, LONGEST),
                per_token=draw.uniform(0, LONGEST / WORDS),
            ),
        }
        for index in range(number)
    ]

    def reply(part: str) -> Any:
        return lambda request: plans[int(request.messages[-1]["content"])][part]

    found: Counter[str] = Counter()
    with stub() as server:
        server.on(JUDGE, reply("judge"))
        server.on(_is_answer, reply("answer"))
        graph, places = guarded(max_concurrency=4 * AT_ONCE), asyncio.Semaphore(AT_ONCE)
        tasks = asyncio.all_tasks()

        async def one(index: int) -> None:
            async with places:
                seen, output = "", None
                modes: Any = ["messages", "values", "updates", "custom", "tasks"]
                stream: Any = graph.astream(
                    {"input": str(index)}, stream_mode=modes, subgraphs=True
                )
                async for _, mode, item in stream:
                    seen += str(item)
                    if mode == "values":
                        output = item.get("output")
            is_refused = output == REFUSAL
            found["runs"] += 1
            found["tripped"] += is_refused
            found["tokens leaked"] += seen.count("secret") if plans[index]["trips"] else 0
            found["refused answers delivered"] += plans[index]["trips"] and not is_refused
            whole = plans[index]["answer"].text
            found["passed answers refused"] += not plans[index]["trips"] and output != whole

        await asyncio.gather(*(one(index) for index in range(number)))
        await asyncio.sleep(0.1)
        found["requests left open"] += server.open_requests
        found["tasks left"] += len(asyncio.all_tasks() - tasks)
        found["dispatches left"] += len(dispatch._live)
    return found


def _is_answer(request: ChatRequest) -> bool:
    return ANSWER in request.text
