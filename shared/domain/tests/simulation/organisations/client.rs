//! The clients: users who act in the organisation with logins and personal access tokens, and operators.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::access_tokens::ops::Creation;
use domain::access_tokens::{self, PresentedToken, Scope, Scopes};
use domain::invitations::{InvitationToken, acceptance, ops as invitations};
use domain::logins::{self, Login};
use domain::operator::{self, Operator, UserName};
use domain::organisations::{self, members};
use domain::sessions::{self, WorkspacePath};
use domain::text::Name;
use domain::users::{self, Email};
use domain::{AccessTokenId, Caller, Client, Env, Error, LoginId, Role, TenantId, UserId, tenants};
use fastrand::Rng;
use kv::{Cause, Db};
use tokio::time::sleep;

use crate::invitations::tokens;

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invite(UserId, Role),
    Accept,
    SetRole(UserId, Role),
    Remove(UserId),
    Leave(Option<UserId>),
    Write,
    CreateToken,
    /// A write with this personal access token of the user for the organisation.
    TokenWrite(AccessTokenId),
    Read,
    /// An operator suspends the user.
    Suspend,
    /// An operator ends the suspension, and the user logs in.
    Resume,
    DeleteAccount,
    DeleteOrganization,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invite(..) => "invite",
            Self::Accept => "accept",
            Self::SetRole(..) => "set role",
            Self::Remove(_) => "remove",
            Self::Leave(None) => "leave",
            Self::Leave(Some(_)) => "leave to a successor",
            Self::Write => "write",
            Self::CreateToken => "create token",
            Self::TokenWrite(_) => "write with a token",
            Self::Read => "read",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::DeleteAccount => "delete account",
            Self::DeleteOrganization => "delete organisation",
        }
    }

    /// Whether only a member succeeds.
    pub(super) fn needs_membership(self) -> bool {
        match self {
            Self::Accept | Self::Suspend | Self::Resume | Self::DeleteAccount => false,
            Self::Invite(..)
            | Self::SetRole(..)
            | Self::Remove(_)
            | Self::Leave(_)
            | Self::Write
            | Self::CreateToken
            | Self::TokenWrite(_)
            | Self::Read
            | Self::DeleteOrganization => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The state of the organisation forbids it.
    Refused,
    /// It may have taken effect, or takes effect later.
    Unknown,
    /// It did not take effect.
    NotExecuted,
}

/// One call with its outcome. The times order all calls and replies of the run. The time of the call is the id of its
/// request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Who acted, or to whose account an operator did it.
    pub(super) user: UserId,
    pub(super) kind: Kind,
    pub(super) called: u64,
    pub(super) replied: u64,
    pub(super) outcome: Outcome,
}

/// A user of the run.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: UserId,
    pub(super) email: Email,
}

/// A personal access token for the organisation.
#[derive(Clone, Debug)]
struct Token {
    user: UserId,
    text: PresentedToken,
}

/// What the clients share.
#[derive(Default)]
pub(super) struct Shared {
    time: u64,
    pub(super) logins: BTreeMap<UserId, LoginId>,
    tokens: Vec<Token>,
    pub(super) calls: Vec<Call>,
    /// When the creation of each token was answered.
    pub(super) created: BTreeMap<AccessTokenId, u64>,
}

impl Shared {
    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }
}

#[derive(Clone)]
pub(super) struct MemberClient {
    pub(super) env: Env,
    /// The store without faults, to read emails.
    pub(super) db: Db,
    pub(super) rng: Rng,
    pub(super) organization: TenantId,
    /// Whether the client may delete accounts and the organisation.
    pub(super) deletes: bool,
    /// Whether operators suspend users.
    pub(super) suspends: bool,
    pub(super) accounts: Arc<Vec<Account>>,
    pub(super) shared: Arc<Mutex<Shared>>,
}

impl MemberClient {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn any_account(&mut self) -> Account {
        self.accounts[self.rng.usize(..self.accounts.len())].clone()
    }

    pub(super) async fn run(mut self) {
        for _ in 0..self.rng.usize(5..20) {
            sleep(Duration::from_millis(self.rng.u64(..150))).await;
            let account = self.any_account();
            let (user, kind) = self.choose(account.user);
            if self.call(user, kind).await != Outcome::Done {
                continue;
            }
            match kind {
                Kind::Invite(guest, _) => self.join(guest).await,
                Kind::Remove(removed) if self.rng.bool() => self.bring_back(user, removed).await,
                _ => {}
            }
        }
    }

    /// Accepts an invitation, and often creates a token.
    async fn join(&mut self, guest: UserId) {
        sleep(Duration::from_millis(self.rng.u64(..50))).await;
        if self.call(guest, Kind::Accept).await == Outcome::Done && self.rng.bool() {
            self.call(guest, Kind::CreateToken).await;
        }
    }

    /// Invites a removed member again, who tries the tokens from before.
    async fn bring_back(&mut self, user: UserId, removed: UserId) {
        let earlier: Vec<_> = {
            let shared = self.shared();
            let own = shared.tokens.iter().filter(|token| token.user == removed);
            own.map(|token| token.text.id()).collect()
        };
        if self.call(user, Kind::Invite(removed, Role::Member)).await == Outcome::Done {
            self.join(removed).await;
            for token in earlier {
                self.call(removed, Kind::TokenWrite(token)).await;
            }
        }
    }

    /// What the user does, or the owner of a token in their place.
    fn choose(&mut self, user: UserId) -> (UserId, Kind) {
        let other = self.any_account().user;
        let role = Role::ALL[self.rng.usize(..Role::ALL.len())];
        let kind = match self.rng.u32(..50) {
            0..10 => Kind::Invite(other, role),
            10..18 => Kind::SetRole(other, role),
            18..22 => Kind::Remove(other),
            22..26 => Kind::Leave(self.rng.bool().then_some(other)),
            26..28 => Kind::Read,
            28..32 => Kind::CreateToken,
            32..38 => {
                let tokens = self.shared().tokens.clone();
                return match self.rng.choice(&tokens) {
                    Some(token) => (token.user, Kind::TokenWrite(token.text.id())),
                    None => (user, Kind::CreateToken),
                };
            }
            38 if self.suspends => Kind::Suspend,
            39..42 if self.suspends => Kind::Resume,
            42..44 if self.deletes => Kind::DeleteAccount,
            44 if self.deletes => Kind::DeleteOrganization,
            _ => Kind::Write,
        };
        (user, kind)
    }

    async fn call(&mut self, user: UserId, kind: Kind) -> Outcome {
        let called = self.shared().tick();
        let outcome = outcome(self.perform(user, kind, called).await);
        let mut shared = self.shared();
        let replied = shared.tick();
        shared.calls.push(Call {
            user,
            kind,
            called,
            replied,
            outcome,
        });
        outcome
    }

    async fn perform(&mut self, user: UserId, kind: Kind, number: u64) -> Result<(), Error> {
        let (env, at) = (self.env.clone(), self.env.clock.now());
        let client = Client {
            request_id: number.to_string(),
            ..Client::default()
        };
        let login = self.shared().logins[&user];
        let own = Caller::verified(user, TenantId::own(user), login, at, client.clone());
        let caller = &own.clone().select(self.organization);
        let operator = || (Operator::new(&env, name()), UserName::Id(user));
        match kind {
            Kind::Invite(guest, role) => {
                let guest = self.accounts.iter().find(|account| account.user == guest);
                let email = guest.expect("the guest is one of the accounts").email.clone();
                let draft = invitations::Draft { email, role };
                invitations::create(&env, caller, draft, None).await.map(drop)
            }
            Kind::Accept => {
                let token = self.invitation_of(user).await.ok_or(Error::InvalidInvitation)?;
                acceptance::accept(&env, &own, &token).await.map(drop)
            }
            Kind::SetRole(other, role) => members::change_role(&env, caller, other, role).await.map(drop),
            Kind::Remove(other) => members::remove(&env, caller, other).await,
            Kind::Leave(successor) => members::leave(&env, caller, successor).await,
            Kind::Write => write(&env, caller).await,
            Kind::CreateToken => self.create_token(&own).await,
            Kind::TokenWrite(id) => {
                let tokens = self.shared().tokens.clone();
                let token = tokens.iter().find(|token| token.text.id() == id);
                let text = &token.expect("the token was created").text;
                write(&env, &Caller::with_access_token(text, at, client)).await
            }
            Kind::Read => organisations::ops::get(&env, caller).await.map(drop),
            Kind::Suspend => {
                let (operator, name) = operator();
                operator::users::suspend(&env, &operator, &name).await.map(drop)
            }
            Kind::Resume => {
                let (operator, name) = operator();
                operator::users::resume(&env, &operator, &name).await?;
                self.log_in(user).await
            }
            Kind::DeleteAccount => {
                let (operator, name) = operator();
                operator::deletion::delete(&env, &operator, &name).await.map(drop)
            }
            Kind::DeleteOrganization => organisations::ops::delete(&env, caller, |_| true).await,
        }
    }

    /// The token in an email to this user, most often in the newest one.
    async fn invitation_of(&mut self, user: UserId) -> Option<InvitationToken> {
        let account = self.accounts.iter().find(|account| account.user == user)?;
        let mut emails = tokens(&self.db).await;
        emails.retain(|email| email.to == account.email);
        emails.sort_by_key(|email| email.id);
        let index = match self.rng.u32(..4) {
            0 if !emails.is_empty() => self.rng.usize(..emails.len()),
            _ => emails.len().checked_sub(1)?,
        };
        Some(emails.swap_remove(index).token)
    }

    async fn create_token(&self, own: &Caller) -> Result<(), Error> {
        let draft = access_tokens::ops::Draft {
            name: name(),
            scopes: Scopes::new([Scope::ReadSessions, Scope::WriteSessions]).expect("there are scopes"),
            tenant: Some(self.organization),
            expires_at: None,
        };
        let created = access_tokens::ops::create(&self.env, own, draft, None).await?;
        let Creation::Fresh(token, text) = created else {
            unreachable!("the request has no idempotency key")
        };
        let text = PresentedToken::parse(text.reveal()).expect("a new token is well-formed");
        let mut shared = self.shared();
        let now = shared.tick();
        shared.created.insert(token.id, now);
        let user = own.user();
        shared.tokens.push(Token { user, text });
        Ok(())
    }

    /// Opens a login of the user, if their account exists and is not suspended.
    async fn log_in(&self, user: UserId) -> Result<(), Error> {
        let (env, tenant) = (&self.env, TenantId::own(user));
        let (login, _) = Login::open(env, user, tenant, &Client::default(), env.clock.now());
        let new = &login;
        let opening = env.db.run(|txn| async move {
            users::store::find(&txn, user).await?.ok_or(Error::NotFound)?;
            let own = tenants::store::role(&txn, user, tenant).await?;
            if own.is_none_or(|own| own.suspended_at.is_some()) {
                return Err(Error::Suspended);
            }
            logins::store::add(&txn, new)
        });
        opening.await?;
        self.shared().logins.insert(user, login.id);
        Ok(())
    }
}

async fn write(env: &Env, caller: &Caller) -> Result<(), Error> {
    let draft = sessions::Draft {
        name: name(),
        workspace_path: WorkspacePath::parse("/workspace").expect("the path is valid"),
    };
    sessions::ops::create(env, caller, draft, None).await.map(drop)
}

pub(super) fn name() -> Name {
    Name::parse("a name").expect("the name is valid")
}

fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(
            Error::NotFound
            | Error::ForeignTenant
            | Error::Forbidden
            | Error::Revoked
            | Error::Suspended
            | Error::InvalidToken
            | Error::InvalidInvitation
            | Error::InvitationRejected(_)
            | Error::LastOwner(_)
            | Error::NoSuccessor,
        ) => Outcome::Refused,
        Err(Error::Store(kv::Error::Unavailable {
            cause: Cause::Undecided { .. },
        })) => Outcome::Unknown,
        Err(Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. })) => Outcome::NotExecuted,
        Err(error) => panic!("unexpected: {error}"),
    }
}
