"""Dask client of one pass: the scheduler keeps nothing of a task that has ended.

Dask's scheduler has two lists in its spans that are never cut, and that a pass makes no use of.

- With each task a client tells what it was made from (`{"type": "Future"}`), which is appended to a list of the
  span. A span lasts as long as it has tasks, so that of a pass grows with each folder.
- When a span has no task any more, the next task begins another one, and those before are kept with all that was
  counted for them. A pass of one worker has no task between two folders.

It also remembers the last 100,000 keys of tasks (`key_split`), at some 400 bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from distributed import Client, Future

KEYS = 100
"""Number of keys that the tasks of one worker have in turn: no task has the key of one that is still there."""


class PassClient(Client):
    """Client of a pass."""

    _last: Future[Any] | None = None
    """The task that ended last, held so that the span does not end."""

    async def work(
        self, address: str, what: Callable[..., Coroutine[Any, Any, Any]], *arguments: object, key: tuple[str, int, int]
    ) -> Any:  # noqa: ANN401  # whatever it answers
        """Have a Dask worker do something as a task, there alone; its answer. Raises whatever is raised there."""
        future = self.submit(what, *arguments, key=key, workers=[address], pure=False)
        try:
            answer = await future
        except BaseException:
            future.release()
            raise
        before, self._last = self._last, future
        if before is not None:
            before.release()
        return answer

    def _graph_to_futures(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # Dask's own, and handed on
        if "span_metadata" in options:
            options["span_metadata"] = {"collections": []}
        hand_on: Callable[..., Any] = super()._graph_to_futures
        return hand_on(*arguments, **options)
