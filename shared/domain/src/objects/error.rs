//! What can go wrong with an object store.

/// Why a call of the object store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The deployment has none.
    #[error("the deployment has no object store")]
    Absent,
    /// The object, the upload or a part does not exist, or differs from the announced one.
    #[error("the object store does not have this: {0}")]
    Missing(String),
    /// The same call may succeed later.
    #[error("the object store is unavailable: {0}")]
    Unavailable(String),
    /// The object store, its configuration or this program has a defect.
    #[error("the object store failed: {0}")]
    Failed(String),
}
