"""Makes the stack's SSH key as a custom resource, and carries out the steps of its rotation when invoked by hand.

An invocation is `{"action": ...}` and what the action takes; it answers
`{"current": {"PublicKey", "Fingerprint"} or null, "pending": ...}`, or `{"error": code, "message": ...}`:

    describe                        changes nothing
    make_pending    rotation        a UUID; the same one makes one key
    promote         fingerprint     the pending key becomes the current one
    forget          fingerprint     the key is thrown away; without a current key nothing is fetched
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from lambdas.common import clients, custom_resource, log
from lambdas.common.environment import required
from lambdas.create_ssh_key.keys import Keys, NoSuchKey

PHYSICAL_ID = "sluice-ssh-key"


def handler(event: dict[str, Any], context: object) -> dict[str, Any] | None:  # noqa: ARG001
    """Create and Update see to it that there is a key; Delete leaves it to the secret's own deletion."""
    if "action" in event:
        return _act(event)

    def act(request: Mapping[str, Any]) -> Mapping[str, str]:
        if request["RequestType"] == "Delete":
            return {}
        return _keys().ensure(token=request["RequestId"])

    custom_resource.handle(event, act, physical_id=PHYSICAL_ID)
    return None


def _keys() -> Keys:
    return Keys(
        secret_arn=required("SSH_KEY_SECRET_ARN"),
        kms_key_id=required("KMS_KEY_ID"),
        secrets=clients.secrets_manager(),
        kms=clients.kms(),
    )


_ACTIONS: dict[str, Callable[[Keys, Mapping[str, Any]], dict[str, Any]]] = {
    "describe": lambda keys, _: keys.describe(),
    "make_pending": lambda keys, event: keys.make_pending(rotation=str(UUID(str(event["rotation"])))),
    "promote": lambda keys, event: keys.promote(fingerprint=str(event["fingerprint"])),
    "forget": lambda keys, event: keys.forget(fingerprint=str(event["fingerprint"])),
}


def _act(event: Mapping[str, Any]) -> dict[str, Any]:
    action = _ACTIONS.get(str(event["action"]))
    if action is None:
        return {"error": "unknown_action", "message": f"The action must be one of {', '.join(_ACTIONS)}"}
    try:
        answer = action(_keys(), event)
    except NoSuchKey as error:
        return {"error": "no_such_key", "message": str(error)}
    except KeyError as error:
        return {"error": "argument_missing", "message": f"The action needs {error}"}
    except ValueError:
        return {"error": "bad_argument", "message": "The rotation must be a UUID"}
    log.info("ssh_key_action", action=event["action"])
    return answer
