"""A worker of Temporal's that runs a sectioning graph, in a process of its own."""

import asyncio
import sys
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.langgraph import LangGraphPlugin, graph
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from langgraph_parallel import Section, build_sectioning

QUEUE = "reviews"


@workflow.defn
class Review:
    """Runs the graph as a workflow."""

    @workflow.run
    async def run(self, text: str) -> dict[str, object]:
        """Run the graph; a dict of the sections' answers."""
        state = await graph("review").compile().ainvoke({"input": text})
        return {"output": state["output"], "calls": state["report"]["usage"]["calls"]}


async def main(address: str) -> None:
    """Work until the process is killed."""
    review = build_sectioning(
        [Section(name, f"Look at {name}.") for name in "abc"],
        model="openai:stub-model",
        aggregate="merge",
        node_metadata={"execute_in": "activity"},
    )
    options = {"start_to_close_timeout": timedelta(seconds=4)}
    plugin = LangGraphPlugin(graphs={"review": review}, default_activity_options=options)
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Review],
        plugins=[plugin],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,  # else a new worker waits for the queue of the dead one
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
