"""Full names of repositories as people give them, checked before they become part of an address."""

from integrations.errors import InvalidValue
from lambdas.common.errors import InvalidName
from lambdas.common.keys import check_full_name


def owner_and_name(full_name: str, *, written: str) -> str:
    """`full_name`, of exactly two parts. Raises InvalidValue, which says how it is `written`: `owner/name`."""
    try:
        check_full_name(full_name)
    except InvalidName:
        full_name = ""
    if full_name.count("/") != 1:
        raise InvalidValue(f"A repository is written {written}.", field="full_name")
    return full_name
