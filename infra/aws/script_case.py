"""Runs the deployment scripts against stand-ins for aws, sam and make (fakes/)."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKES = ROOT / "infra/aws/fakes"
NAMES = sorted(path.parent.name for path in ROOT.glob("functions/*/Cargo.toml"))
TEMPLATE = (ROOT / "template.yaml").read_text()
SERVICES = {"cloudformation": "cloudformation", "lambda": "lambda", "deploy": "codedeploy"}
VARIABLES = ("STACK", "VERSION", "ARCH", "PARAMETERS", "WATCHED", "WHOLE", "MAKEFLAGS")
READS = (
    "DescribeStacks",
    "ListStackResources",
    "GetTemplate",
    "GetAlias",
    "ListVersionsByFunction",
    "GetDeploymentGroup",
)


@functools.cache
def cli_commands():
    """The CLI's commands, from the service models that the real CLI is built on."""
    from botocore import xform_name
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    def choices(shape):
        return getattr(shape.member if shape.type_name == "list" else shape, "enum", [])

    commands = {}
    for service, name in SERVICES.items():
        model = ServiceModel(Loader().load_service_model(name, "service-2"), name)
        for operation in map(model.operation_model, model.operation_names):
            members = operation.input_shape.members if operation.input_shape else {}
            options = {xform_name(key, "-"): (key, shape.type_name, choices(shape)) for key, shape in members.items()}
            commands.setdefault(service, {})[xform_name(operation.name, "-")] = {
                "operation": operation.name,
                "options": options,
                "required": operation.input_shape.required_members if operation.input_shape else [],
                "response": list(operation.output_shape.members) if operation.output_shape else [],
            }
    return json.dumps(commands)


def logical(name):
    return name.title().replace("-", "") + "Function"


def stack():
    """A stack after three deploys; every function has three versions."""
    resources = [
        ["ServerlessDeploymentApplication", "an-application", "AWS::CodeDeploy::Application", "CREATE_COMPLETE"],
    ]
    for name in NAMES:
        function = f"coditect-v5-{name}"
        arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{function}"
        group = "AWS::CodeDeploy::DeploymentGroup"
        resources += [
            [logical(name), function, "AWS::Lambda::Function", "UPDATE_COMPLETE"],
            [f"{logical(name)}Version0123456789", f"{arn}:2", "AWS::Lambda::Version", "DELETE_SKIPPED"],
            [f"{logical(name)}Version9876543210", f"{arn}:3", "AWS::Lambda::Version", "CREATE_COMPLETE"],
            [f"{logical(name)}DeploymentGroup", f"{name}-group", group, "CREATE_COMPLETE"],
        ]
    return {
        "name": "coditect-v5",
        "status": "UPDATE_COMPLETE",
        "parameters": {"Architecture": "x86_64"},
        "template": TEMPLATE,
        "resources": resources,
    }


class ScriptCase(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        (self.home / "bin").mkdir()
        for program in ["make", "sam"]:
            (self.home / "bin" / program).symlink_to(FAKES / "note")
        (self.home / "bin/aws").symlink_to(FAKES / "aws")
        (self.home / "commands.json").write_text(cli_commands())
        functions = {
            f"coditect-v5-{name}": {
                "live": "3",
                "weights": {},
                "revision": "one",
                "versions": ["1", "2", "3"],
                "previous": ["2", "1 2"],
            }
            for name in NAMES
        }
        self.state = {"stack": stack(), "functions": functions, "deployment": None, "calls": []}
        self.auth = functions["coditect-v5-auth"]

    def run_script(self, script, *arguments, **environment):
        """Runs a script and returns its exit status. `calls`, `changed` and `output` hold what it did."""
        (self.home / "state.json").write_text(json.dumps(self.state))
        folders = [str(self.home / "bin"), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
        kept = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        own = {
            "PATH": os.pathsep.join(folders),
            "SAM": "sam",
            "FAKE_AWS": str(self.home),
            "CARGO_TARGET_DIR": str(self.home / "target"),
        }
        done = subprocess.run(
            ["sh", str(ROOT / "infra/aws" / script), *arguments],
            env={**kept, **own, **environment},
            capture_output=True,
            text=True,
        )
        before, self.state = self.state, json.loads((self.home / "state.json").read_text())
        self.calls, self.state["calls"] = self.state["calls"], []
        self.changed = {
            key: {what: value for what, value in new.items() if value != before["functions"][key][what]}
            for key, new in self.state["functions"].items()
            if new != before["functions"][key]
        }
        self.auth = self.state["functions"]["coditect-v5-auth"]
        self.output = done.stdout + done.stderr
        return done.returncode

    def succeeds(self, script, *arguments, **environment):
        self.assertEqual(self.run_script(script, *arguments, **environment), 0, self.output)

    def fails(self, script, *arguments, **environment):
        self.assertNotEqual(self.run_script(script, *arguments, **environment), 0, self.output)

    def called(self, program):
        return [call for call in self.calls if call[0] == program]

    def changes(self):
        """The calls that change something."""
        return [call[0] for call in self.calls if call[0] not in READS]

    def remove_auth(self):
        """Removes the resources of auth from the stack."""
        resources = self.state["stack"]["resources"]
        self.state["stack"]["resources"] = [row for row in resources if not row[0].startswith("Auth")]
