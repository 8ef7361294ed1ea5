"""The providers, as one process: `python -m benchmarks.ingest.client PORT COUNT CONNECTIONS`.

What belongs here: sending as fast as answers come. Each connection is kept open and has one request under way, never
two. It has no framework: it watches sockets, so that it takes far less time for a delivery than whoever answers it. Its
own CPU time is reported, since it runs on the same cores.
"""

from __future__ import annotations

import gc
import select
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.ingest.deliveries import requests
from benchmarks.queue.peers.reporting import answer
from benchmarks.report import percentile

_HEAD_ENDS = b"\r\n\r\n"
_OK = b"HTTP/1.1 200"
_EMPTY = b"content-length: 0\r\n"
_SILENT_SECONDS = 30.0


class Broken(RuntimeError):
    """The server hung up, or answered nothing that can be read."""


@dataclass
class Connection:
    """One connection, and since when it waits for its answer."""

    line: socket.socket
    sent: float = 0.0
    heard: bytes = b""

    def send(self, request: bytes) -> None:
        """Send one request."""
        self.sent = time.perf_counter()
        self.line.sendall(request)

    def hear(self) -> int:
        """Read what has come; return the status of a complete answer, 0 for half a one.

        Raises:
            Broken: it is none.
        """
        try:
            came = self.line.recv(65_536)
        except ConnectionError:
            came = b""
        if not came:
            raise Broken("The server closed a connection.")
        self.heard += came
        head, end, body = self.heard.partition(_HEAD_ENDS)
        if not end or len(body) < _length(head):
            return 0
        self.heard = b""
        return 200 if head.startswith(_OK) else int(head[9:12])


@dataclass
class Told:
    """What the client saw.

    Attributes:
        warm_ups: answers that came before measuring began.
        statuses: how often each status was answered, warm-ups included.
        waits: seconds from sending to the complete answer of each measured delivery.
        seconds: how long the measured ones took together.
        cpu: seconds of processor time that the client itself took for them.
    """

    warm_ups: int
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0


def send_all(port: int, count: int, connections: int) -> Told:
    """Send so many deliveries, after a tenth as many (and at least four per connection) as a warm-up.

    Raises:
        Broken: an answer did not come.
    """
    told = Told(max(count // 10, 4 * connections))
    waiting = list(requests(told.warm_ups + count))
    waiting.reverse()
    with ExitStack() as stack:
        opened = [
            Connection(stack.enter_context(socket.create_connection(("127.0.0.1", port)))) for _ in range(connections)
        ]
        by_number = {one.line.fileno(): one for one in opened}
        poll = stack.enter_context(select.epoll())
        for one in opened:
            one.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(one.line.fileno(), select.EPOLLIN)
        for one in opened[: len(waiting)]:
            one.send(waiting.pop())
        _drive(poll, by_number, waiting, told)
    return told


def _drive(poll: select.epoll, by_number: dict[int, Connection], waiting: list[bytes], told: Told) -> None:
    under_way, answered = len(by_number), 0
    began, began_cpu = time.perf_counter(), time.process_time()
    while under_way:
        events = poll.poll(_SILENT_SECONDS)
        if not events:
            raise Broken(f"No answer for {_SILENT_SECONDS:.0f} s; {under_way} are waited for.")
        for number, _ in events:
            one = by_number[number]
            status = one.hear()
            if not status:
                continue
            now = time.perf_counter()
            told.statuses[status] += 1
            answered += 1
            if answered > told.warm_ups:
                told.waits.append(now - one.sent)
            elif answered == told.warm_ups:
                began, began_cpu = now, time.process_time()
            if waiting:
                one.send(waiting.pop())
            else:
                under_way -= 1
    told.seconds, told.cpu = time.perf_counter() - began, time.process_time() - began_cpu


def _length(head: bytes) -> int:
    if _EMPTY in head + b"\r\n":
        return 0
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise Broken(f"An answer without a length: {head[:200]!r}")


def main(port: int, count: int, connections: int) -> None:
    """Send, and answer as the benchmark's programs do."""
    gc.disable()  # what is to be sent is nothing to look through again and again while measuring
    told = send_all(port, count, connections)
    answer(
        count=len(told.waits),
        seconds=told.seconds,
        accepted=told.statuses[200],
        statuses={str(status): number for status, number in told.statuses.items()},
        p50=percentile(told.waits, 0.5),
        p99=percentile(told.waits, 0.99),
        slowest=max(told.waits),
        cpu=told.cpu,
    )


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:4]))
