//! The part of the sweep that removes the data of deleted organisations.

use std::collections::BTreeSet;

use super::{BATCH, Sweep, TURN};
use crate::deletion::organisation;
use crate::error::Result;
use crate::id::TenantId;

impl Sweep<'_> {
    /// Removes the data of deleted organisations: some transactions of each, again and again, so that a large one does
    /// not keep the others waiting.
    pub(super) async fn organizations(&mut self) -> Result<()> {
        let mut failed = BTreeSet::new();
        while !self.turn_of_organizations(&mut failed).await? {}
        Ok(())
    }

    /// Executes a turn of each removal. Returns whether nothing is left but those that have failed.
    async fn turn_of_organizations(&mut self, failed: &mut BTreeSet<TenantId>) -> Result<bool> {
        let env = self.env;
        let (mut is_done, mut last) = (true, None);
        loop {
            let after = last;
            let tenants = env
                .db
                .run(|txn| async move { organisation::in_progress(&txn, after, BATCH).await })
                .await?;
            for tenant in &tenants {
                if failed.contains(tenant) {
                    continue;
                }
                match self.organization(*tenant).await {
                    Ok(is_removed) => is_done &= is_removed,
                    Err(error) => {
                        failed.insert(*tenant);
                        self.fail(error);
                    }
                }
            }
            if tenants.len() < BATCH {
                return Ok(is_done);
            }
            last = tenants.last().copied();
        }
    }

    /// Executes a turn of a removal. Returns whether nothing is left.
    async fn organization(&mut self, tenant: TenantId) -> Result<bool> {
        for _ in 0..TURN {
            let continued = organisation::continue_removal(self.env, tenant).await?;
            if let Some(error) = continued.unreadable {
                self.fail(error);
            }
            if continued.is_done {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
