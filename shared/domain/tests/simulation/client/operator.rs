//! A client that is an operator.

use std::time::Duration;

use domain::Result;
use domain::operator::tenants::{TenantName, set_limit};
use domain::operator::users::{resume, suspend};
use domain::operator::{Operator, UserName};
use domain::usage::Quota;
use tokio::time::sleep;

use super::Client;
use super::perform::{name, parse_email};
use crate::history::{Call, Reply};

impl Client {
    /// Suspends and resumes users, and sets limits of tenants. Most suspensions end soon, so that users go on.
    pub(crate) async fn run_operator(mut self) {
        let mut suspended = None;
        for count in 0..self.calls {
            self.sleep_after(count).await;
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let call = match suspended.take().filter(|_| self.rng.u32(..4) > 0) {
                Some(email) => Call::Resume { email },
                None => self.choose_operation(),
            };
            if let Call::Suspend { email } = &call {
                suspended = Some(email.clone());
            }
            self.call(call).await;
        }
    }

    fn choose_operation(&mut self) -> Call {
        let rng = &mut self.rng;
        let email = format!("user{}@example.com", rng.usize(..self.emails));
        match rng.u32(..8) {
            0 => Call::Suspend { email },
            1 => Call::Resume { email },
            _ => Call::SetLimit {
                email,
                // Mostly the quota of which the audit log shows every change.
                quota: *rng
                    .choice(&[
                        Quota::Sessions,
                        Quota::Sessions,
                        Quota::IdempotencyKeys,
                        Quota::AuditEvents,
                    ])
                    .expect("a quota"),
                limit: (rng.u32(..3) > 0).then(|| rng.u64(..4)),
            },
        }
    }

    /// Calls an operation of operators, in the name of the event.
    pub(super) async fn operate(&self, number: usize, call: &Call) -> Result<Reply> {
        let env = &self.env;
        let operator = &Operator::new(env, name(number));
        let account = |email: &str| UserName::Email(parse_email(email));
        let done = |has_changed| if has_changed { Reply::Done } else { Reply::Unchanged };
        Ok(match call {
            Call::Suspend { email } => Reply::Ended(suspend(env, operator, &account(email)).await?.ended),
            Call::Resume { email } => done(resume(env, operator, &account(email)).await?),
            Call::SetLimit { email, quota, limit } => {
                let tenant = TenantName::Owner(account(email));
                done(set_limit(env, operator, &tenant, *quota, *limit).await?)
            }
            call => unreachable!("{call:?} is no operator's"),
        })
    }
}
