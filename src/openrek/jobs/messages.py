"""What a job tells people: the sentence on its status, the notification of its end."""

from __future__ import annotations

import json

from openrek.jobs.records import Job
from openrek.jobs.states import State, api_status

LONGEST = 1024
"""Characters of a sentence. The service model has no limit for StatusMessage; this one is ours."""


def sentence(text: str) -> str:
    """One printable line of at most `LONGEST` characters, cut between words."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if len(line) <= LONGEST:
        return line or "There is no description of what went wrong."
    whole_words = line[:LONGEST].rpartition(" ")[0].rstrip(" ,;:") or line[: LONGEST - 1]
    return f"{whole_words}…"


def completion(job: Job, state: State, completed_at: int) -> str:
    """The body of the notification that the job has ended."""
    tag = {"JobTag": job.job_tag} if job.job_tag is not None else {}
    body = {
        "JobId": job.id,
        "Status": api_status(state),
        "API": job.operation,
        **tag,
        "Timestamp": completed_at,
        "Video": {"S3ObjectName": job.object.name, "S3Bucket": job.object.bucket},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
