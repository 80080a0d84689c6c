"""ECR: taking the images out of a repository that goes away.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
"""

from typing import Any

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import NotFoundAtAws

_BATCH = 100


def empty(access: Access, *, repository: str) -> None:
    """Delete every image; a repository that is gone is fine."""
    if not repository:
        return
    ecr: Any = client(access, "ecr")
    try:
        with aws_faults():
            pages = ecr.get_paginator("list_images").paginate(repositoryName=repository)
            images = [image for page in pages for image in page["imageIds"]]
            for at in range(0, len(images), _BATCH):
                ecr.batch_delete_image(repositoryName=repository, imageIds=images[at : at + _BATCH])
    except NotFoundAtAws:
        return
