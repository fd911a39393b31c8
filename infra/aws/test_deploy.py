"""deploy.sh, against stand-ins for the CLIs (fakes/)."""

import unittest

from script_case import TEMPLATE, ScriptCase


class DeployAll(ScriptCase):
    def deploy(self, **environment):
        self.succeeds("deploy.sh", "all", **environment)

    def rejects(self, **environment):
        self.fails("deploy.sh", "all", **environment)

    def test_the_first_deploy_needs_no_stack(self):
        self.state["stack"] = None
        # The last one is a pattern that matches a file.
        parameters = "FdbCluster=a:b@10.0.0.1:4500 CorsAllowedOrigins=* [M]akefile"
        self.deploy(PARAMETERS=parameters)
        build, deploy = self.called("sam")
        self.assertEqual(build[1], "build")
        self.assertIn("Architecture=arm64", build)
        given = deploy[deploy.index("--parameter-overrides") + 1 :]
        self.assertEqual((given[0], given[2:]), ("Architecture=arm64", ["Watched=yes", *parameters.split()]))
        self.assertRegex(given[1], "^Release=[0-9a-f]{10,64}$")

    def test_later_deploys_keep_the_architecture_and_have_different_releases(self):
        releases = []
        for _ in range(2):
            self.deploy()
            deploy = self.called("sam")[1]
            self.assertIn("Architecture=x86_64", deploy)
            # SAM compares ten digits.
            releases.append(next(given for given in deploy if str(given).startswith("Release="))[:18])
        self.assertNotEqual(*releases)

    def test_rejects_and_names_a_function_that_was_rolled_back(self):
        self.auth["live"] = "2"
        self.rejects()
        self.assertIn("auth was rolled back: its alias is at version 2, and the last deploy put it at 3", self.output)
        self.assertIn("make deploy-auth\n", self.output)
        self.assertEqual(self.called("sam"), [])

    def test_deploys_a_new_function(self):
        self.remove_auth()
        self.deploy()
        self.assertEqual(len(self.called("sam")), 2)

    def test_deploys_nothing_after_an_error_of_aws(self):
        for denied in ["DescribeStacks", "ListStackResources", "GetAlias"]:
            self.state["denied"] = denied
            self.rejects()
            self.assertIn("AccessDenied", self.output)
            self.assertEqual(self.called("sam"), [], denied)

    def test_records_the_live_versions_for_rollbacks(self):
        self.state["functions"]["coditect-v5-sessions"]["previous"] = None
        self.deploy()
        recorded = {tuple(function["previous"]) for function in self.state["functions"].values()}
        self.assertEqual(recorded, {("3", "1 2 3"), ("3", "3")})
        self.assertEqual([call[0] for call in self.calls][-1], "sam")

    def test_watched_no_ignores_alarms_for_one_deploy(self):
        for environment, watched in [({"WATCHED": "no"}, "Watched=no"), ({}, "Watched=yes")]:
            self.deploy(**environment)
            self.assertIn(watched, self.called("sam")[1])
        self.rejects(WATCHED="on")
        self.assertEqual(self.calls, [])


class StackState(ScriptCase):
    """What a deploy of everything and a deploy of one function have in common."""

    def rejects(self, text, **environment):
        for what in ["all", "auth"]:
            self.fails("deploy.sh", what, **environment)
            self.assertIn(text, self.output)
            self.assertEqual(self.changes(), [])

    def test_reports_a_missing_login_instead_of_a_missing_stack(self):
        self.state.update(denied="DescribeStacks", reason="Error loading SSO Token: Token for x does not exist")
        self.rejects("Error loading SSO Token")

    def test_rejects_an_architecture_that_changed_during_the_build(self):
        for what in ["all", "auth"]:
            self.state["stack"]["parameters"]["Architecture"] = "x86_64"
            self.state["while_building"] = [[["stack", "parameters", "Architecture"], "arm64"]]
            self.fails("deploy.sh", what)
            self.assertIn("another deploy changed coditect-v5 from x86_64 to arm64", self.output)
            self.assertFalse(any("deploy" in call for call in self.called("sam")))

    def test_deploys_nothing_if_the_live_version_cannot_be_recorded(self):
        for previous, denied in [(None, "CreateAlias"), (["2", "1 2"], "UpdateAlias")]:
            for what in ["all", "auth"]:
                self.auth["previous"] = previous
                self.state["denied"] = denied
                self.fails("deploy.sh", what)
                self.assertIn("AccessDenied", self.output)
                self.assertFalse(any("deploy" in call for call in self.called("sam")))

    def test_one_deploy_runs_at_a_time(self):
        for status in [
            "UPDATE_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "CREATE_IN_PROGRESS",
        ]:
            self.state["stack"]["status"] = status
            self.rejects(f"is being changed ({status})")

    def test_names_the_remedy_for_a_stack_that_cannot_be_deployed_to(self):
        self.state["stack"]["parameters"] = {}
        for status in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"]:
            self.state["stack"]["status"] = status
            self.rejects("aws cloudformation delete-stack --stack-name coditect-v5")
        self.state["stack"]["status"] = "UPDATE_ROLLBACK_FAILED"
        self.rejects("continue-update-rollback")

    def test_deploys_after_a_rollback_of_the_stack(self):
        for status in ["UPDATE_ROLLBACK_COMPLETE", "CREATE_COMPLETE", "UPDATE_FAILED"]:
            self.state["stack"]["status"] = status
            for what in ["all", "auth"]:
                self.succeeds("deploy.sh", what)

    def test_treats_a_stack_without_resources_as_not_deployed(self):
        self.state["stack"].update(status="REVIEW_IN_PROGRESS", parameters={}, resources=[])
        self.succeeds("deploy.sh", "all")
        self.assertIn("Architecture=arm64", self.called("sam")[1])
        self.fails("deploy.sh", "auth")
        self.assertIn("not deployed yet", self.output)

    def test_rejects_a_stack_of_another_template(self):
        for parameters in [{}, {"Other": "x86_64"}]:
            self.state["stack"]["parameters"] = parameters
            self.rejects("it has no parameter Architecture")

    def test_rejects_a_deploy_that_started_during_the_build(self):
        for what in ["all", "auth"]:
            self.state["while_building"] = [[["stack", "status"], "UPDATE_IN_PROGRESS"]]
            self.fails("deploy.sh", what)
            self.assertIn("is being changed", self.output)
            self.assertEqual([call[1] for call in self.called("sam") if call[1] == "deploy"], [])
            self.state["stack"]["status"] = "UPDATE_COMPLETE"

    def test_notices_a_rollback_during_the_build(self):
        self.state["while_building"] = [[["functions", "coditect-v5-auth", "live"], "2"]]
        self.fails("deploy.sh", "all")
        self.assertIn("auth was rolled back", self.output)
        self.assertEqual([call[1] for call in self.called("sam")], ["build"])

        self.auth["live"] = "3"
        self.state["while_building"] = [[["functions", "coditect-v5-auth", "live"], "2"]]
        self.succeeds("deploy.sh", "auth")
        self.assertIn("at once", self.output)
        self.assertEqual(self.auth["previous"], ["2", "1 2"])


class DeployOne(ScriptCase):
    def deploy(self, **environment):
        self.succeeds("deploy.sh", "auth", **environment)

    def deployed(self):
        """The template that SAM received."""
        call = self.called("sam")[0]
        self.assertEqual(call[1], "deploy")
        # The last deploy of everything may have turned the alarms off.
        self.assertEqual(call[call.index("--parameter-overrides") + 1 : -1], ["Watched=yes"])
        return call[-1]

    def preference(self, function):
        return self.deployed()["Resources"][function]["Properties"]["DeploymentPreference"]

    def test_changes_the_code_of_one_function_and_nothing_else_in_the_deployed_template(self):
        self.deploy()
        self.assertEqual(self.called("make"), [["make", "build-auth", "ARCH=x86_64"]])
        self.assertEqual(self.changes(), ["make", "UpdateAlias", "sam"])
        self.assertEqual(list(self.changed), ["coditect-v5-auth"])

        from samtranslator.yaml_helper import yaml_parse

        before, after = yaml_parse(TEMPLATE), self.deployed()
        old, new = (document["Resources"].pop("AuthFunction") for document in (before, after))
        self.assertEqual(after, before)
        properties = new["Properties"]
        code = str(self.home / "target/lambda/x86_64/auth/bootstrap.zip")
        self.assertEqual(properties.pop("CodeUri"), code)
        self.assertRegex(properties.pop("AutoPublishCodeSha256"), "^[0-9a-f]{10,64}$")
        del old["Properties"]["AutoPublishCodeSha256"]
        self.assertEqual(new, old)

    def test_takes_over_at_once_after_a_rollback_and_gradually_the_next_time(self):
        self.auth["live"] = "2"
        self.deploy()
        self.assertIn("at once", self.output)
        self.assertIs(self.preference("AuthFunction")["Enabled"], False)
        self.assertNotIn("Enabled", self.preference("SessionsFunction"))

        self.state["functions"]["coditect-v5-auth"]["live"] = "3"
        self.state["stack"]["template"] = self.deployed()
        self.deploy()
        self.assertNotIn("Enabled", self.preference("AuthFunction"))

    def test_watched_no_takes_over_at_once_for_one_deploy(self):
        self.deploy(WATCHED="no")
        self.assertIn("at once", self.output)
        self.assertIs(self.preference("AuthFunction")["Enabled"], False)
        self.assertNotIn("Enabled", self.preference("SessionsFunction"))

        self.state["stack"]["template"] = self.deployed()
        self.deploy()
        self.assertEqual(list(self.preference("AuthFunction")), ["Alarms"])

    def test_records_the_live_version_for_a_rollback(self):
        self.auth["versions"] = ["1", "2", "3", "4", "5", "6"]
        # 4 took over, an alarm rolled 5 back, 6 took over and was rolled back by hand.
        for live, deployed, previous in [
            ("3", "3", "1 2 3"),
            ("4", "4", "1 2 3 4"),
            ("4", "4", "1 2 3 4"),
            ("6", "6", "1 2 3 4 6"),
            ("3", "6", "1 2 3"),
        ]:
            self.auth["live"] = live
            rows = self.state["stack"]["resources"]
            row = [row[0] for row in rows].index("AuthFunctionVersion9876543210")
            rows[row][1] = f"arn:coditect-v5-auth:{deployed}"
            self.deploy()
            self.assertEqual(self.auth["previous"], [live, previous])

    def test_the_record_starts_empty_and_keeps_twenty_versions(self):
        full = ["999", " ".join(map(str, range(900, 1000)))]
        trimmed = ["3", " ".join(map(str, [*range(981, 1000), 3]))]
        for before, after in [(None, ["3", "3"]), (full, trimmed)]:
            self.auth["previous"] = before
            self.deploy()
            self.assertEqual(self.auth["previous"], after)

    def test_ignores_a_rollback_of_another_function(self):
        self.state["functions"]["coditect-v5-sessions"]["live"] = "2"
        self.deploy()
        self.assertNotIn("Enabled", self.preference("AuthFunction"))

    def test_rejects_parameters(self):
        self.fails("deploy.sh", "auth", PARAMETERS="PasswordPolicy=basic")
        self.assertIn("deploys code only", self.output)
        self.assertEqual(self.calls, [])

    def test_rejects_a_function_that_is_not_deployed(self):
        self.remove_auth()
        self.fails("deploy.sh", "auth")
        self.assertIn("make deploy", self.output)
        self.state["stack"] = None
        self.fails("deploy.sh", "auth")
        self.fails("deploy.sh", "nothing")
        self.assertEqual(self.changes(), [])

    def test_deploys_nothing_after_an_error_of_aws(self):
        for denied in ["DescribeStacks", "ListStackResources", "GetAlias", "GetTemplate"]:
            self.state["denied"] = denied
            self.fails("deploy.sh", "auth")
            self.assertEqual(self.called("sam"), [], denied)


if __name__ == "__main__":
    unittest.main()
