"""What is changed in Django's admin: in the audit log, and never so that a team is left without an admin."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from teams.models import ApiToken, Membership, Team, User
from teams.services import audit, members

if TYPE_CHECKING:
    Rows = admin.ModelAdmin[Any]
else:
    Rows = admin.ModelAdmin

SECRET = {"password", "password1", "password2", "usable_password"}


class Audited(Rows):
    """Writes an entry for each row that is added, changed or deleted, with what was before and after."""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _record(request, obj, "update" if change else "create", _changes(form) if change else {})

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        for made in formset.new_objects:
            _record(request, made, "create", _shown(made))
        for changed, _ in formset.changed_objects:
            inner = next(each for each in formset.initial_forms if each.instance.pk == changed.pk)
            _record(request, changed, "update", _changes(inner))
        for gone in formset.deleted_objects:
            _record(request, gone, "delete", _shown(gone))

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        _record(request, obj, "delete", {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            _record(request, row, "delete", {})
        super().delete_queryset(request, queryset)


class KeepsAdmins(Audited):
    """Takes back what leaves a team without an admin, and says so: the rule is that of `teams.services.members`."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_refused(request, lambda: super(KeepsAdmins, self).changeform_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_refused(request, lambda: super(KeepsAdmins, self).delete_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_refused(request, lambda: super(KeepsAdmins, self).changelist_view(request, *args, **kwargs))

    def _or_refused(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        try:
            with transaction.atomic():
                return view()
        except members.LastAdmin as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(request.get_full_path())


def password_changed(request: HttpRequest, user_id: str, answer: HttpResponse) -> None:
    """Note a new password, if the page that sets one answered that it did."""
    user = User.objects.filter(pk=user_id).first()
    if request.method == "POST" and answer.status_code == 302 and user is not None:
        user.password_resets.all().delete()
        _record(request, user, "update", {"password": "changed"})


def _record(request: HttpRequest, obj: Model, verb: str, changes: dict[str, Any]) -> None:
    audit.record(
        actor=cast("User", request.user),
        team=_team(obj),
        action=f"{'token' if isinstance(obj, ApiToken) else obj._meta.model_name}.{verb}",
        target=obj,
        changes=changes,
    )


def _team(obj: Model) -> Team | None:
    """The team that the entry belongs to. A team that is being deleted cannot have one."""
    if isinstance(obj, Membership | ApiToken):
        return Team.objects.filter(pk=obj.team_id).first()
    return obj if isinstance(obj, Team) and Team.objects.filter(pk=obj.pk).exists() else None


def _shown(obj: Model) -> dict[str, Any]:
    return {"role": [None, obj.role]} if isinstance(obj, Membership) else {}


def _changes(form: "forms.ModelForm[Any]") -> dict[str, Any]:
    return {
        name: "changed" if name in SECRET else [_text(form.initial.get(name)), _text(form.cleaned_data.get(name))]
        for name in form.changed_data
    }


def _text(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, QuerySet | list | tuple):
        return [str(each) for each in value]
    return str(value)
