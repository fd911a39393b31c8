//! The estimate for a number of users: load, store, cost, and how close each limit is.

use super::assumptions::{
    ACCOUNT_CONCURRENCY, ACTIVE, AUTH, CLIENTS, COPIES, DAYS, GATEWAY_RATE, LOGGED_BYTES, MIN_NODES, MONTHS, NODE_GB,
    OVERHEAD, PEAK, PER_ALARM, PER_DASHBOARD, PER_GB_LOGGED, PER_GB_SECOND, PER_GB_SENT, PER_METRIC,
    PER_MILLION_INVOCATIONS, PER_MILLION_REQUESTS, PER_NODE_HOUR, PROCESSES_PER_NODE, READS_PER_PROCESS,
    SECONDS_PER_DAY, SESSIONS_FUNCTION, SPARE, USAGE, Usage, WRITES_PER_PROCESS, alarms, functions, metrics,
};
use super::inputs::Inputs;

/// One column of the tables. Rates are those of the busiest minute.
pub(super) struct Estimate {
    pub(super) users: f64,
    /// Requests per second.
    pub(super) requests: f64,
    /// Logins per second.
    pub(super) logins: f64,
    /// Concurrent invocations.
    pub(super) concurrency: f64,
    /// Connected sandboxes.
    pub(super) clients: f64,
    /// Growth of the disk in GB per month.
    pub(super) growth: f64,
    /// Disk in GB after [`MONTHS`].
    pub(super) disk: f64,
    pub(super) nodes: f64,
    /// US dollars per month, by service.
    pub(super) cost: [(&'static str, f64); 5],
    pub(super) limits: Vec<CapacityLimit>,
}

/// A limit of the deployment.
pub(super) struct CapacityLimit {
    pub(super) name: &'static str,
    pub(super) used: f64,
    pub(super) maximum: f64,
    /// What to do when the limit is reached.
    pub(super) remedy: &'static str,
}

impl CapacityLimit {
    /// The used share of the limit.
    pub(super) fn share(&self) -> f64 {
        self.used / self.maximum
    }
}

impl Estimate {
    pub(super) fn of(inputs: &Inputs, users: f64) -> Self {
        let active = users * ACTIVE;
        let sum = |of: fn(&Usage) -> f64| USAGE.iter().map(|usage| usage.per_day * of(usage)).sum::<f64>();
        let peak = active * PEAK / SECONDS_PER_DAY;
        let load = Load::of(inputs, peak);
        let requests_per_day = sum(|_| 1.0);
        // One warm sandbox of each function always exists.
        let clients = (load.concurrency() * SPARE).max(functions());
        let on_disk = |bytes: f64| bytes * COPIES * OVERHEAD / 1e9;
        let growth = on_disk(active * DAYS * inputs.daily_growth());
        let disk = on_disk(users * inputs.bytes_per_user()) + growth * MONTHS;
        let reads = sum(|usage| usage.reads) / READS_PER_PROCESS;
        let writes = sum(|usage| usage.writes) * COPIES / WRITES_PER_PROCESS;
        let processes = peak * (reads + writes);
        let wanted_nodes = (processes / PROCESSES_PER_NODE).max(disk / NODE_GB);
        let nodes = wanted_nodes.ceil().max(MIN_NODES);

        let per_month = active * DAYS;
        let millions = per_month * requests_per_day / 1e6;
        let gb_seconds = USAGE
            .iter()
            .map(|usage| per_month * usage.per_day * inputs.seconds(usage) * inputs.memory(usage) / 1024.0);
        let lambda = millions * PER_MILLION_INVOCATIONS + gb_seconds.sum::<f64>() * PER_GB_SECOND;
        let cloudwatch = millions * LOGGED_BYTES / 1e3 * PER_GB_LOGGED
            + metrics() * PER_METRIC
            + alarms() * PER_ALARM
            + PER_DASHBOARD;
        let traffic = per_month * sum(|usage| usage.response_bytes) / 1e9 * PER_GB_SENT;
        Self {
            users,
            requests: peak * requests_per_day,
            logins: peak * USAGE[0].per_day,
            concurrency: load.concurrency(),
            clients,
            growth,
            disk,
            nodes,
            cost: [
                ("Lambda", lambda),
                ("API Gateway", millions * PER_MILLION_REQUESTS),
                ("CloudWatch", cloudwatch),
                ("traffic", traffic),
                ("FoundationDB", nodes * 24.0 * DAYS * PER_NODE_HOUR),
            ],
            limits: load.limits(inputs, clients, wanted_nodes),
        }
    }
}

/// The load of the busiest minute.
struct Load {
    /// Active users per second, weighted by the peak.
    peak: f64,
    /// Concurrent invocations.
    auth: f64,
    sessions: f64,
}

impl Load {
    fn of(inputs: &Inputs, peak: f64) -> Self {
        let concurrency_of = |function: &str| {
            let usage = USAGE.iter().filter(|usage| usage.function == function);
            peak * usage.map(|usage| usage.per_day * inputs.seconds(usage)).sum::<f64>()
        };
        Self {
            peak,
            auth: concurrency_of(AUTH),
            sessions: concurrency_of(SESSIONS_FUNCTION),
        }
    }

    fn concurrency(&self) -> f64 {
        self.auth + self.sessions
    }

    /// Every limit that growth may reach; `wanted_nodes` is the cluster size that data and load require.
    fn limits(&self, inputs: &Inputs, clients: f64, wanted_nodes: f64) -> Vec<CapacityLimit> {
        let template = &inputs.template;
        let rate_of = |route: &str| {
            let usage = USAGE.iter().filter(|usage| usage.route == route);
            self.peak * usage.map(|usage| usage.per_day).sum::<f64>()
        };
        vec![
            CapacityLimit {
                name: "concurrency of the AWS account",
                used: self.concurrency(),
                maximum: ACCOUNT_CONCURRENCY,
                remedy: "request a higher quota; all functions of the region share it, so raise `concurrency` of \
                         `sessions` and `auth` in `infra/aws/functions.toml`, too",
            },
            CapacityLimit {
                name: "reserved concurrency of `auth`",
                used: self.auth,
                maximum: template.reserved_concurrency(AUTH),
                remedy: "raise it in `infra/aws/functions.toml`, and `HashingRate` with it",
            },
            CapacityLimit {
                name: "reserved concurrency of `sessions`",
                used: self.sessions,
                maximum: template.reserved_concurrency(SESSIONS_FUNCTION),
                remedy: "raise it in `infra/aws/functions.toml`",
            },
            CapacityLimit {
                name: "`RouteRate`, requests per second to `/sessions/{id}`",
                used: rate_of("/sessions/{id}"),
                maximum: template.route_rate,
                remedy: "raise the parameter, and `RouteBurst` with it: it guards against mistakes and is not a quota",
            },
            CapacityLimit {
                name: "`HashingRate`, logins per second",
                used: rate_of("/auth/login"),
                maximum: template.hashing_rate,
                remedy: "raise the parameter as far as the reserved concurrency of `auth` allows",
            },
            CapacityLimit {
                name: "requests per second of API Gateway",
                used: self.peak * USAGE.iter().map(|usage| usage.per_day).sum::<f64>(),
                maximum: GATEWAY_RATE,
                remedy: "request a higher quota, and raise `RouteRate` with it; above about 50,000 per second, use a \
                         second API and region",
            },
            CapacityLimit {
                name: "clients of one cluster",
                used: clients,
                maximum: CLIENTS,
                remedy: "serve `sessions` from the gateway's container, which is one client for hundreds of concurrent \
                         requests, while a sandbox is one client per request; then add proxies to the cluster",
            },
            CapacityLimit {
                name: "nodes of the smallest cluster",
                used: wanted_nodes,
                maximum: MIN_NODES,
                remedy: "add nodes: FoundationDB redistributes the data by itself; most of it is the \
                         audit log, which `AUDIT_RETENTION_DAYS` shortens",
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::inputs::sample;
    use super::*;

    #[test]
    fn the_estimate_is_proportional_to_the_users_above_the_minimum() {
        let inputs = sample();
        let (one, ten) = (Estimate::of(&inputs, 1e6), Estimate::of(&inputs, 1e7));
        for of in [
            |estimate: &Estimate| estimate.requests,
            |estimate: &Estimate| estimate.concurrency,
            |estimate: &Estimate| estimate.disk,
            |estimate: &Estimate| estimate.cost[1].1,
        ] {
            assert!((of(&ten) / of(&one) - 10.0).abs() < 1e-9);
        }
        assert!(Estimate::of(&inputs, 1.0).nodes >= MIN_NODES);
    }
}
