"""Where tasks are run. Every runner gives the same answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from openrek.engine.pool import Child
from openrek.engine.tasks import Alive, ChunkAnswer, IndexAnswer, Locate, Task


class Runner(Protocol):
    """Runs tasks, as many at a time as it has room for."""

    @property
    def width(self) -> int:
        """Tasks that run at the same time."""
        ...

    def submit(self, task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
        """Have a task answered; `alive` is called now and then, and stops the task by raising."""
        ...

    def close(self) -> None:
        """Stop what runs."""
        ...


class HereRunner:
    """Runs a task in this process when it is submitted: for a video that one trusts, and where a process of its own exists already."""

    width = 1

    def __init__(self, locate: Locate) -> None:
        from openrek.engine.observe import Observatory

        self._locate = locate
        self._observatory = Observatory()

    def submit(self, task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
        """Answer the task before returning."""
        future: Future[IndexAnswer | ChunkAnswer] = Future()
        try:
            future.set_result(self._observatory.answer(task, self._locate(task), alive))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Free the networks."""
        self._observatory.close()


@dataclass
class ProcessRunner:
    """Runs tasks in children of this process, one a core.

    Attributes
    ----------
    width
        Children.
    megabytes, stuck_seconds
        Limits of a child.
    """

    locate: Locate
    width: int
    megabytes: int
    stuck_seconds: float
    _threads: ThreadPoolExecutor = field(init=False)
    _local: threading.local = field(default_factory=threading.local, init=False)
    _children: list[Child] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.width, thread_name_prefix="child", initializer=self._adopt)

    def submit(self, task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
        """Have the next free child answer the task."""
        return self._threads.submit(self._answer, task, alive)

    def warm(self) -> None:
        """Start all children, so that the first job does not wait for their imports."""
        barrier = threading.Barrier(self.width)
        for _ in range(self.width):
            self._threads.submit(self._start, barrier.wait)

    @property
    def pids(self) -> list[int]:
        """Process ids of the living children."""
        with self._lock:
            return [child.pid for child in self._children if child.pid is not None]

    def close(self) -> None:
        """End the children."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for child in self._children:
                child.close()

    def __enter__(self) -> ProcessRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _adopt(self) -> None:
        """Give this thread a child of its own, which lives as long as the thread: Linux ends a child with the thread that started it."""
        self._local.child = Child(self.megabytes, self.stuck_seconds)
        with self._lock:
            self._children.append(self._local.child)

    def _start(self, together: Callable[[], Any]) -> None:
        self._local.child.start()
        together()

    def _answer(self, task: Task, alive: Alive) -> IndexAnswer | ChunkAnswer:
        child: Child = self._local.child
        return child.answer(task, self.locate(task), alive)
