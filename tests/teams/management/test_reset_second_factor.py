"""`manage.py reset_second_factor`."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command

from teams.models import AuditEntry, User
from tests.second_factors import make_app


def test_it_lets_somebody_in_again_and_is_written_down(admin: User) -> None:
    make_app(admin)
    told = StringIO()
    call_command("reset_second_factor", "ada", stdout=told)
    assert "ada signs in without a second factor" in told.getvalue()
    assert not Authenticator.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.object_name, entry.source) == (
        "second_factor.reset",
        "system",
        "ada",
        "command",
    )


@pytest.mark.parametrize("name", ["nobody", "ada"])
def test_it_says_when_there_is_nothing_to_reset(admin: User, name: str) -> None:
    with pytest.raises(CommandError) as failure:
        call_command("reset_second_factor", name)
    assert failure.value.returncode == 2
