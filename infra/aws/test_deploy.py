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
    return {"name": "coditect-v5", "status": "UPDATE_COMPLETE", "parameters": {"Architecture": "x86_64"}, "template": TEMPLATE, "resources": resources}


class Case(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        (self.home / "bin").mkdir()
        for program in ["make", "sam"]:
            (self.home / "bin" / program).symlink_to(FAKES / "note")
        (self.home / "bin/aws").symlink_to(FAKES / "aws")
        (self.home / "commands.json").write_text(json.dumps(COMMANDS))
        functions = {
            f"coditect-v5-{name}": {"live": "3", "weights": {}, "revision": "one", "versions": ["1", "2", "3"], "previous": ["2", "1 2"]}
            for name in NAMES
        }
        self.state = {"stack": stack(), "functions": functions, "deployment": None, "calls": []}
        self.auth = functions["coditect-v5-auth"]

    def run_script(self, script, *arguments, **environment):
        (self.home / "state.json").write_text(json.dumps(self.state))
        path = os.pathsep.join([str(self.home / "bin"), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        kept = {key: value for key, value in os.environ.items() if key not in ("STACK", "VERSION", "ARCH", "PARAMETERS", "WATCHED", "WHOLE", "MAKEFLAGS")}
        done = subprocess.run(
            ["sh", str(ROOT / "infra/aws" / script), *arguments],
            env={**kept, "PATH": path, "SAM": "sam", "FAKE_AWS": str(self.home), "CARGO_TARGET_DIR": str(self.home / "target"), **environment},
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
        self.said = done.stdout + done.stderr
        return done.returncode

    def called(self, program):
        return [call for call in self.calls if call[0] == program]

    def changes(self):
        reads = ("DescribeStacks", "ListStackResources", "GetTemplate", "GetAlias", "ListVersionsByFunction", "GetDeploymentGroup")
        return [call[0] for call in self.calls if call[0] not in reads]


class Rollback(Case):
    def shifting(self, *others):
        """A deploy of auth, and of others, is under way."""
        self.state["stack"]["status"] = "UPDATE_IN_PROGRESS"
        self.auth.update(live="2", weights={"3": 0.1}, previous=["2", "1 2"])
        self.state["deployment"] = {"deploymentId": "d-ABCDEF123", "status": "InProgress"}
        for name in ["auth", *others]:
            row = [f"{logical(name)}Version0000000000", f"arn:aws:lambda:eu-central-1:123456789012:function:coditect-v5-{name}:2"]
            self.state["stack"]["resources"].append([*row, "AWS::Lambda::Version", "CREATE_COMPLETE"])

    def test_it_moves_the_alias_of_one_function_to_the_version_before_and_does_nothing_else(self):
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})
        self.assertEqual(self.changes(), ["UpdateAlias"])
        self.assertIn("was at version 3, and is at 2", self.said)

    def test_a_second_time_it_goes_further_back_until_there_is_nothing(self):
        for version in ["2", "1"]:
            self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
            self.assertEqual(self.auth["live"], version)
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("was live before 1 is not known", self.said)
        self.assertEqual(self.changes(), [])

    def test_a_version_that_was_turned_back_is_not_the_one_before(self):
        # An alarm has turned 10 back, 11 was deployed after it.
        self.auth.update(live="11", versions=["2", "9", "10", "11"], previous=["9", "2 9"])
        for version in ["9", "2"]:
            self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
            self.assertEqual(self.auth["live"], version)

    def test_a_deploy_that_was_turned_back_leaves_what_was_before_it(self):
        self.auth.update(live="2", previous=["2", "1 2"])
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "1"}})

    def test_what_was_live_before_is_not_guessed(self):
        for previous in [None, ["3", "3"], ["3", "of somebody else"]]:
            self.auth["previous"] = previous
            self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
            self.assertIn("is not known. VERSION chooses one; it has 1 2 3", self.said)
            self.assertEqual(self.changes(), [])

    def test_a_version_that_is_not_there_any_more_is_named(self):
        self.auth.update(versions=["1", "3"])
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("no version 2; it has 1 3", self.said)
        self.assertEqual(self.changes(), [])

    def test_another_version_can_be_chosen_also_a_newer_one(self):
        self.auth["live"] = "1"
        self.assertEqual(self.run_script("rollback.sh", "auth", VERSION="3"), 0, self.said)
        self.assertEqual(self.auth["live"], "3")

    def test_from_a_chosen_version_the_way_back_is_to_where_it_was(self):
        self.auth.update(versions=["1", "2", "3", "4", "5"], live="5", previous=["4", "1 2 4"])
        for version, environment in [("4", {}), ("3", {"VERSION": "3"}), ("4", {}), ("2", {}), ("5", {"VERSION": "5"}), ("2", {})]:
            self.assertEqual(self.run_script("rollback.sh", "auth", **environment), 0, self.said)
            self.assertEqual(self.auth["live"], version)

    def test_a_version_that_was_not_published_is_refused(self):
        for version in ["4", "$LATEST", ".", "-v"]:
            self.assertNotEqual(self.run_script("rollback.sh", "auth", VERSION=version), 0, version)
            self.assertEqual(self.changes(), [], version)

    def test_who_has_moved_it_meanwhile_is_not_undone(self):
        self.state["meanwhile"] = True
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("auth was not moved. If somebody else", self.said)
        self.assertEqual(self.auth["live"], "3")

    def test_while_requests_are_shifted_it_is_the_shift_that_is_stopped(self):
        self.shifting()
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changes(), ["StopDeployment"])
        self.assertEqual(self.called("StopDeployment")[0][1], {"deploymentId": "d-ABCDEF123", "autoRollbackEnabled": True})
        asked = self.called("GetDeploymentGroup")[0][1]
        self.assertEqual(asked, {"applicationName": "an-application", "deploymentGroupName": "auth-group"})

    def test_a_shift_of_others_too_is_stopped_only_for_all_of_them(self):
        self.shifting("audit", "sessions")
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("is also of audit sessions, and", self.said)
        self.assertEqual(self.changes(), [])
        self.assertEqual(self.run_script("rollback.sh", "auth", WHOLE="yes"), 0, self.said)
        self.assertEqual(self.changes(), ["StopDeployment"])
        self.assertIn("With it go audit sessions.", self.said)

    def test_during_a_deploy_that_may_yet_come_to_it_it_moves_only_if_all_may_be_undone(self):
        self.state["stack"]["status"] = "UPDATE_IN_PROGRESS"
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("may yet come to auth", self.said)
        self.assertEqual(self.changes(), [])
        self.assertEqual(self.run_script("rollback.sh", "auth", WHOLE="yes"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})

    def test_after_a_deploy_it_moves_while_the_stack_is_tidied_up(self):
        self.state["stack"]["status"] = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})

    def test_when_its_own_shift_is_over_it_moves_alone_whatever_others_do(self):
        self.shifting("audit", "sessions")
        self.auth.update(live="3", weights={})
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})
        self.assertEqual(self.changes(), ["UpdateAlias"])

    def test_before_its_own_shift_it_waits(self):
        self.shifting("sessions")
        self.auth.update(live="2", weights={})
        self.state["stack"]["status"] = "UPDATE_IN_PROGRESS"
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertIn("not shifted to it yet", self.said)
        self.assertEqual(self.changes(), [])
        # Not for ever, whatever is left behind.
        self.state["stack"]["status"] = "UPDATE_ROLLBACK_COMPLETE"
        self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "1"}})

    def test_a_shift_that_nobody_is_at_any_more_is_ended(self):
        def without_group():
            self.state["stack"]["resources"] = [row for row in self.state["stack"]["resources"] if row[0] != "AuthFunctionDeploymentGroup"]

        for arrange in [
            lambda: self.state.update(deployment=None),
            lambda: self.state.update(deployment={"deploymentId": "d-ABCDEF123", "status": "Failed"}),
            without_group,
        ]:
            self.auth.update(live="2", weights={"3": 0.1})
            arrange()
            self.assertEqual(self.run_script("rollback.sh", "auth"), 0, self.said)
            self.assertEqual(self.changed["coditect-v5-auth"], {"weights": {}})

    def test_what_is_no_function_and_what_aws_refuses_changes_nothing(self):
        self.assertNotEqual(self.run_script("rollback.sh", "nothing"), 0)
        self.assertEqual(self.calls, [])
        for refused in ["ListStackResources", "GetAlias", "ListVersionsByFunction"]:
            self.state["refuses"] = refused
            self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0, refused)
            self.assertIn("AccessDenied", self.said)
            self.assertEqual(self.changes(), [], refused)
        self.shifting()
        self.state["refuses"] = "GetDeploymentGroup"
        self.assertNotEqual(self.run_script("rollback.sh", "auth"), 0)
        self.assertEqual(self.changes(), [])


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

    def test_it_writes_down_what_was_live_for_rollbacks(self):
        self.state["functions"]["coditect-v5-sessions"]["previous"] = None
        self.assertEqual(self.run_script("deploy.sh", "all"), 0, self.said)
        self.assertEqual({tuple(function["previous"]) for function in self.state["functions"].values()}, {("3", "1 2 3"), ("3", "3")})
        self.assertEqual([call[0] for call in self.calls][-1], "sam")

    def test_an_alarm_that_rings_is_passed_by_and_the_next_one_is_asked_again(self):
        for environment, watched in [({"WATCHED": "no"}, "Watched=no"), ({}, "Watched=yes")]:
            self.assertEqual(self.run_script("deploy.sh", "all", **environment), 0, self.said)
            self.assertIn(watched, self.called("sam")[1])
        self.assertNotEqual(self.run_script("deploy.sh", "all", WATCHED="on"), 0)
        self.assertEqual(self.calls, [])


class WhatThereIs(Case):
    """Both kinds of deploys."""

    def test_who_is_not_signed_in_is_told_so_and_not_that_nothing_is_deployed(self):
        self.state.update(refuses="DescribeStacks", why="Error loading SSO Token: Token for x does not exist")
        for what in ["all", "auth"]:
            self.assertNotEqual(self.run_script("deploy.sh", what), 0)
            self.assertIn("Error loading SSO Token", self.said)
            self.assertEqual(self.changes(), [])

    def test_another_architecture_meanwhile_is_not_deployed_to(self):
        for what in ["all", "auth"]:
            self.state["stack"]["parameters"]["Architecture"] = "x86_64"
            self.state["while_building"] = [[["stack", "parameters", "Architecture"], "arm64"]]
            self.assertNotEqual(self.run_script("deploy.sh", what), 0)
            self.assertIn("somebody else has changed coditect-v5 to arm64, and it was x86_64", self.said)
            self.assertFalse(any("deploy" in call for call in self.called("sam")))

    def test_what_can_not_be_written_down_for_a_rollback_is_not_deployed(self):
        for previous, refused in [(None, "CreateAlias"), (["2", "1 2"], "UpdateAlias")]:
            for what in ["all", "auth"]:
                self.auth["previous"] = previous
                self.state["refuses"] = refused
                self.assertNotEqual(self.run_script("deploy.sh", what), 0)
                self.assertIn("AccessDenied", self.said)
                self.assertFalse(any("deploy" in call for call in self.called("sam")))

    def refused(self, text, **environment):
        for what in ["all", "auth"]:
            self.assertNotEqual(self.run_script("deploy.sh", what, **environment), 0, what)
            self.assertIn(text, self.said)
            self.assertEqual(self.changes(), [])

    def test_one_deploy_at_a_time(self):
        for status in ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "CREATE_IN_PROGRESS"]:
            self.state["stack"]["status"] = status
            self.refused(f"is being changed ({status})")

    def test_what_can_not_be_deployed_to_is_told_with_the_way_out(self):
        self.state["stack"]["parameters"] = {}
        for status in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"]:
            self.state["stack"]["status"] = status
            self.refused("aws cloudformation delete-stack --stack-name coditect-v5")
        self.state["stack"]["status"] = "UPDATE_ROLLBACK_FAILED"
        self.refused("continue-update-rollback")

    def test_after_what_was_undone_deploys_go_on(self):
        for status in ["UPDATE_ROLLBACK_COMPLETE", "CREATE_COMPLETE", "UPDATE_FAILED"]:
            self.state["stack"]["status"] = status
            for what in ["all", "auth"]:
                self.assertEqual(self.run_script("deploy.sh", what), 0, self.said)

    def test_a_name_without_a_stack_is_none_yet(self):
        self.state["stack"].update(status="REVIEW_IN_PROGRESS", parameters={}, resources=[])
        self.assertEqual(self.run_script("deploy.sh", "all"), 0, self.said)
        self.assertIn("Architecture=arm64", self.called("sam")[1])
        self.assertNotEqual(self.run_script("deploy.sh", "auth"), 0)
        self.assertIn("not deployed yet", self.said)

    def test_a_stack_of_something_else_is_left_alone(self):
        for parameters in [{}, {"Other": "x86_64"}]:
            self.state["stack"]["parameters"] = parameters
            self.refused("it has no parameter Architecture")

    def test_what_another_begins_while_it_builds_is_seen(self):
        for what in ["all", "auth"]:
            self.state["while_building"] = [[["stack", "status"], "UPDATE_IN_PROGRESS"]]
            self.assertNotEqual(self.run_script("deploy.sh", what), 0)
            self.assertIn("is being changed", self.said)
            self.assertEqual([call[1] for call in self.called("sam") if call[1] == "deploy"], [])
            self.state["stack"]["status"] = "UPDATE_COMPLETE"

    def test_what_is_turned_back_while_it_builds_is_seen(self):
        self.state["while_building"] = [[["functions", "coditect-v5-auth", "live"], "2"]]
        self.assertNotEqual(self.run_script("deploy.sh", "all"), 0)
        self.assertIn("auth was turned back", self.said)
        self.assertEqual([call[1] for call in self.called("sam")], ["build"])

        self.auth["live"] = "3"
        self.state["while_building"] = [[["functions", "coditect-v5-auth", "live"], "2"]]
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        self.assertIn("at once", self.said)
        self.assertEqual(self.auth["previous"], ["2", "1 2"])


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
        self.assertEqual(self.changes(), ["make", "UpdateAlias", "sam"])
        self.assertEqual(list(self.changed), ["coditect-v5-auth"])

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

    def test_it_writes_down_what_was_live_for_a_rollback(self):
        self.auth["versions"] = ["1", "2", "3", "4", "5", "6"]
        # 4 took over, an alarm turned 5 back, 6 took over and was turned back by hand.
        for live, deployed, previous in [("3", "3", "1 2 3"), ("4", "4", "1 2 3 4"), ("4", "4", "1 2 3 4"), ("6", "6", "1 2 3 4 6"), ("3", "6", "1 2 3")]:
            self.auth["live"] = live
            rows = self.state["stack"]["resources"]
            rows[[row[0] for row in rows].index("AuthFunctionVersion9876543210")][1] = f"arn:coditect-v5-auth:{deployed}"
            self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
            self.assertEqual(self.auth["previous"], [live, previous])

    def test_what_it_writes_down_is_never_too_long_and_may_be_the_first(self):
        for before, after in [(None, ["3", "3"]), (["999", " ".join(map(str, range(900, 1000)))], ["3", " ".join(map(str, [*range(981, 1000), 3]))])]:
            self.auth["previous"] = before
            self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
            self.assertEqual(self.auth["previous"], after)

    def test_another_function_that_was_turned_back_is_none_of_its_business(self):
        self.state["functions"]["coditect-v5-sessions"]["live"] = "2"
        self.assertEqual(self.run_script("deploy.sh", "auth"), 0, self.said)
        self.assertNotIn("Enabled", self.deployed()["Resources"]["AuthFunction"]["Properties"]["DeploymentPreference"])

    def test_parameters_are_not_its_business(self):
        self.assertNotEqual(self.run_script("deploy.sh", "auth", PARAMETERS="PasswordPolicy=basic"), 0)
        self.assertIn("deploys code alone", self.said)
        self.assertEqual(self.calls, [])

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
