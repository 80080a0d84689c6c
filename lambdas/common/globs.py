"""Globs for the names of refs and files.

`*` matches any characters but `/`, `**` any characters, `**/` any folders or none, `?` one character but `/`;
everything else stands for itself.
"""

import re
from collections.abc import Iterable

_WILD = {"*": "[^/]*", "?": "[^/]"}


def compile_glob(glob: str) -> re.Pattern[str]:
    """The pattern whose full match a name has to be."""
    pattern, place = "", 0
    for wild in re.finditer(r"\*\*+(/?)|\*|\?", glob):
        pattern += re.escape(glob[place : wild.start()])
        starts_a_part = wild.start() == 0 or glob[wild.start() - 1] == "/"
        if wild[0] in _WILD:
            pattern += _WILD[wild[0]]
        elif wild[1] and starts_a_part:
            pattern += "(?:.*/)?"
        else:
            pattern += ".*" + wild[1]
        place = wild.end()
    return re.compile(pattern + re.escape(glob[place:]), re.DOTALL)


def quoted(globs: Iterable[str]) -> str:
    """For people: `main`, `release/*`."""
    return ", ".join(f"`{glob}`" for glob in globs)
