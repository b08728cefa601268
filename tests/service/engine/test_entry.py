"""A request in the queue and the one who waits for it."""

import asyncio

from service.engine.entry import CallOptions, QueueEntry
from tests.support.engine import pair, run


def test_an_answer_that_nobody_waits_for_any_more_is_no_error() -> None:
    """A request is cancelled while its last pair is with the model."""

    async def test() -> None:
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        entry = QueueEntry([pair(1)], CallOptions())
        waiting = asyncio.create_task(entry.answered())
        await asyncio.sleep(0)
        waiting.cancel()
        assert entry.deliver(0, 1.0, 0.0, 1.0)
        entry.wake()
        await asyncio.sleep(0.01)
        assert waiting.cancelled()
        assert errors == []

    run(test)
