"""Starts a CodeDeploy deployment for each new version of an artifact, once."""
