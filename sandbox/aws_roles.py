"""Clients of the local AWS that act under a role, so that its policies count."""

import hashlib
import os
from typing import Any

import boto3
from ministack.core.responses import get_account_id, get_region
from ministack.services import sts


def credentials(role_arn: str, session_name: str) -> dict[str, str]:
    """Credentials of a role, named as boto3's clients take them."""
    from ministack import app

    if not app.AUTH or not role_arn:
        return {
            "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "aws_session_token": "",
        }
    role = role_arn.rsplit("/", 1)[-1]
    digest = hashlib.sha256(f"{role_arn}:{session_name}".encode()).hexdigest()
    access_key = f"ASIA{digest[:16].upper()}"
    secret = hashlib.sha256(f"secret:{digest}".encode()).hexdigest()
    token = hashlib.sha256(f"token:{digest}".encode()).hexdigest()
    sts.register_session(
        access_key,
        {
            "Arn": f"arn:aws:sts::{get_account_id()}:assumed-role/{role}/{session_name}",
            "UserId": f"{role}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"aws_access_key_id": access_key, "aws_secret_access_key": secret, "aws_session_token": token}


def client(service: str, role_arn: str, session_name: str) -> Any:
    """A client under a role. Must not be used on the thread that serves requests."""
    keys = {name: value for name, value in credentials(role_arn, session_name).items() if value}
    endpoint = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    return boto3.client(service, endpoint_url=endpoint, region_name=get_region(), **keys)  # type: ignore[call-overload]
