import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from teams.models import AuditEntry, Membership, Role, Team, User
from teams.services import tokens

PASSWORD = "correct horse battery"


def bootstrap(*arguments: str) -> dict:
    out = StringIO()
    call_command("bootstrap", *arguments, stdout=out)
    assert out.getvalue().count("\n") == 1
    return json.loads(out.getvalue())


def test_first_run_makes_an_administrator_a_team_and_a_working_token(db):
    answer = bootstrap("--username", "ada", "--password", PASSWORD, "--team", "Acme Corp", "--token-name", "ci")
    token = tokens.authenticate(answer["token"])
    assert token is not None
    assert (answer["user"], answer["team"]) == ("ada", "acme-corp")
    assert token.user.is_superuser
    assert token.user.check_password(PASSWORD)
    assert Membership.objects.get(user=token.user, team=token.team).role == Role.ADMIN
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"team.create", "token.create"}


def test_second_run_changes_nothing_and_shows_no_token(db):
    first = bootstrap("--password", PASSWORD)
    before = User.objects.get().password
    second = bootstrap("--password", PASSWORD)
    assert second == {**first, "token": None}
    assert User.objects.get().password == before
    assert Team.objects.count() == 1


def test_new_token_is_made_when_asked_for_and_the_old_one_stays(db):
    old = bootstrap("--password", PASSWORD)["token"]
    new = bootstrap("--new-token")["token"]
    assert tokens.authenticate(old)
    assert tokens.authenticate(new)


def test_user_who_lost_the_role_is_an_admin_again_with_the_new_password(db, team, admin):
    Membership.objects.update(role=Role.VIEWER)
    bootstrap("--username", "ada", "--team", "Acme", "--password", "another fine password")
    assert Membership.objects.get().role == Role.ADMIN
    assert User.objects.get(username="ada").check_password("another fine password")


def test_password_comes_from_the_first_line_of_a_file(db, tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\nsecond line\n")
    bootstrap("--password-file", str(file))
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no user admin yet"),
        (["--password", "short"], "too weak"),
        (["--password-file", "/nonexistent"], "cannot be read"),
        (["--password", PASSWORD, "--team", "***"], "letter or a digit"),
    ],
)
def test_usage_error_is_exit_code_2_with_words_and_leaves_nothing_behind(db, arguments, words):
    with pytest.raises(CommandError, match=words) as error:
        bootstrap(*arguments)
    assert error.value.returncode == 2
    assert not User.objects.exists()
    assert not Team.objects.exists()
