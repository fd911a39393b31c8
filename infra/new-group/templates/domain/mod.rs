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

#[cfg(test)]
mod tests {
    use crate::record;

    use super::*;

    #[test]
    fn the_stored_form_is_stable() {
        let stored = concat!(
            r#"{"v":1,"data":{"id":"0190d0a0-7c3e-7a11-8f3e-0123456789ab","#,
            r#""tenant":"6a3bf5a8-a797-586a-8a9f-249fe0640660","#,
            r#""name":"one","createdAt":"2026-01-01T00:00:00.000Z"}}"#,
        );
        let thing: Thing = record::decode(stored.as_bytes()).unwrap();
        assert_eq!(record::encode(&thing).unwrap(), stored.as_bytes());
    }
}
