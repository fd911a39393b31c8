"""Prints a deployed SAM template with the code of one function replaced.

    with_code.py TEMPLATE LOGICAL_ID ZIP RELEASE yes|no

TEMPLATE is the output of `aws cloudformation get-template`. RELEASE identifies the code, so that SAM publishes a
version of it. `no` moves the function's alias immediately instead of gradually.
"""

import json
import sys

from samtranslator.yaml_helper import yaml_parse

template, logical_id, code, release, gradually = sys.argv[1:]
with open(template) as file:
    body = json.load(file)["TemplateBody"]
# A template that was deployed as YAML is a string with CloudFormation's tags, which need SAM's parser.
document = yaml_parse(body) if isinstance(body, str) else body

function = document["Resources"][logical_id]
properties = function["Properties"]
properties["CodeUri"] = code
properties["AutoPublishCodeSha256"] = release
preference = properties.setdefault("DeploymentPreference", {})
preference.pop("Enabled", None)
if gradually == "no":
    preference["Enabled"] = False
json.dump(document, sys.stdout, indent=1)
