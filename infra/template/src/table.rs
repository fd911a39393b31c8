//! The table of functions, and what follows from a row: resource names, event names, paths under both prefixes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The prefixes of every path, with the end of the names of their events.
const PREFIXES: [(&str, &str); 2] = [("/v5", "V5"), ("/api/v5", "ApiV5")];

const HTTP_ALARMS: &[&str] = &[
    "ServerErrorsAlarm",
    "DurationAlarm",
    "ErrorsAlarm",
    "ThrottlesAlarm",
    "StoreAlarm",
];
const SECURITY_ALARMS: &[&str] = &["TokenReuseAlarm", "PasswordSprayingAlarm", "LockoutsAlarm"];
const JOB_ALARMS: &[&str] = &["ErrorsAlarm", "JobFailuresAlarm", "ThrottlesAlarm", "IdleAlarm"];

/// A row of `functions.toml`, which describes the members.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    memory: u32,
    timeout: u32,
    concurrency: u32,
    log_days: LogDays,
    store: bool,
    keys: Keys,
    mail: Option<Mail>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    p99_ms: Option<u32>,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default)]
    root_routes: Vec<String>,
    #[serde(default)]
    limited: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    fallback: bool,
    security: Option<SecurityLimits>,
    schedule: Option<Schedule>,
    alarms: Option<JobLimits>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum LogDays {
    Days(u32),
    Parameter(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Keys {
    None,
    Verify,
    Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mail {
    Write,
    Send,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Schedule {
    event: String,
    expression: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SecurityLimits {
    window: u32,
    token_reuse: u32,
    password_spraying: u32,
    lockouts: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct JobLimits {
    window: u32,
    failed_invocations: u32,
    failed_runs: u32,
}

/// The variables of the base template.
#[derive(Debug, Serialize)]
pub(crate) struct Context {
    functions: Vec<Function>,
    limited_routes: Vec<LimitedRoute>,
    cors: Cors,
}

/// The cross-origin rules of the functions, which the HTTP API repeats.
#[derive(Debug, Serialize)]
struct Cors {
    methods: &'static [&'static str],
    request_headers: &'static [&'static str],
    response_headers: &'static [&'static str],
    max_age: u64,
}

const CORS: Cors = Cors {
    methods: &api::cors::METHODS,
    request_headers: &api::cors::REQUEST_HEADERS,
    response_headers: &api::cors::RESPONSE_HEADERS,
    max_age: api::cors::MAX_AGE.as_secs(),
};

#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one condition in the base template"
)]
struct Function {
    name: String,
    /// The beginning of the names of its resources: `AccessLog` for `access-log`.
    id: String,
    memory: u32,
    timeout: u32,
    concurrency: u32,
    /// A number or a reference to a parameter.
    log_days: String,
    store: bool,
    verifies: bool,
    signs: bool,
    mail: Option<Mail>,
    environment: BTreeMap<String, String>,
    p99_ms: Option<u32>,
    routes: Vec<Route>,
    fallback: bool,
    security: Option<SecurityLimits>,
    job: Option<Job>,
    alarms: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Route {
    event: String,
    path: String,
}

#[derive(Debug, Serialize)]
struct LimitedRoute {
    /// The route's key on the HTTP API.
    key: String,
    /// The beginning of the names of its parameters.
    limit: String,
}

#[derive(Debug, Serialize)]
struct Job {
    #[serde(flatten)]
    schedule: Schedule,
    #[serde(flatten)]
    limits: JobLimits,
}

/// Reads a table, and rejects it with a sentence that names the function.
pub(crate) fn parse(table: &str) -> Result<Context, String> {
    let rows: BTreeMap<String, Row> = toml::from_str(table).map_err(|error| error.to_string())?;
    let limited_routes = rows.values().flat_map(|row| &row.limited).flat_map(|(limit, routes)| {
        routes.iter().flat_map(move |route| {
            PREFIXES.map(|(prefix, _)| LimitedRoute {
                key: format!("ANY {prefix}{route}"),
                limit: limit.clone(),
            })
        })
    });
    let limited_routes = limited_routes.chain([LimitedRoute {
        key: "$default".into(),
        limit: "Fallback".into(),
    }]);
    let limited_routes = limited_routes.collect();
    let functions: Vec<Function> = rows
        .into_iter()
        .map(|(name, row)| function(name, row))
        .collect::<Result<_, _>>()?;

    let mut paths = BTreeSet::new();
    for (function, route) in functions
        .iter()
        .flat_map(|one| one.routes.iter().map(move |route| (one, route)))
    {
        if !paths.insert(&route.path) {
            return Err(format!("{}: the route {} exists already", function.name, route.path));
        }
    }
    if functions.iter().filter(|one| one.fallback).count() != 1 {
        return Err("`fallback = true` belongs to exactly one function".into());
    }
    Ok(Context {
        functions,
        limited_routes,
        cors: CORS,
    })
}

fn function(name: String, row: Row) -> Result<Function, String> {
    let has_routes = row.fallback || !row.routes.is_empty() || !row.root_routes.is_empty() || !row.limited.is_empty();
    let (job, mut alarms) = match (row.p99_ms, row.schedule, row.alarms) {
        (Some(_), None, None) if has_routes => (None, HTTP_ALARMS.to_vec()),
        (None, Some(schedule), Some(limits)) if !has_routes => (Some(Job { schedule, limits }), JOB_ALARMS.to_vec()),
        _ => {
            return Err(format!(
                "{name}: a function has either `p99_ms` and `routes`, or `schedule` and `alarms`"
            ));
        }
    };
    match row.security {
        Some(_) if job.is_some() => return Err(format!("{name}: `security` belongs to a function with `routes`")),
        Some(_) => alarms.extend(SECURITY_ALARMS),
        None => {}
    }
    let routes = row.routes.iter().chain(row.limited.values().flatten());
    let root_routes = row.root_routes.iter().map(|route| Route {
        event: camel_case(route) + "Root",
        path: route.clone(),
    });
    let routes: Vec<Route> = routes
        .flat_map(|route| {
            PREFIXES.map(|(prefix, end)| Route {
                event: camel_case(route) + end,
                path: format!("{prefix}{route}"),
            })
        })
        .chain(root_routes)
        .collect();
    let events: BTreeSet<_> = routes.iter().map(|route| &route.event).collect();
    if events.len() < routes.len() {
        return Err(format!(
            "{name}: two routes have the same letters and digits, and so the same event"
        ));
    }
    Ok(Function {
        id: camel_case(&name),
        name,
        memory: row.memory,
        timeout: row.timeout,
        concurrency: row.concurrency,
        log_days: match row.log_days {
            LogDays::Days(days) => days.to_string(),
            LogDays::Parameter(parameter) => format!("!Ref {parameter}"),
        },
        store: row.store,
        verifies: row.keys >= Keys::Verify,
        signs: row.keys == Keys::Sign,
        mail: row.mail,
        environment: row.environment,
        p99_ms: row.p99_ms,
        routes,
        fallback: row.fallback,
        security: row.security,
        job,
        alarms,
    })
}

/// `AccessLog` for `access-log`, and `AuthLoginsId` for `/auth/logins/{id}`.
fn camel_case(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "memory = 256\ntimeout = 10\nconcurrency = 1\nlog_days = 7\nstore = true\nkeys = \"none\"\n";

    fn problem(table: &str) -> String {
        parse(table).unwrap_err()
    }

    #[test]
    fn names_have_no_separators() {
        assert_eq!(camel_case("access-log"), "AccessLog");
        assert_eq!(camel_case("/auth/logout-all"), "AuthLogoutAll");
        assert_eq!(camel_case("/.well-known/jwks.json"), "WellKnownJwksJson");
    }

    #[test]
    fn routes_are_under_both_prefixes() {
        let table = format!("[health]\n{COMMON}p99_ms = 1\nfallback = true\nroutes = [\"/health\"]\n");
        let context = parse(&table).unwrap();
        let routes: Vec<_> = context.functions[0]
            .routes
            .iter()
            .map(|route| (route.event.as_str(), route.path.as_str()))
            .collect();
        assert_eq!(routes, [("HealthV5", "/v5/health"), ("HealthApiV5", "/api/v5/health")]);
    }

    #[test]
    fn root_routes_have_no_prefix() {
        let table = format!("[web]\n{COMMON}p99_ms = 1\nfallback = true\nroot_routes = [\"/\", \"/app/{{proxy+}}\"]\n");
        let context = parse(&table).unwrap();
        let routes: Vec<_> = context.functions[0]
            .routes
            .iter()
            .map(|route| (route.event.as_str(), route.path.as_str()))
            .collect();
        assert_eq!(routes, [("Root", "/"), ("AppProxyRoot", "/app/{proxy+}")]);
    }

    #[test]
    fn only_a_function_that_uses_the_store_receives_the_cluster() {
        let table = format!("[health]\n{COMMON}p99_ms = 1\nfallback = true\nroutes = [\"/health\"]\n");
        for (table, has_cluster) in [
            (table.clone(), true),
            (table.replace("store = true", "store = false"), false),
        ] {
            let text = crate::render::render(&parse(&table).unwrap()).unwrap();
            for reference in ["!Ref FdbCluster", "${FdbTlsArn}"] {
                assert_eq!(text.contains(reference), has_cluster, "{reference}");
            }
        }
        assert!(problem(&table.replace("store = true\n", "")).contains("store"));
    }

    #[test]
    fn rows_that_make_no_function_are_rejected() {
        let neither = "a function has either";
        let job = "schedule = { event = \"Run\", expression = \"rate(1 day)\" }\n\
                   alarms = { window = 900, failed_invocations = 3, failed_runs = 2 }\n";
        for (row, expected) in [
            (String::new(), neither),
            ("p99_ms = 1\n".into(), neither),
            (format!("{job}p99_ms = 1\n"), neither),
            (format!("{job}routes = [\"/a\"]\n"), neither),
            (
                format!("{job}security = {{ window = 1, token_reuse = 1, password_spraying = 1, lockouts = 1 }}\n"),
                "`security` belongs to a function with `routes`",
            ),
            (
                "schedule = { event = \"Run\", expression = \"rate(1 day)\" }\n".into(),
                neither,
            ),
            ("p99_ms = 1\nroutes = [\"/a\", \"/a\"]\n".into(), "the same event"),
            ("p99_ms = 1\nroutes = [\"/a-b\", \"/a/b\"]\n".into(), "the same event"),
            ("p99_ms = 1\nfallbck = true\n".into(), "fallbck"),
        ] {
            let found = problem(&format!("[one]\n{COMMON}{row}"));
            assert!(found.contains(expected), "{row}: {found}");
        }
    }

    #[test]
    fn a_route_belongs_to_one_function_and_unknown_paths_to_one() {
        let row = format!("{COMMON}p99_ms = 1\n");
        let same = format!("[one]\n{row}routes = [\"/a\"]\n[two]\n{row}routes = [\"/a\"]\n");
        assert!(problem(&same).starts_with("two: the route /v5/a"), "{}", problem(&same));
        for fallbacks in [["false"; 2], ["true"; 2]] {
            let [one, two] = fallbacks;
            let table = format!(
                "[one]\n{row}routes = [\"/a\"]\nfallback = {one}\n[two]\n{row}routes = [\"/b\"]\nfallback = {two}\n"
            );
            assert!(problem(&table).contains("exactly one function"), "{}", problem(&table));
        }
    }
}
