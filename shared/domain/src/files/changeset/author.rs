//! Who changes files, and what the change draws before its transaction.

use uuid::Uuid;

use crate::env::Env;
use crate::files::changes::{Change, ChangeKind};
use crate::files::{FileEntry, FilePath};
use crate::id::{AccessTokenId, DirectoryId, FileJobId, Id, TrashItemId, UserId};
use crate::scope::caller::{Caller, Credential};
use crate::time::Timestamp;

/// The author of a change, with the time and the ids that it uses. An attempt of the transaction uses the same ones as
/// the attempt before.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) user: UserId,
    pub(crate) access_token: Option<AccessTokenId>,
    pub(crate) at: Timestamp,
    /// An id that nothing else has; further ones follow from it.
    base: Uuid,
    /// The ids of items of the trash, which ascend with time.
    items: Vec<TrashItemId>,
}

impl Author {
    /// The author of a change that moves at most `items` entries to the trash.
    pub(crate) fn of(env: &Env, caller: &Caller, items: usize) -> Self {
        let base: DirectoryId = env.ids.next();
        Self {
            user: caller.user(),
            access_token: match caller.credential() {
                Credential::Login(_) => None,
                Credential::AccessToken(id) => Some(id),
            },
            at: env.clock.now(),
            base: base.uuid(),
            items: (0..items).map(|_| env.ids.next()).collect(),
        }
    }

    /// Whether it is a program, which has to state which version it overwrites.
    pub(crate) fn is_program(&self) -> bool {
        self.access_token.is_some()
    }

    /// The directory with this number among those that the change makes.
    pub(crate) fn directory(&self, number: usize) -> DirectoryId {
        self.derived(b'd', number)
    }

    /// The item with this number among those that the change moves to the trash.
    pub(crate) fn item(&self, number: usize) -> TrashItemId {
        // A change that trashes more than it has said would be a defect; its items are then in no order.
        let item = self.items.get(number).copied();
        item.unwrap_or_else(|| self.derived(b't', number))
    }

    /// The work of the janitor with this number.
    pub(crate) fn job(&self, number: usize) -> FileJobId {
        self.derived(b'j', number)
    }

    /// A shape that no tree has had.
    pub(crate) fn shape(&self) -> [u8; 16] {
        *self.base.as_bytes()
    }

    fn derived<I: Id>(&self, kind: u8, number: usize) -> I {
        let mut name = [kind; 9];
        name[1..].copy_from_slice(&(number as u64).to_be_bytes());
        I::from_uuid(Uuid::new_v5(&self.base, &name))
    }

    /// A change of this author.
    pub(crate) fn change(
        &self,
        kind: ChangeKind,
        path: FilePath,
        from: Option<FilePath>,
        entry: Option<&FileEntry>,
    ) -> Change {
        Change {
            kind,
            path,
            from,
            tag: entry.map(FileEntry::tag),
            user: self.user,
            access_token: self.access_token,
            at: self.at,
        }
    }
}
