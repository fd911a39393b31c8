"""rollback.sh, against stand-ins for the CLIs (fakes/)."""

import unittest

from script_case import ScriptCase, logical


class Rollback(ScriptCase):
    def roll_back(self, **environment):
        self.succeeds("rollback.sh", "auth", **environment)

    def rejects(self, **environment):
        self.fails("rollback.sh", "auth", **environment)

    def start_shift(self, *others):
        """Puts a deploy of auth and other functions into progress."""
        self.state["stack"]["status"] = "UPDATE_IN_PROGRESS"
        self.auth.update(live="2", weights={"3": 0.1}, previous=["2", "1 2"])
        self.state["deployment"] = {"deploymentId": "d-ABCDEF123", "status": "InProgress"}
        for name in ["auth", *others]:
            arn = f"arn:aws:lambda:eu-central-1:123456789012:function:coditect-v5-{name}:2"
            row = [f"{logical(name)}Version0000000000", arn, "AWS::Lambda::Version", "CREATE_COMPLETE"]
            self.state["stack"]["resources"].append(row)

    def test_moves_the_alias_of_one_function_to_the_previous_version_and_changes_nothing_else(self):
        self.roll_back()
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})
        self.assertEqual(self.changes(), ["UpdateAlias"])
        self.assertIn("was at version 3, and is at 2", self.output)

    def test_repeated_rollbacks_go_further_back_until_no_version_is_left(self):
        for version in ["2", "1"]:
            self.roll_back()
            self.assertEqual(self.auth["live"], version)
        self.rejects()
        self.assertIn("was live before 1 is not recorded", self.output)
        self.assertEqual(self.changes(), [])

    def test_skips_a_version_that_was_rolled_back(self):
        # An alarm rolled back 10; 11 was deployed after it.
        self.auth.update(live="11", versions=["2", "9", "10", "11"], previous=["9", "2 9"])
        for version in ["9", "2"]:
            self.roll_back()
            self.assertEqual(self.auth["live"], version)

    def test_after_a_deploy_that_was_rolled_back_goes_to_the_version_before_the_live_one(self):
        self.auth.update(live="2", previous=["2", "1 2"])
        self.roll_back()
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "1"}})

    def test_does_not_guess_the_previous_version(self):
        for previous in [None, ["3", "3"], ["3", "an operator's own text"]]:
            self.auth["previous"] = previous
            self.rejects()
            self.assertIn("is not recorded. VERSION selects one of: 1 2 3", self.output)
            self.assertEqual(self.changes(), [])

    def test_names_a_version_that_no_longer_exists(self):
        self.auth.update(versions=["1", "3"])
        self.rejects()
        self.assertIn("no version 2; it has 1 3", self.output)
        self.assertEqual(self.changes(), [])

    def test_version_selects_another_version_also_a_newer_one(self):
        self.auth["live"] = "1"
        self.roll_back(VERSION="3")
        self.assertEqual(self.auth["live"], "3")

    def test_after_a_selected_version_the_next_rollback_returns_to_the_version_before(self):
        self.auth.update(versions=["1", "2", "3", "4", "5"], live="5", previous=["4", "1 2 4"])
        for version, environment in [
            ("4", {}),
            ("3", {"VERSION": "3"}),
            ("4", {}),
            ("2", {}),
            ("5", {"VERSION": "5"}),
            ("2", {}),
        ]:
            self.roll_back(**environment)
            self.assertEqual(self.auth["live"], version)

    def test_rejects_a_version_that_was_not_published(self):
        for version in ["4", "$LATEST", ".", "-v"]:
            self.rejects(VERSION=version)
            self.assertEqual(self.changes(), [], version)

    def test_does_not_overwrite_a_concurrent_change_of_the_alias(self):
        self.state["meanwhile"] = True
        self.rejects()
        self.assertIn("auth was not moved. If its alias", self.output)
        self.assertEqual(self.auth["live"], "3")

    def test_stops_the_deployment_while_requests_shift(self):
        self.start_shift()
        self.roll_back()
        self.assertEqual(self.changes(), ["StopDeployment"])
        stop = self.called("StopDeployment")[0][1]
        self.assertEqual(stop, {"deploymentId": "d-ABCDEF123", "autoRollbackEnabled": True})
        group = self.called("GetDeploymentGroup")[0][1]
        self.assertEqual(group, {"applicationName": "an-application", "deploymentGroupName": "auth-group"})

    def test_stops_a_deploy_of_several_functions_only_with_whole(self):
        self.start_shift("audit", "sessions")
        self.rejects()
        self.assertIn("also includes audit sessions, and", self.output)
        self.assertEqual(self.changes(), [])
        self.roll_back(WHOLE="yes")
        self.assertEqual(self.changes(), ["StopDeployment"])
        self.assertIn("It also rolls back audit sessions.", self.output)

    def test_during_a_deploy_that_may_still_reach_the_function_moves_only_with_whole(self):
        self.state["stack"]["status"] = "UPDATE_IN_PROGRESS"
        self.rejects()
        self.assertIn("may still reach auth", self.output)
        self.assertEqual(self.changes(), [])
        self.roll_back(WHOLE="yes")
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})

    def test_moves_during_the_cleanup_after_a_deploy(self):
        self.state["stack"]["status"] = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        self.roll_back()
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})

    def test_after_its_own_shift_moves_alone_while_others_still_shift(self):
        self.start_shift("audit", "sessions")
        self.auth.update(live="3", weights={})
        self.roll_back()
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "2"}})
        self.assertEqual(self.changes(), ["UpdateAlias"])

    def test_waits_before_its_own_shift(self):
        self.start_shift("sessions")
        self.auth.update(live="2", weights={})
        self.state["stack"]["status"] = "UPDATE_IN_PROGRESS"
        self.rejects()
        self.assertIn("not shifted to that version yet", self.output)
        self.assertEqual(self.changes(), [])
        # It does not wait for resources that a finished deploy left behind.
        self.state["stack"]["status"] = "UPDATE_ROLLBACK_COMPLETE"
        self.roll_back()
        self.assertEqual(self.changed, {"coditect-v5-auth": {"live": "1"}})

    def test_ends_a_split_that_no_deployment_drives(self):
        def remove_group():
            resources = self.state["stack"]["resources"]
            kept = [row for row in resources if row[0] != "AuthFunctionDeploymentGroup"]
            self.state["stack"]["resources"] = kept

        for arrange in [
            lambda: self.state.update(deployment=None),
            lambda: self.state.update(deployment={"deploymentId": "d-ABCDEF123", "status": "Failed"}),
            remove_group,
        ]:
            self.auth.update(live="2", weights={"3": 0.1})
            arrange()
            self.roll_back()
            self.assertEqual(self.changed["coditect-v5-auth"], {"weights": {}})

    def test_changes_nothing_for_an_unknown_function_or_after_an_error_of_aws(self):
        self.fails("rollback.sh", "nothing")
        self.assertEqual(self.calls, [])
        for denied in ["ListStackResources", "GetAlias", "ListVersionsByFunction"]:
            self.state["denied"] = denied
            self.rejects()
            self.assertIn("AccessDenied", self.output)
            self.assertEqual(self.changes(), [], denied)
        self.start_shift()
        self.state["denied"] = "GetDeploymentGroup"
        self.rejects()
        self.assertEqual(self.changes(), [])


if __name__ == "__main__":
    unittest.main()
