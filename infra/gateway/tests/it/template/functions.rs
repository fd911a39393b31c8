//! Each function in the template: its name, size, environment, and the events that invoke it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{camel, function, function_id, functions, jobs, mentions, resources, template};
use crate::layout::{self, ROOT, read};

#[test]
fn the_template_has_exactly_the_functions() {
    let template = template();
    let ids = layout::functions()
        .iter()
        .map(|folder| function_id(folder))
        .collect::<BTreeSet<_>>();
    assert_eq!(
        functions(&template).into_keys().collect::<BTreeSet<_>>(),
        ids,
        "left: template.yaml, right: functions/"
    );
    for folder in layout::functions() {
        let function = function(&template, &folder);
        let id = function_id(&folder);
        assert_eq!(
            function["FunctionName"]["Fn::Sub"],
            format!("${{AWS::StackName}}-{folder}")
        );
        assert_eq!(resources(&template)[&id]["Metadata"]["BuildMethod"], "makefile", "{id}");
        // Without it, a deploy changes the function and its alias stays at the previous version.
        assert_eq!(function["AutoPublishCodeSha256"], json!({"Ref": "Release"}), "{id}");
        assert_eq!(
            template["Outputs"][format!("{}Alias", camel(&folder))]["Value"],
            json!({"Ref": format!("{id}.Alias")}),
            "the outputs include the alias of {id}"
        );
    }
    let defaults = &template["Globals"]["Function"];
    assert_eq!(
        (&defaults["Runtime"], &defaults["AutoPublishAlias"]),
        (&json!("provided.al2023"), &json!("live"))
    );
}

#[test]
fn a_schedule_invokes_the_jobs_and_requests_invoke_the_other_functions() {
    let template = template();
    for folder in layout::functions() {
        let events = function(&template, &folder)["Events"].as_object().unwrap();
        let kinds: BTreeSet<_> = events.values().map(|event| event["Type"].as_str().unwrap()).collect();
        let wanted = match &*folder {
            // Bounces and complaints.
            "mailer" => BTreeSet::from(["ScheduleV2", "SNS"]),
            folder if jobs().iter().any(|job| job == folder) => BTreeSet::from(["ScheduleV2"]),
            _ => BTreeSet::from(["HttpApi"]),
        };
        assert_eq!(kinds, wanted, "{folder}");
    }
}

/// The next run of a schedule is the retry of a failed one. Bounces and complaints arrive once.
#[test]
fn a_failed_invocation_with_bounces_and_complaints_is_repeated() {
    let template = template();
    for folder in jobs() {
        let (retries, seconds) = if folder == "mailer" { (2, 21_600) } else { (0, 300) };
        let wanted = json!({ "MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": seconds });
        assert_eq!(function(&template, &folder)["EventInvokeConfig"], wanted, "{folder}");
    }
}

/// The sources in which the configuration reads environment variables.
fn config_sources() -> String {
    fn append(path: &Path, sources: &mut String) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                append(&entry.unwrap().path(), sources);
            }
        } else if path.exists() {
            *sources += &std::fs::read_to_string(path).unwrap();
        }
    }
    let mut sources = String::new();
    for path in ["shared/api/src/config.rs", "shared/api/src/config"] {
        append(&Path::new(ROOT).join(path), &mut sources);
    }
    sources
}

#[test]
fn the_template_sets_only_variables_that_programs_read() {
    let template = template();
    let config = config_sources();
    let shared = &template["Globals"]["Function"]["Environment"];
    let environments = functions(&template)
        .into_values()
        .map(|function| &function["Environment"]);
    for environment in environments.chain([shared]) {
        for name in environment["Variables"].as_object().into_iter().flat_map(Map::keys) {
            assert!(
                config.contains(&format!("\"{name}\"")),
                "api::config does not read {name}"
            );
        }
    }
    for name in ["CORS_ALLOWED_ORIGINS", "LOG_CLIENT_ADDRESS"] {
        assert!(shared["Variables"][name].is_object(), "every function has {name}");
    }
    for (parameter, default) in [
        ("PasswordPolicy", json!("strict")),
        ("PasswordMinLength", json!(15)),
        ("LogClientAddress", json!("prefix")),
    ] {
        assert_eq!(template["Parameters"][parameter]["Default"], default);
    }
}

/// Today every function opens the store, also `health`: `/ready` reads it.
#[test]
fn functions_that_use_the_store_have_the_cluster_and_its_tls_key_and_others_would_have_neither() {
    let template = template();
    let names = [
        "STORE",
        "STORE_ROOT",
        "FDB_CLUSTER",
        "FDB_NETWORK_OPTION_TLS_CERT_BYTES",
        "FDB_NETWORK_OPTION_TLS_KEY_BYTES",
        "FDB_NETWORK_OPTION_TLS_CA_BYTES",
        "FDB_TLS_VERIFY_PEERS",
    ];
    for folder in layout::functions() {
        let variables = &function(&template, &folder)["Environment"]["Variables"];
        assert_eq!(variables["STORE"], "fdb", "{folder}");
        for name in names {
            assert!(!variables[name].is_null(), "{folder} has no {name}");
        }
    }
    for reference in ["FdbCluster", "FdbTls"] {
        assert!(!mentions(&template["Globals"], reference), "{reference}");
    }
}

#[test]
fn every_function_has_a_size_a_timeout_and_a_documented_concurrency() {
    /// An HTTP API waits this long for a function.
    const HTTP_API_SECONDS: u64 = 30;
    let template = template();
    let mut reserved = 0;
    for folder in layout::functions() {
        let function = function(&template, &folder);
        assert!(function["MemorySize"].is_u64(), "{folder}");
        let concurrency = &function["ReservedConcurrentExecutions"]["Fn::If"][1];
        reserved += concurrency
            .as_u64()
            .unwrap_or_else(|| panic!("{folder}: {concurrency}"));
        let timeout = function["Timeout"].as_u64().unwrap();
        assert!(
            jobs().contains(&folder) || timeout < HTTP_API_SECONDS,
            "{folder}: {timeout}"
        );
    }
    let sentence = format!("adds up to {reserved}");
    assert!(
        read("infra/aws/README.md").contains(&sentence),
        "infra/aws/README.md must say that the reserved concurrency {sentence}"
    );
}

#[test]
fn two_hashing_bursts_are_the_concurrency_of_auth() {
    let template = template();
    let burst = template["Parameters"]["HashingBurst"]["Default"].as_u64().unwrap();
    let concurrency: &Value = &function(&template, "auth")["ReservedConcurrentExecutions"]["Fn::If"][1];
    assert_eq!(2 * burst, concurrency.as_u64().unwrap());
}
