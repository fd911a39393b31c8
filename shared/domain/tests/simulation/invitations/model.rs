//! The model: it repeats the audit log of the organisation.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Event};
use domain::users::Email;
use domain::{InvitationId, Permission, Role, UserId};

/// The address of each invitation whose creation was answered. The audit log does not have it.
pub(super) type Addresses = BTreeMap<InvitationId, Email>;

/// The members, and the invitations that were not accepted, revoked or replaced, as the audit log says.
#[derive(Default)]
pub(super) struct Model {
    /// Without the addresses of those whose creation was not answered: such an invitation may have replaced one, and
    /// may be replaced by any other.
    pub(super) addresses: Addresses,
    pub(super) roles: BTreeMap<UserId, Role>,
    pub(super) pending: BTreeMap<InvitationId, (UserId, Role)>,
    /// Invitations whose address is known, and that one without an address may have replaced.
    pub(super) uncertain: BTreeSet<InvitationId>,
    pub(super) accepted: BTreeSet<InvitationId>,
    pub(super) problems: Vec<String>,
}

impl Model {
    fn expect(&mut self, holds: bool, event: &Event, what: &str) {
        if !holds {
            let problem = format!(
                "{event:?}: {what}; members: {:?}, pending: {:?}",
                self.roles, self.pending
            );
            self.problems.push(problem);
        }
    }

    fn may_give(&self, user: UserId, role: Role) -> bool {
        let own = self.roles.get(&user);
        own.is_some_and(|own| own.allows(Permission::ManageMembers) && own.is_at_least(role))
    }

    /// A new invitation replaces a pending one of the same address.
    fn replace_by(&mut self, new: InvitationId) {
        match self.addresses.get(&new) {
            Some(address) => self.pending.retain(|old, _| self.addresses.get(old) != Some(address)),
            None => self.uncertain.extend(self.pending.keys().copied()),
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let user = event.user.expect("a user caused every event");
        match event.action {
            Action::OrganizationCreated { .. } => {
                self.roles.insert(user, Role::Owner);
            }
            Action::InvitationCreated { invitation, role } => {
                self.expect(self.may_give(user, role), event, "the user could not invite");
                self.replace_by(invitation);
                self.pending.insert(invitation, (user, role));
            }
            Action::InvitationRevoked { invitation } => {
                let pending = self.pending.remove(&invitation);
                let is_allowed = pending.is_some_and(|(_, role)| self.may_give(user, role));
                self.expect(is_allowed, event, "the invitation could not be revoked");
            }
            Action::InvitationAccepted { invitation, role } => {
                let is_first = self.accepted.insert(invitation);
                self.expect(is_first, event, "it was accepted before");
                let pending = self.pending.remove(&invitation);
                let is_valid = pending.is_some_and(|(inviter, role)| self.may_give(inviter, role));
                self.expect(is_valid, event, "the invitation was not valid");
                let granted = pending.map(|(_, role)| role);
                let expected = self.roles.get(&user).copied().or(granted);
                self.expect(expected == Some(role), event, "it gave another role");
                self.roles.insert(user, role);
            }
            Action::MemberRoleChanged { member, to, .. } => {
                self.roles.insert(member, to);
            }
            Action::MemberRemoved { member } => {
                self.roles.remove(&member);
            }
            _ => self.expect(false, event, "nobody did that"),
        }
    }
}
