from django.apps import AppConfig


class PanelConfig(AppConfig):
    name = "panel"

    def ready(self) -> None:
        from panel import sign_in_log  # noqa: F401 - connects its receivers
        from panel.valkey import checks  # noqa: F401 - registers its checks
