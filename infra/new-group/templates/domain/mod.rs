//! Things: one sentence about the resource.

pub mod keys;
pub mod ops;
pub mod store;

use serde::{Deserialize, Serialize};

use crate::id::{TenantId, ThingId};
use crate::record::Record;
use crate::text::Name;
use crate::time::Timestamp;

/// A thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Thing {
    /// Its id. Ids ascend with the time of creation.
    pub id: ThingId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The display name.
    pub name: Name,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Record for Thing {
    const KIND: &'static str = "thing";
}
