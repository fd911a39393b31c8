"""Does to template.yaml what CloudFormation does to it (aws-sam-translator is that program), with code standing in for what is built, and
prints what comes of it, which is a template without SAM. Says and fails if a deploy would not reach a function, or if the API's rules were
lost on the way."""

import json
import os
import re
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # nothing is asked there

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse


def transformed(release):
    with open("template.yaml") as file:
        document = yaml_parse(file.read())
    document["Globals"]["Function"]["CodeUri"] = "s3://some-bucket/function.zip"
    document["Resources"]["FoundationDbClient"]["Properties"]["ContentUri"] = "s3://some-bucket/layer.zip"
    translator = Translator({}, Parser(), boto_session=boto3.Session())
    return translator.translate(document, parameter_values={"Release": release})


def versions(document):
    return {name for name, resource in document["Resources"].items() if resource["Type"] == "AWS::Lambda::Version"}


def functions(document):
    return {name for name, resource in document["Resources"].items() if resource["Type"] == "AWS::Lambda::Function"}


document = transformed("0123456789")
later = transformed("9876543210")
for name in sorted(functions(document)):
    of = [{version for version in versions(one) if re.fullmatch(f"{name}Version[0-9a-f]+", version)} for one in (document, later)]
    if len(of[0]) != 1 or len(of[1]) != 1 or of[0] & of[1]:
        sys.exit(f"{name}: a deploy with another Release has to publish a version of it (AutoPublishCodeSha256: !Ref Release)")

# SAM keeps what it does not understand of these to itself.
with open("template.yaml") as file:
    written = yaml_parse(file.read())["Resources"]["Api"]["Properties"]
body = document["Resources"]["Api"]["Properties"]["Body"]
rules = {name[0].lower() + name[1:]: value for name, value in written["CorsConfiguration"]["Fn::If"][1].items()}
if body["x-amazon-apigateway-cors"] != {"Fn::If": ["HasOrigins", rules, {"Ref": "AWS::NoValue"}]}:
    sys.exit(f"Api: SAM makes {body['x-amazon-apigateway-cors']} of the CorsConfiguration")
endpoints = [server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"] for server in body["servers"]]
if endpoints != [written["DisableExecuteApiEndpoint"]]:
    sys.exit(f"Api: SAM makes {endpoints} of DisableExecuteApiEndpoint")
json.dump(document, sys.stdout, indent=1)
