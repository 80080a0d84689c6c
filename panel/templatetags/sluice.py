"""Components as template tags: icons, statuses, times, values to copy, fields, cards."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import tablericons
from django import template
from django.core.serializers.json import DjangoJSONEncoder
from django.forms import BaseForm, BoundField, CheckboxInput, RadioSelect, Select, SelectMultiple, Textarea
from django.forms.widgets import CheckboxSelectMultiple
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from deployers.models import Operation, Stack
from deployers.states import STEP_LABELS
from integrations.models import Integration, SSHKey
from integrations.providers.registry import client_class
from panel import costs
from panel.integration_state import state_of
from panel.web.outcomes import fields_with_errors
from panel.web.statuses import SSH_KEY, Status, status_of

register = template.Library()


@lru_cache(maxsize=256)
def _svg(name: str, size: int) -> SafeString:
    svg: str = tablericons._render_icon(  # noqa: SLF001 - its template tag renders anew each time
        f"outline/{name}", size, aria_hidden="true", focusable="false", **{"class": "icon"}
    )
    return mark_safe(svg)  # noqa: S308 - drawn by the package from its own files


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """An inline drawing that says nothing to a screen reader: a word always stands beside it."""
    return _svg(name, size)


@register.simple_tag
def provider_icon(kind: str, size: int = 16) -> SafeString:
    return _svg(client_class(kind).icon, size)


@register.inclusion_tag("components/status.html")
def status(thing: object, element_id: str = "") -> dict[str, Any]:
    """The pill of anything that has a status."""
    return {"status": status_of(thing), "element_id": element_id}


@register.inclusion_tag("components/cost.html")
def cost(stack: Stack) -> dict[str, Any]:
    """What the stack costs a month at rest, with what was chosen for it."""
    return costs.of_stack(stack)


@register.inclusion_tag("components/costs.html")
def integration_cost(integration: Integration) -> dict[str, Any]:
    """What the stacks that an integration has, or will have once it is provisioned, cost a month at rest."""
    return costs.of_integration(integration)


@register.filter
def state(integration: Integration) -> str:
    """Where an integration stands, as `panel.integration_state` names it."""
    return state_of(integration)


@register.filter
def key_state(key: SSHKey | str) -> Status:
    """Where an SSH key stands in its life; its own status is where it stands at the provider."""
    return SSH_KEY[key if isinstance(key, str) else key.state]


@register.simple_tag
def when(moment: datetime | None, never: str = "never") -> str:
    """How long ago, with the exact UTC time on hover. page.js keeps it true."""
    if moment is None:
        return never
    moment = moment.astimezone(UTC)
    return format_html(  # no template of its own, whose last line break would stand before a full stop
        '<time datetime="{}" title="{} UTC" data-relative>{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        relative(moment),
    )


def relative(moment: datetime) -> str:
    """`4 min ago`; past a month the date. The same words as `relative` of page.js."""
    seconds = int((timezone.now() - moment).total_seconds())
    ahead, seconds = seconds < 0, abs(seconds)
    if seconds < 10:
        return "just now"
    for limit, word, size in ((60, "sec", 1), (3600, "min", 60), (86_400, "hour", 3600), (30 * 86_400, "day", 86_400)):
        if seconds < limit:
            count = seconds // size
            unit = word if count == 1 or word in {"sec", "min"} else f"{word}s"
            return f"in {count} {unit}" if ahead else f"{count} {unit} ago"
    return f"{moment:%-d %b %Y}"


@register.filter
def duration(value: timedelta | float | None) -> str:
    """`2m 51s` from a timedelta or seconds; a dash for None."""
    if value is None:
        return "-"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


@register.filter
def milliseconds(value: float | None) -> str:
    return duration(None if value is None else value / 1000)


@register.filter
def short_commit(commit: str) -> str:
    return commit[:7]


@register.inclusion_tag("components/copy.html")
def copy(value: str, label: str, element_id: str, *, block: bool = False) -> dict[str, Any]:
    """The whole value, selectable, and a button that copies it. `label` says what it is: `webhook URL`."""
    return {"value": value, "label": label, "element_id": element_id, "block": block}


def _css_class(bound: BoundField) -> str:
    widget = bound.field.widget
    if isinstance(widget, CheckboxInput | CheckboxSelectMultiple | RadioSelect):
        return "form-check-input"
    return "form-select" if isinstance(widget, Select | SelectMultiple) else "form-control"


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field: label, control, help, errors, each tied to the control for screen readers."""
    attributes: dict[str, Any] = {"class": _css_class(bound)}
    described = []
    if bound.errors:
        attributes["aria-invalid"] = "true"
        described.append(f"{bound.auto_id}_error")
    if bound.help_text:
        described.append(f"{bound.auto_id}_helptext")
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if isinstance(bound.field.widget, Textarea):
        attributes.setdefault("rows", bound.field.widget.attrs.get("rows", 4))
    group = isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple)
    return {
        "field": bound,
        "control": "" if group else bound.as_widget(attrs=attributes),
        "group": group,
        "checkbox": isinstance(bound.field.widget, CheckboxInput),
        "described": " ".join(described),
    }


@register.filter
def wrong_fields(form: BaseForm) -> list[tuple[str, str, str]]:
    """Each field of a form with an error: id of its control, label, what is wrong."""
    return fields_with_errors(form)


@register.filter
def any_errors(form: BaseForm) -> bool:
    return bool(form.errors or wrong_fields(form))


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    *,
    element_id: str = "",
    note: str = "",
    pill: object = None,
    link: str = "",
    link_text: str = "",
    flush: bool = False,
    danger: bool = False,
) -> SafeString:
    """A titled section. `pill` is anything with a status; `flush` lets tables and logs reach the edges."""
    heading = f"{element_id or title.lower().replace(' ', '-')}-title"
    return render_to_string(
        "components/card.html",
        {
            "title": title,
            "content": content,
            "heading": heading,
            "element_id": element_id,
            "note": note,
            "status": status_of(pill) if pill else None,
            "link": link,
            "link_text": link_text,
            "flush": flush,
            "danger": danger,
        },
    )


@register.simple_block_tag
def note(content: str, tone: str = "info") -> SafeString:
    """A paragraph that must not be overlooked. Tones: `info`, `ok`, `warn`, `bad`."""
    icons = {"info": "info-circle", "ok": "circle-check", "warn": "alert-triangle", "bad": "alert-circle"}
    return format_html(
        '<div class="note note-{}">{}<div class="min-w-0">{}</div></div>', tone, _svg(icons[tone], 16), content
    )


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: object) -> str:
    """The present query string with some parameters changed; None or empty removes one."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}" if parameters else "?"


@register.filter
def event_tone(aws_status: str) -> str:
    """The tone of a line of CloudFormation's log, whose own words are kept."""
    if "FAILED" in aws_status or "ROLLBACK" in aws_status:
        return "bad"
    return "run" if aws_status.endswith("IN_PROGRESS") else "ok"


@register.filter
def before_and_after(change: object) -> str:
    """A value of an audit entry: `[before, after]`, or something that is told as it is."""
    if isinstance(change, list) and len(change) == 2:
        before, after = (_words(each) for each in change)
        return f"{before} → {after}"
    return _words(change)


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, "") else str(value)


@register.filter
def moment(text: str | datetime) -> datetime | None:
    """An ISO 8601 time with its zone, as the Lambdas write them, or a time; None for anything else."""
    if isinstance(text, datetime):
        return text
    try:
        parsed = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else None


@register.filter
def elapsed_since(start: datetime) -> timedelta:
    return timezone.now() - start


@register.filter
def step_words(operation: Operation) -> str:
    """What an operation does now, in words."""
    return STEP_LABELS.get(operation.step, "Waiting for a worker")


@register.filter
def took(operation: Operation) -> timedelta | None:
    if operation.started_at is None:
        return None
    return (operation.finished_at or timezone.now()) - operation.started_at


@register.simple_tag(takes_context=True)
def identity_url(context: template.Context, provider: Any) -> str:
    """Where signing in with an identity provider begins."""
    url: str = provider.get_login_url(context["request"])
    return url


@register.filter
def as_json(value: object) -> str:
    """JSON for a data attribute, which the template escapes."""
    return json.dumps(value, cls=DjangoJSONEncoder)
