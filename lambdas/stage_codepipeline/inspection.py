"""Whether a repository's own buildspec.yml can do what the pipeline needs of it, read without running it.

The Deploy action takes the image's tag from `build.json` in the build's artifact, and the build gets the tag to push as
`IMAGE_TAG`. A buildspec that certainly does neither costs a build and fails after it. What scripts do that a buildspec
calls cannot be known here, so only what is certain counts: a command that may read the environment or write a file by
itself (a script, make, docker compose) makes everything possible.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

import re
import shlex
from collections.abc import Collection, Iterator

RESULT, TAG = "build.json", "IMAGE_TAG"
MAX_BYTES = 1024 * 1024
"""What is longer is not read: CodeBuild may judge it."""

_HOW = (
    'Let a command write it: printf \'{"tag":"%s"}\' "$IMAGE_TAG" >build.json, and list it under artifacts: files. '
    "docs/howto/deploy-with-ecs.md has a whole buildspec.yml."
)
_SECTION = re.compile(r"""^["']?([a-z-]+)["']?[ \t]*:(.*)$""")
_COMMENT = re.compile(r"^\s*#")
_SUBSTITUTION = re.compile(r"\$\(([^()`]*)\)|`([^`]*)`")
_STRUCTURE = re.compile(r"""[\w-]+:\s*(["']?[\w.-]+["']?\s*)?(#.*)?$""")
_SCALAR = re.compile(r"[|>][-+0-9]*\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"\w+=")
_SEPARATORS = frozenset({";", "&", "&&", "|", "||", ";;", "(", ")", "$"})
_REDIRECTIONS = frozenset({"<", ">", ">>", ">&", "&>", "<<<", ">|"})
_WORDS = frozenset({"if", "then", "else", "elif", "fi", "!", "{", "}"})
_PLAIN = frozenset(
    {
        "[",
        "[[",
        "apk",
        "apt",
        "apt-get",
        "cat",
        "cd",
        "chmod",
        "cp",
        "cut",
        "date",
        "dnf",
        "echo",
        "exit",
        "export",
        "false",
        "git",
        "grep",
        "head",
        "jq",
        "ls",
        "mkdir",
        "mv",
        "printf",
        "pwd",
        "rm",
        "sed",
        "set",
        "sleep",
        "sort",
        "tail",
        "test",
        "touch",
        "tr",
        "true",
        "unset",
        "wc",
        "which",
        "yum",
    }
)
"""Commands that see only the variables which their arguments name."""
_DOCKER = frozenset(
    {"build", "images", "info", "inspect", "load", "login", "logout", "ps", "pull", "push", "save", "tag", "version"}
)


def problem(text: str, files: Collection[str] = ()) -> str:
    """What certainly keeps the pipeline from deploying, and what to do; empty where nothing is certain.

    `files` are the names in the source, such as a `build.json` that somebody committed.
    """
    sections = _sections(text)
    if "version" not in sections or "phases" not in sections:
        return ""  # JSON, or nothing that CodeBuild can read either
    artifacts = sections.get("artifacts")
    if artifacts is None:
        return f"buildspec.yml has no artifacts, and the Deploy stage needs {RESULT} with the image's tag. {_HOW}"
    listed = RESULT in artifacts
    if not listed and not re.search(r"[*$&]", artifacts):
        return f"buildspec.yml does not list {RESULT} among its artifacts, and the Deploy stage needs it. {_HOW}"
    return "" if _may_do_anything(sections) else _of_commands(sections, files)


def _of_commands(sections: dict[str, str], files: Collection[str]) -> str:
    rest = "\n".join(content for name, content in sections.items() if name != "artifacts")
    if RESULT not in rest and not any(name.endswith(RESULT) for name in files):
        return (
            f"No command of buildspec.yml writes {RESULT}, and the Deploy stage needs it with the image's tag. {_HOW}"
        )
    if TAG not in rest:
        return (
            f"No command of buildspec.yml uses {TAG}, so the image that is to be deployed is never pushed. "
            f'Build and push "$REPOSITORY_URI:${TAG}". docs/howto/deploy-with-ecs.md has a whole buildspec.yml.'
        )
    return ""


def _sections(text: str) -> dict[str, str]:
    """The document's top-level keys and what they hold, without lines that are comments."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if _COMMENT.match(line):
            continue
        if match := _SECTION.match(line):
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += f"\n{line}"
    return found


def _may_do_anything(sections: dict[str, str]) -> bool:
    """Whether something may happen that cannot be read here."""
    if "batch" in sections or re.search(r"(^|\s)([&*]\w|<<:)|commands:[ \t]*[^\s#]", sections["phases"]):
        return True
    return not all(_plain(line) for line in _commands(sections["phases"]))


def _commands(phases: str) -> Iterator[str]:
    for line in phases.replace("\\\n", " ").splitlines():
        item = re.sub(r"^\s*(- +)?", "", line).strip()
        if not item or item == "-" or _STRUCTURE.match(item) or _SCALAR.match(item):
            continue
        if item[0] in "\"'" and item.endswith(item[0]):
            item = item[1:-1].replace('\\"', '"')
        yield item


def _plain(command: str) -> bool:
    """Whether every program of a line sees only what the line says."""
    while match := _SUBSTITUTION.search(command):
        if not _plain(match[1] or match[2] or ""):
            return False
        command = f"{command[: match.start()]}x{command[match.end() :]}"
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # a quote that goes on in the next line
        return False
    begins, skips = True, False
    for position, token in enumerate(tokens):
        if skips:
            skips = False
            if "$" in token:
                return False
        elif token in _SEPARATORS or token in _WORDS:
            begins = True
        elif token in _REDIRECTIONS:
            skips = True
        elif begins and not _ASSIGNMENT.match(token):
            begins = False
            if not _is_plain(token, tokens[position + 1 :]):
                return False
    return True


def _is_plain(program: str, arguments: list[str]) -> bool:
    if program == "aws":
        return arguments[:1] != ["s3"]  # which may bring any file
    if program != "docker":
        return program in _PLAIN
    if arguments[:2] == ["buildx", "build"]:
        return True
    return bool(arguments) and arguments[0] in _DOCKER
