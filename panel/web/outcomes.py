"""What a view says when a service has answered or refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from teams.errors import Forbidden, SluiceError


@contextmanager
def errors_on(form: forms.BaseForm) -> Iterator[None]:
    """Put a refusal beside the field that it is about, or above the form. Forbidden passes: it is not the input."""
    try:
        yield
    except Forbidden:
        raise
    except SluiceError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))


@contextmanager
def errors_as_messages(request: HttpRequest) -> Iterator[None]:
    """Show a refusal of an action on the page that follows. Forbidden passes."""
    try:
        yield
    except Forbidden:
        raise
    except SluiceError as error:
        messages.error(request, str(error))
