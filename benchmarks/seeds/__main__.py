"""One studio's life under seeded trouble, told many times: `python -m benchmarks.seeds`.

What belongs here: which figures there are, and the run. What does not: the story and what is said of a telling
(`benchmarks/story`).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import get_context
from pathlib import Path

from benchmarks.queue.server import Server, machine
from benchmarks.report import Bar, Figure, Report, options, progress
from benchmarks.story.telling import FAULTS, INTERLEAVING, TROUBLES, Telling, tell_in_order, tell_under
from pilar.database.embedded import EmbeddedServer

SEEDS, QUICK = 40, 2

DESCRIPTION = """Tells one studio's life, from the payment to the refund, once as it should go and then under seeds:
providers fail, webhooks come late, twice, in disorder or not at all, drains are killed at their commits.

Each seed has to come to the same business facts, with every promise kept, nothing stuck, no effect lost and none
repeated beyond policy. It exits 1 where one does not, and prints the seed, its plan and what differed."""

EPILOG = """troubles:
  interleaving   drains in odd pieces and in another order each time, some of them killed
  faults         the sandbox's: of requests to providers and of webhooks

A seed decides what is drawn. Threads and the network keep some chance of their own, so a seed that fails may have to
be told a few times: --seed 17 --times 5."""

NOT_TO_BE = {
    "not told to its end": "seeds that did not come to their end",
    "promises broken": "promises broken",
    "stuck": "things stuck",
    "effects lost": "effects lost",
    "effects repeated beyond policy": "effects repeated beyond policy",
    "facts otherwise": "facts that came out otherwise",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell, judge, print, and return the exit code."""
    parser = options(DESCRIPTION, names=TROUBLES, epilog=EPILOG)
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"so many seeds, else {SEEDS}")
    parser.add_argument("--first", type=int, default=1, metavar="S", help="the first of them, else 1")
    parser.add_argument("--seed", type=int, metavar="S", help="this seed alone")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="so often each")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="so many at once, else one for each core"
    )
    chosen = parser.parse_args(arguments)
    count = QUICK if chosen.quick else max(1, round(chosen.seeds * chosen.scale))
    seeds = [chosen.seed] if chosen.seed is not None else list(range(chosen.first, chosen.first + count))
    if not seeds or min(chosen.times, chosen.jobs) < 1:
        parser.error("there is no seed to tell: --seeds, --times and --jobs are 1 at least")
    with places() as new:
        often = [seed for seed in seeds for _ in range(chosen.times)]
        report = judge(new, often, chosen.only or TROUBLES, jobs=chosen.jobs)
    report.show(as_json=chosen.json)
    return report.exit_code


Place = Callable[[str], AbstractContextManager[tuple[str, Path]]]
"""Makes a database and a directory by a name of theirs, for as long as a block lasts."""


def judge(new: Place, seeds: Sequence[int], troubles: Sequence[str], *, jobs: int = 1) -> Report:
    """Tell the story in order, then under each seed, and say what came of it.

    Args:
        new: makes the databases and directories.
        seeds: one that is named twice is told twice.
        troubles: which kinds of trouble.
        jobs: how many are told at once, each in a process of its own.
    """
    with new("in_order") as place:
        first = tell_in_order(*place)
    progress(f"in order: {'right' if first.is_right else 'WRONG'} in {first.seconds:.1f} s")
    told = [first]
    if first.is_right:
        # New processes, and not copies of this one: threads and connections are not to be copied.
        with (
            ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as processes,
            ThreadPoolExecutor(jobs) as tellers,
        ):

            def tell(number: int, seed: int) -> Telling:
                with new(f"seed_{number}_{seed}") as place:
                    one = processes.submit(tell_under, seed, first.facts, *place, troubles).result()
                progress(f"{number + 1}/{len(seeds)} {one}")
                return one

            told += tellers.map(tell, range(len(seeds)), seeds)
    else:
        progress(str(first))
    return Report("seeds", _context(told, troubles), figures=figures_of(told, troubles))


def figures_of(told: Sequence[Telling], troubles: Sequence[str]) -> list[Figure]:
    """The figures of the tellings, of which the first is the one in order."""
    seeded = told[1:]
    none = Bar(0, at_most=True)
    seconds = tuple(one.seconds for one in seeded)
    figures = [
        Figure("seeds told", "", (len(seeded),), Bar(1)),
        Figure("seeds that are wrong", "", (sum(not one.is_right for one in told),), none),
    ]
    figures += [
        Figure(name, "", (sum(len(one.problems.get(kind, ())) for one in told),), none)
        for kind, name in NOT_TO_BE.items()
    ]
    if INTERLEAVING in troubles:
        killed = sum(one.did.get("killed", 0) for one in seeded)
        figures.append(Figure("drains killed", "", (killed,), Bar(1), note="none: nothing has been shown"))
    if FAULTS in troubles:
        struck = sum(one.struck for one in seeded)
        figures.append(Figure("faults that struck", "", (struck,), Bar(1), note="none: nothing has been shown"))
        in_doubt = sum(one.in_doubt for one in seeded)
        note = "each is recorded, and a person is asked"
        figures.append(Figure("messages in doubt", "", (in_doubt,), note=note))
    figures.append(Figure("a telling", "s", seconds, note="the median"))
    return figures


def _context(told: Sequence[Telling], troubles: Sequence[str]) -> dict[str, object]:
    wrong = {f"seed {one.seed}": {"problems": one.problems, "plan": list(one.plan)} for one in told if not one.is_right}
    return {"machine": machine(), "troubles": ", ".join(troubles), **({"wrong": wrong} if wrong else {})}


@contextmanager
def places() -> Iterator[Place]:
    """A server and a directory of this run's own, removed with the block."""
    home = Path(tempfile.mkdtemp(prefix="pilar-seeds-"))
    home.chmod(0o711)  # where root runs it, the server's account has to get through
    embedded = EmbeddedServer(home / "server")
    try:
        server = Server(embedded.start(durable=False).url)
        one_by_one = threading.Lock()

        @contextmanager
        def new(name: str) -> Iterator[tuple[str, Path]]:
            with one_by_one:  # a database that is being copied takes no second copier
                url = server.ours(name)
            try:
                yield url, home / name
            finally:
                server.drop(name)
                shutil.rmtree(home / name, ignore_errors=True)

        yield new
    finally:
        embedded.remove()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    # Ended politely, it removes its server and its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
