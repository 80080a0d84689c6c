"""Certificates. https://docs.aws.amazon.com/acm/latest/APIReference/Welcome.html"""

from dataclasses import dataclass

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of one region; `status` is AWS's word, such as ISSUED."""

    arn: str
    domain: str
    status: str


def certificates(access: Access) -> list[Certificate]:
    """The certificates of the region that are issued or will be, of every kind of key that a load balancer takes.

    Without a filter AWS lists RSA-2048 alone:
    https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html
    """
    kinds = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
    with aws_faults():
        pages = client(access, "acm", quick=True).get_paginator("list_certificates")
        found = [
            each
            for page in pages.paginate(
                CertificateStatuses=["ISSUED", "PENDING_VALIDATION"], Includes={"keyTypes": kinds}
            )
            for each in page["CertificateSummaryList"]
        ]
    # Some answers leave the status out; all that were asked for are of one of the two.
    return [Certificate(each["CertificateArn"], each.get("DomainName", ""), each.get("Status", "")) for each in found]
