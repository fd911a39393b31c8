"""Writes presigned requests that botocore signed, as JSON: usage: botocore_cases.py > cases.json"""

import base64
import calendar
import hashlib
import itertools
import json
import sys
import time
import urllib.parse

import boto3
from botocore.config import Config

EXAMPLE_TOKEN = "IQoJb3JpZ2luX2VjEA//token+with/all=kinds=="

# The value of OBJECTS, and the same for botocore.
STORES = [
    ("s3://bucket-a?region=eu-central-1", "bucket-a", "eu-central-1",
     "https://s3.eu-central-1.amazonaws.com", "virtual"),
    ("s3://bucket-a?region=us-east-1", "bucket-a", "us-east-1", "https://s3.us-east-1.amazonaws.com", "virtual"),
    ("s3://bucket-a?region=us-gov-west-1&style=path", "bucket-a", "us-gov-west-1",
     "https://s3.us-gov-west-1.amazonaws.com", "path"),
    ("s3://bucket.b?region=ap-south-1", "bucket.b", "ap-south-1", "https://s3.ap-south-1.amazonaws.com", "path"),
    ("s3://bucket-a?region=auto&endpoint=https%3A%2F%2Fid.r2.example.com&style=host", "bucket-a", "auto",
     "https://id.r2.example.com", "virtual"),
    ("s3://bucket-a?region=eu-1&endpoint=http://127.0.0.1:9000", "bucket-a", "eu-1", "http://127.0.0.1:9000", "path"),
    ("s3://bucket-a?region=eu-1&endpoint=https://minio.example.com:443", "bucket-a", "eu-1",
     "https://minio.example.com:443", "path"),
]

CREDENTIALS = [
    ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
    ("ASIAIOSFODNN7EXAMPLE", "short+/=", EXAMPLE_TOKEN),
]

DIGEST = base64.b64encode(hashlib.sha256(b"").digest()).decode()
OTHER_DIGEST = base64.b64encode(hashlib.sha256(b"a").digest()).decode()

REQUESTS = [
    dict(operation="put_object", key="files/0198c2f4-aa/3", len=0, sha256=DIGEST, expires=900),
    dict(operation="put_object", key="a", len=5368709120, sha256=OTHER_DIGEST, expires=604800),
    dict(operation="put_object", key="a.b/c_d-e/f..g", len=4194305, sha256=OTHER_DIGEST, expires=1),
    dict(operation="upload_part", key="files/x", upload="VXBsb2FkIElE", number=1, len=5242880, sha256=DIGEST,
         expires=60),
    dict(operation="upload_part", key="files/x", upload="a+b/c=~d.e_f-g&h", number=10000, len=1, sha256=OTHER_DIGEST,
         expires=3600),
    dict(operation="get_object", key="files/x", expires=900),
    dict(operation="get_object", key="files/x", expires=900, type="text/plain; charset=utf-8"),
    dict(operation="get_object", key="files/x", expires=5, type="image/svg+xml",
         disposition="attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20%C3%A9+(1)%27.txt"),
    dict(operation="get_object", key="files/x", expires=900, disposition="inline"),
]

METHODS = {"put_object": "PUT", "upload_part": "PUT", "get_object": "GET"}


def parameters(request):
    names = {"key": "Key", "upload": "UploadId", "number": "PartNumber", "len": "ContentLength",
             "sha256": "ChecksumSHA256", "type": "ResponseContentType", "disposition": "ResponseContentDisposition"}
    found = {name: request[ours] for ours, name in names.items() if ours in request}
    if request["operation"] == "put_object":
        found["IfNoneMatch"] = "*"
    return found


def case(store, credentials, request):
    objects, bucket, region, endpoint, style = store
    access_key, secret, token = credentials
    client = clients[store, credentials]
    url = client.generate_presigned_url(
        request["operation"], Params=dict(parameters(request), Bucket=bucket), ExpiresIn=request["expires"]
    )
    signed_at = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Date"][0]
    seconds = calendar.timegm(time.strptime(signed_at, "%Y%m%dT%H%M%SZ"))
    return dict(request, objects=objects, id=access_key, secret=secret, token=token, time=seconds, url=url,
                method=METHODS[request["operation"]])


session = boto3.session.Session()
clients = {
    (store, credentials): session.client(
        "s3", region_name=store[2], endpoint_url=store[3], aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1], aws_session_token=credentials[2] or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": store[4]}),
    )
    for store, credentials in itertools.product(STORES, CREDENTIALS)
}
cases = [case(*values) for values in itertools.product(STORES, CREDENTIALS, REQUESTS)]
json.dump(cases, sys.stdout, indent=1, sort_keys=True)
print()
