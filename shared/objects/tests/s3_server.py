"""An S3 server for the tests of the object store: moto, behind the checks of S3 that moto does not make.

usage: s3_server.py BUCKET REGION ACCESS_KEY SECRET TOKEN [plain]

It prints its port and serves until its standard input closes. With `plain` it is moto alone.

The checks, each with S3's status and error code:

  403 SignatureDoesNotMatch  botocore computes another signature from the request as it arrived
  403 AccessDenied           the signature is missing or has expired, or an x-amz-… header is not signed
  403 InvalidToken           the session token is another one
  400 BadDigest              the body of a PUT or POST has another SHA-256 than its x-amz-checksum-sha256
  404 NoSuchUpload           an upload is completed that does not exist, or no longer (moto fails with 500)
"""

import base64
import calendar
import hashlib
import io
import sys
import threading
import time
import urllib.parse

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class Strict:
    def __init__(self, application, bucket, region, access_key, secret, token):
        self.application, self.bucket, self.region, self.token = application, bucket, region, token
        self.credentials = Credentials(access_key, secret, token or None)

    def __call__(self, environ, start_response):
        # The raw body, whose length the server has checked.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        try:
            self.check(environ, body)
        except Refused as refused:
            document = f"<Error><Code>{refused.code}</Code></Error>".encode() if not is_head(environ) else b""
            start_response(refused.status, [("content-length", str(len(document)))])
            return [document]
        # S3 recognises the checksum by its header; moto needs another one.
        if "HTTP_X_AMZ_CHECKSUM_SHA256" in environ:
            environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = "SHA256"
        return self.application(environ, lambda *arguments: start_response(*self.with_parts(environ, *arguments)))

    def check(self, environ, body):
        path, _, query = environ["RAW_URI"].partition("?")
        parameters = urllib.parse.parse_qsl(query, keep_blank_values=True)
        values = dict(parameters)
        if "X-Amz-Signature" not in values or len(values) != len(parameters):
            raise Refused("403 Forbidden", "AccessDenied")
        if values.get("X-Amz-Security-Token", "") != self.token:
            raise Refused("403 Forbidden", "InvalidToken")
        sent = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_LENGTH", "CONTENT_TYPE")
        }
        signed = values["X-Amz-SignedHeaders"].split(";")
        if "host" not in signed or any(name.startswith("x-amz-") and name not in signed for name in sent):
            raise Refused("403 Forbidden", "AccessDenied")

        unsigned = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature="))
        request = AWSRequest(
            method=environ["REQUEST_METHOD"],
            url=f"http://{sent['host']}{path}?{unsigned}",
            headers={name: sent.get(name, "") for name in signed},
        )
        request.context["timestamp"] = values["X-Amz-Date"]
        signer = S3SigV4QueryAuth(self.credentials, "s3", self.region, int(values["X-Amz-Expires"]))
        text = signer.string_to_sign(request, signer.canonical_request(request))
        if signer.signature(text, request) != values["X-Amz-Signature"]:
            raise Refused("403 Forbidden", "SignatureDoesNotMatch")
        signed_at = calendar.timegm(time.strptime(values["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
        if not signed_at - 900 <= time.time() < signed_at + int(values["X-Amz-Expires"]):
            raise Refused("403 Forbidden", "AccessDenied")
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if sent.get("x-amz-checksum-sha256", digest) != digest:
            raise Refused("400 Bad Request", "BadDigest")
        if environ["REQUEST_METHOD"] == "POST" and "uploadId" in values:
            if values["uploadId"] not in backend.get_bucket(self.bucket).multiparts:
                raise Refused("404 Not Found", "NoSuchUpload")

    def with_parts(self, environ, status, headers, *rest):
        """moto's response to HEAD lacks the number of parts in the checksum; its response to GET has it."""
        key = environ["PATH_INFO"].removeprefix(f"/{self.bucket}/")
        if is_head(environ) and status.startswith("200"):
            parts = backend.get_object(self.bucket, key).checksum_parts
            if parts:
                headers = [
                    (name, f"{value}-{parts}" if name.lower() == "x-amz-checksum-sha256" else value)
                    for name, value in headers
                ]
        return (status, headers, *rest)


def is_head(environ):
    return environ["REQUEST_METHOD"] == "HEAD"


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


bucket, region, access_key, secret, token = sys.argv[1:6]
backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
backend.create_bucket(bucket, region)
application = DomainDispatcherApplication(create_backend_app)
if sys.argv[6:] != ["plain"]:
    application = Strict(application, bucket, region, access_key, secret, token)
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
