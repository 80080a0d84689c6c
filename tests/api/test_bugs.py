"""What a client sees of a bug of ours."""

import pytest
from django.urls import path
from rest_framework.views import APIView


class Broken(APIView):
    def get(self, request):
        raise RuntimeError("the password is hunter2")


urlpatterns = [path("broken/", Broken.as_view())]


@pytest.mark.urls(__name__)
def test_bug_is_logged_and_answered_without_its_cause(api, caplog):
    api.raise_request_exception = False
    response = api.get("/broken/")
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "internal_server_error"
    assert "hunter2" not in response.content.decode()
    assert "RuntimeError: the password is hunter2" in caplog.text


@pytest.mark.urls(__name__)
def test_bug_is_not_hidden_from_tests(api):
    with pytest.raises(RuntimeError):
        api.get("/broken/")
