"""Prints a deployed SAM template with one function's code in place of the one there: with_code.py TEMPLATE LOGICAL_ID ZIP RELEASE yes|no

TEMPLATE is the answer of `aws cloudformation get-template`. RELEASE names the code, so that a version is published of it; `no` has the
function's alias moved at once instead of gradually.
"""

import json
import sys

from samtranslator.yaml_helper import yaml_parse

template, logical_id, code, release, gradually = sys.argv[1:]
with open(template) as file:
    body = json.load(file)["TemplateBody"]
# A template that was deployed as YAML comes as a text, with the tags that a YAML parser has to be told of.
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
