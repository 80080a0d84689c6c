"""What is registered is all there is to a kind of provider: pages, API, model and template take it from there."""

from deployers import templates
from integrations.models import Provider
from integrations.providers.registry import KINDS, PROVIDERS
from lambdas.common.providers import PROVIDERS as IN_THE_STACK


def test_the_panel_and_the_functions_know_the_same_kinds() -> None:
    assert list(PROVIDERS) == list(IN_THE_STACK)
    assert all(client.kind == kind for kind, client in PROVIDERS.items())


def test_the_published_template_offers_them() -> None:
    parameter = templates.load("git_intgrtn_aws_s3_main.yaml")["Parameters"]["ProviderKind"]
    assert parameter["AllowedValues"] == list(PROVIDERS)


def test_the_model_takes_them_and_needs_no_migration_for_another() -> None:
    field = Provider._meta.get_field("kind")
    assert list(field.choices or ()) == KINDS
    assert callable(field.deconstruct()[3]["choices"])
    assert all(len(kind) <= (field.max_length or 0) for kind in PROVIDERS)
