"""What a deployer deploys: something small that answers HTTP, and how it is broken.

On AWS a load balancer asks it whether it is well, so that it really has to answer.
"""

PORT = "8080"
COMPLAINT = "the port is taken"
"""What the broken start script writes."""
_FOLDER = "/srv/sluice-acceptance"
_APPSPEC = f"""version: 0.0
os: linux
files:
  - source: /
    destination: {_FOLDER}
file_exists_behavior: OVERWRITE
hooks:
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 60
"""
# A unit of its own, as what a hook script leaves running belongs to CodeDeploy's agent. Amazon Linux 2023 has Python.
# The local AWS installs into a folder of its own, and starts nothing.
_START = f"""#!/bin/sh
set -eu
echo "started $APPLICATION_NAME"
[ -d {_FOLDER} ] || exit 0
systemctl stop sluice-acceptance 2>/dev/null || true
systemd-run --quiet --collect --unit=sluice-acceptance python3 -m http.server {PORT} --directory {_FOLDER}
"""
_BROKEN = f"#!/bin/sh\necho {COMPLAINT} >&2\nexit 3\n"
# Not from Docker Hub, which refuses pulls of unknown people from addresses that many share.
_DOCKERFILE = """FROM public.ecr.aws/docker/library/busybox:stable
COPY README.md /www/index.html
CMD ["httpd", "-f", "-p", "80", "-h", "/www"]
"""


def codedeploy(*, broken: bool = False) -> dict[str, str]:
    """Files by their names: what is deployed listens on PORT, or fails at its start."""
    return {"appspec.yml": _APPSPEC, "scripts/start.sh": _BROKEN if broken else _START}


def ecs(*, broken: bool = False) -> dict[str, str]:
    """Files by their names: the image listens on port 80, or cannot be built."""
    return {"Dockerfile": "THIS IS NO DOCKERFILE\n" if broken else _DOCKERFILE}
