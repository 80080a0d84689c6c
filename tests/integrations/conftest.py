import pytest


@pytest.fixture(autouse=True)
def _cheap_passwords(settings):
    """Nothing here signs in, and a real hash takes longer than most of these tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
