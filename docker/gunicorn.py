"""How gunicorn serves the panel in a container."""

import multiprocessing
import os

# Inside the container; docker-compose.yml publishes it on 127.0.0.1 only.
bind = "0.0.0.0:8000"
worker_class = "gthread"
# Two are enough to keep answering while one restarts; threads wait for PostgreSQL, providers and AWS.
workers = int(os.environ.get("WEB_CONCURRENCY", min(4, max(2, multiprocessing.cpu_count()))))
threads = 8
timeout = 60
graceful_timeout = 20
keepalive = 5
# Heartbeat files on a disk that stalls would get healthy workers killed.
worker_tmp_dir = "/dev/shm"  # noqa: S108
accesslog = "-"
# %(U)s is the path without its query.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'
control_socket_disable = True
