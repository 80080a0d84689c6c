"""What Lambda refuses of a function, and what its runtimes cannot load.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.hooks import replace

ENVIRONMENT_BYTES = 4096
"""Of all names and values together, in the form of JSON, which is what Lambda measures."""

GLIBC = {"python3.8": 26, "python3.9": 26, "python3.10": 26, "python3.11": 26}
"""The minor version of glibc 2 in the runtimes on Amazon Linux 2; the others are on Amazon Linux 2023."""
GLIBC_OF_THE_OTHERS = 34

_NEEDED = re.compile(rb"GLIBC_2\.(\d+)(?:\.\d+)?\0")


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    replace(handler, "create", lambda act: _in_stack(act, 1))
    replace(handler, "update", lambda act: _in_stack(act, 2))
    replace(lambda_svc, "_create_function", _by_call)
    replace(lambda_svc, "_update_config", _by_call)
    replace(lambda_svc, "_execute_function", _if_it_loads)


def too_large(variables: Mapping[str, str]) -> str:
    """Lambda's refusal of the environment; empty if it takes it."""
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) <= ENVIRONMENT_BYTES:
        return ""
    return (
        "Lambda was unable to configure your environment variables because the environment variables you have "
        f"provided exceeded the 4KB limit. String measured: {measured}"
    )


def _in_stack(act: Callable[..., Any], position: int) -> Callable[..., Any]:
    """`position` is that of the new properties among the arguments."""

    def checked(*given: Any, **more: Any) -> Any:
        if refusal := too_large(given[position].get("Environment", {}).get("Variables", {})):
            raise ValueError(f"{refusal} (Service: Lambda, Status Code: 400)")
        return act(*given, **more)

    return checked


def _by_call(act: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*given: Any) -> Any:
        from ministack.core.responses import error_response_json

        data = next((each for each in given if isinstance(each, dict)), {})
        if refusal := too_large((data.get("Environment") or {}).get("Variables") or {}):
            return error_response_json("InvalidParameterValueException", refusal, 400)
        return act(*given)

    return checked


_needed: dict[str, tuple[int, str]] = {}
"""By the digest of a package."""


def needs_glibc(package: bytes) -> tuple[int, str]:
    """The newest minor version of glibc 2 that a package's libraries name, and the first library that does."""
    newest, where = 0, ""
    if not zipfile.is_zipfile(io.BytesIO(package)):
        return newest, where
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        for name in archive.namelist():
            if not re.search(r"\.so(\.\d+)*$", name):
                continue
            found = max((int(each) for each in _NEEDED.findall(archive.read(name))), default=0)
            if found > newest:
                newest, where = found, name
    return newest, where


def _if_it_loads(execute: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose package needs a newer glibc than its runtime has ends before its handler begins."""

    def execute_loaded(function: dict[str, Any], *event: Any, **more: Any) -> Any:
        config, package = function.get("config", {}), function.get("code_zip")
        runtime = config.get("Runtime", "")
        if package and runtime.startswith("python"):
            digest = config["CodeSha256"]
            if digest not in _needed:
                _needed[digest] = needs_glibc(package)
            needed, where = _needed[digest]
            if needed > GLIBC.get(runtime, GLIBC_OF_THE_OTHERS):
                module = config.get("Handler", "").rsplit(".", 1)[0]
                message = (
                    f"Unable to import module '{module}': /lib64/libc.so.6: version `GLIBC_2.{needed}' not found "
                    f"(required by /var/task/{where})"
                )
                body = {"errorMessage": message, "errorType": "Runtime.ImportModuleError", "stackTrace": []}
                return {"body": body, "error": True, "log": f"[ERROR] Runtime.ImportModuleError: {message}"}
        return execute(function, *event, **more)

    return execute_loaded
