//! The quotas of every tenant, and the retention of audit logs.

use std::time::Duration;

use domain::files::changes::Retention;
use domain::usage::Quotas;

use super::server::Mode;
use super::variables::{ConfigError, DAY_SECONDS, Variables};

const VARIABLE: &str = "QUOTAS";

/// `None` if tenants have no limits.
pub(super) fn quotas(vars: &Variables<'_>, mode: Mode) -> Result<Option<Quotas>, ConfigError> {
    let defaults = Quotas::default();
    let limit = |variable, default| {
        let limit = vars.number(variable, 0..=Quotas::MAX)?;
        Ok(limit.unwrap_or(default))
    };
    let writes = vars.number("QUOTA_WRITES_PER_SECOND", 1..=1_000_000)?;
    let logins = vars.number("QUOTA_LOGINS_PER_DAY", 1..=1_000_000)?;
    let quotas = Quotas {
        sessions: limit("QUOTA_SESSIONS", defaults.sessions)?,
        stored_bytes: limit("QUOTA_STORED_BYTES", defaults.stored_bytes)?,
        idempotency_keys: limit("QUOTA_IDEMPOTENCY_KEYS", defaults.idempotency_keys)?,
        audit_events: limit("QUOTA_AUDIT_EVENTS", defaults.audit_events)?,
        files: limit("QUOTA_FILES", defaults.files)?,
        snapshots: limit("QUOTA_SNAPSHOTS", defaults.snapshots)?,
        writes_per_second: writes.unwrap_or(defaults.writes_per_second),
        logins_per_day: logins.unwrap_or(defaults.logins_per_day),
    };
    match (vars.text(VARIABLE)?.as_deref(), mode) {
        (None | Some("on"), _) => Ok(Some(quotas)),
        (Some("off"), Mode::Server(_)) => Ok(None),
        (Some("off"), Mode::Lambda) => {
            let problem = "must not be `off` under Lambda, because one tenant could fill the store";
            Err(ConfigError::new(VARIABLE, problem))
        }
        (Some(other), _) => {
            let problem = format!("must be `on` or `off`, but is `{other}`");
            Err(ConfigError::new(VARIABLE, problem))
        }
    }
}

pub(super) fn audit_retention(vars: &Variables<'_>) -> Result<Duration, ConfigError> {
    let days = vars.number("AUDIT_RETENTION_DAYS", 1..=100 * 365)?.unwrap_or(365);
    Ok(Duration::from_secs(days * DAY_SECONDS))
}

pub(super) fn file_changes(vars: &Variables<'_>) -> Result<Retention, ConfigError> {
    let default = Retention::default();
    let days = vars.number("FILE_CHANGES_RETENTION_DAYS", 1..=100 * 365)?;
    let count = vars.number("FILE_CHANGES_MAX", 1..=1_000_000_000)?;
    Ok(Retention {
        age: days.map_or(default.age, |days| Duration::from_secs(days * DAY_SECONDS)),
        count: count.unwrap_or(default.count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server::mode;

    #[test]
    fn every_quota_can_be_set_and_only_a_server_may_switch_them_off() {
        let quotas = |pairs: &[_]| {
            let vars = Variables::of(pairs);
            quotas(&vars, mode(&vars)?)
        };
        assert_eq!(quotas(&[]), Ok(Some(Quotas::default())));
        assert_eq!(quotas(&[("QUOTAS", "off")]), Ok(None));
        let set = [
            ("QUOTAS", "on"),
            ("QUOTA_SESSIONS", "1"),
            ("QUOTA_STORED_BYTES", "2"),
            ("QUOTA_IDEMPOTENCY_KEYS", "3"),
            ("QUOTA_AUDIT_EVENTS", "4"),
            ("QUOTA_FILES", "7"),
            ("QUOTA_SNAPSHOTS", "8"),
            ("QUOTA_WRITES_PER_SECOND", "5"),
            ("QUOTA_LOGINS_PER_DAY", "6"),
        ];
        let expected = Quotas {
            sessions: 1,
            stored_bytes: 2,
            idempotency_keys: 3,
            audit_events: 4,
            files: 7,
            snapshots: 8,
            writes_per_second: 5,
            logins_per_day: 6,
        };
        assert_eq!(quotas(&set), Ok(Some(expected)));
        let error = quotas(&[("QUOTAS", "off"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")]);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("QUOTAS must not be `off` under Lambda"), "{error}");
    }

    #[test]
    fn audit_events_are_kept_for_a_year_by_default() {
        let days = |pairs: &[_]| audit_retention(&Variables::of(pairs)).unwrap().as_secs() / DAY_SECONDS;
        assert_eq!(days(&[]), 365);
        assert_eq!(days(&[("AUDIT_RETENTION_DAYS", "30")]), 30);
    }

    #[test]
    fn feeds_keep_the_changes_of_30_days_up_to_a_hundred_thousand_by_default() {
        let kept = |pairs: &[_]| {
            let Retention { age, count } = file_changes(&Variables::of(pairs)).unwrap();
            (age.as_secs() / DAY_SECONDS, count)
        };
        assert_eq!(kept(&[]), (30, 100_000));
        assert_eq!(
            kept(&[("FILE_CHANGES_RETENTION_DAYS", "7"), ("FILE_CHANGES_MAX", "10")]),
            (7, 10)
        );
    }
}
