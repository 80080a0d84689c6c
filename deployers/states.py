"""What the states of operations and stacks mean, in one place. AWS's raw words are only interpreted here."""

from enum import StrEnum

from django.db.models import TextChoices


class OperationStatus(TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for a person"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


S = OperationStatus
NEXT: dict[OperationStatus, frozenset[OperationStatus]] = {
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED, S.FAILED}),
    S.RUNNING: frozenset({S.WAITING, S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.WAITING: frozenset({S.RUNNING, S.CANCELLED, S.FAILED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}
TERMINAL = frozenset(status for status, following in NEXT.items() if not following)
ACTIVE = frozenset(NEXT) - TERMINAL


class Step(StrEnum):
    """What an operation does next. Creations and updates go through the first group, rotations of the SSH key through
    the second, deletions through the last. A rotation of the webhook secret makes its own steps around two updates.

    An operation that has several stacks goes through its group once for each.
    """

    PREPARE = "prepare"
    CLEAR = "clear"
    REPAIR = "repair"
    PUBLISH = "publish"
    CHANGE_SET = "change_set"
    REVIEW = "review"
    EXECUTE = "execute"
    WATCH = "watch"
    OUTPUTS = "outputs"
    WEBHOOK = "webhook"
    DEPLOY_KEY = "deploy_key"
    VERIFY = "verify"

    NEW_KEY = "new_key"
    INSTALL_KEY = "install_key"
    PROBE_KEY = "probe_key"
    PASTE_KEY = "paste_key"
    PROMOTE_KEY = "promote_key"
    LET_FINISH = "let_finish"
    RETIRE_KEY = "retire_key"
    UNDO_KEY = "undo_key"

    NEW_SECRET = "new_secret"  # noqa: S105 - a step, no secret
    SPREAD_SECRET = "spread_secret"  # noqa: S105 - a step, no secret
    PROVE_SECRET = "prove_secret"  # noqa: S105 - a step, no secret
    DROP_SECRET = "drop_secret"  # noqa: S105 - a step, no secret

    UNHOOK = "unhook"
    REMOVE_KEY = "remove_key"
    STOP_DEPLOYMENTS = "stop_deployments"
    PURGE = "purge"
    DELETE_STACK = "delete_stack"
    WATCH_DELETION = "watch_deletion"
    FORGET = "forget"


STEP_LABELS: dict[str, str] = {
    Step.PREPARE: "Looking at the stack",
    Step.CLEAR: "Removing what a failed creation left",
    Step.REPAIR: "Continuing the rollback",
    Step.PUBLISH: "Publishing template and Lambda packages",
    Step.CHANGE_SET: "Computing the changes",
    Step.REVIEW: "Waiting until the changes are approved",
    Step.EXECUTE: "Starting the changes",
    Step.WATCH: "CloudFormation is working",
    Step.OUTPUTS: "Reading the outputs",
    Step.WEBHOOK: "Installing the webhook",
    Step.DEPLOY_KEY: "Installing the deploy key",
    Step.VERIFY: "Waiting for the provider's ping",
    Step.NEW_KEY: "Making a new SSH key in the AWS account",
    Step.INSTALL_KEY: "Adding the new key at the provider",
    Step.PROBE_KEY: "Trying the new key",
    Step.PASTE_KEY: "Waiting until the new key is added at the provider",
    Step.PROMOTE_KEY: "Fetching with the new key from now on",
    Step.LET_FINISH: "Waiting for running fetches",
    Step.RETIRE_KEY: "Removing the old key at the provider",
    Step.UNDO_KEY: "Rolling back the new key",
    Step.NEW_SECRET: "Making a new webhook secret",
    Step.SPREAD_SECRET: "Letting the functions learn of the new secret",
    Step.PROVE_SECRET: "Waiting for a webhook that is signed with the new secret",
    Step.DROP_SECRET: "Giving up the old secret",
    Step.UNHOOK: "Removing the webhook",
    Step.REMOVE_KEY: "Removing the deploy key",
    Step.STOP_DEPLOYMENTS: "Stopping deployments",
    Step.PURGE: "Emptying the buckets",
    Step.DELETE_STACK: "Starting the deletion",
    Step.WATCH_DELETION: "CloudFormation is deleting",
    Step.FORGET: "Removing records",
}
# Nothing is lost at AWS when an operation stops before one of these.
CANCELLABLE = frozenset({"", Step.NEW_SECRET, Step.PREPARE, Step.PUBLISH, Step.CHANGE_SET, Step.REVIEW, Step.EXECUTE})

# A rotation of the SSH key goes back from these, and the key from before goes on working; after them it only goes on.
UNDOABLE = frozenset({Step.NEW_KEY, Step.INSTALL_KEY, Step.PROBE_KEY, Step.PASTE_KEY})
# Where a person may stop an operation of any kind; the last waits for somebody, with both webhook secrets in use.
STOPPABLE = CANCELLABLE | UNDOABLE | {Step.PROVE_SECRET}


class DeploymentStatus(TextChoices):
    """How a deployment stands, and each of its steps."""

    QUEUED = "queued", "Queued"
    DEPLOYING = "deploying", "Deploying"
    WAITING = "waiting", "Waiting for approval"
    DEPLOYED = "deployed", "Deployed"
    FAILED = "failed", "Failed"
    ROLLED_BACK = "rolled_back", "Rolled back"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in {self.QUEUED, self.DEPLOYING, self.WAITING}


_DEPLOYMENTS = {
    "Created": DeploymentStatus.QUEUED,
    "Queued": DeploymentStatus.QUEUED,
    "InProgress": DeploymentStatus.DEPLOYING,
    "Baking": DeploymentStatus.DEPLOYING,
    "Ready": DeploymentStatus.DEPLOYING,
    "Succeeded": DeploymentStatus.DEPLOYED,
    "Failed": DeploymentStatus.FAILED,
    "Stopped": DeploymentStatus.CANCELLED,
    "Pending": DeploymentStatus.QUEUED,
    "Skipped": DeploymentStatus.CANCELLED,
    "Stopping": DeploymentStatus.DEPLOYING,
    "Cancelled": DeploymentStatus.CANCELLED,
    "Superseded": DeploymentStatus.CANCELLED,
    "Abandoned": DeploymentStatus.CANCELLED,
}


def deployment_status(aws_status: str, *, rolled_back: bool = False) -> DeploymentStatus:
    """Interpret what CodeDeploy says of a deployment, an instance or a lifecycle event, or CodePipeline of a run.

    A failure that was rolled back is its own state. An unknown word counts as failed, so that a person looks.
    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentInfo.html
    https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineExecutionSummary.html
    """
    found = _DEPLOYMENTS.get(aws_status, DeploymentStatus.FAILED)
    return DeploymentStatus.ROLLED_BACK if found is DeploymentStatus.FAILED and rolled_back else found


class StackState(StrEnum):
    """A stack as people see it: one word and one colour."""

    ABSENT = "absent"
    REVIEW = "review"
    CREATING = "creating"
    UPDATING = "updating"
    READY = "ready"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


_STATES = {
    "": StackState.ABSENT,
    "REVIEW_IN_PROGRESS": StackState.REVIEW,
    "CREATE_IN_PROGRESS": StackState.CREATING,
    "CREATE_COMPLETE": StackState.READY,
    "CREATE_FAILED": StackState.FAILED,
    "ROLLBACK_IN_PROGRESS": StackState.CREATING,
    "ROLLBACK_COMPLETE": StackState.FAILED,
    "ROLLBACK_FAILED": StackState.FAILED,
    "UPDATE_IN_PROGRESS": StackState.UPDATING,
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": StackState.UPDATING,
    "UPDATE_COMPLETE": StackState.READY,
    "UPDATE_FAILED": StackState.FAILED,
    "UPDATE_ROLLBACK_IN_PROGRESS": StackState.UPDATING,
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": StackState.UPDATING,
    "UPDATE_ROLLBACK_COMPLETE": StackState.ROLLED_BACK,
    "UPDATE_ROLLBACK_FAILED": StackState.FAILED,
    "IMPORT_IN_PROGRESS": StackState.UPDATING,
    "IMPORT_COMPLETE": StackState.READY,
    "IMPORT_ROLLBACK_IN_PROGRESS": StackState.UPDATING,
    "IMPORT_ROLLBACK_COMPLETE": StackState.ROLLED_BACK,
    "IMPORT_ROLLBACK_FAILED": StackState.FAILED,
    "DELETE_IN_PROGRESS": StackState.DELETING,
    "DELETE_COMPLETE": StackState.DELETED,
    "DELETE_FAILED": StackState.FAILED,
}


# A stack that is at rest and does its work; one whose last update was undone does, too.
AT_WORK = frozenset({StackState.READY, StackState.ROLLED_BACK})


def stack_state(aws_status: str) -> StackState:
    """Interpret a CloudFormation stack status; an unknown one counts as failed, so that a person looks."""
    return _STATES.get(aws_status, StackState.FAILED)


def aws_statuses(*states: StackState) -> list[str]:
    """AWS's words for stacks in these states, for queries."""
    return [word for word, state in _STATES.items() if state in states]


def in_progress(aws_status: str) -> bool:
    """Whether CloudFormation is still working on the stack."""
    return aws_status.endswith("_IN_PROGRESS") and aws_status != "REVIEW_IN_PROGRESS"
