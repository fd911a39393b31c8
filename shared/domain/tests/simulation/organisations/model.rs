//! The model: it repeats the audit log of the organisation, and judges the calls by their times.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Event};
use domain::{AccessTokenId, InvitationId, Permission, Role, UserId};

use super::client::{Call, Kind, Outcome};

/// The members as the audit log says.
#[derive(Default)]
pub(super) struct Model<'a> {
    pub(super) roles: BTreeMap<UserId, Role>,
    suspended: BTreeSet<UserId>,
    /// By whom each invitation is, and which role it grants.
    invitations: BTreeMap<InvitationId, (UserId, Role)>,
    /// When the calls were made that ended memberships of each user.
    ended: BTreeMap<UserId, u64>,
    /// When the creation of each personal access token was answered.
    created: BTreeMap<AccessTokenId, u64>,
    pub(super) problems: Vec<String>,
    calls: &'a [Call],
}

impl<'a> Model<'a> {
    pub(super) fn new(calls: &'a [Call], created: BTreeMap<AccessTokenId, u64>) -> Self {
        Self {
            created,
            calls,
            ..Self::default()
        }
    }

    fn problem(&mut self, event: &Event, what: &str) {
        self.problems.push(format!(
            "{event:?}: {what}; members: {:?}, suspended: {:?}",
            self.roles, self.suspended
        ));
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let user = event.user.expect("every event is about a user");
        match event.action {
            Action::OrganizationCreated { .. } => {
                self.roles.insert(user, Role::Owner);
                return;
            }
            Action::AccountDeleted => {
                if self.roles.remove(&user).is_none() {
                    self.problem(event, "the deleted user was no member");
                }
                self.suspended.remove(&user);
            }
            Action::Suspended { .. } | Action::Resumed { .. } => self.suspend(event, user),
            Action::InvitationAccepted { invitation, role } => self.accept(event, user, invitation, role),
            _ => {
                let Some(own) = self.roles.get(&user).copied() else {
                    return self.problem(event, "it is by a user who was no member");
                };
                if self.suspended.contains(&user) {
                    self.problem(event, "it is by a suspended user");
                }
                self.judge_token(event, user);
                self.act(event, user, own);
            }
        }
        if !self.roles.values().any(|role| *role == Role::Owner) {
            self.problem(event, "it left no owner");
        }
    }

    fn suspend(&mut self, event: &Event, user: UserId) {
        if !self.roles.contains_key(&user) {
            self.problem(event, "the user was no member");
        }
        if matches!(event.action, Action::Suspended { .. }) {
            self.suspended.insert(user);
        } else {
            self.suspended.remove(&user);
        }
    }

    fn accept(&mut self, event: &Event, user: UserId, invitation: InvitationId, role: Role) {
        if self.suspended.contains(&user) {
            self.problem(event, "the user was suspended");
        }
        let Some((inviter, granted)) = self.invitations.remove(&invitation) else {
            return self.problem(event, "there was no such invitation, or it was accepted before");
        };
        let may_give = self.roles.get(&inviter).is_some_and(|own| may_give(*own, granted));
        if !may_give || self.suspended.contains(&inviter) {
            self.problem(event, "its inviter could not give the role");
        }
        // A member keeps the role.
        if self.roles.get(&user).copied().unwrap_or(granted) != role {
            self.problem(event, "it gave another role");
        }
        self.roles.insert(user, role);
    }

    /// A personal access token whose user was no member after its creation is revoked.
    fn judge_token(&mut self, event: &Event, user: UserId) {
        let created = event.access_token.and_then(|token| self.created.get(&token));
        if let (Some(created), Some(ended)) = (created, self.ended.get(&user))
            && created < ended
        {
            self.problem(event, "it is by a token from before the membership");
        }
    }

    fn end_membership(&mut self, event: &Event, user: UserId) -> Option<Role> {
        self.suspended.remove(&user);
        let called: u64 = event.request_id.parse().expect("the request has a number");
        debug_assert!(self.calls.iter().any(|call| call.called == called));
        self.ended.insert(user, called);
        self.roles.remove(&user)
    }

    fn act(&mut self, event: &Event, user: UserId, own: Role) {
        match event.action {
            Action::SessionCreated { .. } if own.allows(Permission::WriteSessions) => {}
            Action::InvitationCreated { invitation, role } if may_give(own, role) => {
                self.invitations.insert(invitation, (user, role));
            }
            Action::MemberRoleChanged { member, from, to } => {
                let is_allowed = may_give(own, from) && may_give(own, to);
                let before = self.roles.insert(member, to);
                if !is_allowed || before != Some(from) || from == to {
                    self.problem(event, "the role could not be changed");
                }
            }
            Action::MemberRemoved { member } => {
                let removed = self.end_membership(event, member);
                if !removed.is_some_and(|role| may_give(own, role)) {
                    self.problem(event, "the member could not be removed");
                }
            }
            Action::MemberLeft { successor } => {
                self.end_membership(event, user);
                if let Some(successor) = successor
                    && (own != Role::Owner
                        || self.suspended.contains(&successor)
                        || self.roles.insert(successor, Role::Owner).is_none())
                {
                    self.problem(event, "the successor could not become an owner");
                }
            }
            _ => self.problem(event, "the role does not allow it"),
        }
    }
}

/// Whether a member with the role `own` may give `role` to another, or act on one who has it.
fn may_give(own: Role, role: Role) -> bool {
    own.allows(Permission::ManageMembers) && own.is_at_least(role)
}

/// The calls that succeeded although their user had no membership any more. The times alone decide it, so it holds for
/// an organisation that is gone, too.
pub(super) fn acts_of_former_members(calls: &[Call]) -> Vec<String> {
    let mut problems = Vec::new();
    for end in calls.iter().filter(|call| call.outcome == Outcome::Done) {
        let ended = match end.kind {
            Kind::Remove(user) => Some(user),
            Kind::Leave(_) | Kind::DeleteAccount => Some(end.user),
            _ => None,
        };
        // The end of the organisation ends every membership for ever.
        let is_end_of_all = end.kind == Kind::DeleteOrganization;
        let is_ended = |call: &Call| is_end_of_all || Some(call.user) == ended;
        let returns = calls.iter().filter(|call| {
            // An unknown acceptance may take effect at any time after its call.
            let is_late = call.outcome == Outcome::Unknown || call.replied > end.called;
            let is_possible = matches!(call.outcome, Outcome::Done | Outcome::Unknown);
            !is_end_of_all && call.kind == Kind::Accept && Some(call.user) == ended && is_late && is_possible
        });
        let until = returns.map(|call| call.called).min().unwrap_or(u64::MAX);
        let acts = calls.iter().filter(|call| {
            call.kind.needs_membership()
                && is_ended(call)
                && call.outcome == Outcome::Done
                && call.called > end.replied
                && call.replied < until
        });
        problems.extend(acts.map(|call| format!("{call:?} took effect after {end:?}")));
    }
    problems
}
