"""The scripts that deploy and turn back, against stand-ins for aws, sam and make (fakes/)."""

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
COMMANDS = {}


def setUpModule():
    """What the CLI knows, from the models of the services that it is made of."""
    from botocore import xform_name
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    for service, model_name in {"cloudformation": "cloudformation", "lambda": "lambda", "deploy": "codedeploy"}.items():
        model = ServiceModel(Loader().load_service_model(model_name, "service-2"), model_name)
        commands = COMMANDS[service] = {}
        for operation in map(model.operation_model, model.operation_names):
            members = operation.input_shape.members if operation.input_shape else {}
            commands[xform_name(operation.name, "-")] = {
                "operation": operation.name,
                "options": {xform_name(name, "-"): (name, shape.type_name, choices(shape)) for name, shape in members.items()},
                "required": operation.input_shape.required_members if operation.input_shape else [],
                "answer": list(operation.output_shape.members) if operation.output_shape else [],
            }


def choices(shape):
    return getattr(shape.member if shape.type_name == "list" else shape, "enum", [])


def logical(name):
    return name.title().replace("-", "") + "Function"


def stack():
    """A stack that was deployed once for each of three versions of every function."""
    resources = [["ServerlessDeploymentApplication", "an-application", "AWS::CodeDeploy::Application", "CREATE_COMPLETE"]]
    for name in NAMES:
        function = f"coditect-v5-{name}"
        arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{function}"
        resources += [
            [logical(name), function, "AWS::Lambda::Function", "UPDATE_COMPLETE"],
            [f"{logical(name)}Version0123456789", f"{arn}:2", "AWS::Lambda::Version", "DELETE_SKIPPED"],
            [f"{logical(name)}Version9876543210", f"{arn}:3", "AWS::Lambda::Version", "CREATE_COMPLETE"],
            [f"{logical(name)}DeploymentGroup", f"{name}-group", "AWS::CodeDeploy::DeploymentGroup", "CREATE_COMPLETE"],
        ]
    return {"name": "coditect-v5", "parameters": {"Architecture": "x86_64"}, "template": TEMPLATE, "resources": resources}


class Case(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        (self.home / "bin").mkdir()
        for program in ["make", "sam"]:
            (self.home / "bin" / program).symlink_to(FAKES / "note")
        (self.home / "bin/aws").symlink_to(FAKES / "aws")
        (self.home / "commands.json").write_text(json.dumps(COMMANDS))
        functions = {f"coditect-v5-{name}": {"live": "3", "weights": {}, "versions": ["1", "2", "3"]} for name in NAMES}
        self.state = {"stack": stack(), "functions": functions, "shifting": [], "calls": []}
        self.auth = functions["coditect-v5-auth"]

    def run_script(self, script, *arguments, **environment):
        (self.home / "state.json").write_text(json.dumps(self.state))
        path = os.pathsep.join([str(self.home / "bin"), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        kept = {key: value for key, value in os.environ.items() if key not in ("STACK", "VERSION", "ARCH", "PARAMETERS", "WATCHED", "MAKEFLAGS")}
        done = subprocess.run(
            ["sh", str(ROOT / "infra/aws" / script), *arguments],
            env={**kept, "PATH": path, "SAM": "sam", "FAKE_AWS": str(self.home), "CARGO_TARGET_DIR": str(self.home / "target"), **environment},
            capture_output=True,
            text=True,
        )
        before, self.state = self.state, json.loads((self.home / "state.json").read_text())
        self.calls, self.state["calls"] = self.state["calls"], []
        self.changed = {key: new for key, new in self.state["functions"].items() if new != before["functions"][key]}
        self.said = done.stdout + done.stderr
        return done.returncode

    def called(self, program):
        return [call for call in self.calls if call[0] == program]

    def changes(self):
        reads = ("DescribeStacks", "ListStackResources", "GetTemplate", "GetAlias", "ListVersionsByFunction", "ListDeployments")
        return [call[0] for call in self.calls if call[0] not in reads]


class Rollback(Case):
    def test_it_moves_the_alias_of_one_function_to_the_version_before_and_does_nothing_else(self):
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2", "weights": {}, "versions": ["1", "2", "3"]}})
        self.assertEqual(self.changes(), ["UpdateAlias"])
        self.assertIn("was at version 3, and is at 2", self.said)

    def test_a_second_time_it_goes_further_back_until_there_is_nothing(self):
        for version in ["2", "1"]:
            self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
            self.assertEqual(self.state["functions"]["coditect-v5-auth"]["live"], version)
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("no version before 1", self.said)
        self.assertEqual(self.changes(), [])

    def test_versions_are_numbers_and_not_texts(self):
        self.auth.update(live="10", versions=["9", "10", "2"])
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed["coditect-v5-auth"]["live"], "9")

    def test_another_version_can_be_chosen_also_a_newer_one(self):
        self.auth["live"] = "1"
        self.assertEqual(self.run_script("rollback.sh", "auth", VERSION="3"), 0, self.said)
        self.assertEqual(self.changed["coditect-v5-auth"]["live"], "3")

    def test_a_version_that_was_not_published_is_refused(self):
        for version in ["4", "$LATEST", ".", "-v"]:
            self.assertNotEqual(self.run_script("rollback.sh", "auth", VERSION=version), 0, version)
            self.assertEqual(self.changes(), [], version)

    def test_while_requests_are_shifted_it_is_the_shift_that_is_stopped(self):
        self.auth.update(live="2", weights={"3": 0.1})
        self.state["shifting"] = ["d-ABCDEF123"]
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changes(), ["StopDeployment"])
        self.assertEqual(self.called("StopDeployment")[0][1], {"deploymentId": "d-ABCDEF123", "autoRollbackEnabled": True})
        asked = self.called("ListDeployments")[0][1]
        self.assertEqual((asked["applicationName"], asked["deploymentGroupName"]), ("an-application", "auth-group"))

    def test_a_shift_that_nobody_is_at_any_more_is_ended(self):
        self.auth.update(live="2", weights={"3": 0.1})
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed["coditect-v5-auth"], {"live": "2", "weights": {}, "versions": ["1", "2", "3"]})

    def test_what_is_no_function_and_what_aws_refuses_changes_nothing(self):
        self.assertNotEqual(self.run_script("rollback.sh", "nothing"), 0)
        self.assertEqual(self.calls, [])
        for refused in ["ListStackResources", "GetAlias", "ListVersionsByFunction"]:
            self.state["refuses"] = refused
            self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0, refused)
            self.assertIn("AccessDenied", self.said)
            self.assertEqual(self.changes(), [], refused)


class DeployAll(Case):
    def test_the_first_deploy_needs_no_stack(self):
        self.state["stack"] = None
        # The last is a pattern of a file that is there.
        parameters = "FdbCluster=a:b@10.0.0.1:4500 CorsAllowedOrigins=* [M]akefile"
        self.assertEqual(self.run_script("deploy.sh", "all", PARAMETERS=parameters), 0, self.said)
        build, deploy = self.called("sam")
        self.assertEqual(build[1], "build")
        self.assertIn("Architecture=arm64", build)
        given = deploy[deploy.index("--parameter-overrides") + 1 :]
        self.assertEqual((given[0], given[2:]), ("Architecture=arm64", ["Watched=yes", *parameters.split()]))
        self.assertRegex(given[1], "^Release=[0-9a-f]{10,64}$")

    def test_later_ones_keep_the_architecture_and_have_a_name_of_their_own(self):
        names = []
        for _ in range(2):
            self.assertEqual(self.run_script("deploy.sh", "all"), 0, self.said)
            deploy = self.called("sam")[1]
            self.assertIn("Architecture=x86_64", deploy)
            # SAM looks at no more of it.
            names.append(next(given for given in deploy if str(given).startswith("Release="))[:18])
        self.assertNotEqual(*names)

    def test_a_function_that_was_turned_back_stops_it_and_is_named(self):
        self.auth["live"] = "2"
        self.assertNotEqual(self.run_script("deploy.sh", "all"), 0)
        self.assertIn("auth was turned back: its alias is at version 2, and the last deploy put it at 3", self.said)
        self.assertIn("make deploy-auth\n", self.said)
        self.assertEqual(self.called("sam"), [])

    def test_a_function_that_is_new_does_not_stop_it(self):
        self.state["stack"]["resources"] = [row for row in self.state["stack"]["resources"] if not row[0].startswith("Auth")]
        self.assertEqual(self.run_script("deploy.sh", "all"), 0, self.said)
        self.assertEqual(len(self.called("sam")), 2)

    def test_what_aws_refuses_deploys_nothing(self):
        for refused in ["DescribeStacks", "ListStackResources", "GetAlias"]:
            self.state["refuses"] = refused
            self.assertNotEqual(self.run_script("deploy.sh", "all"), 0, refused)
            self.assertIn("AccessDenied", self.said)
            self.assertEqual(self.called("sam"), [], refused)

    def test_an_alarm_that_rings_is_passed_by_and_the_next_one_is_asked_again(self):
        for environment, watched in [({"WATCHED": "no"}, "Watched=no"), ({}, "Watched=yes")]:
            self.assertEqual(self.run_script("deploy.sh", "all", **environment), 0, self.said)
            self.assertIn(watched, self.called("sam")[1])
        self.assertNotEqual(self.run_script("deploy.sh", "all", WATCHED="on"), 0)
        self.assertEqual(self.calls, [])


class DeployOne(Case):
    def template_of(self, call):
        self.assertEqual(call[1], "deploy")
        # An earlier deploy of everything may have asked no alarm.
        self.assertEqual(call[call.index("--parameter-overrides") + 1 : -1], ["Watched=yes"])
        return call[-1]

    def deployed(self):
        return self.template_of(self.called("sam")[0])

    def test_it_changes_the_code_of_that_function_and_nothing_else_of_what_is_deployed(self):
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        self.assertEqual(self.called("make"), [["make", "build-auth", "ARCH=x86_64"]])
        self.assertEqual(self.changes(), ["make", "sam"])

        from samtranslator.yaml_helper import yaml_parse

        before, after = yaml_parse(TEMPLATE), self.deployed()
        old, new = (document["Resources"].pop("AuthFunction") for document in (before, after))
        self.assertEqual(after, before)
        properties = new["Properties"]
        self.assertEqual(properties.pop("CodeUri"), str(self.home / "target/lambda/x86_64/auth/bootstrap.zip"))
        self.assertRegex(properties.pop("AutoPublishCodeSha256"), "^[0-9a-f]{10,64}$")
        del old["Properties"]["AutoPublishCodeSha256"]
        self.assertEqual(new, old)

    def test_after_a_rollback_it_takes_over_at_once_and_the_next_one_gradually_again(self):
        self.auth["live"] = "2"
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        self.assertIn("at once", self.said)
        deployed = self.deployed()
        self.assertIs(deployed["Resources"]["AuthFunction"]["Properties"]["DeploymentPreference"]["Enabled"], False)
        self.assertNotIn("Enabled", deployed["Resources"]["SessionsFunction"]["Properties"]["DeploymentPreference"])

        self.state["functions"]["coditect-v5-auth"]["live"] = "3"
        self.state["stack"]["template"] = deployed
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        self.assertNotIn("Enabled", self.deployed()["Resources"]["AuthFunction"]["Properties"]["DeploymentPreference"])

    def test_an_alarm_that_rings_is_passed_by_at_once_and_the_next_one_is_asked_again(self):
        self.assertEqual(self.run_script("deploy.sh", "auth", WATCHED="no"), 0, self.said)
        self.assertIn("at once", self.said)
        deployed = self.deployed()
        self.assertIs(deployed["Resources"]["AuthFunction"]["Properties"]["DeploymentPreference"]["Enabled"], False)
        self.assertNotIn("Enabled", deployed["Resources"]["SessionsFunction"]["Properties"]["DeploymentPreference"])

        self.state["stack"]["template"] = deployed
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        preference = self.deployed()["Resources"]["AuthFunction"]["Properties"]["DeploymentPreference"]
        self.assertEqual(list(preference), ["Alarms"])

    def test_another_function_that_was_turned_back_is_none_of_its_business(self):
        self.state["functions"]["coditect-v5-sessions"]["live"] = "2"
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        self.assertNotIn("Enabled", self.deployed()["Resources"]["AuthFunction"]["Properties"]["DeploymentPreference"])

    def test_what_is_not_deployed_yet_is_refused(self):
        self.state["stack"]["resources"] = [row for row in self.state["stack"]["resources"] if not row[0].startswith("Auth")]
        self.assertNotEqual(self.run_script("deploy.sh", "auth"), 0)
        self.assertIn("make deploy", self.said)
        self.state["stack"] = None
        self.assertNotEqual(self.run_script("deploy.sh", "auth"), 0)
        self.assertNotEqual(self.run_script("deploy.sh", "nothing"), 0)
        self.assertEqual(self.changes(), [])

    def test_what_aws_refuses_deploys_nothing(self):
        for refused in ["DescribeStacks", "ListStackResources", "GetAlias", "GetTemplate"]:
            self.state["refuses"] = refused
            self.assertNotEqual(self.run_script("deploy.sh", "auth"), 0, refused)
            self.assertEqual(self.called("sam"), [], refused)


if __name__ == "__main__":
    unittest.main()
