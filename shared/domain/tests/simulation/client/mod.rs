//! A client: it chooses operations at random, calls them one after another, and records calls and replies.
//!
//! **To add an operation**: add a variant to [`Call`](crate::history::Call), choose it in `choose.rs`, call it in
//! `perform.rs`, and state in [`checks`](crate::checks) what its replies imply.

mod choose;
mod knowledge;
mod learn;
mod mailer;
mod operator;
mod perform;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use domain::logins::RefreshToken;
use domain::page::Cursor;
use domain::{Address, Env, LoginId, SessionId, TenantId, UserId};
use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use self::knowledge::SharedKnowledge;
pub(crate) use self::perform::key_text;
use crate::history::{Call, Recorder, Reply, Selection, mark};

pub(crate) struct Client {
    pub(crate) number: usize,
    /// The environment of its process, with its own hasher.
    pub(crate) env: Env,
    pub(crate) rng: Rng,
    pub(crate) start: Instant,
    /// How many emails the clients of the run use.
    pub(crate) emails: usize,
    /// Whether half of its calls try to log in with a wrong password.
    pub(crate) guesses_passwords: bool,
    /// Whether it copies a refresh token of each login, and then follows the login with tokens of its own.
    pub(crate) is_thief: bool,
    /// The refresh tokens that a thief keeps to itself, each with the event that received it.
    pub(crate) own_tokens: BTreeMap<LoginId, (RefreshToken, usize)>,
    pub(crate) calls: usize,
    pub(crate) shared: SharedKnowledge,
    pub(crate) recorder: Recorder,
    /// How far this client has read the audit log of each tenant, for each selection.
    pub(crate) audit_cursors: BTreeMap<(TenantId, Selection), Cursor>,
    /// Version and path of each session, as this client saw them last.
    pub(crate) last_seen: BTreeMap<SessionId, (u64, usize)>,
    /// The version of each account, as this client saw it last.
    pub(crate) last_account: BTreeMap<UserId, u64>,
    /// After half of its calls, the client sleeps until this time of the run.
    pub(crate) sleeps_until: Option<Duration>,
}

impl Client {
    pub(crate) async fn run(mut self) {
        for count in 0..self.calls {
            self.sleep_after(count).await;
            self.pause().await;
            let call = self.choose();
            let mut reply = self.call(call.clone()).await;
            // A client retries a request that has an idempotency key when its outcome is unknown.
            let mut retries = if call.has_idempotency_key() {
                self.rng.u32(..4)
            } else {
                0
            };
            while retries > 0 && matches!(reply, Reply::Unknown | Reply::NotExecuted) {
                self.pause().await;
                reply = self.call(call.clone()).await;
                retries -= 1;
            }
        }
    }

    /// Runs the sweep from time to time, like the janitor.
    pub(crate) async fn run_sweeps(mut self) {
        for count in 0..self.calls {
            self.sleep_after(count).await;
            sleep(Duration::from_millis(self.rng.u64(..90_000))).await;
            self.call(Call::Sweep).await;
        }
    }

    /// Most pauses are short, so that calls overlap. Some outlast the grace period of a refresh token, or a login.
    async fn pause(&mut self) {
        let longest = match self.rng.u32(..60) {
            0..3 => 40_000,
            3 => 150_000,
            _ => 150,
        };
        sleep(Duration::from_millis(self.rng.u64(..longest))).await;
    }

    async fn sleep_after(&self, count: usize) {
        if let Some(time) = self.sleeps_until.filter(|_| count == self.calls / 2) {
            sleep_until(self.start + time).await;
        }
    }

    async fn call(&mut self, call: Call) -> Reply {
        // One call in 40 is cancelled: the client disconnects before the reply.
        let patience = if self.rng.u32(..40) == 0 {
            Duration::from_millis(self.rng.u64(..200))
        } else {
            Duration::MAX
        };
        let addresses = if self.guesses_passwords { 2 } else { 4 };
        let address = [None, Some(1), Some(2), Some(3)][self.rng.usize(..addresses)];
        // Operators do not come from the network.
        let address = address.filter(|_| call.operators_target().is_none());
        let address = address.map(|last| Address::new(Ipv4Addr::new(192, 0, 2, last).into()));
        let verifications = self.env.hasher.verifications();
        let now = self.env.clock.now();
        let number = self.recorder.call(self.millis(), now, address, call.clone());
        self.shared.lock().learn_from_call(number, &call);
        let client = domain::Client {
            address,
            user_agent: None,
            request_id: mark(number),
        };
        // Boxed, because the operations' futures are large.
        let outcome = timeout(patience, Box::pin(self.perform(number, &client, &call))).await;
        let reply = match outcome {
            Ok(result) => result.unwrap_or_else(Reply::from),
            Err(_) => Reply::Unknown,
        };
        self.learn_from_reply(number, &call, &reply);
        let verifications = self.env.hasher.verifications() - verifications;
        self.recorder.reply(self.millis(), number, verifications, reply.clone());
        reply
    }

    fn millis(&self) -> u128 {
        self.start.elapsed().as_millis()
    }
}
