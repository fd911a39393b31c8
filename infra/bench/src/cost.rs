//! What it costs to run for so many users, and which limit is met first: computed from what `make bench` has measured here, from what an account
//! takes in the store, and from the assumptions and prices below, which are all that has to be changed for another deployment.
//!
//! Nothing of this was measured on AWS. It is arithmetic, to be checked against a bill.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Value, json};
use testkit::{Target as _, TestApp};

use crate::report::FOLDER;
use crate::trips;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scale.md");

/// How many people have an account.
const USERS: [f64; 3] = [1e3, 1e5, 1e7];

/// The share of them who are there on a day, and how much busier the busiest minute is than the mean of a day.
const ACTIVE: f64 = 0.2;
const PEAK: f64 = 4.0;

/// How many sessions and logins somebody has.
const SESSIONS: f64 = 20.0;
const LOGINS: f64 = 3.0;

/// For how long the audit log, which is kept for ever, has grown when the disk is looked at, in months.
const MONTHS: f64 = 12.0;

/// What a trip to the cluster takes in milliseconds, from a function in the same region: FoundationDB's documentation has 0.3 to 1 ms to begin, 0.1 to
/// 1 ms to read and 1.5 to 2.5 ms to commit, under moderate load.
const TRIP_MS: f64 = 1.2;

/// Keys that one process of the cluster reads and writes in a second, on one core with the SSD engine, of which half is used: FoundationDB's
/// documentation of its throughput.
const READS_PER_PROCESS: f64 = 55_000.0 / 2.0;
const WRITES_PER_PROCESS: f64 = 20_000.0 / 2.0;

/// Copies of each key, and how much of the disk a key takes for each of its bytes: pages, free space, the transaction logs.
const COPIES: f64 = 3.0;
const OVERHEAD: f64 = 2.5;

/// How many sandboxes there are for each that is busy: they are not spread evenly, and stay for a while.
const SPARE: f64 = 2.0;

/// The clients that a cluster of the size computed here is taken to serve before it is tried with more.
const CLIENTS: f64 = 3_000.0;

/// Quotas of an account on AWS in a region, each of which is raised on request. (A new account may begin with less.)
const ACCOUNT_CONCURRENCY: f64 = 1_000.0;
const GATEWAY_RATE: f64 = 10_000.0;

/// US dollars, us-east-1, list prices without the free tiers: Lambda (ARM64), API Gateway (HTTP API), CloudWatch, EC2 (i4i.xlarge, on demand), traffic.
const PER_MILLION_INVOCATIONS: f64 = 0.20;
const PER_GB_SECOND: f64 = 0.000_013_333_4;
const PER_MILLION_REQUESTS: f64 = 1.00;
const PER_GB_LOGGED: f64 = 0.50;
const PER_METRIC: f64 = 0.30;
const PER_ALARM: f64 = 0.10;
const PER_DASHBOARD: f64 = 3.00;
const PER_GB_SENT: f64 = 0.09;
const PER_NODE_HOUR: f64 = 0.343;

/// A node of the cluster: how many of its processes store, beside those that log, resolve and hand out versions; and what is left of its disk when a
/// quarter stays free.
const PROCESSES_PER_NODE: f64 = 2.0;
const NODE_GB: f64 = 937.0 * 0.75;
/// Fewer can not keep three copies in three zones.
const NODES_AT_LEAST: f64 = 3.0;

const DAYS: f64 = 30.0;
const DAY: f64 = 86_400.0;
/// A full processor, in MB of a function's memory.
const FULL_MB: f64 = 1769.0;
/// Our line, the platform's three around it, and the stage's.
const LOGGED_BYTES: f64 = 2_300.0;
/// Of the functions that answer requests, and of the one that does not.
const METRICS: f64 = 4.0 * 9.0 + 2.0;
const ALARMS: f64 = 25.0;
const FUNCTIONS: f64 = 5.0;

/// What somebody who is there does in a day.
struct Use {
    /// The endpoint, as the trips name it.
    endpoint: &'static str,
    /// The route of the gateway's that it goes by.
    route: &'static str,
    times: f64,
    function: &'static str,
    /// Keys that it reads and writes.
    reads: f64,
    writes: f64,
    work: Work,
    /// What it answers, in bytes.
    answer: f64,
}

/// What an invocation does itself. One that writes is taken to do what one that reads does: what it waits for here is the disk, and there the cluster.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Call,
    /// With a page in it.
    List,
    /// With a password's hash.
    Hash,
}

const GET: &str = "warm call of get, p50";
const LIST: &str = "warm call of list of 50, p50";
/// Held to the hash alone.
const LOGIN: &str = "login, p50";

const AUTH: &str = "AuthFunction";
const SESSIONS_FUNCTION: &str = "SessionsFunction";

const USES: [Use; 7] = [
    used("log in", (AUTH, "/auth/login"), 0.2, (6.0, 8.0), Work::Hash, 1_300.0),
    used("refresh", (AUTH, "/auth/refresh"), 2.0, (3.0, 5.0), Work::Call, 1_300.0),
    used(
        "list sessions",
        (SESSIONS_FUNCTION, "/sessions"),
        12.0,
        (4.0 + SESSIONS, 0.0),
        Work::List,
        6_000.0,
    ),
    used(
        "get session",
        (SESSIONS_FUNCTION, "/sessions/{id}"),
        30.0,
        (3.0, 0.0),
        Work::Call,
        700.0,
    ),
    used(
        "create session",
        (SESSIONS_FUNCTION, "/sessions"),
        1.0,
        (3.0, 5.0),
        Work::Call,
        700.0,
    ),
    used(
        "change session",
        (SESSIONS_FUNCTION, "/sessions/{id}"),
        5.0,
        (3.0, 3.0),
        Work::Call,
        700.0,
    ),
    used(
        "delete session",
        (SESSIONS_FUNCTION, "/sessions/{id}"),
        0.5,
        (3.0, 4.0),
        Work::Call,
        400.0,
    ),
];

const fn used(
    endpoint: &'static str,
    (function, route): (&'static str, &'static str),
    times: f64,
    (reads, writes): (f64, f64),
    work: Work,
    answer: f64,
) -> Use {
    Use {
        endpoint,
        route,
        times,
        function,
        reads,
        writes,
        work,
        answer,
    }
}

/// What `template.yaml` says.
struct Template {
    memory: Vec<(&'static str, f64)>,
    reserved: Vec<(&'static str, f64)>,
    route_rate: f64,
    hashing_rate: f64,
}

impl Template {
    fn read() -> Self {
        let documents = Yaml::load_from_str(include_str!("../../../template.yaml")).expect("template.yaml is YAML");
        let template = &documents[0];
        let number = |path: &[&str]| {
            let found = path.iter().fold(template, |node, name| &node[*name]);
            let found = match found {
                // `!If [the condition, with it, without it]`.
                Yaml::Tagged(_, node) => &node[1],
                node => node,
            };
            let number = found.as_integer().and_then(|number| u32::try_from(number).ok());
            f64::from(number.unwrap_or_else(|| panic!("template.yaml has no number at {path:?}")))
        };
        let of_each = |property: &str| {
            let value = |id| (id, number(&["Resources", id, "Properties", property]));
            [AUTH, SESSIONS_FUNCTION].map(value).to_vec()
        };
        Self {
            memory: of_each("MemorySize"),
            reserved: of_each("ReservedConcurrentExecutions"),
            route_rate: number(&["Parameters", "RouteRate", "Default"]),
            hashing_rate: number(&["Parameters", "HashingRate", "Default"]),
        }
    }
}

fn of(values: &[(&'static str, f64)], function: &str) -> f64 {
    let found = values.iter().find(|(id, _)| *id == function);
    found.expect("it was read for both").1
}

/// What was measured.
struct Measured {
    machine: String,
    /// What it is, ours, what that is held to, and the unit.
    rows: Vec<(String, f64, f64, String)>,
    template: Template,
    trips: Vec<trips::Count>,
    /// Bytes of keys and values.
    account: f64,
    login: f64,
    session: f64,
    event: f64,
}

impl Measured {
    /// Milliseconds of one processor.
    fn work(&self, work: Work) -> f64 {
        let millis = |row: &str| {
            let found = self.rows.iter().find(|(what, ..)| what == row);
            let (_, ours, theirs, unit) = found.unwrap_or_else(|| panic!("`make bench` has measured no {row}"));
            let per_milli = if unit == "µs" { 1000.0 } else { 1.0 };
            (ours / per_milli, theirs / per_milli)
        };
        match work {
            Work::Call => millis(GET).0,
            Work::List => millis(LIST).0,
            Work::Hash => millis(GET).0 + millis(LOGIN).1,
        }
    }

    fn memory(&self, one: &Use) -> f64 {
        of(&self.template.memory, one.function)
    }

    fn trips(&self, endpoint: &str) -> f64 {
        let found = self.trips.iter().find(|(name, _)| *name == endpoint);
        f64::from(found.expect("every endpoint's trips are counted").1)
    }

    /// How long an invocation takes, in seconds. A function with less than a full processor takes longer for its own part.
    fn seconds(&self, one: &Use) -> f64 {
        let own = self.work(one.work) * (FULL_MB / self.memory(one)).max(1.0);
        (own + self.trips(one.endpoint) * TRIP_MS) / 1000.0
    }

    /// Bytes of somebody's.
    fn bytes(&self) -> f64 {
        self.account + (LOGINS - 1.0) * self.login + SESSIONS * self.session
    }

    /// Bytes by which the audit log grows in a day for somebody who is there: whatever writes is told of.
    fn growth(&self) -> f64 {
        let told = USES.iter().filter(|one| one.writes > 0.0);
        self.event * told.map(|one| one.times).sum::<f64>()
    }
}

/// Writes `infra/scale.md`.
pub(crate) fn write() -> ExitCode {
    let file = Path::new(FOLDER).join("bench.json");
    let Ok(text) = std::fs::read(&file) else {
        eprintln!("there is no {}: run `make bench` first", file.display());
        return ExitCode::FAILURE;
    };
    let report: Value = serde_json::from_slice(&text).expect("it is what `make bench` has written");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs little");
    let measured = runtime.block_on(measure(&report, trips::count()));
    std::fs::write(PAGE, page(&measured)).expect("infra/scale.md can be written");
    println!("infra/scale.md is written");
    ExitCode::SUCCESS
}

async fn measure(report: &Value, trips: Vec<trips::Count>) -> Measured {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = report["rows"].as_array().expect("it has rows").iter();
    let rows = rows
        .map(|row| {
            let median = row["ours"]["median"].as_f64().expect("a row has a median");
            let theirs = row["theirs"]["median"].as_f64().expect("a row has what it is held to");
            (text(&row["what"]), median, theirs, text(&row["unit"]))
        })
        .collect();
    let machine = &report["machine"];
    let machine = format!("{}, {}", text(&machine["processor"]), text(&machine["date"]));

    let app = TestApp::start(gateway::router());
    let empty = stored(&app).await;
    let account = json!({
        "email": "ada.lovelace@example.com", "password": "password123", "firstName": "Ada", "lastName": "Lovelace", "company": "Engines",
    });
    let data = app.post("/v5/auth/register").json(&account).send().await.created();
    let token = text(&data["token"]);
    let registered = stored(&app).await;
    let login = json!({ "email": "ada.lovelace@example.com", "password": "password123" });
    app.post("/v5/auth/login").json(&login).send().await.ok();
    let logged_in = stored(&app).await;
    let draft = json!({ "name": "A project of some length", "workspacePath": "/workspace/projects/of-some-length" });
    let created = app.post("/v5/sessions").bearer(&token).json(&draft).send().await;
    let path = created.header("location").expect("it says where it is").to_owned();
    let made = stored(&app).await;
    let change = json!({ "name": "A project of same length" });
    app.patch(&path).bearer(&token).json(&change).send().await.ok();
    let changed = stored(&app).await;
    Measured {
        machine,
        rows,
        template: Template::read(),
        trips,
        account: registered - empty,
        login: logged_in - registered,
        session: made - logged_in,
        // The name is another, and as long.
        event: changed - made,
    }
}

/// The bytes of all keys and values.
async fn stored(app: &TestApp) -> f64 {
    let entries = app.all_entries().await;
    let bytes: usize = entries
        .iter()
        .map(|entry| entry.key.as_bytes().len() + entry.value.len())
        .sum();
    f64::from(u32::try_from(bytes).expect("a test's store is small"))
}

/// Something that there is only so much of.
struct Limit {
    what: &'static str,
    taken: f64,
    of: f64,
    turn: &'static str,
}

/// One column.
struct Scale {
    users: f64,
    peak_rate: f64,
    logins: f64,
    busy: f64,
    clients: f64,
    growth: f64,
    gigabytes: f64,
    nodes: f64,
    money: [(&'static str, f64); 5],
    limits: Vec<Limit>,
}

fn scale(measured: &Measured, users: f64) -> Scale {
    let daily = users * ACTIVE;
    let sum = |of: fn(&Use) -> f64| USES.iter().map(|one| one.times * of(one)).sum::<f64>();
    let peak = daily * PEAK / DAY;
    let busy_of = |function: &str| {
        let busy = USES.iter().filter(|one| one.function == function);
        peak * busy.map(|one| one.times * measured.seconds(one)).sum::<f64>()
    };
    let (busy_auth, busy_sessions) = (busy_of(AUTH), busy_of(SESSIONS_FUNCTION));
    let busy = busy_auth + busy_sessions;
    let requests = sum(|_| 1.0);
    let peak_rate = peak * requests;
    // One that is warm of each function there is always.
    let clients = (busy * SPARE).max(FUNCTIONS);
    let on_disk = |bytes: f64| bytes * COPIES * OVERHEAD / 1e9;
    let growth = on_disk(daily * DAYS * measured.growth());
    let gigabytes = on_disk(users * measured.bytes()) + growth * MONTHS;
    let processes =
        peak * (sum(|one| one.reads) / READS_PER_PROCESS + sum(|one| one.writes) * COPIES / WRITES_PER_PROCESS);
    let stores = (processes / PROCESSES_PER_NODE).max(gigabytes / NODE_GB);
    let nodes = stores.ceil().max(NODES_AT_LEAST);

    let month = daily * DAYS;
    let millions = month * requests / 1e6;
    let gb_seconds: f64 = USES
        .iter()
        .map(|one| month * one.times * measured.seconds(one) * measured.memory(one) / 1024.0)
        .sum();
    Scale {
        users,
        peak_rate,
        logins: peak * USES[0].times,
        busy,
        clients,
        growth,
        gigabytes,
        nodes,
        money: [
            (
                "Lambda",
                millions * PER_MILLION_INVOCATIONS + gb_seconds * PER_GB_SECOND,
            ),
            ("API Gateway", millions * PER_MILLION_REQUESTS),
            (
                "CloudWatch",
                millions * LOGGED_BYTES / 1e3 * PER_GB_LOGGED
                    + METRICS * PER_METRIC
                    + ALARMS * PER_ALARM
                    + PER_DASHBOARD,
            ),
            ("traffic", month * sum(|one| one.answer) / 1e9 * PER_GB_SENT),
            ("FoundationDB", nodes * 24.0 * DAYS * PER_NODE_HOUR),
        ],
        limits: limits(measured, peak, (busy_auth, busy_sessions), clients, stores),
    }
}

/// What may be met, with `stores` as the nodes that the data and the work want.
fn limits(
    measured: &Measured,
    peak: f64,
    (busy_auth, busy_sessions): (f64, f64),
    clients: f64,
    stores: f64,
) -> Vec<Limit> {
    let template = &measured.template;
    let rate_of = |route: &str| {
        let taken = USES.iter().filter(|one| one.route == route);
        peak * taken.map(|one| one.times).sum::<f64>()
    };
    vec![
        Limit {
            what: "concurrency of the account",
            taken: busy_auth + busy_sessions,
            of: ACCOUNT_CONCURRENCY,
            turn: "have the quota raised; it is one for all functions of the region, so that `ReservedConcurrentExecutions` of `sessions` and `auth` \
                   in `template.yaml` go up with it",
        },
        Limit {
            what: "concurrency that is reserved for `auth`",
            taken: busy_auth,
            of: of(&template.reserved, AUTH),
            turn: "raise it in `template.yaml`, and `HashingRate` with it",
        },
        Limit {
            what: "concurrency that is reserved for `sessions`",
            taken: busy_sessions,
            of: of(&template.reserved, SESSIONS_FUNCTION),
            turn: "raise it in `template.yaml`",
        },
        Limit {
            what: "`RouteRate`, requests a second for `/sessions/{id}`",
            taken: rate_of("/sessions/{id}"),
            of: template.route_rate,
            turn: "raise the parameter, and `RouteBurst` with it: it is there against mistakes, and no quota",
        },
        Limit {
            what: "`HashingRate`, logins a second",
            taken: rate_of("/auth/login"),
            of: template.hashing_rate,
            turn: "raise the parameter as far as the concurrency reserved for `auth` carries it",
        },
        Limit {
            what: "requests a second of API Gateway",
            taken: peak * USES.iter().map(|one| one.times).sum::<f64>(),
            of: GATEWAY_RATE,
            turn: "have the quota raised, and `RouteRate` with it; beyond some 50,000 a second, a second API and region",
        },
        Limit {
            what: "clients of one cluster",
            taken: clients,
            of: CLIENTS,
            turn: "let the gateway's container answer `sessions`: one client for hundreds of requests at once, where a sandbox is one for one; then \
                   more proxies in the cluster",
        },
        Limit {
            what: "a cluster of the least size",
            taken: stores,
            of: NODES_AT_LEAST,
            turn: "add nodes, and FoundationDB moves the data by itself; the audit log, which is kept for ever, could go to cheaper storage after some time",
        },
    ]
}

/// What stands in a column.
type Cell = fn(&Scale) -> String;

fn page(measured: &Measured) -> String {
    let scales: Vec<Scale> = USERS.iter().map(|users| scale(measured, *users)).collect();
    let mut text = format!(
        "# What so many users take\n\n\
         Written by `make cost` from what `make bench` has measured ({}), from what an account takes in the store, and from the assumptions in \
         `infra/bench/src/cost.rs`. It is arithmetic: nothing of it was measured on AWS. Prices are list prices of us-east-1 without free tiers.\n\n\
         ## What somebody does\n\n\
         {} % of the users are there on a day, and the busiest minute is {PEAK} times the mean. An invocation takes the time that the program took here, \
         longer by as much as its function has less than a full processor, and {TRIP_MS} ms a trip to the cluster; cold starts are left out.\n\n\
         | endpoint | times a day | trips | own work | an invocation | memory |\n| --- | --- | --- | --- | --- | --- |\n",
        measured.machine,
        ACTIVE * 100.0,
    );
    for one in &USES {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} ms | {:.1} ms | {} MB |",
            one.endpoint,
            one.times,
            measured.trips(one.endpoint),
            measured.work(one.work),
            measured.seconds(one) * 1000.0,
            measured.memory(one)
        );
    }
    let _ = writeln!(
        text,
        "\nIn the store, in bytes of keys and values: an account with its first login {:.0}, another login {:.0}, a session {:.0}, an event of the audit log {:.0}. With {LOGINS} logins and \
         {SESSIONS} sessions, {:.0} bytes a user; and {:.0} more for each day on which they are there, because the log is kept for ever. {COPIES} copies, and \
         {OVERHEAD} bytes of disk for each.\n\n\
         ## What that comes to\n\n\
         | | {} |\n| --- |{}",
        measured.account,
        measured.login,
        measured.session,
        measured.event,
        measured.bytes(),
        measured.growth(),
        columns(&scales, |scale| format!("**{}** users", count(scale.users))),
        " --- |".repeat(scales.len()),
    );
    let rows: [(&str, Cell); 7] = [
        ("requests a second, at the peak", |scale| figure(scale.peak_rate)),
        ("of them logins", |scale| figure(scale.logins)),
        ("invocations at once", |scale| figure(scale.busy)),
        ("FoundationDB clients (sandboxes)", |scale| figure(scale.clients)),
        ("disk after a year, in GB", |scale| figure(scale.gigabytes)),
        ("of that, by which it grows a month", |scale| figure(scale.growth)),
        ("nodes of the cluster, then", |scale| figure(scale.nodes)),
    ];
    for (what, of) in rows {
        let _ = writeln!(text, "| {what} | {} |", columns(&scales, of));
    }
    for part in 0..scales[0].money.len() {
        let (what, _) = scales[0].money[part];
        let cells = columns(&scales, |scale| dollars(scale.money[part].1));
        let _ = writeln!(text, "| {what}, a month | {cells} |");
    }
    let total = |scale: &Scale| scale.money.iter().map(|(_, dollars)| dollars).sum::<f64>();
    let _ = writeln!(
        text,
        "| **in all, a month** | {} |\n| a user, a month | {} |\n\n## Which limit is met first\n\n\
         Each as the share of it that is taken, at the peak.\n\n| limit | {} | what is turned |\n| --- |{} --- |",
        columns(&scales, |scale| dollars(total(scale))),
        columns(&scales, |scale| format!("${:.4}", total(scale) / scale.users)),
        columns(&scales, |scale| count(scale.users)),
        " --- |".repeat(scales.len()),
    );
    let last = &scales[scales.len() - 1];
    let mut order: Vec<usize> = (0..last.limits.len()).collect();
    let share = |limit: &Limit| limit.taken / limit.of;
    order.sort_by(|a, b| share(&last.limits[*b]).total_cmp(&share(&last.limits[*a])));
    for index in &order {
        let limit = &last.limits[*index];
        let cells = columns(&scales, |scale| {
            format!("{:.1} %", share(&scale.limits[*index]) * 100.0)
        });
        let _ = writeln!(
            text,
            "| {} ({}) | {cells} | {} |",
            limit.what,
            count(limit.of),
            limit.turn
        );
    }
    let _ = write!(
        text,
        "\nThe first is met at about {} users.\n\n\
         **Hot keys.** Nothing is written by everybody: a user's keys and a tenant's are their own, events of the audit log are appended under the commit's stamp \
         and conflict with nothing, and what expires is filed in shards (`shared/domain/src/expiry.rs`). What many may write at once are the counts of attempts \
         by address: behind one address of a large network the attempts at passwords wait for each other, which is what those counts are for.\n",
        count(last.users / share(&last.limits[order[0]])),
    );
    text
}

fn columns(scales: &[Scale], of: impl Fn(&Scale) -> String) -> String {
    scales.iter().map(of).collect::<Vec<_>>().join(" | ")
}

fn count(number: f64) -> String {
    match number {
        many if many >= 1e6 => format!("{:.1} million", many / 1e6).replace(".0 ", " "),
        many => grouped(many),
    }
}

/// Two figures that count.
fn figure(number: f64) -> String {
    match number {
        small if small < 1.0 => format!("{small:.2}"),
        small if small < 100.0 => format!("{small:.1}"),
        large => grouped(large),
    }
}

fn dollars(number: f64) -> String {
    match number {
        small if small < 100.0 => format!("${small:.2}"),
        large => format!("${}", grouped(large)),
    }
}

/// In whole numbers, with a comma between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let row = |what: &str, value, unit: &str| (what.to_owned(), value, value, unit.to_owned());
        Measured {
            machine: "a machine".to_owned(),
            rows: vec![row(GET, 1000.0, "µs"), row(LIST, 4000.0, "µs"), row(LOGIN, 25.0, "ms")],
            template: Template::read(),
            trips: trips::count(),
            account: 1000.0,
            login: 500.0,
            session: 400.0,
            event: 100.0,
        }
    }

    #[test]
    fn ten_times_the_users_take_ten_times_as_much_but_for_what_there_is_at_least() {
        let measured = measured();
        let (one, ten) = (scale(&measured, 1e6), scale(&measured, 1e7));
        for of in [
            |scale: &Scale| scale.peak_rate,
            |scale: &Scale| scale.busy,
            |scale: &Scale| scale.gigabytes,
            |scale: &Scale| scale.money[1].1,
        ] {
            assert!((of(&ten) / of(&one) - 10.0).abs() < 1e-9);
        }
        assert!(scale(&measured, 1.0).nodes >= NODES_AT_LEAST);
    }

    #[test]
    fn an_invocation_takes_its_own_work_by_its_share_of_a_processor_and_its_trips() {
        let measured = measured();
        let get = USES.iter().find(|one| one.endpoint == "get session").unwrap();
        assert_eq!((get.function, USES[0].function), (SESSIONS_FUNCTION, AUTH));
        let own = FULL_MB / measured.memory(get);
        let trips = |one: &Use| measured.trips(one.endpoint) * TRIP_MS;
        assert!((measured.seconds(get) * 1000.0 - own - trips(get)).abs() < 1e-9);
        // A full processor, the hash and the call.
        assert!((measured.seconds(&USES[0]) * 1000.0 - 26.0 - trips(&USES[0])).abs() < 1e-9);
    }

    #[test]
    fn the_page_names_the_limit_that_is_met_first() {
        let text = page(&measured());
        let (_, limits) = text.split_once("## Which limit").unwrap();
        let first = limits.lines().find(|line| line.contains(" % |")).unwrap();
        let largest = scale(&measured(), 1e7).limits.into_iter();
        let largest = largest
            .max_by(|a, b| (a.taken / a.of).total_cmp(&(b.taken / b.of)))
            .unwrap();
        assert!(first.contains(largest.what), "{first}");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [1e3, 123.4, 1e7, 2.5e6].map(count),
            ["1,000", "123", "10 million", "2.5 million"]
        );
        assert_eq!([0.123, 12.34, 1234.5].map(figure), ["0.12", "12.3", "1,234"]);
        assert_eq!([1.5, 1_234_567.0].map(dollars), ["$1.50", "$1,234,567"]);
    }
}
