"""`docker/try`: what README.md and docs/operations.md tell people to type, typed, in a copy of the tree.

It builds the image, starts docker-compose.yml, signs in through a proxy that terminates TLS, backs up, restores on an
empty machine, upgrades, and removes everything. The commands are read from the documents themselves, so that a document
that is wrong fails. It needs Docker with Compose (or what stands in for it: docs/howto/try.md), nginx, openssl and git.
"""

import argparse
import contextlib
import http.cookiejar
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "only for this trial"  # noqa: S105
HOST = "localhost"
HTTP_PORT, TLS_PORT = 18000, 18443
ADDRESS = f"https://{HOST}:{TLS_PORT}"
READY_SECONDS = 180
PANEL = ("web", "worker", "beat", "sweeper")


class Failed(Exception):
    """A step did not do what the documents promise."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects of the panel, and never to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:  # noqa: PLR0917 - urllib's
        if not newurl.startswith(ADDRESS):
            raise Failed(f"The panel redirects to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Trial:
    """One copy of the tree, its containers and its proxy."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "sluice"
        self.certificate, self.key = folder / "proxy.crt", folder / "proxy.key"
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "COMPOSE_PROJECT_NAME": "sluice-try",
            **{name: value for name, value in os.environ.items() if name.startswith(("DOCKER_", "SLUICE_STAND_INS"))},
        }

    def copy(self, commit: str) -> None:
        """The files of that commit in place of those that are there; `secrets` and `.env` stay, as with `git pull`."""
        self.tree.mkdir(exist_ok=True)
        archive = self.folder / "tree.tar"
        subprocess.run(["git", "-C", ROOT, "archive", "--output", archive, commit], check=True)
        subprocess.run(["tar", "-xf", archive, "-C", self.tree], check=True)

    def type(self, command: str) -> str:
        """Run a line as a person types it in the tree, and return what it wrote. Raises Failed."""
        print(f"  $ {command}", flush=True)
        done = subprocess.run(  # noqa: S602 - the lines are those of our own documents
            command, shell=True, cwd=self.tree, env=self.env, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise Failed(f"{command}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def follow(self, document: str, heading: str, **values: str) -> str:
        """Type the commands that stand under that heading; returns what the last one wrote."""
        written = ""
        for command in commands((self.tree / document).read_text(), heading):
            for word, value in values.items():
                command = command.replace(word.replace("_", " "), value)  # noqa: PLW2901
            written = self.type(command)
        return written

    def settings(self) -> None:
        """`.env` as its own comments say for a proxy that terminates TLS."""
        path = self.tree / ".env"
        text = path.read_text()
        proxied = text.split("# Behind a proxy that terminates TLS:\n")[1].split("\n\n")[0]
        for line in proxied.splitlines():
            name, _, value = line.removeprefix("#").partition("=")
            value = value.replace("https://sluice.example.com", ADDRESS).replace("sluice.example.com", HOST)
            text = re.sub(rf"^{name}=.*\n", "", text, flags=re.MULTILINE) + f"{name}={value}\n"
        # Packages for this machine's own processor: those for another one would be built as well, and take longer.
        architecture = "arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64"
        path.write_text(f"{text}SLUICE_PORT={HTTP_PORT}\nSLUICE_LAMBDA_ARCHITECTURE={architecture}\n")

    def wait(self) -> float:
        """Seconds until the panel answers through the proxy. Raises Failed after READY_SECONDS."""
        began = time.monotonic()
        last = ""
        while time.monotonic() - began < READY_SECONDS:
            try:
                if json.loads(Browser(self).get("/healthz"))["status"] == "ok":
                    return time.monotonic() - began
            except (OSError, ValueError, KeyError) as error:
                last = str(error)
            time.sleep(0.5)
        raise Failed(f"The panel is not ready after {READY_SECONDS} s: {last}")


class Browser:
    """A visitor of the panel through the proxy, with cookies of their own; certificates are verified."""

    def __init__(self, trial: Trial) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(trial.certificate))),
            urllib.request.HTTPCookieProcessor(self.cookies),
            Redirects(),
        ).open

    def get(self, path: str, *, token: str = "") -> str:
        """The page's text. Raises OSError."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._read(urllib.request.Request(f"{ADDRESS}{path}", headers=headers))  # noqa: S310

    def post(self, path: str, *, token: str = "", **fields: str) -> str:
        """The answer's text, after redirects; JSON with a token, else a form of the page there. Raises OSError."""
        headers = {"Referer": f"{ADDRESS}{path}"}
        if token:
            body = json.dumps(fields).encode()
            headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        else:
            found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
            if not found:
                raise Failed(f"{path} has no form")
            body = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": found[1]}).encode()
        return self._read(urllib.request.Request(f"{ADDRESS}{path}", body, headers))  # noqa: S310

    def _read(self, request: urllib.request.Request) -> str:
        try:
            with self._open(request, timeout=20) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise OSError(f"{request.full_url}: {error.code} {error.read(300).decode(errors='replace')}") from error


def commands(document: str, heading: str) -> list[str]:
    """The lines of the `sh` blocks under that heading, without their remarks."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##? |\Z)", document, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```", found[1], re.MULTILINE | re.DOTALL) if found else []
    lines = [re.sub(r"\s+#\s.*", "", line).strip() for block in blocks for line in block.splitlines()]
    if not any(lines):
        raise Failed(f"There are no commands under {heading!r}")
    return [line for line in lines if line and not line.startswith("#")]


@contextlib.contextmanager
def proxy(trial: Trial) -> Iterator[None]:
    """nginx with docker/nginx.conf, on loopback and with a certificate of its own."""
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    made = ["-keyout", str(trial.key), "-out", str(trial.certificate), "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *subject],
        check=True,
        capture_output=True,
    )
    site = (ROOT / "docker/nginx.conf").read_text()
    for old, new in {
        "listen 443": f"listen 127.0.0.1:{TLS_PORT}",
        "sluice.example.com;": f"{HOST};",
        "/etc/ssl/sluice.example.com.crt": str(trial.certificate),
        "/etc/ssl/sluice.example.com.key": str(trial.key),
        "127.0.0.1:8000": f"127.0.0.1:{HTTP_PORT}",
    }.items():
        if old not in site:
            raise Failed(f"docker/nginx.conf has no {old!r}")
        site = site.replace(old, new)
    written = trial.folder / "nginx.conf"
    here = f"{trial.folder}/nginx"
    paths = "".join(
        f"{name}_temp_path {here}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    written.write_text(
        f"daemon off; pid {here}/pid; error_log {here}/error.log; events {{}}\n"
        f"http {{ access_log off; {paths}\n{site}}}\n"
    )
    Path(here).mkdir()
    process = subprocess.Popen(["nginx", "-c", written, "-p", here, "-e", f"{here}/error.log"])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def sign_in(trial: Trial) -> None:
    """A person signs in through the proxy, and the session's cookie is one of TLS alone. Raises Failed."""
    browser = Browser(trial)
    page = browser.post("/sign-in/", username="admin", password=PASSWORD)
    if "Sign out" not in page:
        text = re.sub(r"<[^>]+>|\s+", " ", page.partition("<body")[2])
        raise Failed(
            f"Nobody was signed in. Cookies: {[cookie.name for cookie in browser.cookies]}. Page: {text[:500]}"
        )
    cookies = {cookie.name: cookie for cookie in browser.cookies}
    session = cookies.get("__Host-sessionid")
    if session is None or not session.secure:
        raise Failed(f"The session's cookie is not bound to TLS: {sorted(cookies)}")


def check_containers(trial: Trial) -> None:
    """Nobody is root, nothing can be written but /tmp, no compiler is there. Raises Failed."""
    for service in PANEL:
        uid = trial.type(f"docker compose exec -T {service} id -u").strip()
        if uid != "10001":
            raise Failed(f"{service} runs as user {uid}")
    probe = "touch /srv/sluice/x 2>/dev/null || command -v gcc cc make || echo closed"
    if trial.type(f"docker compose exec -T web sh -c '{probe}'").strip() != "closed":
        raise Failed("The image can be written to, or has a compiler")


def run(trial: Trial, first: str, step: Callable[[str], None]) -> None:
    """The whole trial; `first` is the commit that is installed first. Raises Failed."""
    step(f"Install {first} as README.md says")
    trial.copy(first)
    install = commands((trial.tree / "README.md").read_text(), "Run it for real")
    written = ""
    for command in install:
        written = trial.type(command.replace("--password '...'", f"--password '{PASSWORD}'"))
        if command.startswith("cp .env.example"):
            trial.settings()
        if " up " in command:
            print(f"  ready {trial.wait():.0f} s later")
    token = json.loads(written.strip().splitlines()[-1])["token"]

    step("Look at the containers, and sign in through the proxy")
    check_containers(trial)
    sign_in(trial)
    account = add_account(trial, token)

    step("Back up, lose everything, and restore as docs/operations.md says")
    trial.follow("docs/operations.md", "Back up")
    trial.type("docker compose down --volumes")
    trial.follow("docs/operations.md", "Restore")
    print(f"  ready {trial.wait():.0f} s later")
    check_account(trial, token, account)
    sign_in(trial)

    step("Upgrade to HEAD as docs/operations.md says")
    trial.copy("HEAD")
    trial.follow("docs/operations.md", "Upgrade", git_pull="true")
    print(f"  ready {trial.wait():.0f} s later")
    check_containers(trial)
    check_account(trial, token, account)
    sign_in(trial)


def add_account(trial: Trial, token: str) -> str:
    """The id of an AWS account with a secret, which only the database and the encryption key together can tell."""
    keys = {"method": "keys", "access_key_id": "AKIATRIAL", "secret_access_key": "trial-canary"}
    return str(json.loads(Browser(trial).post("/api/v1/aws-accounts/", token=token, name="Trial", **keys))["id"])


def check_account(trial: Trial, token: str, account: str) -> None:
    """It is there, and its secret can still be decrypted. Raises Failed."""
    try:
        told = Browser(trial).post(f"/api/v1/aws-accounts/{account}/check/", token=token)
    except OSError as error:  # without a way to AWS
        told = str(error)
    if "cannot be read" in told or ("aws_unreachable" not in told and "aws_credentials_refused" not in told):
        raise Failed(f"The account's check says: {told}")
    print("  the token and the account's secret still work")


def missing() -> list[str]:
    """The programs that this needs and that are not there."""
    return [name for name in ("docker", "nginx", "openssl", "git", "tar") if not shutil.which(name)]


def stop(*_: object) -> NoReturn:
    """As Ctrl-C, so that everything is removed."""
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    """Exit code 0, or 1 with what went wrong, or 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="docker/try", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--from", dest="first", default="HEAD", metavar="COMMIT", help="install this one first")
    parser.add_argument("--keep", action="store_true", help="leave everything running, to look at it")
    options = parser.parse_args(argv)
    if lacking := missing():
        print(f"Install {', '.join(lacking)} first: docs/howto/try.md.", file=sys.stderr)
        return 2
    if subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--quiet", "--verify", f"{options.first}^{{commit}}"],
        check=False,
        capture_output=True,
    ).returncode:
        print(f"There is no commit {options.first} here.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, stop)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sluice-try-"))
    trial = Trial(folder)
    try:
        with proxy(trial):
            run(trial, options.first, lambda text: print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True))
            print(f"{time.monotonic() - began:5.0f} s  Done")
            if options.keep:
                print(f"{ADDRESS} (admin, {PASSWORD!r}); Ctrl-C ends it")
                signal.pause()
    except (Failed, OSError) as error:
        print(f"Failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped", file=sys.stderr)
        return 1
    finally:
        if (trial.tree / "docker-compose.yml").exists():
            with contextlib.suppress(Failed):
                trial.type("docker compose down --volumes")
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
