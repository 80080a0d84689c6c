"""Addresses are written as django-allauth compares them, and are proven only by what the panel itself believes.

Accounts that an identity provider opened took its word for their addresses, whether a setting trusts it for addresses
or not. What such an account did not prove here as well, by the link of an invitation or of a change, is not proven.
"""

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def write_as_compared(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """In lower case, as EmailAddress.clean does; of two that are the same then, the older one stays."""
    addresses = apps.get_model("account", "EmailAddress").objects
    for each in addresses.order_by("pk"):
        lower = each.email.lower()
        if lower == each.email:
            continue
        same = addresses.filter(email=lower)
        if same.filter(user=each.user_id).exists():
            each.delete()
            continue
        each.verified = each.verified and not same.filter(verified=True).exists()
        each.email = lower
        each.save(update_fields=["email", "verified"])


def forget_what_is_not_proven(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    trusted = [each.id for each in settings.IDENTITY.known.values() if each.trusts_email]
    identities = apps.get_model("socialaccount", "SocialAccount").objects.exclude(provider__in=trusted)
    invitations = apps.get_model("teams", "Invitation").objects
    entries = apps.get_model("teams", "AuditEntry").objects
    rows = apps.get_model("account", "EmailAddress").objects.filter(
        verified=True, user__in=identities.values("user_id")
    )
    for each in rows:
        joined = invitations.filter(accepted_by=each.user_id).values_list("email", flat=True)
        changes = entries.filter(action="user.change_email", object_id=str(each.user_id)).values_list("changes", flat=True)
        proven = {address.lower() for address in joined}
        proven |= {str(change.get("email", ["", ""])[-1]).lower() for change in changes}
        if each.email not in proven:
            each.verified = False
            each.save(update_fields=["verified"])


class Migration(migrations.Migration):
    dependencies = [
        ("teams", "0006_invitations"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]
    operations = [
        migrations.RunPython(write_as_compared, migrations.RunPython.noop),
        migrations.RunPython(forget_what_is_not_proven, migrations.RunPython.noop),
    ]
