"""A provider's archive endpoint: answers with a redirect, as GitHub does, then with the zip."""

import re

from benchmarks.servers.http import Handler, folder_from_arguments, serve

_API = re.compile(r"/api/v3/repos/(?P<repository>bench/\w+)/zipball/(?P<commit>\w+)")
_CODELOAD = re.compile(r"/codeload/(?P<repository>bench/\w+)/(?P<commit>\w+)")
_FOLDER = folder_from_arguments()


class _Archive(Handler):
    def do_GET(self) -> None:  # noqa: N802
        if found := _API.fullmatch(self.path):
            self.answer(302, {"Location": f"/codeload/{found['repository']}/{found['commit']}"})
        elif found := _CODELOAD.fullmatch(self.path):
            self._send(found["repository"])
        else:
            self.answer(404)

    def _send(self, repository: str) -> None:
        path = _FOLDER.trees / f"{repository}.served.zip"
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as archive:
            while data := archive.read(512 * 1024):
                self.wfile.write(data)


if __name__ == "__main__":
    serve(_Archive, _FOLDER)
