"""Archives, which every dialect serves with a folder of its own convention."""

from aiohttp import web

from sandbox.git_host.git import GitRepository


async def send_archive(request: web.Request, git: GitRepository, sha: str, folder: str) -> web.StreamResponse:
    """Stream the zip of a commit, its entries under `folder`, which may be empty."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/zip",
            "Content-Disposition": f'attachment; filename="{folder or sha}.zip"',
            "ETag": f'"{sha}"',
        }
    )
    async with git.archive(sha, folder) as chunks:
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response
