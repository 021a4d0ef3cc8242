"""The object store that the other tests trust: a real one, found and stopped by pid."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chaoslab.lab.objects import ObjectStore
from chaoslab.lab.parts import becomes

PATIENCE_S = 60


def client_of(store, zone="a", *, https=False):
    found = store.environment(zone, https=https)
    return boto3.client(
        "s3",
        endpoint_url=found["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        verify=found.get("AWS_CA_BUNDLE"),
        config=Config(request_checksum_calculation="when_required", retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
def test_it_keeps_objects_with_their_storage_class(object_store, https):
    client, bucket = client_of(object_store, https=https), f"plain-{https}".lower()
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="one", Body=b"hello", StorageClass="STANDARD_IA")
    assert client.get_object(Bucket=bucket, Key="one")["Body"].read() == b"hello"
    assert client.head_object(Bucket=bucket, Key="one")["StorageClass"] == "STANDARD_IA"


def test_one_region_outlives_the_other(two_regions):
    near, far = client_of(two_regions, "a"), client_of(two_regions, "b")
    near.create_bucket(Bucket="twice")
    near.put_object(Bucket="twice", Key="one", Body=b"hello")
    assert becomes(lambda: is_there(far, "twice", "one"), PATIENCE_S)
    two_regions.stop_zone("a")
    assert not two_regions.is_up("a")
    with pytest.raises(BotoCoreError):
        near.list_buckets()
    assert far.get_object(Bucket="twice", Key="one")["Body"].read() == b"hello"
    two_regions.start_zone("a")
    assert near.get_object(Bucket="twice", Key="one")["Body"].read() == b"hello"


def test_another_handle_on_the_folder_finds_and_stops_it(object_store, two_regions):
    again = ObjectStore(two_regions.folder)
    assert again.is_up("b")
    again.stop()
    assert not two_regions.is_up("b")
    assert object_store.is_up("a")
    two_regions.start(("a", "b"))


def is_there(client, bucket, key):
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True
