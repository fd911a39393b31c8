//! The input of the checks.

use std::time::Duration;

use domain::Timestamp;

use super::audit_trail::AuditTrail;
use crate::history::{Call, History};
use crate::records::Records;

/// How long an expiry must be past before a sweep removes its record.
const SWEPT_AFTER: Duration = Duration::from_secs(60);

/// Everything known about a run.
#[derive(Clone, Copy)]
pub(super) struct Run<'h> {
    pub(super) history: &'h History,
    pub(super) records: &'h Records,
    pub(super) trail: &'h AuditTrail<'h>,
    /// Whether the history has all events of the run.
    pub(super) is_complete: bool,
}

impl Run<'_> {
    /// Whether a sweep may have removed a record that expired at `expiry`.
    pub(super) fn may_be_swept(&self, expiry: Timestamp) -> bool {
        let mut events = self.history.events.iter();
        events.any(|event| matches!(event.call, Call::Sweep) && event.at.minus(SWEPT_AFTER) >= expiry)
    }
}
