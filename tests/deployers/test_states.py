"""What AWS's words for a stack mean."""

import botocore.session
import pytest

from deployers.states import StackState, in_progress, stack_state

STATUSES: list[str] = (
    botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum  # type: ignore[attr-defined]
)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_cloudformation_has_the_state_that_it_means(status: str) -> None:
    if status == "REVIEW_IN_PROGRESS":
        expected = {StackState.REVIEW}
    elif status.startswith("DELETE_") and not status.endswith("_FAILED"):
        expected = {StackState.DELETING, StackState.DELETED}
    elif status.endswith("_IN_PROGRESS"):
        expected = {StackState.CREATING} if status.startswith(("CREATE_", "ROLLBACK_")) else {StackState.UPDATING}
    elif status.endswith("_FAILED") or status == "ROLLBACK_COMPLETE":
        # Nothing is left of a creation that was rolled back.
        expected = {StackState.FAILED}
    elif status.endswith("_ROLLBACK_COMPLETE"):
        expected = {StackState.ROLLED_BACK}
    else:
        assert status.endswith("_COMPLETE")
        expected = {StackState.READY}
    assert stack_state(status) in expected
    assert in_progress(status) == (status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS")


def test_a_status_that_aws_may_invent_is_one_to_look_at() -> None:
    assert stack_state("PONDER_COMPLETE") is StackState.FAILED
