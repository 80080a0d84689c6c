"""A worker outlives what happens to Valkey, and takes nothing from a stranger."""

import base64
import json
import pickle
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError

from panel.celery import app
from panel.valkey import breaker
from tests.panel.valkey import servers
from tests.panel.valkey.test_stranger import Payload, lies

Use = Callable[[str], None]
pytestmark = pytest.mark.django_db(transaction=True)


def rings_through(log: Path) -> bool:
    """Whether a message that is sent now is worked off."""
    try:
        sent = app.send_task("deployers.tasks.advance_operation", args=[str(uuid.uuid4())])
    except OperationalError:
        return False
    servers.until(lambda: f"{sent.id}] succeeded".encode() in log.read_bytes())
    return True


def test_a_worker_outlives_a_valkey_that_is_full_read_only_reset_or_hung(with_valkey_at: Use, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with servers.valkey() as url, servers.client(url) as other, servers.worker(url, log) as process:
        with_valkey_at(url)
        assert rings_through(log)
        troubles = {
            "full": (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
            "read-only": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
            "reset": (["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], ["PING"]),
            "hung": (["CLIENT", "PAUSE", "4000", "ALL"], ["PING"]),
        }
        for name, (begin, end) in troubles.items():
            known = len(log.read_bytes())
            app.send_task("deployers.tasks.advance_operation", args=[str(uuid.uuid4())])
            other.execute_command(*begin)
            with pytest.raises(OperationalError) if name != "reset" else nullcontext():
                app.send_task("deployers.tasks.advance_operation", args=[str(uuid.uuid4())])
            # Long enough for the worker to fail at what it does each second.
            servers.until(lambda known=known: len(log.read_bytes()) > known or process.poll() is not None, 8)
            other.execute_command(*end)
            servers.until(breaker.of(url).closed)
            assert process.poll() is None, (name, log.read_text()[-3000:])
            assert rings_through(log), name
        assert process.poll() is None
        alive = Path(f"{log}.alive")
        touched = alive.stat().st_mtime
        servers.until(lambda: alive.stat().st_mtime > touched)


def messages(proof: Path) -> list[bytes]:
    """What a stranger may put on the queue: garbage, and messages of every broken and forged shape."""
    arguments = [[str(uuid.uuid4())], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    good = {
        "body": base64.b64encode(json.dumps(arguments).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "deployers.tasks.tick", "id": str(uuid.uuid4()), "root_id": None},
        "properties": {
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "delivery_tag": str(uuid.uuid4()),
            "body_encoding": "base64",
        },
    }
    pickled = base64.b64encode(pickle.dumps(Payload(proof))).decode()
    forged = [
        good,
        {**good, "content-type": "application/x-python-serialize", "content-encoding": "binary", "body": pickled},
        {**good, "headers": {**good["headers"], "task": {}}},
        {**good, "headers": []},
        {**good, "headers": None},
        {**good, "properties": {}},
        {**good, "properties": None},
        {**good, "body": 5},
        {**good, "signature": "0" * 64},
        {**good, "signature": None},
        {},
        [],
        5,
        None,
    ]
    return [*lies(proof), *(json.dumps(each).encode() for each in forged)]


def test_a_worker_runs_nothing_that_the_panel_did_not_send(with_valkey_at: Use, tmp_path: Path) -> None:
    log, proof = tmp_path / "worker.log", tmp_path / "ran"
    with servers.valkey() as url, servers.client(url) as other, servers.worker(url, log) as process:
        with_valkey_at(url)
        assert rings_through(log)
        ran = log.read_bytes().count(b" succeeded in ")
        for each in messages(proof):
            other.lpush("celery", each)
        shutdown = {"method": "shutdown", "arguments": {}, "destination": None}
        for channel in ("/0.celery.pidbox", "celery.pidbox", "/0.celeryev", "/0.celeryev/worker.heartbeat"):
            other.publish(channel, json.dumps({**json.loads(forgery(shutdown))}))
            other.publish(channel, pickle.dumps(Payload(proof)))
        servers.until(lambda: other.llen("celery") == 0 or process.poll() is not None)
        assert process.poll() is None, log.read_text()[-3000:]
        assert rings_through(log)
        assert log.read_bytes().count(b" succeeded in ") == ran + 1
        assert b"Traceback" not in log.read_bytes()
    assert not proof.exists()


def forgery(body: object) -> str:
    """A message as the control channel wants it."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {"delivery_info": {}, "delivery_tag": "1", "body_encoding": "base64"},
        }
    )


def test_a_message_works_on_its_own_queue_only(with_valkey_at: Use) -> None:
    from panel.valkey.transport import _ours

    with servers.valkey() as url, servers.client(url) as other:
        with_valkey_at(url)
        app.send_task("deployers.tasks.tick")
        [message] = other.lrange("celery", 0, -1)
        assert _ours(b"celery", message)
        assert not _ours(b"other", message)
        assert not _ours(b"celery", message.replace(b"deployers.tasks.tick", b"deployers.tasks.tock"))


def test_the_queue_itself_may_be_of_another_type(with_valkey_at: Use) -> None:
    with servers.valkey() as url, servers.client(url) as other:
        with_valkey_at(url)
        other.set("celery", "x")
        other.set("_kombu.binding.celery", "x")
        with pytest.raises(OperationalError):
            app.send_task("deployers.tasks.tick")
        assert isinstance(other, redis.Redis)
