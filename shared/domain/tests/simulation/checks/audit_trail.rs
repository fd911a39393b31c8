//! The audit logs of all tenants, each entry linked to the event that wrote it. Its request id names that event.

use std::collections::BTreeMap;

use domain::audit::{self, Action};
use domain::id::Id as _;
use domain::text::Name;
use domain::{SessionId, TenantId, UserId};

use super::problems::Problems;
use crate::history::{Event, History, writer_of};
use crate::records::Records;

pub(super) struct AuditTrail<'h> {
    /// The log of each tenant, in its order.
    pub(super) tenants: BTreeMap<TenantId, Vec<(&'h Event, &'h audit::Event)>>,
    actions: BTreeMap<usize, Vec<&'h Action>>,
    registrations: BTreeMap<UserId, Vec<&'h Event>>,
    creations: BTreeMap<SessionId, Vec<&'h Event>>,
    /// Changes and deletions of each session, in the order of the log.
    changes: BTreeMap<SessionId, Vec<(&'h Event, &'h Action)>>,
}

impl<'h> AuditTrail<'h> {
    pub(super) fn read(history: &'h History, records: &'h Records, problems: &mut Problems) -> Self {
        let mut trail = Self {
            tenants: BTreeMap::new(),
            actions: BTreeMap::new(),
            registrations: BTreeMap::new(),
            creations: BTreeMap::new(),
            changes: BTreeMap::new(),
        };
        for (tenant, entries) in &records.audit_logs {
            for entry in entries {
                // An operator's request id is not that of a request, and the event has marked the name instead.
                let mark = entry.action.operator().map_or(&*entry.request_id, Name::as_str);
                let number = writer_of(mark);
                let Some(event) = number.and_then(|number| history.event(number)) else {
                    problems.add(format!("no request wrote {entry:?}"));
                    continue;
                };
                let tenant = TenantId::from_uuid(*tenant);
                let is_at_its_place = match entry.user {
                    Some(user) => TenantId::own(user) == tenant,
                    None => matches!(entry.action, Action::LimitChanged { .. }),
                };
                problems.unless(is_at_its_place, || {
                    format!("{entry:?} is in the audit log of tenant {tenant}")
                });
                trail.add(tenant, entry.user, event, entry);
            }
        }
        trail
    }

    fn add(&mut self, tenant: TenantId, user: Option<UserId>, event: &'h Event, entry: &'h audit::Event) {
        self.tenants.entry(tenant).or_default().push((event, entry));
        self.actions.entry(event.number).or_default().push(&entry.action);
        match &entry.action {
            Action::Registered => {
                if let Some(user) = user {
                    self.registrations.entry(user).or_default().push(event);
                }
            }
            Action::SessionCreated { session } => self.creations.entry(*session).or_default().push(event),
            action @ (Action::SessionChanged { session } | Action::SessionDeleted { session }) => {
                self.changes.entry(*session).or_default().push((event, action));
            }
            _ => {}
        }
    }

    /// The actions that the event with this number logged.
    pub(super) fn actions(&self, number: usize) -> impl Iterator<Item = &'h Action> {
        self.actions.get(&number).into_iter().flatten().copied()
    }

    /// The events that registered this user; a correct history has exactly one.
    pub(super) fn registrations(&self, user: UserId) -> &[&'h Event] {
        self.registrations.get(&user).map_or(&[], Vec::as_slice)
    }

    /// Every registered user, with the event that registered it.
    pub(super) fn users(&self) -> impl Iterator<Item = (UserId, &'h Event)> {
        let users = self.registrations.iter();
        users.flat_map(|(user, events)| events.iter().map(|event| (*user, *event)))
    }

    /// The events that created this session; a correct history has exactly one.
    pub(super) fn creations(&self, id: SessionId) -> &[&'h Event] {
        self.creations.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The session that this event created.
    pub(super) fn created_by(&self, event: &Event) -> Option<SessionId> {
        self.actions(event.number).find_map(|action| match action {
            Action::SessionCreated { session } => Some(*session),
            _ => None,
        })
    }

    /// The events that changed or deleted this session, in the order of the log.
    pub(super) fn changes(&self, id: SessionId) -> &[(&'h Event, &'h Action)] {
        self.changes.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether this event created an account.
    pub(super) fn has_registered(&self, event: &Event) -> bool {
        self.actions(event.number).any(|action| *action == Action::Registered)
    }

    /// Whether this event sent a refresh token that had been replaced within the grace period.
    pub(super) fn has_replayed(&self, event: &Event) -> bool {
        self.actions(event.number)
            .any(|action| *action == Action::RefreshReplayed)
    }

    /// Whether this event ended its login because a refresh token had been copied.
    pub(super) fn has_detected_reuse(&self, event: &Event) -> bool {
        self.actions(event.number)
            .any(|action| *action == Action::ReuseDetected)
    }
}
