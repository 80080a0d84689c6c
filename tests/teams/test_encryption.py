from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from integrations.models import Provider
from teams.encryption import DecryptionFailed
from teams.models import Team


@pytest.fixture
def provider(team: Team) -> Provider:
    provider = Provider(team=team, kind="github", name="github")
    provider.credentials = {"token": "ghp_canary"}
    provider.save()
    return provider


def stored(provider: Provider) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials_json FROM integrations_provider WHERE id = %s", [provider.pk])
        return cursor.fetchone()[0]


def test_secret_reads_back_and_is_not_in_the_database(provider: Provider):
    assert "ghp_canary" not in stored(provider)
    assert Provider.objects.get(pk=provider.pk).credentials == {"token": "ghp_canary"}
    assert provider.credentials == {"token": "ghp_canary"}


def test_secrets_of_two_rows_swapped_do_not_decrypt(provider: Provider, team: Team):
    other = Provider(team=team, kind="github", name="other")
    other.credentials = {"token": "ghp_other"}
    other.save()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE integrations_provider SET credentials_json = %s WHERE id = %s", [stored(other), provider.pk]
        )
    with pytest.raises(DecryptionFailed) as failure:
        _ = Provider.objects.get(pk=provider.pk).credentials
    assert "ghp_other" not in str(failure.value)


def test_older_key_still_decrypts_and_newest_encrypts(provider: Provider, settings):
    old = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [b"A" * 32, *old]
    before = stored(provider)
    fresh = Provider.objects.get(pk=provider.pk)
    fresh.credentials = fresh.credentials
    fresh.save()
    assert stored(provider).split(".")[1] != before.split(".")[1]
    settings.ENCRYPTION_KEYS = old
    with pytest.raises(DecryptionFailed, match="SLUICE_ENCRYPTION_KEYS"):
        _ = Provider.objects.get(pk=provider.pk).credentials


def test_saving_a_row_that_was_read_before_the_rotation_does_not_bring_the_older_key_back(provider: Provider, settings):
    old = settings.ENCRYPTION_KEYS
    stale = Provider.objects.get(pk=provider.pk)
    settings.ENCRYPTION_KEYS = [b"A" * 32, *old]
    call_command("rotate_encryption_key", stdout=StringIO())
    stale.login = "ada"
    stale.save()
    settings.ENCRYPTION_KEYS = [b"A" * 32]
    assert Provider.objects.get(pk=provider.pk).credentials == {"token": "ghp_canary"}


def test_row_whose_secret_cannot_be_read_is_saved_with_it_as_it_is(provider: Provider, settings):
    before = stored(provider)
    settings.ENCRYPTION_KEYS = [b"A" * 32]
    unreadable = Provider.objects.get(pk=provider.pk)
    unreadable.login = "ada"
    unreadable.save()
    assert stored(provider) == before


def test_queryset_update_of_a_secret_is_refused(provider: Provider):
    with pytest.raises(TypeError):
        Provider.objects.filter(pk=provider.pk).update(credentials_json="plain")


def test_a_row_whose_key_is_lost_is_read_again_and_given_another_secret(provider: Provider, settings):
    settings.ENCRYPTION_KEYS = [b"N" * 32]
    provider.refresh_from_db()
    with pytest.raises(DecryptionFailed, match="SLUICE_ENCRYPTION_KEYS"):
        _ = provider.credentials_json
    provider.credentials_json = '{"token": "another"}'
    provider.save()
    assert Provider.objects.get(pk=provider.pk).credentials == {"token": "another"}


def test_a_row_read_again_has_the_secret_of_the_database(provider: Provider):
    stale = Provider.objects.get(pk=provider.pk)
    provider.credentials = {"token": "another"}
    provider.save()
    stale.refresh_from_db()
    stale.save()
    assert stale.credentials == Provider.objects.get(pk=provider.pk).credentials == {"token": "another"}
