"""What AWS and botocore say, as errors for people."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ParamValidationError

from deployers import errors
from deployers.aws.faults import aws_faults


def answer(code: str, message: str = "", status: int = 400, action: str = "CreateChangeSet") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        action,
    )


@pytest.mark.parametrize(
    ("raised", "expected", "retryable"),
    [
        (answer("Throttling"), errors.Throttled, True),
        (answer("ExpiredToken"), errors.CredentialsExpired, True),
        (answer("InternalFailure", status=500), errors.AwsUnreachable, True),
        (answer("ValidationError", "Stack:x is in UPDATE_IN_PROGRESS state"), errors.StackInProgress, True),
        (ConnectTimeoutError(endpoint_url="https://aws"), errors.AwsUnreachable, True),
        (answer("ValidationError", "Stack with id x does not exist"), errors.NotFoundAtAws, False),
        (answer("ValidationError", "Template format error"), errors.RequestInvalid, False),
        (answer("AlreadyExistsException"), errors.AlreadyExistsAtAws, False),
        (answer("LimitExceededException", "Stack limit exceeded"), errors.QuotaReached, False),
        (answer("LimitExceeded", action="CreateRole"), errors.QuotaReached, False),
        (answer("DeploymentLimitExceededException", action="CreateDeployment"), errors.QuotaReached, False),
        (answer("ServiceQuotaExceededException"), errors.QuotaReached, False),
        (answer("TooManyBuckets", action="CreateBucket"), errors.QuotaReached, False),
        (answer("AddressLimitExceeded"), errors.QuotaReached, False),
        (answer("RequestLimitExceeded"), errors.Throttled, True),
        (answer("ProvisionedThroughputExceededException"), errors.Throttled, True),
        (answer("AccessDenied", "User is not authorized"), errors.AccessDenied, False),
        (answer("AccessDenied", action="AssumeRole"), errors.CredentialsRefused, False),
        (NoCredentialsError(), errors.CredentialsRefused, False),
    ],
)
def test_each_failure_has_its_class(raised: Exception, expected: type[errors.AwsError], retryable: bool) -> None:
    with pytest.raises(errors.AwsError) as caught, aws_faults():
        raise raised
    assert type(caught.value) is expected
    assert caught.value.retryable == retryable


@pytest.mark.parametrize(
    "raised",
    [
        answer("SignatureDoesNotMatch", "The canonical string should have been canary", 403),
        ParamValidationError(report="Invalid type for parameter SecretString, value: canary"),
    ],
)
def test_no_value_of_a_request_is_repeated(raised: Exception) -> None:
    with pytest.raises(errors.AwsError) as caught, aws_faults():
        raise raised
    assert "canary" not in str(caught.value)


def test_a_quota_says_what_to_do() -> None:
    with pytest.raises(errors.QuotaReached) as caught, aws_faults():
        raise answer("LimitExceededException", "Limit for stack has been exceeded")
    assert caught.value.message == (
        "CreateChangeSet passes a quota of the AWS account: Limit for stack has been exceeded"
    )
    assert "Service Quotas" in caught.value.remedy
