"""Starts a worker so that its messages come back within seconds even if it cannot start.

A function that fails before it reads its batch, for a package of another architecture, a setting that is missing or
AWS's own fault, leaves the messages hidden for the queue's whole visibility timeout, and their deliveries `queued`.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from lambdas.common import clients, log
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.environment import integer, required
from lambdas.common.errors import TemporaryFailure
from lambdas.common.worker import Worker, hand_back

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def starting(module: str) -> Handler:
    """The `handler` of a module, or what hands its messages back if the module cannot be loaded."""
    try:
        handler: Handler = importlib.import_module(module).handler
    except Exception as error:  # noqa: BLE001 - told to each delivery that this environment is given
        log.exception("function_does_not_load", error, module=module)
        broken = error

        def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
            return _hand_back(event, broken)

        return handler

    def guarded(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return handler(event, context)
        except Exception as error:  # noqa: BLE001 - as above
            log.exception("function_does_not_start", error, module=module)
            return _hand_back(event, error)

    return guarded


def _hand_back(event: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """Raises the error itself where there is nothing to hand back, as for a probe."""
    if "Records" not in event:
        raise error
    worker = Worker(
        table=DeliveryTable(clients.dynamodb(), required("DELIVERIES_TABLE")),
        sqs=clients.sqs(),
        queue_url=required("QUEUE_URL"),
        output_bucket="",
        max_receive_count=integer("MAX_RECEIVE_COUNT", 5),
        fetch=_nothing,
        ref_commit=_nothing,
    )
    words = f"The function could not start ({type(error).__name__}); its log has the details"
    return hand_back(worker, event, TemporaryFailure(words))


def _nothing(_: object) -> Any:
    raise TemporaryFailure("The function could not start")
