from pathlib import Path

import pytest

from openrek.errors import IllegalTransitionError
from openrek.jobs.states import OPEN, TRANSITIONS, State, api_status, transition

DRAWING = Path(__file__).parents[3] / "docs" / "explanation" / "jobs.md"


def test_every_pair_is_either_a_transition_or_refused():
    for old in State:
        for new in State:
            if new in TRANSITIONS[old]:
                assert transition(old, new) is new
            else:
                with pytest.raises(IllegalTransitionError, match=f"{old} cannot become {new}"):
                    transition(old, new)


def test_a_job_that_has_ended_goes_nowhere():
    assert set(OPEN) == {State.QUEUED, State.RUNNING}
    assert not TRANSITIONS[State.SUCCEEDED] | TRANSITIONS[State.FAILED]


def test_the_api_knows_three_states():
    assert [api_status(state) for state in State] == ["IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED", "FAILED"]


def test_the_drawing_shows_every_transition_and_no_other():
    lines = [line.split(":")[0].split("-->") for line in DRAWING.read_text().splitlines() if "-->" in line and "[*]" not in line]
    drawn = {(State(old.strip()), State(new.strip())) for old, new in lines}
    assert drawn == {(old, new) for old, following in TRANSITIONS.items() for new in following}
