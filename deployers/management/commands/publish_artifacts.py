"""`manage.py publish_artifacts`: Lambda packages and templates into a region."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployers.errors import CredentialsRefused
from deployers.models import AwsAccount
from deployers.services import publish
from teams.errors import SluiceError

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}")


class Command(BaseCommand):
    help = "Put the Lambda packages and templates where a region's stacks find them; what is there already stays."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--region", required=True, help="AWS region, such as eu-central-1")
        parser.add_argument("--bucket", default="", help="bucket in that region; without it, one of our own is made")
        parser.add_argument(
            "--account", default="", metavar="NAME", help="AWS account of the panel; without it, the own credentials"
        )

    def handle(self, *args: Any, region: str, bucket: str, account: str, **options: Any) -> None:  # noqa: ARG002
        if not _REGION.fullmatch(region):
            raise CommandError(f"{region} is not an AWS region, such as eu-central-1.", returncode=2)
        if bucket and not _BUCKET.fullmatch(bucket):
            raise CommandError(
                f"{bucket} is not a valid bucket name: 3 to 63 lower-case letters, digits, dots and hyphens.",
                returncode=2,
            )
        try:
            published = publish.publish_all(region=region, account=_account(account), bucket=bucket)
        except CredentialsRefused as error:
            words = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY." if not account else error.remedy
            raise CommandError(f"{error.message} {words}", returncode=2) from error
        except SluiceError as error:
            raise CommandError(str(error), returncode=2) from error
        for found in published.values():
            self.stdout.write(f"LambdaArtifactS3Bucket  {found.bucket}")
            self.stdout.write(f"LambdaArtifactPrefix    {found.prefix}")
            self.stdout.write(f"TemplatesUrl            {found.templates_url}")
            self.stdout.write(f"Template                {found.template_url}")


def _account(name: str) -> AwsAccount | None:
    if not name:
        return None
    found = list(AwsAccount.objects.filter(name=name)[:2])
    if len(found) != 1:
        raise CommandError(f"There {'is no' if not found else 'are several'} AWS accounts named {name}.", returncode=2)
    return found[0]
