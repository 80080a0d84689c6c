"""A page and its twin in the API ask for the same act, so that neither shows or changes what the other does not."""

from tests.api import test_matrix as api
from tests.web import test_matrix as pages

NOUNS = {
    "account": "aws_accounts",
    "artifact": "artifacts",
    "audit": "audit_entries",
    "delivery": "deliveries",
    "deployment": "deployments",
    "integration": "integrations",
    "invitation": "invitations",
    "member": "members",
    "operation": "operations",
    "provider": "providers",
    "repository": "repositories",
    "ssh-key": "ssh_keys",
    "stack": "stacks",
}
VERBS = {
    "list": "list",
    "detail": "retrieve",
    "add": "create",
    "edit": "partial_update",
    "change": "partial_update",
    "delete": "destroy",
    "remove": "destroy",
}
"""What pages call differently from the API's own words; all else has the same verb."""
TWINS = {
    "account-access-template": ["aws_accounts_access_template_retrieve", "aws_accounts_trust_policy_retrieve"],
    "artifact-download": ["artifacts_download_retrieve"],
    "delivery-ask": ["deliveries_ask_provider_create"],
    "deployment-answer": ["deployments_approve_create", "deployments_reject_create"],
    "integration-artifacts": ["integrations_artifacts_list"],
    "integration-deliveries": ["integrations_deliveries_list"],
    "integration-deployments": ["integrations_deployments_list"],
    "integration-dead-letters": ["integrations_dead_letters_retrieve"],
    "integration-obstacles": ["integrations_check_obstacles_create"],
    "integration-rotate-key": ["integrations_rotate_ssh_key_create"],
    "integration-rotate-secret": ["integrations_rotate_webhook_secret_create"],
    "integration-webhook": ["integrations_manual_steps_retrieve"],
    "invitation-revoke": ["invitations_destroy"],
    "provider-confirm": ["providers_host_keys_confirm_create"],
    "provider-scan": ["providers_host_keys_scan_create"],
    "stack-events": ["stacks_events_list"],
    "ssh-key-batch": ["operations_list"],
    "ssh-key-rotate-many": ["ssh_keys_rotate_create"],
}
PAGES_ALONE = {
    # About oneself, or made of what other pages show.
    "overview",
    "search",
    "sign-out",
    "token-list",
    "token-add",
    "token-revoke",
    # Parts of a page that has a twin.
    "integration-setup",
    "operation-live",
    # People and their machines: for a person in a browser, who confirms who they are.
    "member-hand-over",
    "member-leave",  # in the API: deleting one's own membership
    "team-second-factor",
    "service-account-add",
    "service-account-delete",
    "service-account-token",
    # A way through GitHub's own pages; in the API an app's key is entered.
    "provider-app-add",
    "provider-app-made",
    "provider-app",
    "provider-app-installed",
}
API_ALONE = {
    "me_retrieve",
    "members_retrieve",
    "audit_entries_retrieve",
    "invitations_list",  # a part of the page of members
    "invitations_retrieve",
    "ssh_keys_retrieve",
    "deployments_steps_list",  # a part of the page of a deployment
    "providers_host_keys_retrieve",  # a part of the page of a provider
    "artifacts_list",  # in pages: of an integration
    "artifacts_retrieve",
    "deployments_export_retrieve",  # a format of the list of deployments
    "aws_accounts_choices_retrieve",  # a part of the form of an integration
    "providers_repositories_retrieve",  # a part of the form of a repository
}
OPERATIONS = {each.name: each for each in api.OPERATIONS}


def twins_of(page: str) -> list[str]:
    if page in TWINS:
        return TWINS[page]
    noun, _, verb = page.rpartition("-")
    for known in NOUNS:
        if page.startswith(f"{known}-"):
            noun, verb = known, page.removeprefix(f"{known}-")
    name = f"{NOUNS.get(noun, noun)}_{VERBS.get(verb, verb.replace('-', '_'))}"
    return [name if name in OPERATIONS else f"{name}_create"]


def test_each_page_asks_for_the_act_that_its_twin_in_the_api_asks_for() -> None:
    differ = {}
    for page in pages.PAGES:
        if page.name in PAGES_ALONE:
            continue
        acts = {name: OPERATIONS[name].act for name in twins_of(page.name)}
        if set(acts.values()) != {page.act}:
            differ[page.name] = (page.act, acts)
    assert not differ


def test_what_has_no_twin_is_named() -> None:
    with_page = {name for page in pages.PAGES if page.name not in PAGES_ALONE for name in twins_of(page.name)}
    assert {*OPERATIONS} - with_page == API_ALONE
