"""Redis in front of the locks: the cheap refusal under contention.

What belongs here: everything that is said to Redis, and what is done when it does not answer. What does not: who holds
a lock, which only the database knows (`locks.py`).

Nothing here raises, since nothing here decides: where Redis can't be asked, whatever the reason, the database is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pilar.backplane.breakers import Breaker, Rule
from pilar.backplane.locks import Said
from pilar.errors import CircuitOpen, NotConfigured

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.25
"""How long Redis is waited for. It is there to save time: the database answers sooner than a slow Redis."""

RULE = Rule(failures=1)
"""One call that is not answered is enough: whoever comes within the next seconds does not wait at all."""

_PREFIX = "pilar:lock:"

_GIVE_BACK = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""
# Sets it anew where Redis has forgotten it, as after a restart.
_EXTEND = """
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return 1
"""

T = TypeVar("T")


class RedisFront:
    """Notes holdings in Redis (6.2 or later). Safe to share between threads."""

    def __init__(self, url: str, breaker: Breaker) -> None:
        """Take `redis://`, `rediss://` or `unix://`; nothing is connected until it is needed.

        Raises:
            NotConfigured: that is no address of a Redis.
        """
        try:
            self._redis: Redis = Redis.from_url(
                url,
                socket_connect_timeout=PATIENCE_SECONDS,
                socket_timeout=PATIENCE_SECONDS,
                # The client would try three times over seconds by itself.
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            # The address may hold a password, so it is not repeated, and neither is what was said about it.
            raise NotConfigured("PILAR_REDIS_URL is no address such as redis://host:6379/0.") from (
                error if "@" not in url else None
            )
        self._breaker = breaker
        self._give_back = self._redis.register_script(_GIVE_BACK)
        self._extend = self._redis.register_script(_EXTEND)

    def take(self, name: str, lock_id: UUID, until: datetime) -> Said:
        """Note a holding unless there is one."""
        # An absolute expiry: a command that a paused Redis carries out later does not hold for longer by that.
        taken = self._ask(
            lambda: self._redis.set(_PREFIX + name, str(lock_id), nx=True, pxat=_milliseconds(until)) is not None
        )
        return Said.NOTHING if taken is None else Said.TAKEN if taken else Said.HELD

    def extend(self, name: str, lock_id: UUID, until: datetime) -> None:
        """Note that a holding lasts longer, unless another one is noted."""
        self._run(self._extend, name, str(lock_id), _milliseconds(until))

    def give_back(self, name: str, lock_id: UUID) -> None:
        """Forget a holding, and no other."""
        self._run(self._give_back, name, str(lock_id))

    def close(self) -> None:
        """Give connections back."""
        self._redis.close()

    def _run(self, script: Callable[..., Any], name: str, *arguments: Any) -> None:
        self._ask(lambda: script(keys=[_PREFIX + name], args=arguments))

    def _ask(self, question: Callable[[], T]) -> T | None:
        """The answer, or None where there is none."""
        try:
            with self._breaker.guarding(RedisError):
                return question()
        except CircuitOpen:
            return None
        except RedisError as error:
            log.warning("Redis is left alone, the database keeps the locks: %s", type(error).__name__)
            return None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
