"""Find an object of the team by its name, or a delivery or deployment by its commit."""

import re
from itertools import chain
from typing import NamedTuple

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from deployers.models import AwsAccount, Deployment, Stack
from integrations.models import Delivery, Integration, Provider, Repository
from panel.web import parameters
from panel.web.access import PageRequest, page

LIMIT = 8  # of a kind
DEPLOYMENT = re.compile(r"d-[0-9a-z]+", re.IGNORECASE)  # CodeDeploy's ids
COMMIT = re.compile(r"[0-9a-f]{6,64}")


class Hit(NamedTuple):
    kind: str
    icon: str
    name: str
    detail: str
    url: str


def _hits(request: PageRequest, text: str) -> list[Hit]:
    user, team = request.user, request.team
    integrations = (
        Integration.objects.visible_to(user)
        .of(team)
        .filter(Q(name__icontains=text) | Q(application__icontains=text))
        .select_related("repository")[:LIMIT]
    )
    repositories = (
        Repository.objects.visible_to(user)
        .of(team)
        .filter(full_name__icontains=text)
        .select_related("provider")[:LIMIT]
    )
    providers = Provider.objects.visible_to(user).of(team).filter(name__icontains=text)[:LIMIT]
    accounts = (
        AwsAccount.objects.visible_to(user)
        .of(team)
        .filter(Q(name__icontains=text) | Q(account_id__startswith=text))[:LIMIT]
    )
    stacks = Stack.objects.visible_to(user).of(team).filter(name__icontains=text)[:LIMIT]
    deliveries: list[Delivery] = []
    if COMMIT.fullmatch(text.lower()):
        deliveries = list(Delivery.objects.visible_to(user).of(team).filter(commit__startswith=text.lower())[:LIMIT])
    deployments = Deployment.objects.visible_to(user).of(team)
    if COMMIT.fullmatch(text.lower()):
        deployments = deployments.filter(commit__startswith=text.lower())[:LIMIT]
    elif DEPLOYMENT.fullmatch(text):
        deployments = deployments.filter(external_id=f"d-{text[2:].upper()}")[:LIMIT]
    else:
        deployments = deployments.none()
    return list(
        chain(
            (
                Hit("Integration", "plug-connected", row.name, str(row.repository), _url("integration-detail", row))
                for row in integrations
            ),
            (
                Hit("Repository", "folders", row.full_name, str(row.provider), _url("repository-detail", row))
                for row in repositories
            ),
            (
                Hit("Provider", "git-branch", row.name, row.get_kind_display(), _url("provider-detail", row))
                for row in providers
            ),
            (
                Hit("AWS account", "brand-aws", row.name, row.account_id, _url("account-detail", row))
                for row in accounts
            ),
            (Hit("Stack", "stack-2", row.name, row.region, _url("stack-detail", row)) for row in stacks),
            (
                Hit("Delivery", "webhook", row.message or row.delivery_id, row.commit, _url("delivery-detail", row))
                for row in deliveries
            ),
            (
                Hit("Deployment", "rocket", row.message or row.external_id, row.commit, _url("deployment-detail", row))
                for row in deployments
            ),
        )
    )


def _url(name: str, row: Integration | Repository | Provider | AwsAccount | Stack | Delivery | Deployment) -> str:
    return reverse(name, args=[row.pk])


@require_safe
@page
def search(request: PageRequest) -> HttpResponse:
    text = parameters.text(request, "q")
    return render(request, "search.html", {"text": text, "hits": _hits(request, text) if text else []})
