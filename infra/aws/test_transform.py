"""Tests of the checks in transform.py."""

import unittest

from transform import check_body

ROUTE = {"x-amazon-apigateway-any-method": {"responses": {}, "x-amazon-apigateway-integration": {"type": "aws_proxy"}}}
SERVER = {"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}


def api(servers, **properties):
    info = {"title": {"Ref": "AWS::StackName"}, "version": "1.0"}
    return {"Body": {"openapi": "3.0.1", "info": info, "paths": {"/a": ROUTE}, "servers": servers}, **properties}


class Document(unittest.TestCase):
    def problem(self, value):
        with self.assertRaises(SystemExit) as raised:
            check_body(value)
        return str(raised.exception)

    def test_a_server_without_a_url_is_a_warning(self):
        check_body(api([SERVER]))
        self.assertIn("FailOnWarnings", self.problem(api([SERVER], FailOnWarnings=True)))

    def test_a_document_without_a_warning_may_fail_on_warnings(self):
        check_body(api([{"url": "/"}], FailOnWarnings=True))

    def test_any_other_fault_is_rejected(self):
        value = api([SERVER])
        value["Body"]["paths"]["/a"]["get"] = {"responses": {"200": {}}}
        self.assertIn("at paths", self.problem(value))


if __name__ == "__main__":
    unittest.main()
