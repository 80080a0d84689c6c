"""What the providers' APIs take: methods, parameters, required fields and the most of a page. Facts, as published.

- GitHub: github.com/github/rest-api-description, `descriptions/api.github.com` (per_page at most 100)
- GitLab: gitlab-org/gitlab, `lib/api/` (per_page at most 100; of a hook's events 20: `lib/api/hooks/events.rb`)
- Gitea and Forgejo: `templates/swagger/v1_json.tmpl`, `modules/structs/hook.go` (limit at most MAX_RESPONSE_ITEMS, 50)
- Bitbucket Cloud: api.bitbucket.org/swagger.json, developer.atlassian.com/cloud/bitbucket/rest (pagelen at most 100)
- Bitbucket Data Center: developer.atlassian.com/server/bitbucket/rest (limit at most 1000 by default)

A call that is not in here, or takes what is not in here, fails the test, whatever the fake would answer.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGING = {
    "github": ({"per_page", "page"}, "per_page", 100),
    "gitlab": ({"per_page", "page"}, "per_page", 100),
    "gitea": ({"limit", "page"}, "limit", 50),
    "cloud": ({"pagelen", "page"}, "pagelen", 100),
    "server": ({"limit", "start"}, "limit", 1000),
}


@dataclass(frozen=True)
class Call:
    """An endpoint: its path below the API's root, with {} for one part of it."""

    method: str
    path: str
    query: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    """Fields that its body has to have; of nested ones, with dots."""
    takes: frozenset[str] = frozenset()
    """Fields that its body may have besides."""
    paged: bool = False
    most: int = 0
    """Of a page, where it is less than everywhere else."""


def call(method: str, path: str, *, query: str = "", needs: str = "", takes: str = "", most: int = 0) -> Call:
    """Lists are words; `page` among `query` is what the API pages with."""
    words = frozenset(query.split())
    return Call(
        method, path, words - {"page"}, frozenset(needs.split()), frozenset(takes.split()), "page" in words, most
    )


_HOOK = "config config.url config.content_type config.secret config.insecure_ssl events active"
_GITLAB_HOOK = "name push_events tag_push_events enable_ssl_verification token signing_token push_events_branch_filter"
_REPO = "/repos/{}/{}"
_CLOUD, _SERVER = "/repositories/{}/{}", "/projects/{}/repos/{}"
APIS: dict[str, list[Call]] = {
    "github": [
        call("GET", "/user"),
        call("GET", "/user/repos", query="page sort direction visibility affiliation type since before"),
        call("GET", "/meta"),
        call("GET", "/orgs/{}"),
        call("GET", "/app"),
        call("GET", "/app/installations", query="page since outdated"),
        call("GET", "/app/installations/{}"),
        call("POST", "/app/installations/{}/access_tokens", takes="repositories repository_ids permissions"),
        call("POST", "/app-manifests/{}/conversions"),
        call("GET", "/installation/repositories", query="page"),
        call("GET", _REPO),
        call("GET", f"{_REPO}/branches", query="page protected"),
        call("GET", f"{_REPO}/tags", query="page"),
        call("GET", f"{_REPO}/commits/{{*}}", query="page"),
        call("GET", f"{_REPO}/hooks", query="page"),
        call("POST", f"{_REPO}/hooks", needs="config.url", takes=f"name {_HOOK}"),
        call("PATCH", f"{_REPO}/hooks/{{}}", takes=f"{_HOOK} add_events remove_events"),
        call("DELETE", f"{_REPO}/hooks/{{}}"),
        call("POST", f"{_REPO}/hooks/{{}}/pings"),
        call("GET", f"{_REPO}/hooks/{{}}/deliveries", query="per_page cursor status", most=100),
        call("POST", f"{_REPO}/hooks/{{}}/deliveries/{{}}/attempts"),
        call("GET", f"{_REPO}/keys", query="page"),
        call("POST", f"{_REPO}/keys", needs="key", takes="title read_only"),
        call("DELETE", f"{_REPO}/keys/{{}}"),
        call("POST", f"{_REPO}/statuses/{{}}", needs="state", takes="target_url description context"),
    ],
    "gitlab": [
        call("GET", "/user"),
        call("GET", "/version"),
        call("GET", "/metadata"),
        call("GET", "/personal_access_tokens/self"),
        call(
            "GET", "/projects", query="page membership order_by sort search search_namespaces min_access_level simple"
        ),
        call("GET", "/projects/{}", query="license statistics with_custom_attributes"),
        call("GET", "/projects/{}/members/all/{}"),
        call("GET", "/projects/{}/repository/branches", query="page search regex sort"),
        call("GET", "/projects/{}/repository/branches/{}"),
        call("GET", "/projects/{}/repository/commits/{}", query="stats"),
        call("GET", "/projects/{}/repository/tags", query="page search order_by sort"),
        call("GET", "/projects/{}/repository/tags/{}"),
        call("GET", "/projects/{}/hooks", query="page"),
        call("GET", "/projects/{}/hooks/{}"),
        call("POST", "/projects/{}/hooks", needs="url", takes=_GITLAB_HOOK),
        call("PUT", "/projects/{}/hooks/{}", needs="url", takes=_GITLAB_HOOK),
        call("DELETE", "/projects/{}/hooks/{}"),
        call("POST", "/projects/{}/hooks/{}/test/{}"),
        call("GET", "/projects/{}/hooks/{}/events", query="page status", most=20),
        call("POST", "/projects/{}/hooks/{}/events/{}/resend"),
        call("GET", "/projects/{}/deploy_keys", query="page"),
        call("POST", "/projects/{}/deploy_keys", needs="title key", takes="can_push expires_at"),
        call("DELETE", "/projects/{}/deploy_keys/{}"),
        call(
            "POST",
            "/projects/{}/statuses/{}",
            needs="state",
            takes="ref name context target_url description coverage pipeline_id",
        ),
    ],
    "gitea": [
        call("GET", "/user"),
        call("GET", "/version"),
        call("GET", "/user/repos", query="page"),
        call("GET", "/repos/search", query="page q"),
        call("GET", _REPO),
        call("GET", f"{_REPO}/branches", query="page"),
        call("GET", f"{_REPO}/branches/{{*}}"),
        call("GET", f"{_REPO}/tags", query="page"),
        call("GET", f"{_REPO}/tags/{{*}}"),
        call("GET", f"{_REPO}/git/commits/{{}}", query="stat verification files"),
        call("GET", f"{_REPO}/hooks", query="page"),
        call(
            "POST",
            f"{_REPO}/hooks",
            needs="type config.url config.content_type",
            takes=f"{_HOOK} branch_filter authorization_header name",
        ),
        call("PATCH", f"{_REPO}/hooks/{{}}", takes=f"{_HOOK} branch_filter authorization_header name"),
        call("DELETE", f"{_REPO}/hooks/{{}}"),
        call("POST", f"{_REPO}/hooks/{{}}/tests", query="ref"),
        call("GET", f"{_REPO}/keys", query="page key_id fingerprint"),
        call("POST", f"{_REPO}/keys", needs="title key", takes="read_only"),
        call("DELETE", f"{_REPO}/keys/{{}}"),
        call("POST", f"{_REPO}/statuses/{{}}", takes="state target_url description context"),
    ],
    "cloud": [
        call("GET", "/user"),
        call("GET", "/hook_events"),
        call("GET", "/user/workspaces", query="page sort q administrator"),
        call("GET", "/repositories/{}", query="page role q sort after"),
        call("GET", _CLOUD),
        call("GET", f"{_CLOUD}/refs/branches", query="page q sort"),
        call("GET", f"{_CLOUD}/refs/branches/{{*}}"),
        call("GET", f"{_CLOUD}/commit/{{}}"),
        call("GET", f"{_CLOUD}/refs/tags", query="page q sort"),
        call("GET", f"{_CLOUD}/refs/tags/{{*}}"),
        call("GET", f"{_CLOUD}/hooks", query="page"),
        call("POST", f"{_CLOUD}/hooks", needs="url events", takes="description active secret"),
        call("PUT", f"{_CLOUD}/hooks/{{}}", takes="url events description active secret"),
        call("DELETE", f"{_CLOUD}/hooks/{{}}"),
        call("GET", f"{_CLOUD}/deploy-keys", query="page"),
        call("POST", f"{_CLOUD}/deploy-keys", needs="key", takes="label"),
        call("DELETE", f"{_CLOUD}/deploy-keys/{{}}"),
        call("POST", f"{_CLOUD}/commit/{{}}/statuses/build", needs="key state url", takes="name description refname"),
    ],
    "server": [
        call("GET", "/application-properties"),
        call("GET", "/repos", query="page name projectname projectkey permission state visibility archived"),
        call("GET", _SERVER),
        call("GET", f"{_SERVER}/default-branch"),
        call("GET", f"{_SERVER}/branches", query="page filterText orderBy base details boostMatches"),
        call("GET", f"{_SERVER}/tags", query="page filterText orderBy"),
        call("GET", f"{_SERVER}/commits", query="page until since path followRenames ignoreMissing merges"),
        call("GET", f"{_SERVER}/commits/{{}}", query="path"),
        call("GET", f"{_SERVER}/webhooks", query="page event statistics"),
        call("GET", f"{_SERVER}/webhooks/{{}}", query="statistics"),
        call(
            "POST",
            f"{_SERVER}/webhooks",
            needs="name url events",
            takes="active configuration configuration.secret sslVerificationRequired",
        ),
        call(
            "PUT",
            f"{_SERVER}/webhooks/{{}}",
            takes="name url events active configuration configuration.secret sslVerificationRequired",
        ),
        call("DELETE", f"{_SERVER}/webhooks/{{}}"),
        call("POST", f"{_SERVER}/webhooks/test", query="webhookId url sslVerificationRequired"),
        call("POST", f"{_SERVER}/commits/{{}}/builds", needs="key state url", takes="name description ref parent"),
        call("GET", f"{_SERVER}/ssh", query="page filter permission effective minimumPermission"),
        call("POST", f"{_SERVER}/ssh", needs="key.text permission", takes="key key.label"),
        call("DELETE", f"{_SERVER}/ssh/{{}}"),
    ],
}
ROOTS = {
    "github": (r"https://api\.github\.com", r"https://git\.example\.com/api/v3", r"https://api\.[a-z-]+\.ghe\.com"),
    "gitlab": (r"https://[a-z.]+/api/v4",),
    "gitea": (r"https://[a-z.]+/api/v1",),
    "cloud": (r"https://api\.bitbucket\.org/2\.0",),
    "server": (r"https://[a-z.]+(?:/[a-z]+)?/rest/api/(?:latest|1\.0)", r"https://[a-z.]+(?:/[a-z]+)?/rest/keys/1\.0"),
}


def refusal(method: str, url: str, body: bytes | str | None) -> str:
    """What the provider whose address this is does not take of a call; empty if it takes all, or it is none's."""
    for api, roots in ROOTS.items():
        for root in roots:
            if found := re.match(root + r"(?=/)", url):
                parts = urlsplit(url[found.end() :])
                return _refusal(api, method, parts.path, parse_qs(parts.query, keep_blank_values=True), body)
    return ""


def _refusal(api: str, method: str, path: str, query: dict[str, list[str]], body: bytes | str | None) -> str:
    there = [each for each in APIS[api] if re.fullmatch(_pattern(each.path), path)]
    if not there:
        return f"{api}: no endpoint {unquote(path)}"
    known = next((each for each in there if each.method == method), None)
    if known is None:
        return f"{api}: {method} is not for {unquote(path)}"
    names, size, most = PAGING[api]
    if unknown := set(query) - known.query - (names if known.paged else set()):
        return f"{api}: {method} {unquote(path)} takes no {', '.join(sorted(unknown))}"
    for value in query.get(size, []):
        if not 1 <= int(value) <= (known.most or most):
            return f"{api}: {size} is at most {known.most or most} at {unquote(path)}"
    return _of_body(api, known, body)


def _of_body(api: str, known: Call, body: bytes | str | None) -> str:
    try:
        sent = set(_fields(json.loads(body or "{}")))
    except ValueError:
        return f"{api}: {known.path} takes JSON"
    parents = {each.rpartition(".")[0] for each in known.needs if "." in each}
    if unknown := sent - known.needs - known.takes - parents:
        return f"{api}: {known.method} {known.path} takes no field {', '.join(sorted(unknown))}"
    if missing := known.needs - sent:
        return f"{api}: {known.method} {known.path} needs {', '.join(sorted(missing))}"
    return ""


def _fields(body: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in body.items():
        yield prefix + name
        if isinstance(value, dict) and name in {"config", "configuration", "key"}:
            yield from _fields(value, f"{prefix}{name}.")


def _pattern(path: str) -> str:
    return re.escape(path).replace(r"\{\*\}", r"[^?]+").replace(r"\{\}", r"[^/?]+")
