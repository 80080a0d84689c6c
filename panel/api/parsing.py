"""Reading a request's body: JSON that the database can hold, and not too much of it."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BODY = 1024 * 1024
"""Bytes. The largest honest body is a provider's CA bundle."""


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {MAX_BODY} bytes."
    default_code = "body_too_large"


class Json(BaseParser):
    """UTF-8 JSON (RFC 8259).

    Refuses what parses but cannot be stored or answered: NaN and Infinity, NUL characters (PostgreSQL has none in
    text), lone surrogates (no UTF-8 for them) and nesting past Python's recursion limit.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        raw = stream.read(MAX_BODY + 1)
        if len(raw) > MAX_BODY:
            raise BodyTooLarge
        try:
            value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
            _check_text(value)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON that can be stored: {error}") from error
        return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_text(value: Any) -> None:
    """Raise ValueError for a string, at any depth, that has no place in UTF-8 text of PostgreSQL."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string contains the NUL character")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("a string contains half of a surrogate pair")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
