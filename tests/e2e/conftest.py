from tests.e2e.fixtures import clone, repository, world

__all__ = ["clone", "repository", "world"]
