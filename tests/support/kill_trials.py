"""Kills runs at random moments, resumes them, and counts what was done twice."""

import multiprocessing
import os
import random
import re
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kill_job import BRANCHES, make, run_job, saver_at, thread
from stub_server import ChatRequest, Reply, StubServer

_PATIENCE = 60.0
_processes = multiprocessing.get_context("forkserver")


@dataclass
class Tally:
    """What came of a number of trials."""

    trials: int = 0
    unfinished: int = 0
    """Runs that the kill met before their end."""
    stored: int = 0
    """Branches whose results were stored at the kill."""
    stored_and_repeated: list[str] = field(default_factory=list)
    """Of these, the ones that ran again: there must be none."""
    answered_and_repeated: int = 0
    """Branches that had their answer at the kill, but not in the store: they ran again."""
    oldest_answer: float = 0.0
    """Of these, the milliseconds from the earliest answer to the kill."""
    in_flight: int = 0
    """Branches whose call the kill cut off."""
    wrong: list[str] = field(default_factory=list)
    """Jobs whose resumed run gave a wrong answer: there must be none."""

    def __str__(self) -> str:
        return (
            f"{self.trials} kills, {self.unfinished} before the end of the run; "
            f"{self.stored} branches were stored, {len(self.stored_and_repeated)} of them ran "
            f"again; {self.answered_and_repeated} were answered, at most {self.oldest_answer:.0f} "
            f"ms before the kill, but not yet stored, and ran again; "
            f"{self.in_flight} were in flight; {len(self.wrong)} wrong answers"
        )


class Trials:
    """Trials against one store of checkpoints and one stub server."""

    def __init__(self, address: str, server: StubServer, *, seed: int) -> None:
        _fork_from_a_process_that_has_imported("kill_job")
        self._address = address
        self._server = server
        self._random = random.Random(seed)
        self._asked: Counter[str] = Counter()
        self.tally = Tally()
        server.on("", self._answer)

    def run(self, number: int) -> None:
        """Kill and resume so many runs."""
        usual = max(self._usual(f"warm-up {i};", is_async=bool(i)) for i in range(2))
        for trial in range(number):
            self._kill_and_resume(f"job {trial};", usual, is_async=bool(trial % 2))

    def _usual(self, job: str, *, is_async: bool) -> float:
        """Measure a run that nobody kills, in seconds from its begin to its answer."""
        process, talk = self._start(job, is_async=is_async)
        with closing(talk):
            assert talk.recv() == "begun"
            began = time.monotonic()
            assert talk.poll(_PATIENCE)
            usual = time.monotonic() - began
        process.join(_PATIENCE)
        return usual

    def _answer(self, request: ChatRequest) -> Reply:
        branch, job = _read(request)
        self._asked[f"{branch} {job}"] += 1
        return Reply(f"{branch} done", delay=self._random.uniform(0.005, 0.05))

    def _kill_and_resume(self, job: str, usual: float, *, is_async: bool) -> None:
        process, talk = self._start(job, is_async=is_async)
        with closing(talk):
            assert talk.poll(_PATIENCE)
            assert talk.recv() == "begun"
            time.sleep(self._random.uniform(0.0, usual))
            process.kill()
            killed = time.monotonic()
            process.join(_PATIENCE)
        self._server.wait_until(lambda log: log.open_requests == 0, timeout=_PATIENCE)
        before = Counter(self._asked)
        stored, is_over = self._stored(job)
        answered = {
            branch: (killed - (record.ended or killed)) * 1000
            for record in self._server.requests
            for branch, other in [_read(record.request)]
            if other == job and record.status == "done"
        }
        output = self._finish(job, is_async=is_async)
        again = {b for b in BRANCHES if self._asked[f"{b} {job}"] > before[f"{b} {job}"] > 0}
        tally = self.tally
        tally.trials += 1
        tally.unfinished += not is_over
        tally.stored += len(stored)
        tally.stored_and_repeated += [f"{branch} {job}" for branch in sorted(stored & again)]
        late = (answered.keys() & again) - stored
        tally.answered_and_repeated += len(late)
        tally.oldest_answer = max([tally.oldest_answer, *(answered[branch] for branch in late)])
        tally.in_flight += len(again - answered.keys())
        if output != {branch: f"{branch} done" for branch in BRANCHES}:
            tally.wrong.append(job)

    def _start(self, job: str, *, is_async: bool) -> tuple[BaseProcess, Any]:
        here, there = _processes.Pipe(duplex=False)
        arguments = (job, self._address, self._server.url, is_async, there)
        process = _processes.Process(target=run_job, args=arguments)
        process.start()
        there.close()
        return process, here

    def _finish(self, job: str, *, is_async: bool) -> Any:
        process, talk = self._start(job, is_async=is_async)
        with closing(talk):
            assert talk.poll(_PATIENCE)
            assert talk.recv() == "begun"
            assert talk.poll(_PATIENCE)
            output = talk.recv()
        process.join(_PATIENCE)
        return output

    def _stored(self, job: str) -> tuple[set[str], bool]:
        """Say which branches have their results stored, and whether the run is over."""
        with saver_at(self._address) as saver:
            state = make(saver).get_state(thread(job))
        in_state = {r["name"] for r in state.values.get("parallel_results") or []}
        written = {task.name for task in state.tasks if task.result}
        return (in_state | written) & set(BRANCHES), bool(state.values) and not state.tasks


def _fork_from_a_process_that_has_imported(module: str) -> None:
    """Let processes start in milliseconds: importing takes a second."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), path or ""])
    try:
        _processes.set_forkserver_preload([module])
        forkserver.ensure_running()
    finally:
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path


def _read(request: ChatRequest) -> tuple[str, str]:
    """Read a branch and a job from what is asked."""
    found = re.search(r"Branch (\w+) of ([^;]+;)", request.text)
    assert found
    return found[1], found[2]
