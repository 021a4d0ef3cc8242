"""What an object store answers, in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chaoslab.core.errors import ChaoslabError, Missing, one_line

_ADVICE = {
    "NoSuchBucket": "there is no such bucket; make it, or correct its name",
    "InvalidBucketName": "that is no name a bucket can have",
    "AccessDenied": "the store denies it; give these credentials the right",
    "403": "the store denies it; give these credentials the right",
    "InvalidAccessKeyId": "the store does not know this access key; correct AWS_ACCESS_KEY_ID or the profile",
    "SignatureDoesNotMatch": "the secret does not belong to the access key; correct AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired; renew them",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "PermanentRedirect": "the bucket is in another region; set AWS_REGION",
    "BadDigest": "what arrived is not what was sent",
    "XAmzContentChecksumMismatch": "what arrived is not what was sent",
    "XAmzContentSHA256Mismatch": "what arrived is not what was sent",
}
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_DENIED = {"403", "AccessDenied"}


class S3Failed(ChaoslabError):
    """The object store cannot be used, or did not do what it was asked to."""

    def __init__(self, message: str, code: str = "") -> None:
        """Take the line for people, and the store's own word for the error."""
        super().__init__(message)
        self.code = code

    @property
    def is_absent(self) -> bool:
        """Whether the object is not there."""
        return self.code in _ABSENT

    @property
    def is_denied(self) -> bool:
        """Whether the right is missing."""
        return self.code in _DENIED


class Corrupted(S3Failed):
    """What the store holds is not what was sent to it."""


def load_boto3() -> Any:
    """Return the module boto3, which is loaded only where an object store is used.

    Raises:
        Missing: it is not installed.
    """
    try:
        import boto3
    except ImportError:
        raise Missing("boto3", "pip install 'chaoslab[aws]'") from None
    return boto3


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn whatever the client raises into one line.

    Args:
        what: what was being done, such as `listing s3://bucket/prefix`

    Raises:
        S3Failed: it could not be done.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as refused:
        code = str(refused.response.get("Error", {}).get("Code", ""))
        said = str(refused.response.get("Error", {}).get("Message") or "")
        status = refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
        why = _ADVICE.get(code) or one_line(f"the store answers {code or status}{f': {said}' if said else ''}")
        raise S3Failed(f"{what}: {why}", code or str(status)) from None
    except BotoCoreError as broken:
        raise S3Failed(f"{what}: {_client_side(broken)}", type(broken).__name__) from None
    except OSError as broken:
        raise S3Failed(f"{what}: {one_line(str(broken))}", type(broken).__name__) from None


def _client_side(broken: Exception) -> str:
    name = type(broken).__name__
    if name in {"NoCredentialsError", "PartialCredentialsError"}:
        return "no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if name == "SSLError":
        return f"{one_line(str(broken), longest=200)}; AWS_CA_BUNDLE names the certificate of a store of your own"
    return one_line(str(broken))
