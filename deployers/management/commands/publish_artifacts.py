"""`manage.py publish_artifacts`: Lambda packages and templates into a region."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployers.models import AwsAccount
from deployers.services import publish
from teams.errors import SluiceError


class Command(BaseCommand):
    help = "Put the Lambda packages and templates where a region's stacks find them; what is there already stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--region", required=True, help="AWS region, such as eu-central-1")
        parser.add_argument("--bucket", default="", help="bucket in that region; without it, one of our own is made")
        parser.add_argument(
            "--account", default="", metavar="NAME", help="AWS account of the panel; without it, the own credentials"
        )

    def handle(self, *args: Any, region: str, bucket: str, account: str, **options: Any) -> None:  # noqa: ARG002
        try:
            published = publish.publish_all(region=region, account=_account(account), bucket=bucket)
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
