//! The password of a user who is signed in, for an operation that requires it.
//!
//! Changing the password has a loop of its own (`users/ops.rs`): it hashes the new password between the two
//! transactions, and the first one reads what the policy needs.

use futures_util::try_join;
use kv::{Snapshot, Txn};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::logins::attempt::{Attempt, Target};
use crate::password::{Password, Verdict};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::throttle::{AttemptCounters, Reservation};
use crate::time::Timestamp;
use crate::users::{self, User};

/// What happens to an operation on a full disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFullDisk {
    /// It works: it is needed to end logins or to free space. The counters of its attempt use the reserve, too: two for
    /// each login and network, and they expire.
    Works,
    /// It fails, and counts no attempt.
    Fails,
}

/// The right password of a user, whose attempt is not settled yet.
pub(crate) struct VerifiedPassword<'a> {
    attempt: Attempt<'a>,
    reservation: Option<Reservation>,
    /// The account with the password that was verified.
    user: User,
}

impl VerifiedPassword<'_> {
    /// The counters that throttle the attempt, at `now`; `None` if throttling is off.
    pub(crate) async fn counters(&self, txn: &Txn, now: Timestamp) -> Result<Option<AttemptCounters>> {
        self.attempt.counters(txn, now).await
    }

    /// Lets the operation's transaction use the store's reserve, if the operation [works](OnFullDisk) on a full disk.
    pub(crate) fn use_room(&self, txn: &Txn) {
        self.attempt.use_room(txn);
    }

    /// Whether the stored account still has the password that was verified.
    pub(crate) fn holds(&self, stored: &User) -> bool {
        stored.password_hash == self.user.password_hash
    }

    /// Settles the attempt. A later error in the transaction discards that, so the operation returns its own rejections
    /// as a value.
    pub(crate) fn settle(&self, txn: &Txn, counters: Option<AttemptCounters>, now: Timestamp) -> Result<()> {
        self.attempt
            .succeed(txn, self.user.id, counters, self.reservation, None, now)
    }
}

/// Verifies the caller's password, and then runs `operation` in the transaction that begins with the snapshot.
/// `operation` returns `None` if the account no longer has this password, which is then verified again, as the same
/// attempt.
///
/// Before the attempt counts, `check` may reject the operation for this account. Fails with
/// [`InvalidCredentials`](Error::InvalidCredentials) if the password is wrong, and with
/// [`TooManyAttempts`](Error::TooManyAttempts) if the user has entered it too often: wrong attempts are throttled per
/// login, and a right one counts as a login. Hashing takes too long for one transaction, so there are two.
pub(crate) async fn with_password<'a, T, F, Fut>(
    env: &'a Env,
    caller: &'a Caller,
    password: &Password,
    on_full_disk: OnFullDisk,
    check: impl Fn(&User) -> Result<()> + Send + Sync,
    operation: F,
) -> Result<T>
where
    F: Fn(VerifiedPassword<'a>, Snapshot) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Option<T>>> + Send,
    T: Send,
{
    let admission = env.hasher.admit(caller.client(), caller.user())?;
    let attempt = Attempt {
        env,
        client: caller.client(),
        target: Target::Caller(caller),
        uses_reserve: on_full_disk == OnFullDisk::Works,
    };
    let mut earlier = None;
    let mut is_first = true;
    loop {
        let ((user, reservation), snapshot) = begin(attempt, caller, &check, earlier).await?;
        let hash = Some(&user.password_hash);
        if env.hasher.verify(&admission, password, hash).await? == Verdict::Wrong {
            attempt.reject(Some(user.id), reservation, snapshot).await?;
            return Err(Error::InvalidCredentials);
        }
        if is_first {
            env.limit_logins(TenantId::own(user.id))?;
        }
        is_first = false;
        let verified = VerifiedPassword {
            attempt,
            reservation,
            user,
        };
        if let Some(done) = operation(verified, snapshot).await? {
            return Ok(done);
        }
        earlier = reservation;
    }
}

/// Reads the caller's account and reserves the attempt, unless an `earlier` round has.
async fn begin(
    attempt: Attempt<'_>,
    caller: &Caller,
    check: &(impl Fn(&User) -> Result<()> + Send + Sync),
    earlier: Option<Reservation>,
) -> Result<((User, Option<Reservation>), Snapshot)> {
    let env = attempt.env;
    let now = env.clock.now();
    env.in_tenant_with_snapshot(caller, Permission::ManageAccount, |txn, _| async move {
        attempt.use_room(&txn);
        let (user, counters) = try_join!(users::store::find(&txn, caller.user()), attempt.counters(&txn, now))?;
        let user = user.ok_or(Error::Revoked)?;
        check(&user)?;
        let reservation = Attempt::reserve(&txn, counters, earlier)?;
        Ok((user, reservation))
    })
    .await
}
