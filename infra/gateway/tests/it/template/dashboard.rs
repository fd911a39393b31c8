//! The dashboard shows every function and every alarm. It finds the functions by search expressions.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::metric_names;

use super::alarms::watched;
use super::{function_id, functions, jobs, of_type, resources, template, texts};
use crate::layout;

const NAMESPACE: &str = "Coditect/Api";

/// The body of the dashboard, with its search expressions filled in.
fn dashboard(template: &Value) -> Value {
    let sub = &resources(template)["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let searches = sub[1].as_object().unwrap().iter();
    let body = searches.fold(sub[0].as_str().unwrap().to_owned(), |body, (name, search)| {
        body.replace(&format!("${{{name}}}"), search["Fn::Sub"].as_str().unwrap())
    });
    serde_json::from_str(&body).expect("the dashboard is JSON")
}

/// The names that `CloudFormation` replaces in a text. `${!…}` is left for `CloudWatch`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let names = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap());
    names.filter(|name| !name.starts_with('!'))
}

/// A search expression: one metric of every function of the stack, with exceptions.
struct Search<'a> {
    namespace: &'a str,
    metric: &'a str,
    excluded: BTreeSet<&'a str>,
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
        // Without quotes, a term matches a part of the function's name.
        assert!(
            term.contains(&format!(" {dimension}=${{AWS::StackName}} ")),
            "{expression}"
        );
        Self {
            namespace: namespace.trim_matches('"'),
            metric: between(term, "MetricName=\"", "\""),
            excluded: term.split(" NOT ").skip(1).flat_map(references).collect(),
        }
    }
}

/// The metrics of all graphs: names and dimensions, or an expression.
fn graphed(body: &Value) -> impl Iterator<Item = &Value> {
    let widgets = body["widgets"].as_array().unwrap().iter();
    widgets
        .filter_map(|widget| widget["properties"]["metrics"].as_array())
        .flatten()
}

fn searches(body: &Value) -> Vec<Search<'_>> {
    let expressions = graphed(body).filter_map(|metric| metric[0]["expression"].as_str());
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
    let named: BTreeSet<_> = found.iter().copied().collect();
    let searches = searches(&body);
    for id in functions(&template).keys() {
        let is_named = named.contains(format!("${{{id}}}").as_str());
        let is_found = searches.iter().all(|search| !search.excluded.contains(id.as_str()));
        assert!(is_named || is_found, "{id} is not on the dashboard");
    }
    assert!(searches.len() > 8, "the dashboard finds functions by searches");
    for (id, _) in of_type(&template, "AWS::CloudWatch::Alarm") {
        assert!(shown.contains(id), "{id} is not on the dashboard");
    }
    for name in shown {
        assert!(
            name.starts_with("AWS::") || resources(&template).contains_key(name),
            "the dashboard shows {name}, which does not exist"
        );
    }
}

/// Every test that reads log lines checks that the functions emit these metrics (`testkit::check_request_log_line`,
/// `check_job_log_line`).
#[test]
fn alarms_and_the_dashboard_use_existing_metrics() {
    let template = template();
    let mut used = BTreeSet::new();
    for (_, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        let (names, function) = watched(alarm);
        let custom = names
            .iter()
            .filter_map(|name| name.strip_prefix(NAMESPACE)?.strip_prefix(' '));
        used.extend(custom.map(|name| (function.clone().expect("the metric has a function"), name.to_owned())));
    }
    let body = dashboard(&template);
    for search in searches(&body).iter().filter(|search| search.namespace == NAMESPACE) {
        let found = functions(&template).into_keys();
        let found = found.filter(|id| !search.excluded.contains(id.as_str()));
        used.extend(found.map(|id| (id, search.metric.to_owned())));
    }
    for metric in graphed(&body).filter(|metric| metric[0] == NAMESPACE) {
        assert_eq!(metric[2], "Function", "{metric}");
        let function = metric[3]
            .as_str()
            .and_then(|value| value.strip_prefix("${")?.strip_suffix('}'));
        used.insert((function.unwrap().to_owned(), metric[1].as_str().unwrap().to_owned()));
    }
    assert!(used.len() > layout::functions().len(), "{used:?}");
    for folder in layout::functions() {
        let id = function_id(&folder);
        let emitted = metric_names(jobs().contains(&folder));
        for (_, name) in used.iter().filter(|(function, _)| *function == id) {
            assert!(emitted.contains(name.as_str()), "{folder} has no metric {name}");
        }
    }
}
