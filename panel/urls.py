"""Where everything is served."""

from django.contrib import admin
from django.urls import include, path, re_path

from panel.api import problems

urlpatterns = [
    path("", include("panel.web.urls")),
    path("api/v1/", include("panel.api.urls")),
    re_path("^api/", problems.not_found),
    path("admin/", admin.site.urls),
]
