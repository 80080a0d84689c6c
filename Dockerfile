# The panel: web, worker, beat and sweeper are one image with four commands (docker-compose.yml).
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN pip install --require-hashes --requirement /tmp/requirements.txt

WORKDIR /srv/sluice
COPY lambdas lambdas
COPY cfn_templates cfn_templates
# Lambda zips are built here, once, and not while a person waits.
ARG LAMBDA_RUNTIME=python3.13
ARG LAMBDA_ARCHITECTURE=arm64
RUN python -m lambdas.package --out build/lambdas --runtime "$LAMBDA_RUNTIME" --architecture "$LAMBDA_ARCHITECTURE"

COPY manage.py .
COPY teams teams
COPY integrations integrations
COPY deployers deployers
COPY panel panel
COPY docker/gunicorn.py docker/gunicorn.py
RUN CHECK=1 python manage.py collectstatic --noinput --verbosity 0 && python -m compileall -q .

FROM ${PYTHON_IMAGE}
ARG LAMBDA_RUNTIME=python3.13
ARG LAMBDA_ARCHITECTURE=arm64
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SLUICE_LAMBDA_PACKAGES=/srv/sluice/build/lambdas \
    SLUICE_LAMBDA_RUNTIME=$LAMBDA_RUNTIME \
    SLUICE_LAMBDA_ARCHITECTURE=$LAMBDA_ARCHITECTURE
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sluice
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/sluice /srv/sluice
WORKDIR /srv/sluice
# Everything under /srv/sluice belongs to root: the process can write nowhere but /tmp.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "panel.wsgi", "--config", "docker/gunicorn.py"]
