"""What boto3 does with the store, one function a test: python3 with_boto3.py ENDPOINT NAME [ARGUMENT ...].

Credentials come from the environment. Current boto3 sends trailing checksums by default and verifies those it gets back.
"""
import hashlib
import io
import os
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
s3 = boto3.client(
    "s3",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, signature_version="s3v4"),
)


def code_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def keys():
    s3.create_bucket(Bucket="boto-keys")
    names = ["a", "a/b", "../x", "//", "é" * 512, "a b+c%20", "z/"]
    for index, name in enumerate(names):
        s3.put_object(Bucket="boto-keys", Key=name, Body=f"body {index}".encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="boto-keys", PaginationConfig={"PageSize": 3})
    listed = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    assert listed == sorted(names, key=lambda name: name.encode()), listed
    for index, name in enumerate(names):
        body = s3.get_object(Bucket="boto-keys", Key=name)["Body"].read()
        assert body == f"body {index}".encode(), name
    too_long = code_of(s3.put_object, Bucket="boto-keys", Key="é" * 512 + "x", Body=b"")
    assert too_long == "KeyTooLongError", too_long
    answer = s3.delete_objects(Bucket="boto-keys", Delete={"Objects": [{"Key": name} for name in names]})
    assert len(answer["Deleted"]) == len(names), answer
    s3.delete_bucket(Bucket="boto-keys")


def checksums():
    s3.create_bucket(Bucket="boto-sums")
    body = os.urandom(300_000)
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        s3.put_object(Bucket="boto-sums", Key=algorithm, Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
        answer = s3.get_object(Bucket="boto-sums", Key=algorithm, ChecksumMode="ENABLED")
        assert answer[f"Checksum{algorithm}"], answer
        assert answer["Body"].read() == body
    wrong = code_of(s3.put_object, Bucket="boto-sums", Key="wrong", Body=b"x", ChecksumCRC32="AAAAAA==")
    assert wrong == "BadDigest", wrong
    assert code_of(s3.head_object, Bucket="boto-sums", Key="wrong") == "404"


def transfer(size):
    s3.create_bucket(Bucket="boto-transfer")
    page = os.urandom(1 << 20)
    sent, back = "boto-transfer.in", "boto-transfer.out"
    with open(sent, "wb") as file:
        for number in range(int(size) >> 20):
            file.write(number.to_bytes(8, "little") + page[8:])
    s3.upload_file(sent, "boto-transfer", "file", Config=TransferConfig(multipart_threshold=8 << 20))
    s3.copy({"Bucket": "boto-transfer", "Key": "file"}, "boto-transfer", "copy")
    s3.download_file("boto-transfer", "copy", back)
    digests = []
    for name in (sent, back):
        digest = hashlib.sha256()
        with open(name, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1]


def semantics():
    bucket = "boto-semantics"
    s3.create_bucket(Bucket=bucket)
    etag = s3.put_object(
        Bucket=bucket, Key="k", Body=b"0123456789", Metadata={"who": "me"}, ContentType="text/x-me"
    )["ETag"]
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"who": "me"} and head["ContentType"] == "text/x-me" and head["ETag"] == etag
    part = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert part["Body"].read() == b"234" and part["ContentRange"] == "bytes 2-4/10"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == "InvalidRange"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == "304"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    assert code_of(s3.get_object, Bucket=bucket, Key="none") == "NoSuchKey"
    assert code_of(s3.get_object, Bucket="boto-nowhere", Key="none") == "NoSuchBucket"
    assert code_of(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    # A client that was set up for another region is told which one, by HEAD too, and signs again.
    for call in ("head_bucket", "head_object", "get_object"):
        stray = boto3.client("s3", endpoint_url=ENDPOINT, region_name="eu-west-1")
        getattr(stray, call)(Bucket=bucket, **({} if call == "head_bucket" else {"Key": "k"}))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert urllib.request.urlopen(url).read() == b"0123456789"
    versioning = code_of(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert versioning == "NotImplemented", versioning


def cut_short(bucket, key):
    """The body ends before its length: this must be an error, never fewer bytes."""
    try:
        s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except Exception as error:  # Which one is the client's business.
        print(type(error).__name__)
        return
    raise AssertionError("a truncated body was taken for a whole one")


{"keys": keys, "checksums": checksums, "transfer": transfer, "semantics": semantics, "cut-short": cut_short}[
    sys.argv[2]
](*sys.argv[3:])
