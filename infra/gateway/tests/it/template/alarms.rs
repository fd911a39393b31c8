//! What watches the functions: the alarms, who hears of them and what they turn back, and the dashboard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testkit::metric_names;

use super::{camel, function, functions, jobs, of_type, read, resources, template, texts};
use crate::layout::folders;

/// The metrics, with their namespaces, that an alarm looks at, and the function that they are of.
fn watched(alarm: &Value) -> (BTreeSet<String>, Option<String>) {
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

#[test]
fn every_function_is_watched() {
    let template = template();
    for folder in folders() {
        let id = format!("{}Function", camel(&folder));
        let mut has = BTreeSet::new();
        for (name, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
            let (metrics, of) = watched(alarm);
            if of.as_deref() == Some(&id) {
                assert!(name.starts_with(&camel(&folder)), "{name} is of {id}");
                has.extend(metrics);
            }
        }
        let wanted = if jobs().contains(&folder) {
            vec![
                "AWS/Lambda Errors",
                "AWS/Lambda Invocations",
                "AWS/Lambda Throttles",
                "Coditect/Api JobFailures",
            ]
        } else {
            vec![
                "AWS/Lambda Errors",
                "AWS/Lambda Throttles",
                "Coditect/Api Duration",
                "Coditect/Api Requests",
                "Coditect/Api ServerErrors",
                "Coditect/Api StoreUnavailable",
            ]
        };
        assert_eq!(Vec::from_iter(&has), wanted, "the alarms of {id}");
    }
    let (metrics, _) = watched(&resources(&template)["ApiServerErrorsAlarm"]["Properties"]);
    assert!(metrics.contains("AWS/ApiGateway 5xx"));
}

/// A store that does not answer has an alarm of its own, which turns nothing back: the version before would have the same store.
#[test]
fn the_stores_failures_are_not_counted_as_a_versions() {
    let template = template();
    for folder in folders().difference(&jobs()) {
        let alarm = &resources(&template)[&format!("{}ServerErrorsAlarm", camel(folder))]["Properties"];
        let parts = alarm["Metrics"].as_array().unwrap();
        let metrics: BTreeMap<_, _> = parts
            .iter()
            .map(|part| {
                let what = part["MetricStat"]["Metric"]["MetricName"].as_str();
                (
                    part["Id"].as_str().unwrap(),
                    what.or(part["Expression"].as_str()).unwrap(),
                )
            })
            .collect();
        let wanted = BTreeMap::from([
            ("errors", "ServerErrors"),
            ("requests", "Requests"),
            (
                "share",
                "IF(errors - unavailable >= 3, 100 * (errors - unavailable) / requests, 0)",
            ),
            ("unavailable", "StoreUnavailable"),
        ]);
        assert_eq!(metrics, wanted, "{folder}");
    }
}

#[test]
fn every_alarm_is_sent_and_is_explained_in_the_readme() {
    let template = template();
    let readme = read("infra/aws/README.md");
    for (id, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        for change in ["AlarmActions", "OKActions"] {
            assert_eq!(
                alarm[change]["Fn::If"][1],
                json!([{"Ref": "AlarmTopic"}]),
                "{id}: {change}"
            );
        }
        let kind = folders()
            .iter()
            .filter(|folder| !jobs().contains(*folder))
            .find_map(|folder| id.strip_prefix(&camel(folder)))
            .unwrap_or(id);
        assert!(
            readme.contains(&format!("`{kind}`")),
            "infra/aws/README.md does not say what {id} means"
        );
    }
}

#[test]
fn a_new_version_goes_back_when_an_alarm_of_its_own_function_rings() {
    let template = template();
    let alarms: BTreeMap<_, _> = of_type(&template, "AWS::CloudWatch::Alarm").collect();
    for folder in folders() {
        let preference = &function(&template, &folder)["DeploymentPreference"];
        if jobs().contains(&folder) {
            // It is over before an alarm could ring.
            assert_eq!(preference, &json!({"Type": "AllAtOnce"}), "{folder}");
            continue;
        }
        assert!(preference["Type"].is_null(), "{folder}");
        // A way past an alarm that rings, for what mends it.
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

/// The dashboard's body, with the variables that stand for searches filled in.
fn dashboard(template: &Value) -> Value {
    let sub = &resources(template)["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let searches = sub[1].as_object().unwrap().iter();
    let body = searches.fold(sub[0].as_str().unwrap().to_owned(), |body, (name, search)| {
        body.replace(&format!("${{{name}}}"), search["Fn::Sub"].as_str().unwrap())
    });
    serde_json::from_str(&body).expect("the dashboard is JSON")
}

/// The names in a text that `CloudFormation` replaces. `${!…}` stays for `CloudWatch`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let names = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap());
    names.filter(|name| !name.starts_with('!'))
}

/// What a graph finds by the stack's name: a metric of all functions, except those that it leaves out.
struct Search<'a> {
    namespace: &'a str,
    metric: &'a str,
    left_out: BTreeSet<&'a str>,
}

impl<'a> Search<'a> {
    fn parse(expression: &'a str) -> Self {
        let between = |text: &'a str, begin: &str, end: &str| {
            let rest = text
                .split(begin)
                .nth(1)
                .unwrap_or_else(|| panic!("{expression} has no {begin}"));
            rest.split(end).next().unwrap()
        };
        let term = between(expression, "SEARCH('", "',");
        let schema = between(term, "{", "} ");
        let (namespace, dimension) = schema.split_once(',').unwrap();
        // Without quotes, because the search has to match a part of the name.
        assert!(
            term.contains(&format!(" {dimension}=${{AWS::StackName}} ")),
            "{expression}"
        );
        Self {
            namespace: namespace.trim_matches('"'),
            metric: between(term, "MetricName=\"", "\""),
            left_out: term.split(" NOT ").skip(1).flat_map(references).collect(),
        }
    }
}

fn searches(body: &Value) -> Vec<Search<'_>> {
    let widgets = body["widgets"].as_array().unwrap().iter();
    let metrics = widgets.filter_map(|widget| widget["properties"]["metrics"].as_array());
    let expressions = metrics.flatten().filter_map(|metric| metric[0]["expression"].as_str());
    expressions.map(Search::parse).collect()
}

#[test]
fn the_dashboard_shows_every_function_and_every_alarm() {
    let template = template();
    let body = dashboard(&template);
    let mut found = Vec::new();
    texts(&body, &mut found);
    let shown: BTreeSet<_> = found
        .iter()
        .flat_map(|text| references(text))
        .map(|name| name.trim_end_matches(".Arn"))
        .collect();
    let by_id: BTreeSet<_> = found.iter().copied().collect();
    let searches = searches(&body);
    for id in functions(&template).keys() {
        let itself = by_id.contains(format!("${{{id}}}").as_str());
        let is_found = searches.iter().all(|search| !search.left_out.contains(id.as_str()));
        assert!(itself || is_found, "{id} is not on the dashboard");
    }
    assert!(searches.len() > 8, "the dashboard finds functions by searches");
    for (id, _) in of_type(&template, "AWS::CloudWatch::Alarm") {
        assert!(shown.contains(id), "{id} is not on the dashboard");
    }
    for name in shown {
        assert!(
            name.starts_with("AWS::") || resources(&template).contains_key(name),
            "the dashboard shows {name}, which is nothing"
        );
    }
}

/// That the functions do emit these is held by whatever reads their lines (`testkit::check_request_log_line`, `check_job_log_line`).
#[test]
fn alarms_and_the_dashboard_look_at_metrics_that_there_are() {
    let template = template();
    let mut looked_at = BTreeSet::new();
    for (_, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        let (names, of) = watched(alarm);
        let ours = names.iter().filter_map(|name| name.strip_prefix("Coditect/Api "));
        looked_at.extend(ours.map(|name| (of.clone().expect("it is of a function"), name.to_owned())));
    }
    let body = dashboard(&template);
    for search in searches(&body)
        .iter()
        .filter(|search| search.namespace == "Coditect/Api")
    {
        let found = functions(&template).into_keys();
        let found = found.filter(|id| !search.left_out.contains(id.as_str()));
        looked_at.extend(found.map(|id| (id, search.metric.to_owned())));
    }
    let widgets = body["widgets"].as_array().unwrap().iter();
    let shown = widgets.filter_map(|widget| widget["properties"]["metrics"].as_array());
    for metric in shown.flatten().filter(|metric| metric[0] == "Coditect/Api") {
        assert_eq!(metric[2], "Function", "{metric}");
        let of = metric[3]
            .as_str()
            .and_then(|of| of.strip_prefix("${")?.strip_suffix('}'));
        looked_at.insert((of.unwrap().to_owned(), metric[1].as_str().unwrap().to_owned()));
    }
    assert!(looked_at.len() > folders().len(), "{looked_at:?}");
    for folder in folders() {
        let id = format!("{}Function", camel(&folder));
        let there = metric_names(jobs().contains(&folder));
        for (_, name) in looked_at.iter().filter(|(of, _)| *of == id) {
            assert!(there.contains(name.as_str()), "{folder} has no metric {name}");
        }
    }
}
