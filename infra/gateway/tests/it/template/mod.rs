//! `template.yaml`, held to the code: what is forgotten there, or there too much, is named. That it is a template that `CloudFormation` takes
//! is for `make check` to say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use api::config::TokenUse;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::layout::{ROOT, folders};

mod alarms;
mod front_door;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn template() -> Value {
    let documents = Yaml::load_from_str(&read("template.yaml")).expect("template.yaml is YAML");
    to_json(&documents[0])
}

/// YAML as JSON, which is how `CloudFormation` sees it: `!Ref x` is `{"Ref": x}`, and another `!Name x` is `{"Fn::Name": x}`.
fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::Boolean(truth)) => json!(truth),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_str().expect("names are texts").to_owned(), to_json(value)))
            .collect(),
        Yaml::Tagged(tag, value) => {
            let name = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                function => format!("Fn::{function}"),
            };
            Value::Object(Map::from_iter([(name, to_json(value))]))
        }
        other => panic!("nothing in a template is {other:?}"),
    }
}

fn resources(template: &Value) -> &Map<String, Value> {
    template["Resources"].as_object().expect("a template has resources")
}

fn of_type<'a>(template: &'a Value, kind: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    resources(template)
        .iter()
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
}

/// `access-log` is `AccessLog` in the names of resources.
fn camel(folder: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    folder.split('-').map(word).collect()
}

fn functions(template: &Value) -> BTreeMap<String, &Value> {
    let all = of_type(template, "AWS::Serverless::Function");
    all.map(|(id, properties)| (id.to_owned(), properties)).collect()
}

fn function<'a>(template: &'a Value, folder: &str) -> &'a Value {
    &resources(template)[&format!("{}Function", camel(folder))]["Properties"]
}

fn jobs() -> BTreeSet<String> {
    gateway::jobs().iter().map(|job| job.name().to_owned()).collect()
}

/// Everything that is text in it.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|entry| texts(entry, found)),
        _ => {}
    }
}

fn mentions(value: &Value, what: &str) -> bool {
    let mut found = Vec::new();
    texts(value, &mut found);
    found.iter().any(|text| text.contains(what))
}

fn set(list: &Value) -> BTreeSet<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    list.iter().map(|item| item.as_str().unwrap()).collect()
}

fn set_or_one(list: &Value) -> BTreeSet<&str> {
    list.as_str().map_or_else(|| set(list), |one| BTreeSet::from([one]))
}

#[test]
fn every_folder_in_functions_is_a_function_in_the_template() {
    let template = template();
    let ids = folders()
        .iter()
        .map(|folder| format!("{}Function", camel(folder)))
        .collect::<BTreeSet<_>>();
    assert_eq!(
        functions(&template).into_keys().collect::<BTreeSet<_>>(),
        ids,
        "left: template.yaml, right: functions/"
    );
    for folder in folders() {
        let function = function(&template, &folder);
        let id = format!("{}Function", camel(&folder));
        assert_eq!(
            function["FunctionName"]["Fn::Sub"],
            format!("${{AWS::StackName}}-{folder}")
        );
        assert_eq!(resources(&template)[&id]["Metadata"]["BuildMethod"], "makefile", "{id}");
        // Without it a deploy changes the function, and its alias goes on with the version before.
        assert_eq!(function["AutoPublishCodeSha256"], json!({"Ref": "Release"}), "{id}");
        assert_eq!(
            template["Outputs"][format!("{}Alias", camel(&folder))]["Value"],
            json!({"Ref": format!("{id}.Alias")}),
            "the outputs name the alias of {id}"
        );
    }
    let all = &template["Globals"]["Function"];
    assert_eq!(
        (&all["Runtime"], &all["AutoPublishAlias"]),
        (&json!("provided.al2023"), &json!("live"))
    );
}

/// The paths that the gateway gives to a function, with its folder.
fn gateway_routes(template: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders() {
        for (name, event) in function(template, &folder)["Events"].as_object().unwrap() {
            if event["Type"] != "HttpApi" {
                continue;
            }
            let properties = &event["Properties"];
            assert_eq!(properties["ApiId"], json!({"Ref": "Api"}), "{folder}: {name}");
            let path = match (properties["Method"].as_str(), properties["Path"].as_str()) {
                (None, None) => "$default",
                // What a function does not allow, it answers itself.
                (Some("ANY"), Some(path)) => path,
                other => panic!("{folder}: {name} has {other:?}, and should have a path and the method ANY"),
            };
            found.push((path.to_owned(), folder.clone()));
        }
    }
    found.sort();
    found
}

/// The routes of the HTTP API as a router: like the gateway, it prefers a full match to `{proxy+}`.
fn router_of<'a>(patterns: impl IntoIterator<Item = &'a (String, String)>) -> matchit::Router<&'a str> {
    let mut router = matchit::Router::new();
    for (path, folder) in patterns.into_iter().filter(|(path, _)| path != "$default") {
        router
            .insert(path.replace("{proxy+}", "{*proxy}"), folder.as_str())
            .unwrap();
    }
    router
}

/// The paths of the code under both prefixes, each with its function.
fn code_routes() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (folder, router) in gateway::functions() {
        for route in router.routes() {
            found.extend(api::router::PREFIXES.map(|prefix| (format!("{prefix}{}", route.path), folder.to_owned())));
        }
    }
    found
}

#[test]
fn the_gateway_routes_every_path_of_the_code_to_its_function_and_nothing_else() {
    let patterns = gateway_routes(&template());
    let router = router_of(&patterns);
    for (path, folder) in code_routes() {
        let found = router.at(&path).map(|matched| *matched.value);
        assert_eq!(
            found,
            Ok(folder.as_str()),
            "the route of {path} in infra/aws/functions.toml"
        );
    }
    for route in &patterns {
        let (pattern, folder) = route;
        if pattern == "$default" {
            // This function responds to unknown paths with the API's own 404.
            assert_eq!(folder, "health");
            continue;
        }
        let one = router_of([route]);
        let used = code_routes()
            .iter()
            .any(|(path, of)| of == folder && one.at(path).is_ok());
        assert!(used, "{folder} has no path under {pattern}");
    }
}

#[test]
fn the_document_describes_the_paths_that_the_gateway_routes() {
    let document: Value = serde_json::from_str(&read("infra/openapi.json")).unwrap();
    let described = document["paths"].as_object().unwrap().keys();
    let described: BTreeSet<String> = described
        .flat_map(|path| api::router::PREFIXES.map(|prefix| format!("{prefix}{path}")))
        .collect();
    let patterns = gateway_routes(&template());
    let router = router_of(&patterns);
    for path in &described {
        assert!(router.at(path).is_ok(), "template.yaml has no route for {path}");
    }
    for route in patterns.iter().filter(|(path, _)| path != "$default") {
        let one = router_of([route]);
        assert!(
            described.iter().any(|path| one.at(path).is_ok()),
            "infra/openapi.json describes nothing under {}",
            route.0
        );
    }
}

#[test]
fn what_is_done_on_a_schedule_is_invoked_by_one_and_by_nothing_else() {
    let template = template();
    for folder in folders() {
        let events = function(&template, &folder)["Events"].as_object().unwrap();
        let kinds: BTreeSet<_> = events.values().map(|event| event["Type"].as_str().unwrap()).collect();
        let wanted = if jobs().contains(&folder) {
            "ScheduleV2"
        } else {
            "HttpApi"
        };
        assert_eq!(kinds, BTreeSet::from([wanted]), "{folder}");
    }
}

#[test]
fn a_function_has_the_keys_that_it_uses_and_no_other() {
    let template = template();
    let uses = gateway::functions()
        .into_iter()
        .map(|(folder, router)| (folder.to_owned(), router.token_use()))
        .chain(jobs().into_iter().map(|job| (job, TokenUse::Ignores)));
    for (folder, token_use) in uses {
        let variables = function(&template, &folder)["Environment"]["Variables"].as_object();
        let has: BTreeSet<_> = variables.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let has: BTreeSet<_> = has.into_iter().filter(|name| name.starts_with("JWT_")).collect();
        let mut wanted = BTreeSet::new();
        if token_use >= TokenUse::Verifies {
            wanted.extend([
                "JWT_ALGORITHM",
                "JWT_SECRET",
                "JWT_SECRET_PREVIOUS",
                "JWT_PUBLIC_KEY",
                "JWT_PUBLIC_KEY_PREVIOUS",
            ]);
        }
        if token_use == TokenUse::Signs {
            wanted.insert("JWT_PRIVATE_KEY");
        }
        assert_eq!(has, wanted, "{folder}, which {token_use:?}");
    }
    assert!(
        !mentions(&template["Globals"], "Jwt"),
        "what all functions are given is no secret"
    );
}

#[test]
fn secrets_are_in_the_environment_of_their_function_and_nowhere_else() {
    let template = template();
    for (id, resource) in resources(&template) {
        let mut resource = resource.clone();
        if let Some(variables) = resource["Properties"]["Environment"]["Variables"].as_object_mut() {
            for (name, secret) in [
                ("JWT_SECRET", "JwtSecretArn"),
                ("JWT_SECRET_PREVIOUS", "JwtSecretArn"),
                ("JWT_PRIVATE_KEY", "JwtPrivateKeyArn"),
            ] {
                if let Some(value) = variables.remove(name) {
                    let source = value["Fn::If"][1]["Fn::Sub"].as_str().unwrap_or_default();
                    let begin = format!("{{{{resolve:secretsmanager:${{{secret}}}:SecretString:::${{Jwt");
                    assert!(
                        source.starts_with(&begin) && source.ends_with("VersionId}}}"),
                        "{id}: {name} is {source}"
                    );
                }
            }
        }
        for what in ["secretsmanager", "JwtSecretArn", "JwtPrivateKeyArn"] {
            assert!(!mentions(&resource, what), "{id} speaks of {what}");
        }
    }
}

#[test]
fn the_template_sets_variables_that_programs_read() {
    let template = template();
    let config = read("shared/api/src/config.rs");
    let everybody = &template["Globals"]["Function"]["Environment"];
    let environments = functions(&template)
        .into_values()
        .map(|function| &function["Environment"]);
    for environment in environments.chain([everybody]) {
        for name in environment["Variables"].as_object().into_iter().flat_map(Map::keys) {
            assert!(
                config.contains(&format!("\"{name}\"")),
                "shared/api/src/config.rs reads no {name}"
            );
        }
    }
    let everybodys = &everybody["Variables"];
    assert_eq!(everybodys["STORE"], "fdb");
    for name in ["FDB_CLUSTER", "STORE_ROOT", "CORS_ALLOWED_ORIGINS"] {
        assert!(everybodys[name].is_object(), "every function is told {name}");
    }
    for (parameter, default) in [("PasswordPolicy", json!("strict")), ("PasswordMinLength", json!(15))] {
        assert_eq!(template["Parameters"][parameter]["Default"], default);
    }
}

#[test]
fn every_function_has_a_log_that_is_kept_for_a_while_and_may_write_to_no_other() {
    let template = template();
    for folder in folders() {
        let logs = format!("{}Logs", camel(&folder));
        assert_eq!(
            function(&template, &folder)["LoggingConfig"]["LogGroup"],
            json!({"Ref": logs})
        );
        let group = &resources(&template)[&logs];
        assert_eq!(
            (&group["Type"], &group["DeletionPolicy"]),
            (&json!("AWS::Logs::LogGroup"), &json!("Retain"))
        );
        assert!(!group["Properties"]["RetentionInDays"].is_null(), "{logs}");

        let role = format!("{}Role", camel(&folder));
        assert_eq!(
            function(&template, &folder)["Role"],
            json!({"Fn::GetAtt": format!("{role}.Arn")})
        );
        let policies = &resources(&template)[&role]["Properties"]["Policies"];
        let may = json!({
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": format!("{logs}.Arn")},
        });
        assert_eq!(policies.as_array().unwrap().len(), 1, "{role}");
        assert_eq!(policies[0]["PolicyDocument"]["Statement"], json!([may]), "{role}");
    }
}

#[test]
fn what_is_allowed_for_everything_is_what_can_not_be_allowed_for_less() {
    fn statements<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(entries) if entries.get("Effect").is_some_and(|effect| effect == "Allow") => {
                found.push(value);
            }
            Value::Object(entries) => entries.values().for_each(|entry| statements(entry, found)),
            Value::Array(items) => items.iter().for_each(|item| statements(item, found)),
            _ => {}
        }
    }
    let template = template();
    let mut found = Vec::new();
    statements(&template["Resources"], &mut found);
    let mut everywhere = BTreeSet::new();
    for statement in found {
        let actions = set_or_one(&statement["Action"]);
        assert!(actions.iter().all(|action| !action.contains('*')), "{statement}");
        if statement["Resource"] == "*" {
            everywhere.extend(actions);
        }
    }
    let wanted = BTreeSet::from([
        "cloudwatch:DescribeAlarms",
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ]);
    assert_eq!(everywhere, wanted);
}

/// Another stack's name may begin with this one's, so no pattern names its functions.
#[test]
fn who_shifts_requests_may_move_the_aliases_of_this_stacks_functions_and_no_others() {
    let template = template();
    let policies = &resources(&template)["TrafficShiftRole"]["Properties"]["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let moves = |statement: &&Value| set_or_one(&statement["Action"]).contains("lambda:UpdateAlias");
    let moving: Vec<_> = statements.iter().filter(moves).collect();
    let all = folders()
        .iter()
        .map(|folder| format!("{}Function.Arn", camel(folder)))
        .flat_map(|arn| {
            [
                json!({ "Fn::GetAtt": arn }),
                json!({ "Fn::Sub": format!("${{{arn}}}:*") }),
            ]
        })
        .collect::<Vec<_>>();
    assert_eq!(moving.len(), 1);
    assert_eq!(moving[0]["Resource"], json!(all));
}

#[test]
fn every_function_says_how_large_how_long_and_how_many() {
    /// How long an HTTP API waits for a function.
    const GATEWAY_SECONDS: u64 = 30;
    let template = template();
    let mut reserved = 0;
    for folder in folders() {
        let function = function(&template, &folder);
        assert!(function["MemorySize"].is_u64(), "{folder}");
        let share = &function["ReservedConcurrentExecutions"]["Fn::If"][1];
        reserved += share.as_u64().unwrap_or_else(|| panic!("{folder}: {share}"));
        let timeout = function["Timeout"].as_u64().unwrap();
        assert!(
            jobs().contains(&folder) || timeout < GATEWAY_SECONDS,
            "{folder}: {timeout}"
        );
    }
    let told = format!("adds up to {reserved}");
    assert!(
        read("infra/aws/README.md").contains(&told),
        "infra/aws/README.md does not say that the reserved concurrency {told}"
    );
}

/// A client speaks to clusters of its own release series, whatever the patch.
#[test]
fn the_layer_the_image_and_the_bindings_are_of_one_series_of_foundationdb() {
    fn series(version: &str) -> String {
        version.split('.').take(2).collect::<Vec<_>>().join(".")
    }
    let list = read("infra/fdb/client.sha256");
    let entries = list.lines().filter(|line| !line.starts_with('#'));
    let mut versions: BTreeSet<String> = entries
        .map(|line| series(line.split_once("  ").unwrap().1.split_once('/').unwrap().0))
        .collect();
    for file in ["infra/fdb/compose.yaml", "infra/docker/Dockerfile"] {
        let text = read(file);
        let images: Vec<_> = text.split("foundationdb/foundationdb:").skip(1).collect();
        assert!(!images.is_empty(), "{file} names no image");
        versions.extend(
            images
                .iter()
                .map(|image| series(image.split_whitespace().next().unwrap())),
        );
    }
    let manifest = read("Cargo.toml");
    let feature = manifest.split("\"fdb-").nth(1).unwrap().split('"').next().unwrap();
    versions.insert(feature.replace('_', "."));
    assert_eq!(versions.len(), 1, "{versions:?}");
}
