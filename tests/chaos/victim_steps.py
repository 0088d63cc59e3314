"""Named steps of the product at which a process can be struck, and the plan that says which of them is the fatal one.

Nothing of this is in the product: a victim process wraps the product's own functions, and then runs the product's own main function.

A plan is a file, `plan.json`, in the folder that the victims share. Whoever reaches its step for the n-th time renames the file, so
that it strikes once, whatever is started again afterwards, and sends the signal to its targets: itself, its server, its worker, its
children. A step has three positions: before it began, inside (a transaction before its commit, a file before it has its name), and after.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

Role = Literal["server", "worker", "child"]
PATIENCE = 5.0
"""Seconds that a killed process may take to be gone."""


@dataclass(frozen=True)
class Plan:
    """Who is struck, and when.

    Attributes
    ----------
    nth
        At which time that a process reaches this position of the step.
    targets
        "server", "worker", "child", in this order, but for the striking process, which is always the last.
    """

    id: str
    step: str
    position: Literal["before", "inside", "after"]
    targets: tuple[Role, ...]
    nth: int = 1
    signal: int = signal.SIGKILL

    def arm(self, folder: Path) -> None:
        draft = folder / "plan.draft"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(folder / "plan.json")

    def struck(self, folder: Path) -> list[int] | None:
        """The process ids of those that were struck; None as long as nobody was."""
        try:
            return list(json.loads((folder / f"struck-{self.id}").read_text()))
        except FileNotFoundError:
            return None


class Trap:
    """The plan, as a victim sees it."""

    def __init__(self, folder: Path, role: Role) -> None:
        self._folder = folder
        self._role = role
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._at = threading.local()
        self.writing = threading.RLock() if role == "worker" else contextlib.nullcontext()
        """Held by a worker's thread that writes: a worker that stands still in a transaction on SQLite locks everybody out, be the
        transaction another thread's. A server's transactions wait for each other."""

    def at(self, step: str, position: str) -> None:
        """Strike, if the plan says so."""
        try:
            plan = Plan(**json.loads((self._folder / "plan.json").read_text()))
        except FileNotFoundError:
            return
        if (plan.step, plan.position) != (step, position):
            return
        with self._lock:
            self._reached[plan.id] += 1
            if self._reached[plan.id] != plan.nth:
                return
            try:
                (self._folder / "plan.json").rename(self._folder / "plan.done")
            except FileNotFoundError:
                return
            self._strike(plan)

    @contextlib.contextmanager
    def during(self, step: str) -> Iterator[None]:
        """What this thread does now belongs to a step."""
        before, self._at.step = self.step, step
        try:
            yield
        finally:
            self._at.step = before

    @property
    def step(self) -> str | None:
        """The step in which this thread is."""
        return getattr(self._at, "step", None)

    def transactions_of(self, owner: type, method: str, step: str) -> None:
        """Every transaction that a method writes is the step."""
        self._wrap(owner, method, lambda call: self._run(step, call))

    def calls_of(self, owner: Any, method: str, step: str) -> None:
        """Every call of a method is the step; renaming or linking a file into place is inside of it."""

        def around(call: Callable[[], Any]) -> Any:
            self.at(step, "before")
            result = self._run(step, call)
            self.at(step, "after")
            return result

        self._wrap(owner, method, around)

    def positions_of(self, owner: Any, method: str, step: str, before: str | None = None, after: str | None = None) -> None:
        """Before and after a call there are these positions of the step."""

        def around(call: Callable[[], Any]) -> Any:
            if before is not None:
                self.at(step, before)
            result = call()
            if after is not None and result is not None:
                self.at(step, after)
            return result

        self._wrap(owner, method, around)

    def _run(self, step: str, call: Callable[[], Any]) -> Any:
        with self.during(step):
            return call()

    @staticmethod
    def _wrap(owner: Any, method: str, around: Callable[[Callable[[], Any]], Any]) -> None:
        found = vars(owner)[method]
        plain = found.__func__ if isinstance(found, staticmethod) else found

        @functools.wraps(plain)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            return around(lambda: plain(*arguments, **named))

        setattr(owner, method, staticmethod(wrapped) if isinstance(found, staticmethod) else wrapped)

    def _strike(self, plan: Plan) -> None:
        with self.writing if plan.signal == signal.SIGSTOP else contextlib.nullcontext():
            self._hit(plan)

    def _hit(self, plan: Plan) -> None:
        targets = [process for role in sorted(plan.targets, key=lambda role: role == self._role) for process in self._processes(role)]
        draft = self._folder / "struck.draft"
        draft.write_text(json.dumps([process.pid for process in targets]))
        draft.replace(self._folder / f"struck-{plan.id}")
        for process in targets:
            if process.pid == os.getpid():
                # To this thread: it does nothing more. A signal to the process may reach another one first, and this one opens a
                # transaction before it stops.
                signal.pthread_kill(threading.get_ident(), plan.signal)
            else:
                process.send_signal(plan.signal)
            deadline = time.monotonic() + PATIENCE
            while plan.signal == signal.SIGKILL and lives(process.pid) and time.monotonic() < deadline:
                time.sleep(0.005)

    def _processes(self, role: Role) -> list[psutil.Process]:
        me = psutil.Process()
        if role == self._role:
            return [me]
        match self._role, role:
            case "server", "worker":
                return me.children()
            case "server", "child":
                return [child for worker in me.children() for child in worker.children()]
            case "worker", "server":
                return [psutil.Process(os.getppid())]
            case "worker", "child":
                return me.children()
        raise ValueError(role)


def lives(pid: int) -> bool:
    """Whether there is such a process, and not only what its parent has not taken note of."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wrap_database(trap: Trap) -> None:
    """Give a transaction that writes the positions of the step that its thread is in."""
    from openrek.db import Database

    write = Database.write

    @contextlib.contextmanager
    def struck(database: Database) -> Iterator[Any]:
        step = trap.step
        if step is not None:
            trap.at(step, "before")
        with trap.writing, write(database) as connection:
            yield connection
            if step is not None:
                trap.at(step, "inside")
        if step is not None:
            trap.at(step, "after")

    Database.write = struck  # type: ignore[method-assign]


def wrap_links(trap: Trap) -> None:
    """A file that gets its name by a hard link: before that it is inside of the step."""
    link = os.link

    def struck(*arguments: Any, **named: Any) -> None:
        if trap.step is not None:
            trap.at(trap.step, "inside")
        link(*arguments, **named)

    os.link = struck


def wrap_worker(trap: Trap) -> None:
    """The steps of a worker."""
    from openrek.engine.store import ObservationStore
    from openrek.jobs.claims import Claims
    from openrek.jobs.results import ResultWriter
    from openrek.media.stage_folder import FolderSource

    wrap_database(trap)
    wrap_links(trap)
    trap.calls_of(FolderSource, "fetch", "stage")
    trap.calls_of(ObservationStore, "write_index", "index")
    trap.calls_of(ObservationStore, "write", "chunk")
    trap.transactions_of(Claims, "claim", "claim")
    trap.transactions_of(Claims, "progress", "progress")
    trap.transactions_of(Claims, "release", "release")
    trap.transactions_of(Claims, "record_crash", "crash")
    trap.transactions_of(Claims, "complete", "completion")
    trap.transactions_of(ResultWriter, "__init__", "generation")
    trap.transactions_of(ResultWriter, "write", "block")


def wrap_server(trap: Trap) -> None:
    """The steps of a server."""
    from openrek.jobs import results
    from openrek.jobs.outbox import Relay
    from openrek.jobs.store import JobStore
    from openrek.localaws.sns import Topics
    from openrek.localaws.sqs import mailbox
    from openrek.server.publishing import EmbeddedTopics

    wrap_database(trap)
    trap.transactions_of(JobStore, "insert", "start")
    # Nothing has happened; the delivery is made but not committed; it is committed, but the outbox does not know it.
    trap.positions_of(EmbeddedTopics, "publish", "publish", before="before")
    trap.positions_of(Topics, "_publish", "publish", after="inside")
    trap.positions_of(Topics, "publish", "publish", after="after")
    # Published, about to be marked; marked but not committed; committed.
    trap.positions_of(Relay, "_settle", "acknowledgement", before="before", after="inside")
    trap.positions_of(Relay, "_deliver_next", "acknowledgement", after="after")
    trap.transactions_of(results, "_drop_some", "sweep")
    trap.positions_of(mailbox, "remove", "delete", before="inside")


def main_is_struck(role: Role, folder: Path) -> Trap:
    """The trap of this process, and a look into it: SIGUSR1 has it write down which modules it has loaded."""
    trap = Trap(folder, role)

    def tell(*_: object) -> None:
        draft = folder / f"modules-{role}.draft"
        draft.write_text(json.dumps(sorted(sys.modules)))
        draft.replace(folder / f"modules-{role}.json")

    signal.signal(signal.SIGUSR1, tell)
    return trap
