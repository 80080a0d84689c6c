"""What AWS refused, and which of our own rules stand in an operation's way.

teams.errors.SluiceError
    AwsError                     AWS refused for a reason that has no class of its own here
        AwsUnreachable           no answer, or AWS's own fault (retryable)
        Throttled                too many requests (retryable, for as long as it takes)
        QuotaReached             the account has as many of a thing as AWS lets it have
        StackInProgress          CloudFormation is still busy with the stack (retryable)
        CredentialsExpired       a session token ran out (retryable: the next call gets a new one)
        CredentialsRefused       AWS does not know the credentials, or the role may not be assumed
        AccountClosed            the account's check has not passed, so AWS is not asked at all
        AccessDenied             the credentials are good, but may not do this
        NotFoundAtAws            what was asked for is not there
        AlreadyExistsAtAws       somebody made a thing of that name before
        FunctionFailed           a function of a stack crashed or ran out of time (retryable)
        RequestInvalid           AWS rejected the request as invalid: a parameter, a template, a state
    ForeignStack                 a stack of our name that is not ours
    KeyRotationFailed            the new SSH key does not open the repository, so the old one stays
    StackBroken                  the stack is in a state that needs a person's decision
    ExternalIdIgnored            a role that anyone in the panel's account may assume
    PackagesMissing              the Lambda packages were not built
    ParameterRefused             a template parameter that people may not set
    ParametersDoNotFit           parameters of a deployer that do not fit together, or not the account
teams.errors.Refused
    StackBusy                    another operation is active for the stack
    NothingToRetry               the operation did not fail, or a newer one took its place
    NotCancellable               the operation is past the point where it can be stopped
    NotWaiting                   the operation does not wait for an approval
    PermissionsMissing           the account's last check says that it cannot provision this
"""

from collections.abc import Mapping

from teams.errors import Refused, SluiceError


class AwsError(SluiceError):
    """AWS refused. `aws_code` is its own error code, `action` the API call, such as `CreateChangeSet`."""

    code = "aws_error"
    status = 502

    def __init__(
        self, message: str, *, remedy: str = "", field: str = "", aws_code: str = "", action: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy, field=field)
        self.aws_code = aws_code
        self.action = action


class AwsUnreachable(AwsError):
    code = "aws_unreachable"
    status = 503
    retryable = True


class Throttled(AwsError):
    code = "aws_throttled"
    status = 503
    retryable = True


class QuotaReached(AwsError):
    code = "aws_quota_reached"
    status = 409


class StackInProgress(AwsError):
    code = "stack_in_progress"
    status = 409
    retryable = True


class CredentialsExpired(AwsError):
    code = "aws_credentials_expired"
    status = 503
    retryable = True


class CredentialsRefused(AwsError):
    code = "aws_credentials_refused"
    status = 422


class AccountClosed(AwsError):
    code = "account_closed"
    status = 409


class AccessDenied(AwsError):
    code = "aws_access_denied"
    status = 422


class NotFoundAtAws(AwsError):
    code = "aws_not_found"
    status = 404


class AlreadyExistsAtAws(AwsError):
    code = "aws_already_exists"
    status = 409


class RequestInvalid(AwsError):
    code = "aws_request_invalid"
    status = 422


class FunctionFailed(AwsError):
    code = "aws_function_failed"
    retryable = True


class KeyRotationFailed(SluiceError):
    """`code` says what stood in the way: key_refused, wrong_host_key, not_pasted ..."""

    status = 409

    def __init__(self, message: str, *, remedy: str = "", code: str = "key_rotation_failed") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class ForeignStack(SluiceError):
    code = "foreign_stack"
    status = 409


class StackBroken(SluiceError):
    """`code` names the state: rolled_back, update_rollback_failed, delete_failed, termination_protected ..."""

    status = 409

    def __init__(self, message: str, *, remedy: str = "", code: str = "stack_broken") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class ExternalIdIgnored(SluiceError):
    code = "external_id_ignored"
    status = 422


class PackagesMissing(SluiceError):
    code = "packages_missing"
    status = 500


class ParameterRefused(SluiceError):
    code = "parameter_refused"
    status = 422


class StackBusy(Refused):
    code = "stack_busy"


class NothingToRetry(Refused):
    code = "nothing_to_retry"


class NotCancellable(Refused):
    code = "not_cancellable"


class NotWaiting(Refused):
    code = "not_waiting"


class ParametersDoNotFit(SluiceError):
    """`problems` has, for each kind of stack, what is wrong with which of its parameters."""

    code = "invalid"

    def __init__(self, problems: Mapping[str, Mapping[str, str]]) -> None:
        self.problems = problems
        path, message = self.fields[0]
        super().__init__(f"{path}: {message}")

    @property
    def fields(self) -> list[tuple[str, str]]:
        return [
            (f"parameters.{kind}.{parameter}", message)
            for kind, wrong in self.problems.items()
            for parameter, message in wrong.items()
        ]


class PermissionsMissing(Refused):
    code = "permissions_missing"
