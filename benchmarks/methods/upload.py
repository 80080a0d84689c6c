"""The least that an upload can be: parts as they come, two in flight."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.methods import KEY

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_SIZE = 8 * 1024 * 1024


def relay(s3: "S3Client", bucket: str, read: Callable[[int], bytes]) -> None:
    """Upload what `read` gives until it gives nothing."""
    part = read(PART_SIZE)
    if len(part) < PART_SIZE:
        s3.put_object(Bucket=bucket, Key=KEY, Body=part)
        return
    upload = s3.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]

    def send(number: int, body: bytes) -> str:
        answer = s3.upload_part(Bucket=bucket, Key=KEY, UploadId=upload, PartNumber=number, Body=body)
        return answer["ETag"]

    tags: list[str] = []
    pending: deque[Future[str]] = deque()
    with ThreadPoolExecutor(2) as pool:
        number = 0
        while part:
            number += 1
            pending.append(pool.submit(send, number, part))
            if len(pending) == 2:
                tags.append(pending.popleft().result())
            part = read(PART_SIZE)
        tags += [future.result() for future in pending]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key=KEY,
        UploadId=upload,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
    )
