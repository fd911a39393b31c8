//! What each function can read and do: keys, secrets, its log, and the permissions of the roles.

use std::collections::BTreeSet;

use api::config::TokenUse;
use serde_json::{Map, Value, json};

use super::{camel, function, function_id, jobs, mentions, resources, set_or_one, template};
use crate::layout;

#[test]
fn a_function_has_exactly_the_keys_that_it_uses() {
    let template = template();
    let uses = gateway::functions()
        .into_iter()
        .map(|function| (function.name.to_owned(), function.router.token_use()))
        .chain(jobs().into_iter().map(|job| (job, TokenUse::Ignores)));
    for (folder, token_use) in uses {
        let variables = function(&template, &folder)["Environment"]["Variables"].as_object();
        let names = variables.into_iter().flat_map(Map::keys).map(String::as_str);
        let keys: BTreeSet<_> = names.filter(|name| name.starts_with("JWT_")).collect();
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
        assert_eq!(keys, wanted, "{folder}, which {token_use:?}");
    }
    assert!(
        !mentions(&template["Globals"], "Jwt"),
        "the environment of all functions contains no key"
    );
}

#[test]
fn secrets_appear_only_in_the_environment_of_functions() {
    let template = template();
    for (id, resource) in resources(&template) {
        let mut resource = resource.clone();
        // Only the mailer has the URL of the SMTP server, which contains a password.
        let mail = ("MAIL", "MailUrlArn", "", "MailUrlVersionId");
        if let Some(variables) = resource["Properties"]["Environment"]["Variables"].as_object_mut() {
            for (name, secret, member, version) in [
                ("JWT_SECRET", "JwtSecretArn", "", "JwtSecretVersionId"),
                ("JWT_SECRET_PREVIOUS", "JwtSecretArn", "", "JwtSecretPreviousVersionId"),
                ("JWT_PRIVATE_KEY", "JwtPrivateKeyArn", "", "JwtPrivateKeyVersionId"),
                (
                    "FDB_NETWORK_OPTION_TLS_CERT_BYTES",
                    "FdbTlsArn",
                    "certificate",
                    "FdbTlsVersionId",
                ),
                (
                    "FDB_NETWORK_OPTION_TLS_KEY_BYTES",
                    "FdbTlsArn",
                    "key",
                    "FdbTlsVersionId",
                ),
                ("FDB_NETWORK_OPTION_TLS_CA_BYTES", "FdbTlsArn", "ca", "FdbTlsVersionId"),
            ]
            .into_iter()
            .chain((id == "MailerFunction").then_some(mail))
            {
                if let Some(value) = variables.remove(name) {
                    let source = value["Fn::If"][1]["Fn::Sub"].as_str().unwrap_or_default();
                    let wanted =
                        format!("{{{{resolve:secretsmanager:${{{secret}}}:SecretString:{member}::${{{version}}}}}}}");
                    assert_eq!(source, wanted, "{id}: {name}");
                }
            }
        }
        for reference in [
            "secretsmanager",
            "JwtSecretArn",
            "JwtPrivateKeyArn",
            "FdbTlsArn",
            "MailUrlArn",
        ] {
            assert!(!mentions(&resource, reference), "{id} refers to {reference}");
        }
    }
}

#[test]
fn every_function_has_a_log_with_a_retention_and_may_write_to_no_other() {
    let template = template();
    for folder in layout::functions() {
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
        let write = json!({
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": format!("{logs}.Arn")},
        });
        assert_eq!(policies.as_array().unwrap().len(), 1, "{role}");
        assert_eq!(policies[0]["PolicyDocument"]["Statement"], json!([write]), "{role}");
    }
}

#[test]
fn only_actions_without_resource_level_permissions_are_allowed_on_every_resource() {
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
    let mut unrestricted = BTreeSet::new();
    for statement in found {
        let actions = set_or_one(&statement["Action"]);
        assert!(actions.iter().all(|action| !action.contains('*')), "{statement}");
        if statement["Resource"] == "*" {
            unrestricted.extend(actions);
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
    assert_eq!(unrestricted, wanted);
}

/// Each function by its own name: a pattern with the stack's name would match another stack whose name begins with it.
#[test]
fn the_traffic_shift_role_may_move_the_aliases_of_this_stack_only() {
    let template = template();
    let policies = &resources(&template)["TrafficShiftRole"]["Properties"]["Policies"];
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let moves = |statement: &&Value| set_or_one(&statement["Action"]).contains("lambda:UpdateAlias");
    let moving: Vec<_> = statements.iter().filter(moves).collect();
    let all = layout::functions()
        .iter()
        .map(|folder| format!("{}.Arn", function_id(folder)))
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

/// A forged report would suppress the address of any user.
#[test]
fn only_amazon_ses_of_this_account_may_report_bounces_to_the_mailer() {
    let template = template();
    let topic = json!({ "Ref": "MailFeedbackTopic" });
    let policy = &resources(&template)["MailFeedbackTopicPolicy"]["Properties"];
    assert_eq!(policy["Topics"], json!([topic]));
    let publish = json!({
        "Effect": "Allow",
        "Principal": { "Service": "ses.amazonaws.com" },
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": { "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } },
    });
    assert_eq!(policy["PolicyDocument"]["Statement"], json!([publish]));
    for folder in layout::functions() {
        let events = function(&template, &folder)["Events"].as_object().unwrap();
        for event in events.values().filter(|event| event["Type"] == "SNS") {
            assert_eq!((folder.as_str(), &event["Properties"]["Topic"]), ("mailer", &topic));
        }
    }
}
