//! Cache of directories: which directory a path of a session leads to.
//!
//! An entry is valid if the session's *shape* is the one with which it was found. Every transaction that moves, deletes
//! or restores a directory gives the session a new random shape, in the store. So a transaction that reads the shape
//! knows whether what it takes from the cache still holds, whichever process has changed the tree.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::files::FilePath;
use crate::id::{DirectoryId, SessionId};

/// The bytes that a full cache takes, about.
const CAPACITY: u64 = 4 << 20;

/// The bytes of an entry besides its path.
const ENTRY_BYTES: u64 = 128;

/// Number of independently locked parts.
const SHARDS: usize = 8;

/// The shape of a session's tree; `None` until a directory is moved, deleted or restored.
pub(crate) type Shape = Option<[u8; 16]>;

/// The directories that a process has found lately. Clones share them.
#[derive(Clone)]
pub struct DirectoryCache(Arc<Directories>);

type Directories = Cache<(SessionId, FilePath), (Shape, DirectoryId), ByLength>;

#[derive(Clone)]
struct ByLength;

impl Weighter<(SessionId, FilePath), (Shape, DirectoryId)> for ByLength {
    fn weight(&self, (_, path): &(SessionId, FilePath), _: &(Shape, DirectoryId)) -> u64 {
        ENTRY_BYTES + path.as_str().len() as u64
    }
}

impl Default for DirectoryCache {
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(CAPACITY / ENTRY_BYTES / 2).unwrap_or(usize::MAX))
            .weight_capacity(CAPACITY)
            .shards(SHARDS)
            .build();
        let options = options.expect("every option without a default is set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Arc::new(Cache::with_options(options, ByLength, hasher, lifecycle)))
    }
}

impl DirectoryCache {
    /// The directory at this path, and the shape with which it was found.
    pub(crate) fn get(&self, session: SessionId, path: &FilePath) -> Option<(Shape, DirectoryId)> {
        self.0.get(&(session, path.clone()))
    }

    /// Adds a directory that was found in a tree of this shape.
    pub(crate) fn insert(&self, session: SessionId, path: FilePath, shape: Shape, directory: DirectoryId) {
        self.0.insert((session, path), (shape, directory));
    }
}

impl fmt::Debug for DirectoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::Id as _;

    #[test]
    fn the_cache_is_bounded_and_keeps_sessions_apart() {
        let cache = DirectoryCache::default();
        let (one, other) = (
            SessionId::from_uuid(Uuid::from_u128(1)),
            SessionId::from_uuid(Uuid::from_u128(2)),
        );
        let directory = DirectoryId::from_uuid(Uuid::from_u128(3));
        cache.insert(one, FilePath::root(), Some([1; 16]), directory);
        assert_eq!(cache.get(one, &FilePath::root()), Some((Some([1; 16]), directory)));
        assert_eq!(cache.get(other, &FilePath::root()), None);
        for number in 0..20_000 {
            let path = FilePath::parse(&format!("/{number}/{}", "a".repeat(250))).unwrap();
            cache.insert(one, path, None, directory);
        }
        assert!(cache.0.weight() <= CAPACITY);
        assert!(cache.0.len() > 5000);
    }
}
