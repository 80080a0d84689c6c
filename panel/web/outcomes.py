"""What a view says when a service has answered or refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from teams.errors import Forbidden, SluiceError


@contextmanager
def errors_on(form: forms.BaseForm) -> Iterator[None]:
    """Put a refusal beside the fields that it is about, or above the form. Forbidden passes: it is not the input."""
    try:
        yield
    except Forbidden:
        raise
    except SluiceError as error:
        fields = error.fields
        if len(fields) < 2:
            fields = [(error.field, str(error))]
        for path, message in fields:
            name = path.partition(".")[0]
            form.add_error(name if name in form.fields else None, message)


@contextmanager
def errors_as_messages(request: HttpRequest) -> Iterator[None]:
    """Show a refusal of an action on the page that follows. Forbidden passes."""
    try:
        yield
    except Forbidden:
        raise
    except SluiceError as error:
        messages.error(request, str(error))


def fields_with_errors(form: forms.BaseForm) -> list[tuple[str, str, str]]:
    """Each field with an error, those of forms within it too: id of its control, label, what is wrong."""
    within: list[forms.BaseForm] = getattr(form, "chosen_forms", [])
    return [
        (each[name].id_for_label or f"{each[name].auto_id}_error", str(each[name].label), " ".join(map(str, found)))
        for each in (form, *within)
        for name, found in each.errors.items()
        if name in each.fields
    ]
