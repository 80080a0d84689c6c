"""Secrets that are looked for, the forms in which they may hide, and where everything that Sluice writes is read."""

import base64
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import psutil
import psycopg
import requests
from psycopg import sql

from tests.e2e.world import World

SERVICES = ("web", "worker", "beat", "sweeper", "postgres", "valkey", "aws", "git")
PAGES_OF_A_KIND = 1
"""How many more pages the crawler opens whose addresses differ only in ids and queries."""


def forms(secret: str) -> set[str]:
    """A secret as it is, and as URLs, forms, JSON, HTML, base64 and hexadecimal digits write it."""
    raw = secret.encode()
    written = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], escape(secret), raw.hex()}
    written.add(json.dumps(json.dumps(secret)[1:-1])[1:-1])
    for offset in range(3):
        # Inside of a longer text in base64 it lies at any of three offsets; the characters at its ends are shared.
        encoded = base64.b64encode(b"\0" * offset + raw).rstrip(b"=").decode()
        inner = encoded[(0, 2, 3)[offset] : len(encoded) - 1]
        written |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return written


@dataclass
class Search:
    """What was written where, and which secrets are in it."""

    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """What a secret is, and the secret; a part that is unmistakable is enough."""
    places: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def add(self, place: str, text: object) -> None:
        self.places.setdefault(place, []).append(text if isinstance(text, str) else json.dumps(text, default=str))

    def hits(self, allowed: Mapping[tuple[str, str], str]) -> list[str]:
        """`place: secret, in context`, with the secret struck out; `allowed` holds (place, secret) with the reason."""
        found = []
        for name, secret in self.secrets.items():
            pattern = re.compile("|".join(map(re.escape, forms(secret))))
            for place, texts in self.places.items():
                match = next((match for text in texts if (match := pattern.search(text))), None)
                if match and (place, name) not in allowed:
                    begin, end = match.span()
                    around = match.string[max(0, begin - 100) : begin] + "[...]" + match.string[end : end + 60]
                    found.append(f"{place}: {name}: {around!r}")
        return found


class Recorder(requests.Session):
    """A client of the panel that keeps whatever it is answered."""

    def __init__(self, search: Search, place: str) -> None:
        super().__init__()
        self.trust_env = False
        self._search, self._place = search, place
        self.hooks["response"].append(self._keep)

    @contextmanager
    def kept_as(self, place: str) -> Iterator[None]:
        """Keep the answers as those of another place."""
        usual, self._place = self._place, place
        try:
            yield
        finally:
            self._place = usual

    def _keep(self, answer: requests.Response, **_: object) -> None:
        # The session's cookie is set in one header, which is what cookies are for.
        headers = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
        place = "presigned download" if "X-Amz-Signature=" in headers.get("Location", "") else self._place
        self._search.add(place, f"{answer.url} {answer.status_code} {headers}\n{answer.text}")


class Browser(Recorder):
    """Somebody who signs in, fills in forms and follows links."""

    def __init__(self, search: Search, panel_url: str) -> None:
        super().__init__(search, "pages")
        self.panel_url = panel_url

    def submit(
        self, path: str, fields: Mapping[str, str], *, action: str = "", token: bool = True
    ) -> requests.Response:
        """Send a page's form to where it goes, by default the page itself; without `token` as a forgery."""
        url = self.panel_url + path
        page = self.get(url).text
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        own = {"csrfmiddlewaretoken": found[1]} if found and token else {}
        return self.post(self.panel_url + (action or path), data={**fields, **own}, headers={"Referer": url})

    def crawl(self, *starts: str) -> int:
        """Open whatever is linked from the pages; returns how many that were."""
        waiting, seen, kinds = list(starts), set(starts), dict[str, int]()
        while waiting:
            answer = self.get(self.panel_url + waiting.pop(0), allow_redirects=False)
            if "html" not in answer.headers.get("Content-Type", ""):
                continue
            for link in re.findall(r'(?:href|hx-get|action)="([^"#]+)', answer.text):
                url = urlsplit(urljoin(answer.url, unescape(link)))
                path = url.path + (f"?{url.query}" if url.query else "")
                kind = re.sub(r"[0-9a-f-]{36}|\d+", "*", url.path)
                ours = url.netloc == urlsplit(self.panel_url).netloc and not url.path.startswith("/static/")
                if ours and path not in seen and kinds.get(kind, 0) < PAGES_OF_A_KIND:
                    kinds[kind] = kinds.get(kind, 0) + 1
                    seen.add(path)
                    waiting.append(path)
        return len(seen)


@contextmanager
def broker_commands(url: str, search: Search) -> Iterator[None]:
    """Keep every command that Valkey gets meanwhile, such as each message of Celery and each entry of the cache."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    connection.sendall(f"AUTH {address.password}\r\nMONITOR\r\n".encode())
    received: list[bytes] = []

    def listen() -> None:
        while part := connection.recv(1 << 16):
            received.append(part)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        connection.shutdown(socket.SHUT_RDWR)
        listener.join()
        connection.close()
        # MONITOR escapes quotes and backslashes as JSON does.
        search.add("broker: every command", b"".join(received).decode(errors="replace"))


def read_database(world: World, search: Search) -> None:
    """Every row of every table as text, as a dump holds it."""
    with psycopg.connect(world.env["database_url"]) as database, database.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as rows:
                search.add(f"database: {table}", b"".join(bytes(row) for row in rows).decode())


def read_broker(world: World, search: Search) -> None:
    """Every key of Valkey with its value, whatever its type, as DUMP serialises it."""
    import redis

    client = redis.Redis.from_url(world.env["redis_url"])
    for key in client.scan_iter(count=1000):
        search.add("broker: what it holds", f"{key!r} {client.dump(key)!r}")


def read_processes(world: World, search: Search) -> None:
    """What each process wrote out, and the command lines of all of them."""
    root = world.sandbox.state.root
    for log in sorted([*Path(world.env["logs"]).iterdir(), *(root / "aws").glob("*.log*")]):
        search.add(f"log: {log.name}", log.read_text(errors="replace"))
    for service in SERVICES:
        pid = world.sandbox.pid(service)
        assert pid is not None, service
        main = psutil.Process(pid)
        for process in [main, *main.children(recursive=True)]:
            search.add("command lines", " ".join(process.cmdline()))


def read_aws(world: World, search: Search, stack: str) -> None:
    """What AWS shows of a stack to whoever may look at it, but may not read its secret."""
    formation = world.aws("cloudformation")
    [shown] = formation.describe_stacks(StackName=stack)["Stacks"]
    search.add("CloudFormation: parameters and outputs", shown)
    for page in formation.get_paginator("describe_stack_events").paginate(StackName=stack):
        search.add("CloudFormation: events", page["StackEvents"])
    for change_set in formation.list_change_sets(StackName=stack)["Summaries"]:
        name = change_set["ChangeSetName"]
        search.add("CloudFormation: change sets", formation.describe_change_set(StackName=stack, ChangeSetName=name))
    for stage in ("Original", "Processed"):
        search.add("CloudFormation: templates", formation.get_template(StackName=stack, TemplateStage=stage))
    for each in formation.list_stack_resources(StackName=stack)["StackResourceSummaries"]:
        search.add("CloudFormation: resources", each)
        name = each["PhysicalResourceId"]
        match each["ResourceType"]:
            case "AWS::Lambda::Function":
                search.add("Lambda: configuration", world.aws("lambda").get_function_configuration(FunctionName=name))
            case "AWS::DynamoDB::Table":
                search.add("DynamoDB: tables", world.aws("dynamodb").scan(TableName=name)["Items"])
            case "AWS::SecretsManager::Secret":
                search.add("Secrets Manager: metadata", world.aws("secretsmanager").describe_secret(SecretId=name))


def read_function_logs(world: World, search: Search) -> None:
    """Everything in CloudWatch Logs."""
    logs = world.aws("logs")
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                for event in events["events"]:
                    search.add("CloudWatch Logs", event["message"])
