"""The providers that the git host passes for, one module each. All of them look at the same repositories."""

from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.github import GitHub

DIALECTS: tuple[type[Dialect], ...] = (GitHub,)

__all__ = ["DIALECTS", "Dialect"]
