//! The measured inputs: results of `make bench`, store trips, stored bytes, and the figures of `template.yaml`.

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Value, json};
use testkit::{Target as _, TestApp};

use super::assumptions::{AUTH, FULL_MB, LOGINS, SESSIONS, SESSIONS_FUNCTION, TRIP_MS, USAGE, Usage, Work};
use crate::trips;

// Rows of `make bench`, by name.
const GET: &str = "warm call of get, p50";
const LIST: &str = "warm call of list of 50, p50";
/// Its baseline is one verification.
const LOGIN: &str = "login, p50";

/// The figures of `template.yaml`.
pub(super) struct Template {
    memory: Vec<(&'static str, f64)>,
    reserved: Vec<(&'static str, f64)>,
    pub(super) route_rate: f64,
    pub(super) hashing_rate: f64,
}

impl Template {
    pub(super) fn read() -> Self {
        let documents = Yaml::load_from_str(include_str!("../../../../template.yaml")).expect("template.yaml is YAML");
        let template = &documents[0];
        let number = |path: &[&str]| {
            let found = path.iter().fold(template, |node, name| &node[*name]);
            let found = match found {
                // `!If [condition, value if true, value if false]`.
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

    /// Memory size in MB.
    pub(super) fn memory(&self, function: &str) -> f64 {
        value_of(&self.memory, function)
    }

    pub(super) fn reserved_concurrency(&self, function: &str) -> f64 {
        value_of(&self.reserved, function)
    }
}

fn value_of(values: &[(&'static str, f64)], function: &str) -> f64 {
    let found = values.iter().find(|(id, _)| *id == function);
    found.expect("the template was read for both functions").1
}

/// A row of `make bench`: medians in `unit`.
struct BenchRow {
    name: String,
    measured: f64,
    baseline: f64,
    unit: String,
}

pub(super) struct Inputs {
    /// Processor and date of `make bench`.
    pub(super) machine: String,
    rows: Vec<BenchRow>,
    pub(super) template: Template,
    trips: Vec<trips::Count>,
    pub(super) stored: StoredBytes,
}

/// Bytes of keys and values.
pub(super) struct StoredBytes {
    /// An account with its first login.
    pub(super) account: f64,
    pub(super) login: f64,
    pub(super) session: f64,
    pub(super) audit_event: f64,
}

impl Inputs {
    /// Measures the stored bytes and the trips; takes everything else from the report of `make bench`.
    pub(super) async fn measure(report: &Value, trips: Vec<trips::Count>) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = report["rows"].as_array().expect("the report has rows").iter();
        let rows = rows.map(|row| BenchRow {
            name: text(&row["name"]),
            measured: row["measured"]["median"].as_f64().expect("a row has a median"),
            baseline: row["baseline"]["median"].as_f64().expect("a row has a baseline"),
            unit: text(&row["unit"]),
        });
        let machine = &report["machine"];
        Self {
            machine: format!("{}, {}", text(&machine["processor"]), text(&machine["date"])),
            rows: rows.collect(),
            template: Template::read(),
            trips,
            stored: StoredBytes::measure().await,
        }
    }

    /// Milliseconds of one processor.
    pub(super) fn work(&self, work: Work) -> f64 {
        let millis = |name: &str| {
            let row = self.rows.iter().find(|row| row.name == name);
            let row = row.unwrap_or_else(|| panic!("the results of `make bench` lack the row {name}"));
            let per_milli = if row.unit == "µs" { 1000.0 } else { 1.0 };
            (row.measured / per_milli, row.baseline / per_milli)
        };
        match work {
            Work::Call => millis(GET).0,
            Work::List => millis(LIST).0,
            Work::Hash => millis(GET).0 + millis(LOGIN).1,
        }
    }

    pub(super) fn memory(&self, usage: &Usage) -> f64 {
        self.template.memory(usage.function)
    }

    pub(super) fn trips(&self, endpoint: &str) -> f64 {
        let found = self.trips.iter().find(|(name, _)| *name == endpoint);
        f64::from(found.expect("every endpoint's trips are counted").1)
    }

    /// Duration of an invocation in seconds. A function with less than a full processor takes longer for its own work.
    pub(super) fn seconds(&self, usage: &Usage) -> f64 {
        let own = self.work(usage.work) * (FULL_MB / self.memory(usage)).max(1.0);
        (own + self.trips(usage.endpoint) * TRIP_MS) / 1000.0
    }

    /// Stored bytes per user, without the audit log.
    pub(super) fn bytes_per_user(&self) -> f64 {
        let stored = &self.stored;
        stored.account + (LOGINS - 1.0) * stored.login + SESSIONS * stored.session
    }

    /// Bytes that an active user adds to the audit log per day: every call that writes is logged.
    pub(super) fn daily_growth(&self) -> f64 {
        let logged = USAGE.iter().filter(|usage| usage.writes > 0.0);
        self.stored.audit_event * logged.map(|usage| usage.per_day).sum::<f64>()
    }
}

impl StoredBytes {
    async fn measure() -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let app = TestApp::start(gateway::router());
        let empty = stored_bytes(&app).await;
        let account = json!({
            "email": "ada.lovelace@example.com", "password": "password123",
            "firstName": "Ada", "lastName": "Lovelace", "company": "Engines",
        });
        let data = app.post("/v5/auth/register").json(&account).send().await.created();
        let token = text(&data["token"]);
        let registered = stored_bytes(&app).await;
        let login = json!({ "email": "ada.lovelace@example.com", "password": "password123" });
        app.post("/v5/auth/login").json(&login).send().await.ok();
        let logged_in = stored_bytes(&app).await;
        let draft =
            json!({ "name": "A project of some length", "workspacePath": "/workspace/projects/of-some-length" });
        let created = app.post("/v5/sessions").bearer(&token).json(&draft).send().await;
        let path = created
            .header("location")
            .expect("the response has a location")
            .to_owned();
        let with_session = stored_bytes(&app).await;
        // Another name of the same length, so that only the audit log grows.
        let change = json!({ "name": "A project of same length" });
        app.patch(&path).bearer(&token).json(&change).send().await.ok();
        let changed = stored_bytes(&app).await;
        Self {
            account: registered - empty,
            login: logged_in - registered,
            session: with_session - logged_in,
            audit_event: changed - with_session,
        }
    }
}

/// The bytes of all keys and values in the store.
async fn stored_bytes(app: &TestApp) -> f64 {
    let entries = app.all_entries().await;
    let bytes: usize = entries
        .iter()
        .map(|entry| entry.key.as_bytes().len() + entry.value.len())
        .sum();
    f64::from(u32::try_from(bytes).expect("the store is small"))
}

/// Round numbers, for the tests of this module.
#[cfg(test)]
pub(super) fn sample() -> Inputs {
    let row = |name: &str, value, unit: &str| BenchRow {
        name: name.to_owned(),
        measured: value,
        baseline: value,
        unit: unit.to_owned(),
    };
    Inputs {
        machine: "a machine".to_owned(),
        rows: vec![row(GET, 1000.0, "µs"), row(LIST, 4000.0, "µs"), row(LOGIN, 25.0, "ms")],
        template: Template::read(),
        trips: trips::count(),
        stored: StoredBytes {
            account: 1000.0,
            login: 500.0,
            session: 400.0,
            audit_event: 100.0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_takes_its_work_per_processor_share_and_its_trips() {
        let inputs = sample();
        let get = USAGE.iter().find(|usage| usage.endpoint == "get session").unwrap();
        let login = &USAGE[0];
        assert_eq!((get.function, login.function), (SESSIONS_FUNCTION, AUTH));
        let own = FULL_MB / inputs.memory(get);
        let trips = |usage: &Usage| inputs.trips(usage.endpoint) * TRIP_MS;
        assert!((inputs.seconds(get) * 1000.0 - own - trips(get)).abs() < 1e-9);
        // A full processor: 25 ms for the hash and 1 ms for the call.
        assert!((inputs.seconds(login) * 1000.0 - 26.0 - trips(login)).abs() < 1e-9);
    }
}
