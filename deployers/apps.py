from django.apps import AppConfig


class DeployersConfig(AppConfig):
    name = "deployers"
