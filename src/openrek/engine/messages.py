"""What a child sends to its parent: a JSON header, and for an answer its arrays, each a message of bytes. Nothing is unpickled on this way.

The child has read a stranger's video, so the parent takes nothing for granted: headers are validated, arrays are read by their schema,
and sizes are bounded.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from openrek import errors
from openrek.engine.tasks import ChunkAnswer, ChunkTask, IndexAnswer, Task
from openrek.errors import ChildError, ObservationError, OpenrekError
from openrek.media.packets import PacketIndex
from openrek.observations import Damage, Observations
from openrek.video import VideoFacts

LARGEST_HEADER = 1 << 20
LARGEST_PAYLOAD = 1 << 30


@dataclass(frozen=True)
class Greeting:
    """The child is ready; `network` says whether it could reach one."""

    network: bool
    kind: Literal["greeting"] = "greeting"


@dataclass(frozen=True)
class AliveHeader:
    """Work goes on."""

    kind: Literal["alive"] = "alive"


@dataclass(frozen=True)
class LoadingHeader:
    """Until the next message the child makes its networks ready; it has not looked at this task's video."""

    kind: Literal["loading"] = "loading"


@dataclass(frozen=True)
class FailureHeader:
    """The task failed with an exception, which the parent raises again if it is one of ours."""

    error: str
    message: str
    kind: Literal["failure"] = "failure"


@dataclass(frozen=True)
class IndexHeader:
    """The answer to an `IndexTask`; the packet index follows."""

    facts: VideoFacts
    kind: Literal["index"] = "index"


@dataclass(frozen=True)
class ChunkHeader:
    """The answer to a `ChunkTask`; one batch of observations follows for each key."""

    observed: list[str]
    damage: Damage
    kind: Literal["chunk"] = "chunk"


_Header = Greeting | AliveHeader | LoadingHeader | FailureHeader | IndexHeader | ChunkHeader
_HEADERS: TypeAdapter[_Header] = TypeAdapter(Annotated[_Header, Field(discriminator="kind")])


def send_greeting(connection: Connection, network: bool) -> None:
    """Tell the parent that tasks may come."""
    connection.send_bytes(_HEADERS.dump_json(Greeting(network)))


def receive_greeting(connection: Connection) -> Greeting:
    """Read a child's first message.

    Raises
    ------
    ObservationError
        It is another one.
    EOFError, OSError
        The child has gone.
    """
    header = _header(connection)
    if not isinstance(header, Greeting):
        raise ObservationError("the child did not greet")
    return header


def send_alive(connection: Connection) -> None:
    """Tell the parent that work goes on."""
    connection.send_bytes(_HEADERS.dump_json(AliveHeader()))


def send_loading(connection: Connection) -> None:
    """Tell the parent that whatever goes wrong until the next message is not the video's fault."""
    connection.send_bytes(_HEADERS.dump_json(LoadingHeader()))


def send_failure(connection: Connection, error: Exception) -> None:
    """Tell the parent that the task failed."""
    message = error.message if isinstance(error, OpenrekError) else f"{type(error).__name__}: {error}"
    connection.send_bytes(_HEADERS.dump_json(FailureHeader(type(error).__name__, message)))


def send_answer(connection: Connection, answer: IndexAnswer | ChunkAnswer) -> None:
    """Give the parent the answer of a task."""
    header: IndexHeader | ChunkHeader
    if isinstance(answer, IndexAnswer):
        header, payloads = IndexHeader(answer.facts), [answer.packets.to_bytes()]
    else:
        header = ChunkHeader(list(answer.observed), answer.damage)
        payloads = [observations.to_bytes() for observations in answer.observed.values()]
    connection.send_bytes(_HEADERS.dump_json(header))
    for payload in payloads:
        connection.send_bytes(payload)


def receive(connection: Connection, task: Task) -> IndexAnswer | ChunkAnswer | AliveHeader | LoadingHeader:
    """Read one message of a child that works on `task`: the answer, or how the work goes on.

    Raises
    ------
    VideoError, ModelError, ObservationError
        What the child raised, or what was wrong with what it sent.
    ChildError
        Any other exception in the child.
    EOFError, OSError
        The child has gone, or sent more than it may.
    """
    header = _header(connection)
    match header:
        case AliveHeader() | LoadingHeader():
            return header
        case FailureHeader():
            raise _raised(header)
        case IndexHeader():
            return IndexAnswer(header.facts, PacketIndex.from_bytes(connection.recv_bytes(LARGEST_PAYLOAD)))
        case ChunkHeader() if isinstance(task, ChunkTask) and header.observed == [observable.key for observable in task.observables]:
            return ChunkAnswer({o.key: _batch(connection, o.demand.role, task) for o in task.observables}, header.damage)
        case _:
            raise ObservationError("the child answered another question than it was asked")


def _header(connection: Connection) -> _Header:
    try:
        return _HEADERS.validate_json(connection.recv_bytes(LARGEST_HEADER))
    except ValidationError as error:
        raise ObservationError(f"the child sent an unknown message: {error}") from error


def _batch(connection: Connection, role: str, task: ChunkTask) -> Observations:
    batch = Observations.from_bytes(role, connection.recv_bytes(LARGEST_PAYLOAD))
    if len(batch) and not (task.chunk.start <= int(np.min(batch.pts)) and int(np.max(batch.pts)) < task.chunk.end):
        raise ObservationError(f"observations of {role} lie outside their chunk")
    return batch


def _raised(failure: FailureHeader) -> OpenrekError:
    """The exception that a child names, if it is one that a child may raise."""
    kind = getattr(errors, failure.error, None)
    if isinstance(kind, type) and issubclass(kind, errors.VideoError | errors.ModelError):
        raised: OpenrekError = kind(failure.message)
        return raised
    return ChildError(failure.message)
