"""What people write into the address of a page."""

from django.http import HttpRequest


def text(request: HttpRequest, name: str, *, longest: int = 200) -> str:
    """A parameter of the query, stripped, cut, and without NUL, which PostgreSQL takes in no text."""
    return request.GET.get(name, "").replace("\x00", "").strip()[:longest]
