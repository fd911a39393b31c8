//! The routes of the HTTP API: every path reaches the function that serves it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{function, resources, template};
use crate::layout::{self, read};

/// The route of an HTTP API that receives every request without another route.
const DEFAULT: &str = "$default";

/// The routes in the template, each with the folder of its function.
pub(super) fn http_api_routes(template: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in layout::functions() {
        for (name, event) in function(template, &folder)["Events"].as_object().unwrap() {
            if event["Type"] != "HttpApi" {
                continue;
            }
            let properties = &event["Properties"];
            assert_eq!(
                properties["ApiId"],
                serde_json::json!({"Ref": "Api"}),
                "{folder}: {name}"
            );
            let path = match (properties["Method"].as_str(), properties["Path"].as_str()) {
                (None, None) => DEFAULT,
                // The function itself rejects methods that it does not support.
                (Some("ANY"), Some(path)) => path,
                other => panic!("{folder}: {name} has {other:?}, but needs a path and the method ANY"),
            };
            found.push((path.to_owned(), folder.clone()));
        }
    }
    found.sort();
    found
}

/// A router with the rules of an HTTP API: an exact path before `{proxy+}`, and `$default` last.
fn route_table(routes: &[(String, String)]) -> matchit::Router<&str> {
    let mut table = matchit::Router::new();
    for (path, folder) in routes {
        let pattern = if path == DEFAULT {
            "/{*proxy}".to_owned()
        } else {
            path.replace("{proxy+}", "{*proxy}")
        };
        table.insert(pattern, folder.as_str()).unwrap();
    }
    table
}

/// Every path of the code, under both prefixes, with the folder of its function.
fn served_paths() -> BTreeSet<(String, &'static str)> {
    let functions = gateway::functions();
    let routes = functions.iter().flat_map(|function| {
        let routes = function.router.routes();
        routes.iter().map(|route| (function.name, route.path.as_str()))
    });
    let at_root = functions.iter().flat_map(|function| {
        let paths = function.router.root_paths().iter();
        // An HTTP API ignores the slash at the end of a path.
        paths.map(|path| ((*path).trim_end_matches('/'), function.name))
    });
    let at_root = at_root.map(|(path, folder)| (if path.is_empty() { "/" } else { path }.to_owned(), folder));
    routes
        .flat_map(|(folder, path)| api::router::PREFIXES.map(|prefix| (format!("{prefix}{path}"), folder)))
        .chain(at_root)
        .collect()
}

#[test]
fn the_http_api_routes_every_path_to_its_function() {
    let template = template();
    let routes = http_api_routes(&template);
    let table = route_table(&routes);
    for (path, folder) in served_paths() {
        assert_eq!(
            *table.at(&path).unwrap().value,
            folder,
            "the function of {path} in infra/aws/functions.toml"
        );
    }
    // `health` responds to unknown paths with a 404 problem.
    assert_eq!(*table.at("/nothing").unwrap().value, "health");
}

#[test]
fn the_http_api_has_no_route_without_an_endpoint() {
    let template = template();
    for (path, folder) in http_api_routes(&template) {
        let alone = [(path.clone(), folder.clone())];
        let table = route_table(&alone);
        let mut served = served_paths().into_iter();
        assert!(
            served.any(|(served, of)| of == folder && table.at(&served).is_ok()),
            "template.yaml routes {path} to {folder}, which has no such endpoint"
        );
    }
}

#[test]
fn the_http_api_has_the_same_routes_under_both_prefixes() {
    let template = template();
    let routes = http_api_routes(&template);
    let [first, second] = api::router::PREFIXES.map(|prefix| {
        let below = |(path, folder): &(String, String)| Some((path.strip_prefix(prefix)?.to_owned(), folder.clone()));
        routes.iter().filter_map(below).collect::<BTreeSet<_>>()
    });
    assert_eq!(
        first,
        second,
        "left: {}, right: {}",
        api::router::PREFIXES[0],
        api::router::PREFIXES[1]
    );
    let at_root = routes.iter().filter(|(_, folder)| folder == "web").count();
    assert_eq!(
        first.len() + second.len() + at_root + 1,
        routes.len(),
        "{DEFAULT} and the routes of the web application are the only other ones"
    );
}

#[test]
fn the_http_api_routes_every_path_of_the_document() {
    let document: Value = serde_json::from_str(&read("infra/openapi.json")).unwrap();
    let template = template();
    let routes = http_api_routes(&template);
    let named: Vec<_> = routes.iter().filter(|(path, _)| path != DEFAULT).cloned().collect();
    let table = route_table(&named);
    for path in document["paths"].as_object().unwrap().keys() {
        for prefix in api::router::PREFIXES {
            assert!(
                table.at(&format!("{prefix}{path}")).is_ok(),
                "template.yaml has no route for {prefix}{path}"
            );
        }
    }
}

#[test]
fn rate_limits_are_set_on_existing_routes_and_equal_under_both_prefixes() {
    let template = template();
    let routes: BTreeSet<_> = http_api_routes(&template)
        .into_iter()
        .map(|(path, _)| if path == DEFAULT { path } else { format!("ANY {path}") })
        .collect();
    let limited = resources(&template)["Api"]["Properties"]["RouteSettings"]
        .as_object()
        .unwrap();
    for route in limited.keys() {
        assert!(
            routes.contains(route),
            "RouteSettings has {route}, which is not a route"
        );
        let other = match route.split_once(" /api/v5/") {
            Some((method, path)) => format!("{method} /v5/{path}"),
            None => route.replace(" /v5/", " /api/v5/"),
        };
        assert_eq!(limited.get(&other), limited.get(route), "{route} and {other}");
    }
}

/// A scan of paths that do not exist must leave executions to `/ready`.
#[test]
fn unknown_paths_get_at_most_half_of_the_concurrency_of_their_function() {
    let template = template();
    let limited = &resources(&template)["Api"]["Properties"]["RouteSettings"][DEFAULT];
    assert_eq!(
        limited["ThrottlingRateLimit"],
        serde_json::json!({"Ref": "FallbackRate"})
    );
    assert_eq!(
        limited["ThrottlingBurstLimit"],
        serde_json::json!({"Ref": "FallbackBurst"})
    );
    let burst = template["Parameters"]["FallbackBurst"]["Default"].as_u64().unwrap();
    let routes = http_api_routes(&template);
    let (_, folder) = routes.iter().find(|(path, _)| path == DEFAULT).unwrap();
    let concurrency = &function(&template, folder)["ReservedConcurrentExecutions"]["Fn::If"][1];
    assert!(2 * burst <= concurrency.as_u64().unwrap());
}

/// API Gateway charges each metric of each route, and neither an alarm nor the dashboard reads one.
#[test]
fn the_http_api_has_no_metrics_by_route() {
    let template = template();
    let api = &resources(&template)["Api"]["Properties"];
    let routes = api["RouteSettings"].as_object().unwrap().values();
    for settings in routes.chain([&api["DefaultRouteSettings"]]) {
        assert!(settings["DetailedMetricsEnabled"].is_null(), "{settings}");
    }
}
