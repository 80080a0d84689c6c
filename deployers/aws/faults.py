"""What botocore raises, as errors that people can read.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from deployers.errors import (
    AccessDenied,
    AlreadyExistsAtAws,
    AwsError,
    AwsUnreachable,
    CredentialsExpired,
    CredentialsRefused,
    NotFoundAtAws,
    QuotaReached,
    RequestInvalid,
    StackInProgress,
    Throttled,
)

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
# Codes of quotas that no waiting raises: LimitExceeded (IAM), LimitExceededException (CloudFormation, ECR, ACM ...),
# DeploymentLimitExceededException (CodeDeploy), AddressLimitExceeded (EC2), OverLimit (SQS) and their siblings.
_QUOTA = re.compile(r"(Limit|Quota)Exceeded(Exception)?$|LimitReached(Exception)?$|^TooManyBuckets$|^OverLimit$")
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_CREDENTIALS = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation"}
_ABSENT = {
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "ApplicationDoesNotExistException",
    "ChangeSetNotFound",
    "DeploymentDoesNotExistException",
    "DeploymentGroupDoesNotExistException",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchVersion",
    "PipelineNotFoundException",
    "QueueDoesNotExist",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
    "StackNotFoundException",
}
_EXISTS = {
    "AlreadyExistsException",
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "NameAlreadyExistsException",
}
_BUSY = {"OperationInProgressException", "OperationAbortedException"}
# CloudFormation says ValidationError for these too.
_DOES_NOT_EXIST = re.compile(r"does not exist", re.IGNORECASE)
_IN_PROGRESS = re.compile(r"\b[A-Z_]+_IN_PROGRESS\b")


@contextmanager
def aws_faults() -> Iterator[None]:
    """Turn botocore's exceptions into those of `deployers.errors`."""
    try:
        yield
    except ClientError as error:
        raise from_client_error(error) from error
    except (NoConnection, HTTPClientError) as error:
        raise AwsUnreachable(
            "AWS did not answer.", remedy="Check the region's name and the panel's way to the internet."
        ) from error
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise CredentialsRefused(
            "There are no usable AWS credentials.",
            remedy="Give the panel's processes credentials, or the account access keys.",
        ) from error
    except NoRegionError as error:
        raise RequestInvalid("No AWS region was given.", remedy="Choose a region.") from error
    except ParamValidationError as error:
        # Its text repeats the values, and one of them may be a secret.
        raise RequestInvalid("The request has a value that AWS's API does not take.") from error
    except BotoCoreError as error:
        raise AwsError(f"The call to AWS failed: {type(error).__name__}.") from error


def from_client_error(error: ClientError) -> AwsError:
    """The error for an answer of AWS."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = str(error.response.get("Error", {}).get("Message", "")).strip()
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    action = error.operation_name
    kind = _kind(code, said, status)
    if kind is AccessDenied and action == "AssumeRole":
        return CredentialsRefused(
            "AWS does not let the panel assume the role.",
            remedy="Compare the role's trust policy with the one that the panel shows: principal and external id.",
            aws_code=code,
            action=action,
        )
    # What AWS says of wrong credentials or signatures may repeat parts of them.
    said = "" if kind is CredentialsRefused or said == "Forbidden" else said
    message, remedy = _WORDS[kind]
    return kind(
        message.format(action=action, code=code or status) + (f": {said}" if said else "."),
        remedy=remedy,
        aws_code=code,
        action=action,
    )


def _kind(code: str, said: str, status: int) -> type[AwsError]:
    for codes, kind in _KINDS:
        if code in codes:
            return kind
    if _QUOTA.search(code):
        return QuotaReached
    if code == "ValidationError" and _DOES_NOT_EXIST.search(said):
        return NotFoundAtAws
    if code == "ValidationError" and _IN_PROGRESS.search(said):
        return StackInProgress
    return AwsUnreachable if status >= 500 else RequestInvalid


_KINDS: tuple[tuple[set[str], type[AwsError]], ...] = (
    (_THROTTLED, Throttled),
    (_EXPIRED, CredentialsExpired),
    (_CREDENTIALS, CredentialsRefused),
    (_DENIED, AccessDenied),
    (_EXISTS, AlreadyExistsAtAws),
    (_ABSENT, NotFoundAtAws),
    (_BUSY, StackInProgress),
)
# Message, with {action} and {code}, and remedy.
_WORDS: dict[type[AwsError], tuple[str, str]] = {
    Throttled: ("AWS asks to slow down", ""),
    CredentialsExpired: ("The session with AWS ran out", ""),
    CredentialsRefused: ("AWS does not accept the credentials", "Check the AWS account's credentials."),
    QuotaReached: (
        "{action} passes a quota of the AWS account",
        "Delete what is no longer needed, or ask for more in the console of Service Quotas, then try again.",
    ),
    AccessDenied: ("AWS denies {action}", "Let the AWS account's role or user do this, then try again."),
    AlreadyExistsAtAws: ("AWS refuses {action}, as it exists already", ""),
    NotFoundAtAws: ("AWS finds nothing for {action}", ""),
    StackInProgress: ("CloudFormation is still busy", ""),
    AwsUnreachable: ("AWS failed to answer {action} ({code})", ""),
    RequestInvalid: ("AWS refuses {action}", ""),
}
