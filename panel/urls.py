"""Where everything is served."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("panel.web.urls")),
    path("api/v1/", include("panel.api.urls")),
    path("admin/", admin.site.urls),
]
