"""`make demo`: the whole journey against a running `make up`, over the REST API and with a real push."""

from sandbox.demo.journey import walk

__all__ = ["walk"]
