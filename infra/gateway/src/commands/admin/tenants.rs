//! `gateway admin tenants`

use std::fmt;

use api::QuotaBody;
use domain::TenantId;
use domain::operator::tenants::{self, TenantName, TenantUsage};
use domain::usage::{Quota, Quotas, Usage};
use serde::Serialize;

use super::super::failure::{Failure, Result};
use super::super::output::Output;
use super::arguments::Actor;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show how much of its quotas a tenant uses. The limits of every tenant are those of this command's environment
    Usage {
        /// The tenant's id, or the id or email of the user who owns it
        tenant: String,
        #[command(flatten)]
        output: Output,
    },
    /// Set a tenant's own limit of a quota
    Limit {
        /// The tenant's id, or the id or email of the user who owns it
        tenant: String,
        /// sessions, storedBytes, idempotencyKeys, auditEvents (per day), files or snapshots
        quota: String,
        /// The limit, or `default` for the limit of every tenant
        #[arg(allow_negative_numbers = true)]
        value: String,
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) fn run(command: Command) -> Result<()> {
    match command {
        Command::Usage { tenant, output } => usage(&tenant, output),
        Command::Limit {
            tenant,
            quota,
            value,
            actor,
            output,
        } => limit(&tenant, &quota, &value, &actor, output),
    }
}

fn usage(name: &str, output: Output) -> Result<()> {
    let tenant = &parse(name)?;
    let usage = api::command::on_existing_store(async |env| {
        let usage = tenants::usage(&env, tenant).await;
        usage.map_err(|error| failure(error, name))
    })?;
    output.print(&UsageBody::from(usage))
}

fn limit(name: &str, quota: &str, value: &str, actor: &Actor, output: Output) -> Result<()> {
    let tenant = &parse(name)?;
    let quota = Quota::parse(quota).ok_or_else(|| {
        let names = Quota::NAMES.join(", ");
        Failure(format!("`{quota}` is no quota: the quotas are {names}"))
    })?;
    let limit = parse_limit(value)?;
    let changed = api::command::on_existing_store(async |env| {
        let changed = tenants::set_limit(&env, &actor.operator(&env)?, tenant, quota, limit).await;
        changed.map_err(|error| failure(error, name))
    })?;
    output.print(&LimitBody { changed })
}

/// A number in digits, or `default`.
fn parse_limit(text: &str) -> Result<Option<u64>> {
    if text == "default" {
        return Ok(None);
    }
    match text.parse() {
        Ok(limit @ 0..=Quotas::MAX) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(limit)),
        _ => Err(Failure(format!(
            "the limit must be `default` or a whole number from 0 to {}",
            Quotas::MAX
        ))),
    }
}

fn parse(text: &str) -> Result<TenantName> {
    TenantName::parse(text).map_err(|_| {
        Failure(format!(
            "`{text}` is neither the id of a tenant or user nor the email of a user"
        ))
    })
}

fn failure(error: domain::Error, name: &str) -> Failure {
    match error {
        domain::Error::NotFound => Failure(format!("there is no tenant or user {name}")),
        error => error.into(),
    }
}

#[derive(Serialize)]
struct UsageBody {
    tenant: TenantId,
    quotas: Vec<QuotaBody>,
    #[serde(skip)]
    lines: Vec<Usage>,
}

impl From<TenantUsage> for UsageBody {
    fn from(usage: TenantUsage) -> Self {
        Self {
            tenant: usage.tenant,
            quotas: usage.quotas.iter().copied().map(QuotaBody::from).collect(),
            lines: usage.quotas,
        }
    }
}

impl fmt::Display for UsageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}", self.tenant)?;
        for Usage { quota, used, limit } in &self.lines {
            let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
            write!(f, "\n{:<15}  {used} of {limit}", quota.as_str())?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct LimitBody {
    /// Whether the tenant had another limit before.
    changed: bool,
}

impl fmt::Display for LimitBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.changed {
            "changed"
        } else {
            "the tenant has this limit already"
        })
    }
}
