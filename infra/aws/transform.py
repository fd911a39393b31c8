"""Transforms a SAM template like CloudFormation does, with aws-sam-translator, and checks the result.

    transform.py TEMPLATE      prints the transformed template, which has no SAM resources
    transform.py --planned     counts the resources of fifteen functions

The first fails if a deploy would not publish a version of every function, if the transformation lost the rules of the
HTTP API, or if API Gateway would reject the API's OpenAPI document. The second fails if fifteen functions come too
close to CloudFormation's limit of 500 resources.
"""

import json
import os
import re
import subprocess
import sys
import tomllib

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # required by boto3; no request is sent

import boto3
from openapi_spec_validator import OpenAPIV30SpecValidator
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

TABLE = "infra/aws/functions.toml"
PLANNED_FUNCTIONS = 15
PLANNED_RESOURCES = 400

# A placeholder for a planned function. Fifteen functions have about eighty operations, but only operations with a
# limit of their own need a route.
PLANNED = """
[planned-{number}]
memory = 512
timeout = 10
concurrency = 10
log_days = "LogRetentionDays"
store = true
keys = "verify"
p99_ms = 1000
routes = ["/planned-{number}", "/planned-{number}/{{proxy+}}", "/more-{number}", "/more-{number}/{{proxy+}}"]
limited = {{ Hashing = ["/planned-{number}/hash"] }}
"""


def transformed(template, release):
    document = yaml_parse(template)
    document["Globals"]["Function"]["CodeUri"] = "s3://some-bucket/function.zip"
    document["Resources"]["FoundationDbClient"]["Properties"]["ContentUri"] = "s3://some-bucket/layer.zip"
    translator = Translator({}, Parser(), boto_session=boto3.Session())
    return translator.translate(document, parameter_values={"Release": release})


def ids(document, kind):
    return {name for name, resource in document["Resources"].items() if resource["Type"] == kind}


def check_versions(document, later):
    """Two deploys, which differ in Release only, publish different versions of every function."""
    for name in sorted(ids(document, "AWS::Lambda::Function")):
        pattern = re.compile(f"{name}Version[0-9a-f]+")
        first, second = (set(filter(pattern.fullmatch, ids(one, "AWS::Lambda::Version"))) for one in (document, later))
        if len(first) != 1 or len(second) != 1 or first & second:
            sys.exit(f"{name}: every Release must publish a version of it (AutoPublishCodeSha256: !Ref Release)")


def check_api(template, document):
    """SAM silently drops what it does not understand of these properties."""
    written = yaml_parse(template)["Resources"]["Api"]["Properties"]
    body = document["Resources"]["Api"]["Properties"]["Body"]
    rules = {name[0].lower() + name[1:]: value for name, value in written["CorsConfiguration"]["Fn::If"][1].items()}
    found = body["x-amazon-apigateway-cors"]
    if found != {"Fn::If": ["ApiRespondsToPreflight", rules, {"Ref": "AWS::NoValue"}]}:
        sys.exit(f"Api: SAM turns the CorsConfiguration into {found}")
    extension = "x-amazon-apigateway-endpoint-configuration"
    endpoints = [server[extension]["disableExecuteApiEndpoint"] for server in body["servers"]]
    if endpoints != [written["DisableExecuteApiEndpoint"]]:
        sys.exit(f"Api: SAM turns DisableExecuteApiEndpoint into {endpoints}")


def without_intrinsics(value):
    """The value with CloudFormation's functions and references replaced by a text."""
    if isinstance(value, list):
        return [without_intrinsics(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
        return "known at the deploy"
    return {name: without_intrinsics(item) for name, item in value.items()}


def faults(body):
    """What is wrong with an OpenAPI document: pairs of the place and a sentence."""
    document = without_intrinsics(body)
    # `$default` is API Gateway's own name for all other paths.
    document["paths"] = {path.replace("$default", "/$default"): item for path, item in document["paths"].items()}
    errors = OpenAPIV30SpecValidator(document).iter_errors()
    return [("/".join(map(str, error.absolute_path)), error.message) for error in errors]


def check_body(api):
    """API Gateway imports a document with a server that has no URL, which SAM writes, but warns about it."""
    found = faults(api["Body"])
    warnings = [fault for fault in found if re.fullmatch(r"servers/\d+", fault[0]) and "'url'" in fault[1]]
    for place, message in found:
        if (place, message) not in warnings:
            sys.exit(f"Api: its OpenAPI document has a fault at {place}: {message}")
    if warnings and api.get("FailOnWarnings"):
        sys.exit("Api: with FailOnWarnings, a deploy fails because of the server without a URL that SAM writes")


def check_planned():
    with open(TABLE) as file:
        table = file.read()
    present = len(tomllib.loads(table))
    planned = [PLANNED.format(number=number) for number in range(present, PLANNED_FUNCTIONS)]
    path = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "sam/planned.toml")
    with open(path, "w") as file:
        file.write(table + "".join(planned))
    generator = ["cargo", "run", "--quiet", "--locked", "--bin", "template", path]
    template = subprocess.run(generator, check=True, stdout=subprocess.PIPE, text=True).stdout
    count = len(transformed(template, "0123456789")["Resources"])
    print(f"{PLANNED_FUNCTIONS} functions would have {count} resources, {PLANNED_RESOURCES} at most")
    if count > PLANNED_RESOURCES:
        sys.exit("template.yaml has too many resources for each function: route by group, or split the stack")


def main():
    if sys.argv[1] == "--planned":
        return check_planned()
    with open(sys.argv[1]) as file:
        template = file.read()
    document = transformed(template, "0123456789")
    check_versions(document, transformed(template, "9876543210"))
    check_api(template, document)
    check_body(document["Resources"]["Api"]["Properties"])
    json.dump(document, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
