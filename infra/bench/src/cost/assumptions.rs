//! The assumptions behind `infra/scale.md`: change these constants for another deployment. Everything else is measured
//! or read from `template.yaml`.

/// Numbers of registered users: the columns of the tables.
pub(super) const USERS: [f64; 3] = [1e3, 1e5, 1e7];

/// Share of the users who are active on a day.
pub(super) const ACTIVE: f64 = 0.2;
/// Load of the busiest minute, relative to the mean of a day.
pub(super) const PEAK: f64 = 4.0;

/// Sessions and logins per user.
pub(super) const SESSIONS: f64 = 20.0;
pub(super) const LOGINS: f64 = 3.0;

/// Age of the audit log when its disk space is computed, in months: as long as entries are kept by default.
pub(super) const MONTHS: f64 = 12.0;

/// Time of a trip to the cluster in milliseconds, from a function in the same region. FoundationDB's documentation
/// gives 0.3 to 1 ms for a begin, 0.1 to 1 ms for a read and 1.5 to 2.5 ms for a commit, under moderate load.
pub(super) const TRIP_MS: f64 = 1.2;

/// Keys that one process of the cluster reads or writes per second, on one core with the SSD engine, from
/// FoundationDB's documentation of its throughput. Half of it is used.
pub(super) const READS_PER_PROCESS: f64 = 55_000.0 / 2.0;
pub(super) const WRITES_PER_PROCESS: f64 = 20_000.0 / 2.0;

/// Copies of each key.
pub(super) const COPIES: f64 = 3.0;
/// Bytes of disk per stored byte: pages, free space, transaction logs.
pub(super) const OVERHEAD: f64 = 2.5;

/// Sandboxes per busy sandbox: requests are not distributed evenly, and idle sandboxes stay for a while.
pub(super) const SPARE: f64 = 2.0;

/// Clients that a cluster of the computed size serves, until a test shows more.
pub(super) const CLIENTS: f64 = 3_000.0;

/// Quotas of an AWS account in one region. AWS raises both on request; a new account may have less.
pub(super) const ACCOUNT_CONCURRENCY: f64 = 1_000.0;
pub(super) const GATEWAY_RATE: f64 = 10_000.0;

// List prices in US dollars, us-east-1, without free tiers: Lambda (ARM64), API Gateway (HTTP API), CloudWatch, traffic
// and EC2 (i4i.xlarge, on demand).
pub(super) const PER_MILLION_INVOCATIONS: f64 = 0.20;
pub(super) const PER_GB_SECOND: f64 = 0.000_013_333_4;
pub(super) const PER_MILLION_REQUESTS: f64 = 1.00;
pub(super) const PER_GB_LOGGED: f64 = 0.50;
pub(super) const PER_METRIC: f64 = 0.30;
/// CloudWatch charges each metric that an alarm reads.
pub(super) const PER_ALARM: f64 = 0.10;
pub(super) const PER_DASHBOARD: f64 = 3.00;
pub(super) const PER_GB_SENT: f64 = 0.09;
pub(super) const PER_NODE_HOUR: f64 = 0.343;

/// Storage processes of a node; its others log, resolve conflicts and assign versions.
pub(super) const PROCESSES_PER_NODE: f64 = 2.0;
/// Usable disk of a node in GB: a quarter stays free.
pub(super) const NODE_GB: f64 = 937.0 * 0.75;
/// Fewer nodes cannot keep three copies in three zones.
pub(super) const MIN_NODES: f64 = 3.0;

pub(super) const DAYS: f64 = 30.0;
pub(super) const SECONDS_PER_DAY: f64 = 86_400.0;
/// Memory size of a function at which Lambda assigns a full processor, in MB.
pub(super) const FULL_MB: f64 = 1769.0;
/// Log bytes per request: the request log line, three lines from Lambda itself, and the stage's access log.
pub(super) const LOGGED_BYTES: f64 = 2_300.0;
/// Metrics of a function with endpoints, and of a job.
const METRICS: [f64; 2] = [9.0, 2.0];
/// Metrics of the alarms of a function with endpoints, and of a job.
const ALARMS: [f64; 2] = [9.0, 4.0];
/// Metrics of the alarms of the HTTP API.
const API_ALARMS: f64 = 2.0;
/// Metrics of security events, each with an alarm.
const SECURITY_METRICS: f64 = 3.0;

pub(super) const AUTH: &str = "AuthFunction";
pub(super) const SESSIONS_FUNCTION: &str = "SessionsFunction";

/// The use of one endpoint by an active user.
pub(super) struct Usage {
    /// The endpoint's name in the table of trips.
    pub(super) endpoint: &'static str,
    /// The function's id in `template.yaml`.
    pub(super) function: &'static str,
    /// The route of the API gateway.
    pub(super) route: &'static str,
    pub(super) per_day: f64,
    /// Keys that one call reads and writes.
    pub(super) reads: f64,
    pub(super) writes: f64,
    pub(super) work: Work,
    /// Size of a response in bytes.
    pub(super) response_bytes: f64,
}

/// The kind of a call, which determines the processor time of an invocation. A call that writes counts like one that
/// reads: locally it waits for the disk, on AWS for the cluster.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Work {
    Call,
    /// A call that returns a page.
    List,
    /// A call that hashes a password.
    Hash,
}

pub(super) const USAGE: [Usage; 7] = [
    usage("log in", (AUTH, "/auth/login"), 0.2, (6.0, 8.0), Work::Hash, 1_300.0),
    usage("refresh", (AUTH, "/auth/refresh"), 2.0, (3.0, 5.0), Work::Call, 1_300.0),
    usage(
        "list sessions",
        (SESSIONS_FUNCTION, "/sessions"),
        12.0,
        (4.0 + SESSIONS, 0.0),
        Work::List,
        6_000.0,
    ),
    usage(
        "get session",
        (SESSIONS_FUNCTION, "/sessions/{id}"),
        30.0,
        (3.0, 0.0),
        Work::Call,
        700.0,
    ),
    usage(
        "create session",
        (SESSIONS_FUNCTION, "/sessions"),
        1.0,
        (3.0, 5.0),
        Work::Call,
        700.0,
    ),
    usage(
        "change session",
        (SESSIONS_FUNCTION, "/sessions/{id}"),
        5.0,
        (3.0, 3.0),
        Work::Call,
        700.0,
    ),
    usage(
        "delete session",
        (SESSIONS_FUNCTION, "/sessions/{id}"),
        0.5,
        (3.0, 4.0),
        Work::Call,
        400.0,
    ),
];

const fn usage(
    endpoint: &'static str,
    (function, route): (&'static str, &'static str),
    per_day: f64,
    (reads, writes): (f64, f64),
    work: Work,
    response_bytes: f64,
) -> Usage {
    Usage {
        endpoint,
        function,
        route,
        per_day,
        reads,
        writes,
        work,
        response_bytes,
    }
}

/// The number of functions with endpoints, and of jobs.
fn counts() -> [f64; 2] {
    [gateway::functions().len(), gateway::jobs().len()]
        .map(|count| f64::from(u32::try_from(count).expect("there are few functions")))
}

pub(super) fn functions() -> f64 {
    counts().iter().sum()
}

pub(super) fn metrics() -> f64 {
    let metrics: f64 = counts()
        .iter()
        .zip(METRICS)
        .map(|(count, metrics)| count * metrics)
        .sum();
    metrics + SECURITY_METRICS
}

pub(super) fn alarms() -> f64 {
    let alarms: f64 = counts().iter().zip(ALARMS).map(|(count, alarms)| count * alarms).sum();
    alarms + API_ALARMS + SECURITY_METRICS
}
