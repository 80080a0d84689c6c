"""Destructive acts: say exactly what goes, let the name be typed, stay open when something says no."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from panel.web.access import PageRequest
from panel.web.outcomes import errors_on


class ConfirmForm(forms.Form):
    """The name of what is about to go, typed by hand."""

    confirm = forms.CharField(
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["confirm"].label = f"Type {name} to confirm"
        self.order_fields([*(key for key in self.fields if key != "confirm"), "confirm"])

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"].strip()
        if typed != self.name:
            raise forms.ValidationError(f"This is not the name. Type {self.name} exactly as it is written here.")
        return typed


def confirm(
    request: PageRequest,
    *,
    form: ConfirmForm,
    title: str,
    consequences: Sequence[str],
    button: str,
    back: str,
    act: Callable[[dict[str, Any]], str],
    then: str,
    done: str,
) -> HttpResponseBase:
    """A page of its own, or a fragment for the dialog.

    `act` gets the cleaned form and returns where to go, or an empty string for the page named `then`.
    """
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            target = act(form.cleaned_data) or reverse(then)
            messages.success(request, done)
            return HttpResponseClientRedirect(target) if request.htmx else redirect(target)
    context = {"form": form, "title": title, "consequences": consequences, "button": button, "back": back}
    template = "components/confirm.html" if request.htmx else "confirm.html"
    return render(request, template, {**context, "action": request.path})
