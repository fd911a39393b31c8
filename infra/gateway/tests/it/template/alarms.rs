//! The alarms, their notifications, and the deploys that they roll back.

use std::collections::{BTreeMap, BTreeSet};

use api::config::TokenUse;
use serde_json::{Value, json};

use super::{camel, function, function_id, jobs, of_type, resources, template};
use crate::layout::{self, read};

/// The metrics of an alarm, with their namespaces, and the function that they belong to.
pub(super) fn watched(alarm: &Value) -> (BTreeSet<String>, Option<String>) {
    let parts = alarm["Metrics"].as_array().into_iter().flatten();
    let metrics: Vec<_> = parts
        .map(|part| &part["MetricStat"]["Metric"])
        .chain([alarm])
        .filter(|metric| metric["MetricName"].is_string())
        .collect();
    let names = metrics.iter().map(|metric| {
        let text = |name: &str| metric[name].as_str().unwrap().to_owned();
        text("Namespace") + " " + &text("MetricName")
    });
    let mut values = metrics
        .iter()
        .flat_map(|metric| metric["Dimensions"].as_array().unwrap());
    let of = values.find(|dimension| {
        ["Function", "FunctionName"]
            .iter()
            .any(|name| dimension["Name"] == *name)
    });
    let of = of.map(|dimension| dimension["Value"]["Ref"].as_str().unwrap().to_owned());
    (names.collect(), of)
}

/// Whether an operation of the function responds that a password is wrong.
fn checks_a_password(router: &api::Router) -> bool {
    let document: Value = serde_json::from_str(&gateway::document_text()).unwrap();
    router.routes().iter().any(|route| {
        let responses = &document["paths"][&route.path][route.method.to_lowercase()]["responses"];
        let unauthorized = &responses["401"];
        let component = unauthorized["$ref"].as_str().unwrap_or_default();
        component.ends_with("/InvalidCredentials") || unauthorized.to_string().contains("INVALID_CREDENTIALS")
    })
}

#[test]
fn every_function_has_all_alarms() {
    let template = template();
    // Attacks on passwords and refresh tokens show in the functions that check them.
    let checking: BTreeSet<_> = gateway::functions()
        .iter()
        .filter(|function| function.router.token_use() == TokenUse::Signs || checks_a_password(&function.router))
        .map(|function| function.name)
        .collect();
    assert!(
        checking.contains("users") && !checking.contains("sessions"),
        "{checking:?}"
    );
    for folder in layout::functions() {
        let id = function_id(&folder);
        let mut watched_metrics = BTreeSet::new();
        for (name, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
            let (metrics, of) = watched(alarm);
            if of.as_deref() == Some(&id) {
                assert!(name.starts_with(&camel(&folder)), "{name} belongs to {id}");
                watched_metrics.extend(metrics);
            }
        }
        let mut wanted = if jobs().contains(&folder) {
            vec![
                "AWS/Lambda Errors",
                "AWS/Lambda Invocations",
                "AWS/Lambda Throttles",
                "Coditect/Api JobFailures",
            ]
        } else {
            vec![
                "AWS/Lambda Errors",
                "AWS/Lambda Invocations",
                "AWS/Lambda Throttles",
                "Coditect/Api Duration",
                "Coditect/Api Requests",
                "Coditect/Api ServerErrors",
                "Coditect/Api StoreUnavailable",
            ]
        };
        if checking.contains(&*folder) {
            wanted.extend([
                "Coditect/Api Lockouts",
                "Coditect/Api PasswordSpraying",
                "Coditect/Api TokenReuse",
            ]);
        }
        let wanted: BTreeSet<_> = wanted.into_iter().map(str::to_owned).collect();
        assert_eq!(watched_metrics, wanted, "the alarms of {id}");
    }
    let (metrics, _) = watched(&resources(&template)["ApiServerErrorsAlarm"]["Properties"]);
    assert!(metrics.contains("AWS/ApiGateway 5xx"));
}

/// The metrics of an alarm on a ratio, by id: their names, or the expression.
fn ratio<'a>(template: &'a Value, alarm: &str) -> BTreeMap<&'a str, &'a str> {
    let parts = resources(template)[alarm]["Properties"]["Metrics"].as_array().unwrap();
    let metric = |part: &'a Value| {
        let name = part["MetricStat"]["Metric"]["MetricName"].as_str();
        (
            part["Id"].as_str().unwrap(),
            name.or(part["Expression"].as_str()).unwrap(),
        )
    };
    parts.iter().map(metric).collect()
}

/// An unavailable store has its own alarm, which rolls nothing back: the previous version would use the same store.
#[test]
fn store_failures_do_not_count_as_server_errors_of_a_version() {
    let template = template();
    for folder in layout::functions().difference(&jobs()) {
        let wanted = BTreeMap::from([
            ("errors", "ServerErrors"),
            ("requests", "Requests"),
            (
                "share",
                "IF(errors - unavailable >= 3, 100 * (errors - unavailable) / requests, 0)",
            ),
            ("unavailable", "StoreUnavailable"),
        ]);
        let found = ratio(&template, &format!("{}ServerErrorsAlarm", camel(folder)));
        assert_eq!(found, wanted, "{folder}");
    }
}

/// The first request after a freeze may be slow, and must not roll back a deploy.
#[test]
fn slow_requests_count_as_a_ratio_with_a_minimum() {
    let template = template();
    for folder in layout::functions().difference(&jobs()) {
        let alarm = format!("{}DurationAlarm", camel(folder));
        let wanted = BTreeMap::from([
            ("fast", "Duration"),
            ("requests", "Duration"),
            ("share", "IF(requests * (100 - fast) / 100 >= 2.9, 100 - fast, 0)"),
        ]);
        assert_eq!(ratio(&template, &alarm), wanted, "{folder}");
        let parts = resources(&template)[&alarm]["Properties"]["Metrics"]
            .as_array()
            .unwrap();
        let stats: Vec<_> = parts
            .iter()
            .filter_map(|part| part["MetricStat"]["Stat"].as_str())
            .collect();
        let [fast, "SampleCount"] = stats[..] else {
            panic!("{folder}: {stats:?}")
        };
        let limit = fast.strip_prefix("PR(:").and_then(|limit| limit.strip_suffix(')'));
        assert!(limit.is_some_and(|limit| limit.parse::<u32>().is_ok()), "{fast}");
    }
}

/// A crash of one invocation must not roll back a deploy.
#[test]
fn crashes_count_as_a_ratio_with_a_minimum() {
    let template = template();
    for folder in layout::functions().difference(&jobs()) {
        let wanted = BTreeMap::from([
            ("errors", "Errors"),
            ("invocations", "Invocations"),
            ("share", "IF(errors >= 3, 100 * errors / invocations, 0)"),
        ]);
        let found = ratio(&template, &format!("{}ErrorsAlarm", camel(folder)));
        assert_eq!(found, wanted, "{folder}");
    }
}

#[test]
fn every_alarm_notifies_the_topic_and_is_in_the_runbook() {
    let template = template();
    let runbook = read("infra/aws/README.md");
    for (id, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        for change in ["AlarmActions", "OKActions"] {
            assert_eq!(
                alarm[change]["Fn::If"][1],
                json!([{"Ref": "AlarmTopic"}]),
                "{id}: {change}"
            );
        }
        let kind = layout::functions()
            .iter()
            .filter(|folder| !jobs().contains(*folder))
            .find_map(|folder| id.strip_prefix(&camel(folder)))
            .unwrap_or(id);
        assert!(
            runbook.contains(&format!("`{kind}`")),
            "the runbook in infra/aws/README.md has no row for {id}"
        );
    }
}

#[test]
fn a_deploy_rolls_back_on_an_alarm_of_its_own_function() {
    let template = template();
    let alarms: BTreeMap<_, _> = of_type(&template, "AWS::CloudWatch::Alarm").collect();
    for folder in layout::functions() {
        let preference = &function(&template, &folder)["DeploymentPreference"];
        if jobs().contains(&folder) {
            // A run ends before an alarm could ring.
            assert_eq!(preference, &json!({"Type": "AllAtOnce"}), "{folder}");
            continue;
        }
        assert!(preference["Type"].is_null(), "{folder}");
        // `Watched=no` deploys a fix while an alarm rings.
        let choice = &preference["Alarms"]["Fn::If"];
        assert_eq!((&choice[0], &choice[2]), (&json!("IsWatched"), &json!([])), "{folder}");
        let named = choice[1].as_array().unwrap();
        assert!(!named.is_empty(), "{folder}");
        for alarm in named {
            let (_, of) = watched(alarms[alarm["Ref"].as_str().unwrap()]);
            assert_eq!(of, Some(format!("{}Function", camel(&folder))));
        }
    }
    let preference = &template["Globals"]["Function"]["DeploymentPreference"];
    assert_eq!(preference["Type"], json!({"Ref": "TrafficShift"}));
    assert_eq!(template["Parameters"]["Watched"]["Default"], "yes");
    assert_eq!(
        template["Conditions"]["IsWatched"],
        json!({"Fn::Equals": [{"Ref": "Watched"}, "yes"]})
    );
}
