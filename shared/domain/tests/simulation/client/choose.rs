//! The choice of the next call. The probabilities make clients meet: few emails and keys, recent logins, tokens and
//! sessions.

use std::collections::BTreeMap;

use domain::audit::{self, ActionName, Direction};
use domain::page::{Cursor, Limit};
use domain::throttle::DeviceToken;
use domain::{Caller, TenantId};
use fastrand::Rng;

use super::Client;
use super::knowledge::Knowledge;
use crate::history::{Call, Selection, login_of};

impl Client {
    pub(super) fn choose(&mut self) -> Call {
        let (rng, knowledge, number) = (&mut self.rng, self.shared.lock(), self.recorder.next_number());
        let email = format!("user{}@example.com", rng.usize(..self.emails));
        if self.guesses_passwords && rng.bool() {
            let device = knowledge.choose_device(rng, &email);
            return Call::LogIn {
                email,
                password: None,
                device,
            };
        }
        // Recent logins are likelier, because most of them are still active.
        let caller = match knowledge.callers.len() {
            0 => None,
            len => Some(knowledge.callers[len - 1 - rng.usize(..len).min(rng.usize(..len))].clone()),
        };
        let Some(caller) = caller.filter(|_| rng.u32(..5) > 0) else {
            let known = rng.choice(&knowledge.passwords).filter(|_| rng.u32(..3) > 0);
            return match known {
                Some((email, number)) => Call::LogIn {
                    email: email.clone(),
                    password: Some(*number).filter(|_| rng.u32(..10) > 0),
                    device: knowledge.choose_device(rng, email),
                },
                None => knowledge.choose_registration(rng, number, email),
            };
        };
        if rng.u32(..if self.is_thief { 2 } else { 5 }) == 0 {
            if let Some((token, from)) = self.own_tokens.get(&login_of(&caller)) {
                let (token, from) = (token.clone(), *from);
                return Call::Refresh { token, from };
            }
            // Mostly the newest token or the one before: some are replaced immediately, some late, some by two clients.
            let tokens = &knowledge.tokens[&login_of(&caller)];
            let back = rng.usize(..tokens.len()).min(rng.usize(..3));
            let (token, from) = tokens[tokens.len() - 1 - back].clone();
            return Call::Refresh { token, from };
        }
        let own = knowledge
            .sessions
            .iter()
            .filter(|(tenant, _)| *tenant == caller.tenant());
        let own: Vec<_> = own.map(|(_, id)| *id).collect();
        let id = if rng.u32(..10) == 0 {
            // A session of any tenant.
            rng.choice(&knowledge.sessions).map(|(_, id)| *id)
        } else {
            // One of the three newest, so that clients use the same ones.
            rng.choice(&own[own.len().saturating_sub(3)..]).copied()
        };
        let last_seen = id.and_then(|id| self.last_seen.get(&id)).copied();
        // The version that this client saw last, an older one, or any.
        let expects = last_seen.and_then(|(version, _)| match rng.u32(..6) {
            0..3 => Some(version),
            3 => Some(rng.u64(..version)),
            _ => None,
        });
        match (rng.u32(..34), id) {
            (28, _) => Call::GetAccount { caller },
            (29..32, _) => Call::ChangeProfile {
                expects: self.last_account.get(&caller.user()).copied().filter(|_| rng.bool()),
                caller,
            },
            (32, _) => Call::ScheduleDeletion {
                password: knowledge.choose_password(rng, &caller),
                caller,
            },
            (33, _) => Call::CancelDeletion { caller },
            (0, _) => Call::LogOut { caller },
            (1..3, _) => Call::ListLogins { caller },
            (3, _) => {
                let login = rng.choice(&knowledge.callers).map_or(login_of(&caller), login_of);
                Call::EndLogin { caller, id: login }
            }
            (4, _) if rng.bool() => Call::LogOutEverywhere { caller },
            (4..6, _) => {
                let current = knowledge.choose_password(rng, &caller);
                if rng.bool() {
                    return Call::Reauthenticate {
                        caller,
                        password: current,
                    };
                }
                Call::ChangePassword { caller, current }
            }
            (6..9, _) => Call::ReadAudit {
                reader: self.number,
                listing: choose_listing(rng, &self.audit_cursors, caller.tenant()),
                caller,
            },
            (9..13, _) | (_, None) => knowledge.choose_creation(rng, number, caller),
            (13..16, _) => Call::List { caller },
            (16..19, Some(id)) => Call::Get { caller, id },
            (19..24, Some(id)) => Call::Change {
                caller,
                id,
                // Sometimes the unchanged path.
                path: last_seen.filter(|_| rng.u32(..5) == 0).map_or(number, |(_, path)| path),
                expects,
            },
            (_, Some(id)) => Call::Delete { caller, id, expects },
        }
    }
}

impl Knowledge {
    /// Half of the time, a device token of this account, if there is one.
    fn choose_device(&self, rng: &mut Rng, email: &str) -> Option<DeviceToken> {
        let devices: Vec<_> = self.devices.iter().filter(|(of, _)| of == email).collect();
        let device = rng.choice(devices).map(|(_, token)| token.clone());
        device.filter(|_| rng.bool())
    }

    /// One of the last passwords that the caller's account may have.
    fn choose_password(&self, rng: &mut Rng, caller: &Caller) -> Option<usize> {
        let email = &self.emails[&caller.user()];
        let known = self.passwords.iter().filter(|(of, _)| of == email);
        let known: Vec<_> = known.map(|(_, number)| *number).collect();
        rng.choice(&known[known.len().saturating_sub(3)..]).copied()
    }

    /// A new registration, or mostly an earlier one of the same email: unchanged, or with another key, name or
    /// password.
    fn choose_registration(&self, rng: &mut Rng, number: usize, email: String) -> Call {
        let same_email = |call: &&Call| matches!(call, Call::Register { email: of, .. } if *of == email);
        let earlier: Vec<_> = self.keyed.iter().filter(same_email).collect();
        if let Some(earlier) = rng.choice(earlier).filter(|_| rng.u32(..4) > 0) {
            let mut repeated = earlier.clone();
            if let Call::Register {
                key, names, password, ..
            } = &mut repeated
            {
                match rng.u32(..8) {
                    0 => *key = choose_key(rng),
                    1 => *names = number,
                    2 => *password = number,
                    3 => {
                        let known = self.passwords.iter().filter(|(of, _)| *of == email);
                        let known: Vec<_> = known.map(|(_, password)| *password).collect();
                        *password = rng.choice(known).unwrap_or(number);
                    }
                    _ => {}
                }
            }
            return repeated;
        }
        Call::Register {
            email,
            key: choose_key(rng),
            names: number,
            password: number,
        }
    }

    /// A new session. Under a key, mostly with a draft that the same user has already sent with that key.
    fn choose_creation(&self, rng: &mut Rng, number: usize, caller: Caller) -> Call {
        let key = choose_key(rng);
        let drafts = self.keyed.iter().filter_map(|call| match call {
            Call::Create {
                caller: of,
                key: used,
                draft,
            } if of.user() == caller.user() && *used == key => Some(*draft),
            _ => None,
        });
        let drafts: Vec<_> = drafts.collect();
        let draft = rng.choice(drafts).filter(|_| rng.u32(..4) > 0).unwrap_or(number);
        Call::Create { caller, key, draft }
    }
}

/// One of two keys, so that keys are reused, or none.
fn choose_key(rng: &mut Rng) -> Option<u32> {
    rng.bool().then(|| rng.u32(..2))
}

/// The next page of the tenant's audit log, in one of the orders. Mostly of all events, otherwise of one of two
/// frequent types, so that most readers continue.
fn choose_listing(
    rng: &mut Rng,
    cursors: &BTreeMap<(TenantId, Selection), Cursor>,
    tenant: TenantId,
) -> audit::Listing {
    let direction = if rng.bool() {
        Direction::Ascending
    } else {
        Direction::Descending
    };
    let action = rng.choice([None, None, Some("login.opened"), Some("session.created")]);
    let action = action
        .flatten()
        .map(|name| ActionName::parse(name).expect("the action exists"));
    audit::Listing {
        limit: Limit::parse(&rng.usize(1..20).to_string()).expect("the limit is valid"),
        after: cursors.get(&(tenant, (direction, action))).cloned(),
        direction,
        action,
    }
}
