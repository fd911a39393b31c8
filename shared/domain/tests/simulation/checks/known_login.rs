//! A login as its client knows it, and the limits of its life that the events prove.

use domain::logins::{Login, RefreshToken};
use domain::{Caller, LoginId, Timestamp};

use super::run::Run;
use crate::history::{Call, END, Event, Reply, Tick, login_of};

/// A login whose first reply reached its client.
pub(super) struct KnownLogin<'h> {
    pub(super) run: Run<'h>,
    /// The event that created the login.
    pub(super) created_by: &'h Event,
    /// The login in that event's reply.
    pub(super) login: &'h Login,
    /// The refresh token in that event's reply.
    pub(super) first_token: &'h RefreshToken,
}

impl<'h> KnownLogin<'h> {
    pub(super) fn id(&self) -> LoginId {
        self.login.id
    }

    pub(super) fn events(&self) -> &'h [Event] {
        &self.run.history.events
    }

    /// Whether the event suspended this user.
    fn is_suspended_by(&self, event: &Event) -> bool {
        let Call::Suspend { email } = &event.call else {
            return false;
        };
        let user = self.run.records.users.get(&self.login.user.uuid());
        user.is_some_and(|user| user.email.as_str() == email)
    }

    /// Whether the event may have ended the login.
    pub(super) fn may_be_ended_by(&self, event: &Event) -> bool {
        let is_own = |caller: &Caller| caller.user() == self.login.user;
        match &event.call {
            Call::LogOut { caller } => login_of(caller) == self.id() && event.may_have_executed(),
            Call::EndLogin { caller, id } => *id == self.id() && is_own(caller) && event.may_have_executed(),
            Call::LogOutEverywhere { caller } => is_own(caller) && event.may_have_executed(),
            Call::ChangePassword { caller, .. } => {
                is_own(caller) && event.number != self.created_by.number && event.may_have_executed()
            }
            Call::Refresh { token, .. } => token.login() == self.id() && self.run.trail.has_detected_reuse(event),
            Call::Suspend { .. } => self.is_suspended_by(event) && event.may_have_executed(),
            _ => false,
        }
    }

    pub(super) fn may_be_ended(&self) -> bool {
        self.events().iter().any(|event| self.may_be_ended_by(event))
    }

    /// The tick by which the login had certainly ended.
    pub(super) fn ended_by(&self) -> Tick {
        let ticks = self.events().iter().map(|event| self.known_ended_by(event));
        ticks.min().unwrap_or(END)
    }

    /// The tick by which the login had certainly ended, as far as this event proves. A rejection after the expiry
    /// proves nothing: on another clock the login may not have expired yet.
    pub(super) fn known_ended_by(&self, event: &Event) -> Tick {
        let before_expiry = event.at < self.expires_at_earliest(event.called);
        let proves_end = match &event.call {
            Call::LogOut { .. } => self.may_be_ended_by(event) && event.reply.is_success() && before_expiry,
            Call::EndLogin { .. }
            | Call::LogOutEverywhere { .. }
            | Call::ChangePassword { .. }
            | Call::Suspend { .. }
                if self.may_be_ended_by(event) && event.reply.is_success() =>
            {
                self.created_by.replied < event.called
            }
            Call::Refresh { token, .. } => {
                token.login() == self.id()
                    && matches!(event.reply, Reply::InvalidRefreshToken)
                    && !self.run.trail.has_replayed(event)
                    && before_expiry
            }
            call => self.authorises(call) && matches!(event.reply, Reply::Revoked) && before_expiry,
        };
        if proves_end { event.replied } else { END }
    }

    /// Whether the call requires this login to be active.
    pub(super) fn authorises(&self, call: &Call) -> bool {
        call.authority().is_some_and(|caller| login_of(caller) == self.id())
    }

    /// The earliest expiry that an operation called at `tick` may see.
    pub(super) fn expires_at_earliest(&self, tick: Tick) -> Timestamp {
        let replied = self.events().iter().filter_map(|event| match &event.reply {
            Reply::SignedIn(signed_in) if signed_in.login.id == self.id() && event.replied < tick => {
                Some(signed_in.login.expires_at)
            }
            _ => None,
        });
        replied.max().unwrap_or(self.login.expires_at)
    }

    /// The latest expiry that an operation which replies at `tick` may see.
    pub(super) fn expires_at_latest(&self, tick: Tick) -> Timestamp {
        let limits = self.run.history.limits.login;
        let longest = self.login.created_at.plus(limits.absolute);
        let refreshed = self.events().iter().filter(|event| {
            matches!(&event.call, Call::Refresh { token, .. } if token.login() == self.id())
                && event.may_have_executed()
                && event.called < tick
        });
        let expiries = refreshed.map(|event| event.at.plus(limits.idle).min(longest));
        expiries.fold(self.login.expires_at, Timestamp::max)
    }

    /// Whether the event may have found the login ended for a reason other than its own effect.
    pub(super) fn may_be_missing_for(&self, event: &Event) -> bool {
        let mut others = self.events().iter().filter(|other| self.may_be_ended_by(other));
        others.any(|other| other.called < event.replied && other.number != event.number)
            || event.at >= self.expires_at_earliest(event.called)
    }
}
