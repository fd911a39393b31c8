//! The rules of mail tokens, as a model that repeats the audit logs.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Event};
use domain::mail_tokens::{Purpose, StoredToken};
use domain::users::Email;
use domain::{LoginId, TenantId, UserId, record};
use kv::Element;

use super::clients::{Call, Number, Outcome, Received, Request, Run};
use crate::records::Records;
use crate::scenario::Stored;

/// How often the runs reached a case. One that none reaches proves nothing.
#[derive(Debug, Default)]
pub(super) struct Reached {
    verified: u32,
    recovered: u32,
    changed: u32,
    undone: u32,
    /// Tokens that another change had ended.
    ended: u32,
    taken: u32,
    /// Effects whose caller did not learn of them.
    unknown: u32,
}

impl Reached {
    pub(super) fn require(&self) {
        let Self {
            verified,
            recovered,
            changed,
            undone,
            ended,
            taken,
            unknown,
        } = self;
        for count in [verified, recovered, changed, undone, ended, taken, unknown] {
            assert!(*count >= 50, "{self:?}");
        }
    }
}

/// An account.
struct Account {
    email: Email,
    is_verified: bool,
    /// The call that set the password; `None` after an undo.
    password: Option<Number>,
    /// The tokens that are valid, by the call whose email contains them.
    tokens: BTreeSet<Number>,
    logins: BTreeSet<LoginId>,
    /// Every email that the account has had or asked for.
    emails: BTreeSet<String>,
}

/// What is known about a run.
struct Model<'a> {
    calls: BTreeMap<Number, &'a Call>,
    emails: BTreeMap<Number, &'a Received>,
    /// The call that used, replaced or removed a token.
    ended_by: BTreeMap<Number, Number>,
    problems: Vec<String>,
}

/// Every contradiction between the calls, the audit logs, and the store.
pub(super) fn check(run: &Run, reached: &mut Reached) -> Vec<String> {
    let mut model = Model {
        calls: run.history.iter().map(|call| (call.number, call)).collect(),
        emails: run.emails.iter().map(|received| (received.cause, received)).collect(),
        ended_by: BTreeMap::new(),
        problems: Vec::new(),
    };
    for finding in &run.stored.findings {
        model.problems.push(format!("{}: {}", finding.key, finding.problem));
    }
    let records = Records::read(&run.stored);
    let mut accounts = BTreeMap::new();
    let mut logged: BTreeSet<Number> = BTreeSet::new();
    for user in records.users.values() {
        let log = &records.audit_logs[&TenantId::own(user.id).uuid()];
        let account = model.repeat(user.id, log, &mut logged, reached);
        if let Some(account) = account {
            accounts.insert(user.id, account);
        }
    }
    model.replies(run, &logged, &accounts, reached);
    for (id, account) in &accounts {
        let user = &records.users[&id.uuid()];
        let expected = (&account.email, account.is_verified);
        let found = (&user.email, user.email_verified_at.is_some());
        model.equal(*id, "email", &expected, &found);
        let logins = records.logins.values().filter(|login| login.user == *id);
        model.equal(*id, "logins", &account.logins, &logins.map(|login| login.id).collect());
        let expected = account.tokens.iter().map(|token| model.emails[token].stored());
        let expected: BTreeMap<_, _> = expected.map(by_place).collect();
        let found: BTreeMap<_, _> = tokens(&run.stored, *id).map(by_place).collect();
        model.equal(*id, "tokens", &expected, &found);
        model.last_logins(run, account);
    }
    model.problems
}

fn by_place(token: StoredToken) -> ((Purpose, String), StoredToken) {
    ((token.purpose, token.email.to_string()), token)
}

/// The stored tokens of a user.
fn tokens(stored: &Stored, user: UserId) -> impl Iterator<Item = StoredToken> {
    stored.entries.iter().filter_map(move |entry| {
        let elements: Vec<Element<'_>> = entry.key.unpack().expect("every key is a tuple");
        match &elements[..] {
            [Element::String(users), Element::Uuid(id), Element::String(part), ..]
                if users == "users" && *id == user.uuid() && part == "mail_tokens" =>
            {
                Some(record::decode(&entry.value).expect("every record decodes"))
            }
            _ => None,
        }
    })
}

impl Model<'_> {
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, user: UserId, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.problems.push(format!(
                "{user} has {what} {found:#?}, and after its log it must have {expected:#?}"
            ));
        }
    }

    /// Repeats the log of an account. `logged` collects the calls in it.
    fn repeat(
        &mut self,
        user: UserId,
        log: &[Event],
        logged: &mut BTreeSet<Number>,
        reached: &mut Reached,
    ) -> Option<Account> {
        let mut account = None;
        for event in log {
            let number = event.request_id.parse().expect("the request id is a number");
            let call = self.calls[&number];
            // A change of the password also logs in, in the same transaction.
            let is_first = logged.insert(number);
            if matches!(call.outcome, Outcome::Done | Outcome::Unknown) {
                reached.unknown += u32::from(call.outcome == Outcome::Unknown);
            } else if !matches!(event.action, Action::LoginRefused { .. }) {
                self.problems.push(format!("{call:?} has an effect: {event:?}"));
            }
            let Some(account) = &mut account else {
                account = self.registered(user, call, event);
                continue;
            };
            if !is_first && event.action != Action::LoggedIn {
                self.problems.push(format!("{call:?} took effect twice"));
            }
            self.apply(account, call, event, reached);
        }
        account
    }

    /// The account after its first event.
    fn registered(&mut self, user: UserId, call: &Call, event: &Event) -> Option<Account> {
        let Request::Register { email } = &call.request else {
            self.problems.push(format!("the log of {user} begins with {event:?}"));
            return None;
        };
        Some(Account {
            email: email.clone(),
            is_verified: false,
            password: Some(call.number),
            tokens: BTreeSet::from([call.number]),
            logins: event.login.into_iter().collect(),
            emails: BTreeSet::from([email.to_string()]),
        })
    }

    fn apply(&mut self, account: &mut Account, call: &Call, event: &Event, reached: &mut Reached) {
        match (&event.action, &call.request) {
            (Action::LoggedIn, request) => {
                if let Request::LogIn { email, password } = request {
                    self.password_is(account, call, *password);
                    if *email != account.email {
                        self.problems.push(format!("{call:?} logged in at a former email"));
                    }
                }
                account.logins.extend(event.login);
            }
            (Action::LoginRefused { .. }, _) => {}
            (Action::PasswordChanged { .. }, Request::ChangePassword { current, .. }) => {
                self.password_is(account, call, *current);
                account.password = Some(call.number);
                account.logins.clear();
                self.end(account, call, is_change);
            }
            (Action::RecoveryRequested, Request::AskForRecovery { email }) => {
                if *email != account.email {
                    self.problems.push(format!("{call:?} is logged for another account"));
                }
                self.issue(account, call, |token| token.purpose == Purpose::Recovery);
            }
            (Action::EmailChangeRequested, Request::AskForChange { password, new, .. }) => {
                self.password_is(account, call, *password);
                account.emails.insert(new.to_string());
                self.issue(account, call, |token| token.purpose == Purpose::EmailChange);
            }
            (Action::EmailVerified, Request::Verify { token }) => {
                reached.verified += 1;
                self.use_token(account, call, *token);
                account.is_verified = true;
            }
            (Action::PasswordRecovered { .. }, Request::Recover { token }) => {
                reached.recovered += 1;
                self.use_token(account, call, *token);
                account.password = Some(call.number);
                account.is_verified = true;
                account.logins.clear();
                self.end(account, call, is_change);
            }
            (Action::EmailChanged, Request::Confirm { token }) => {
                reached.changed += 1;
                let new = self.use_token(account, call, *token).to.clone();
                self.end(account, call, is_change);
                let old = std::mem::replace(&mut account.email, new);
                if account.is_verified {
                    self.issue(account, call, |token| {
                        (token.purpose, &token.to) == (Purpose::EmailUndo, &old)
                    });
                }
                account.is_verified = true;
            }
            (Action::EmailChangeUndone { .. }, Request::Undo { token }) => {
                reached.undone += 1;
                let undo = self.use_token(account, call, *token);
                let since = undo.sent_at;
                account.email = undo.to.clone();
                account.is_verified = true;
                account.password = None;
                account.logins.clear();
                self.end(account, call, is_change);
                self.end(account, call, |token| {
                    token.purpose == Purpose::EmailUndo && token.sent_at >= since
                });
                self.issue(account, call, |_| false);
            }
            (_, _) => self.problems.push(format!("{call:?} does not cause {event:?}")),
        }
    }

    fn password_is(&mut self, account: &Account, call: &Call, password: Number) {
        if account.password != Some(password) {
            let right = account.password;
            self.problems
                .push(format!("{call:?} was accepted, and the password is that of {right:?}"));
        }
    }

    /// A use of a token, which must be valid, and for the account's email if it does not change that.
    fn use_token(&mut self, account: &mut Account, call: &Call, token: Number) -> Received {
        let received = self.emails[&token].clone();
        let is_for_email = matches!(received.purpose, Purpose::Verification | Purpose::Recovery);
        if !account.tokens.contains(&token) || is_for_email && received.to != account.email {
            let by = self.ended_by.get(&token);
            self.problems
                .push(format!("{call:?} used {received:?}, which {by:?} had ended"));
        }
        // An undo may be used again, unless it ends itself with the changes since.
        if received.purpose != Purpose::EmailUndo {
            self.end(account, call, |other| other.cause == token);
        }
        received
    }

    /// Ends the tokens of the account that this holds for.
    fn end(&mut self, account: &mut Account, call: &Call, which: impl Fn(&Received) -> bool) {
        let (ended, kept) = account.tokens.iter().partition(|token| which(self.emails[token]));
        let ended: BTreeSet<Number> = ended;
        account.tokens = kept;
        for token in ended {
            self.ended_by.insert(token, call.number);
        }
    }

    /// A new token, in the place of those for which this holds.
    fn issue(&mut self, account: &mut Account, call: &Call, replaces: impl Fn(&Received) -> bool) {
        self.end(account, call, replaces);
        if self.emails.contains_key(&call.number) {
            account.tokens.insert(call.number);
        } else {
            self.problems.push(format!("{call:?} sent no email"));
        }
    }

    /// What the replies say about the logs.
    fn replies(
        &mut self,
        run: &Run,
        logged: &BTreeSet<Number>,
        accounts: &BTreeMap<UserId, Account>,
        reached: &mut Reached,
    ) {
        let has_had = |email: &Email| {
            let mut all = accounts.values();
            all.any(|account| account.emails.contains(email.as_str()))
        };
        for call in &run.history {
            let Call { request, outcome, .. } = call;
            match outcome {
                Outcome::Done => {
                    // A recovery of an unknown email is not logged.
                    let may_be_absent = matches!(request, Request::AskForRecovery { .. });
                    if !logged.contains(&call.number) && !may_be_absent {
                        self.problems.push(format!("{call:?} is not in the log"));
                    }
                }
                Outcome::InvalidToken => {
                    reached.ended += 1;
                    let token = request.token().expect("the request has a token");
                    let is_explained = self.has_ended_before(token, call.replied)
                        || self.has_changed_email(self.emails[&token].token.user(), logged, call.replied);
                    if !is_explained {
                        self.problems
                            .push(format!("{call:?} was rejected, and nothing had ended the token"));
                    }
                }
                Outcome::EmailTaken => {
                    reached.taken += 1;
                    let email = match request {
                        Request::Register { email } => email,
                        _ => &self.emails[&request.token().expect("the request has a token")].to,
                    };
                    if !has_had(email) {
                        self.problems.push(format!("{call:?} was rejected, and nobody had it"));
                    }
                }
                _ => {}
            }
        }
    }

    fn has_ended_before(&self, token: Number, time: u64) -> bool {
        let by = self.ended_by.get(&token);
        by.is_some_and(|by| self.calls[by].called < time)
    }

    /// Whether a change of the email had begun, which makes tokens for the old one useless.
    fn has_changed_email(&self, user: UserId, logged: &BTreeSet<Number>, time: u64) -> bool {
        logged.iter().map(|number| self.calls[number]).any(|call| {
            let (Request::Confirm { token } | Request::Undo { token }) = call.request else {
                return false;
            };
            call.called < time && self.emails[&token].token.user() == user
        })
    }

    /// After the last fault, exactly the account's password is right.
    fn last_logins(&mut self, run: &Run, account: &Account) {
        for call in run.history.iter().filter(|call| call.number > run.last) {
            let Request::LogIn { email, password } = &call.request else {
                continue;
            };
            let is_right = account.password == Some(*password);
            if *email == account.email && is_right != (call.outcome == Outcome::Done) {
                self.problems
                    .push(format!("{call:?}, and the password is that of {:?}", account.password));
            }
        }
    }
}

/// Whether a token would change the password or the email.
fn is_change(token: &Received) -> bool {
    matches!(token.purpose, Purpose::Recovery | Purpose::EmailChange)
}
