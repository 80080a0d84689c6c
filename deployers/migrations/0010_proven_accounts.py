"""Accounts are open only once their check has passed: those whose last check did stay open."""

import hashlib

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def open_what_passed(apps: Apps, _schema: BaseDatabaseSchemaEditor) -> None:
    account_model = apps.get_model("deployers", "AwsAccount")
    for account in account_model.objects.filter(checked_at__isnull=False, check_error="").exclude(caller_arn=""):
        parts = {"role": (account.role_arn, account.external_id), "keys": (account.access_key_id,)}
        text = "\n".join((account.method, *parts.get(account.method, ())))
        account_model.objects.filter(pk=account.pk).update(proven_way=hashlib.sha256(text.encode()).hexdigest())


class Migration(migrations.Migration):
    dependencies = [("deployers", "0009_webhook_secret_rotation")]

    operations = [
        migrations.AddField(
            model_name="awsaccount",
            name="proven_way",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="Digest of the way in that passed its check; empty, or of another one: AWS is not asked.",
                max_length=64,
            ),
        ),
        migrations.RunPython(open_what_passed, migrations.RunPython.noop),
    ]
