//! The refresh tokens of one login, and how a stolen one is detected (RFC 9700, section 4.14.2).
//!
//! **Rotation detects theft.** Each use replaces a token. If a thief copies it, thief and owner both use it, and the
//! second use shows the theft. The server cannot tell the two apart, so the login ends.
//!
//! **A grace period hides it.** Two tabs refresh at the same time, and a response may be lost. So a replaced token is
//! accepted again for [`GRACE`]. Without a further rule, a thief who replays it within every grace period would never
//! be detected, especially from the owner's address and program.
//!
//! **Lineage shows it.** Every use, also a replay, receives a successor of its own. All successors of one rotation are
//! a *generation*. The first of them to be sent supersedes the generation, and receives the first token of the next
//! one. What the parties send next is the difference:
//!
//! | | in one grace period | at the next rotation |
//! | --- | --- | --- |
//! | tabs with shared storage | send the same token; the last response overwrites the others | send the same token |
//! | a client whose response was lost | sends the same token again | sends the token that arrived |
//! | owner and thief | send the same token; each keeps its own response | send *different* tokens of one generation |
//!
//! Addresses and programs do not matter: a client may have two egress addresses, and a thief may have the owner's.
//!
//! **A generation is divided** if two different tokens of it are sent. One division can be honest, for example if a tab
//! refreshes before it notices that another tab has stored a newer token. The second ends the login. After the rotation
//! of the copied token, every further one is divided, so the login ends by the third. A thief cannot avoid it:
//!
//! - To keep a valid token, each party must send one in every grace period; otherwise its next token is reused, which
//!   also ends the login. Their tokens always differ, because each use receives its own.
//! - Rotations in quick succession do not help: every token of a superseded generation leads to the newest generation,
//!   and divisions are only forgotten at a rotation before which a whole grace period has passed without one.
//! - Sending a third token of a generation does not help either: at most two replays are accepted in a grace period.
//! - Using them up to lock the owner out does not help: the owner's token then divides the generation without being
//!   accepted, which ends the login.
//!
//! **Limits.**
//!
//! - Programs that copy a token and then keep their tokens apart, such as tabs with separate storage, are
//!   indistinguishable from a theft.
//! - A thief who can read the owner's storage at every rotation sends the owner's own tokens. Rotation cannot detect
//!   that.
//! - A thief who uses up the replays of the copied token itself, before the owner sends it, keeps the login: the owner
//!   sends the same token as an honest fourth tab would. The login ends when the owner's program sends the token after
//!   the grace period, or logs out with it. Meanwhile an email tells the owner what to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bytes::hidden_bytes;
use crate::id::{LoginId, TenantId, UserId};
use crate::logins::refresh::{RefreshToken, TokenSecret};
use crate::rng::Rng;
use crate::time::Timestamp;

/// How long a replaced token is still accepted: two tabs may refresh at once, and a response may be lost.
pub const GRACE: Duration = Duration::from_secs(30);

/// The maximum number of replays in one grace period.
pub const MAX_REPLAYS: u8 = 2;

/// The stored number of replays of a generation after the first rejected one.
const REPLAY_REJECTED: u8 = MAX_REPLAYS + 1;

/// The number of divided generations that ends the login.
const MAX_DIVISIONS: u8 = 2;

/// The maximum number of generations in their grace period. Lost responses do not explain more.
const MAX_SUPERSEDED: usize = 16;

hidden_bytes! {
    /// The SHA-256 of at least 128 random bits.
    struct Digest;
}

impl Digest {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// The stored state of one login's refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenFamily {
    proof: Digest,
    /// The newest generation. None of its tokens has been sent.
    current: Vec<Digest>,
    /// Earlier generations, oldest first. A rotation removes those past their grace period.
    superseded: Vec<Generation>,
    /// The number of divided generations since the last grace period that passed without one.
    divisions: u8,
}

/// A generation of which a token has been sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Generation {
    /// The token that was sent first, then the others.
    tokens: Vec<Digest>,
    /// When it was sent.
    at: Timestamp,
    /// How many replays were accepted since, or [`REPLAY_REJECTED`].
    replays: u8,
    /// Whether another token of the generation was sent.
    divided: bool,
}

impl Generation {
    fn is_in_grace(&self, now: Timestamp) -> bool {
        now <= self.at.plus(GRACE)
    }
}

/// The status of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// A token of the newest generation.
    Current,
    /// A token of an earlier generation, in its grace period.
    Superseded,
    /// A token whose grace period is over: two clients have it, and one copied it.
    Reused,
    /// Not a token of this login.
    Foreign,
}

/// The effect of sending a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It was current, and this token replaces it.
    Rotated(RefreshToken),
    /// It had been replaced within the grace period, and receives this further token.
    Replayed(RefreshToken),
    /// It had been replaced within the grace period, but too many replays came before.
    ReplayedTooOften {
        /// Whether it is the first rejected replay since the token was replaced.
        is_first: bool,
    },
    /// It was copied: it was reused, it divides a second generation, or it divides one whose replays are used up.
    Stolen,
    /// Not a token of this login.
    Foreign,
}

impl TokenFamily {
    /// A new family and its first token.
    pub fn start(rng: &dyn Rng, user: UserId, tenant: TenantId, login: LoginId) -> (Self, RefreshToken) {
        let mut proof = [0; 16];
        rng.fill(&mut proof);
        let token = RefreshToken::new(user, tenant, login, proof, TokenSecret::draw(rng));
        let family = Self {
            current: vec![Digest::of(token.secret())],
            ..Self::of_proof(Digest::of(&proof))
        };
        (family, token)
    }

    /// A family without tokens: no known input has a digest of zeros.
    pub(super) fn none() -> Self {
        Self::of_proof(Digest([0; 32]))
    }

    fn of_proof(proof: Digest) -> Self {
        Self {
            proof,
            current: Vec::new(),
            superseded: Vec::new(),
            divisions: 0,
        }
    }

    /// The status of `token` at `now`.
    pub fn status_of(&self, token: &RefreshToken, now: Timestamp) -> TokenStatus {
        let sent = Digest::of(token.secret());
        let mut superseded = self.superseded.iter().filter(|generation| generation.is_in_grace(now));
        if Digest::of(token.proof()) != self.proof {
            TokenStatus::Foreign
        } else if self.current.contains(&sent) {
            TokenStatus::Current
        } else if superseded.any(|generation| generation.tokens.contains(&sent)) {
            TokenStatus::Superseded
        } else {
            TokenStatus::Reused
        }
    }

    /// Takes `token`, which a client sends, and issues a token with this `secret` if it is accepted.
    pub fn present(&mut self, token: &RefreshToken, secret: TokenSecret, now: Timestamp) -> Presented {
        let (sent, successor) = (Digest::of(token.secret()), token.successor(secret));
        let issued = Digest::of(successor.secret());
        match self.status_of(token, now) {
            TokenStatus::Foreign => Presented::Foreign,
            TokenStatus::Reused => Presented::Stolen,
            TokenStatus::Current => {
                self.supersede(sent, now);
                self.current.push(issued);
                Presented::Rotated(successor)
            }
            TokenStatus::Superseded => {
                let mut generations = self.superseded.iter_mut();
                let generation = generations.find(|generation| generation.tokens.contains(&sent));
                let generation = generation.expect("the status says so");
                let is_exhausted = generation.replays >= MAX_REPLAYS || self.current.len() > usize::from(MAX_REPLAYS);
                if !generation.divided && generation.tokens.first() != Some(&sent) {
                    generation.divided = true;
                    self.divisions = self.divisions.saturating_add(1);
                    if self.divisions >= MAX_DIVISIONS || is_exhausted {
                        return Presented::Stolen;
                    }
                }
                if is_exhausted {
                    let is_first = generation.replays != REPLAY_REJECTED;
                    generation.replays = REPLAY_REJECTED;
                    return Presented::ReplayedTooOften { is_first };
                }
                generation.replays += 1;
                self.current.push(issued);
                Presented::Replayed(successor)
            }
        }
    }

    /// Makes the newest generation a superseded one, of which `sent` was sent first.
    fn supersede(&mut self, sent: Digest, now: Timestamp) {
        let is_over = |generation: &Generation| !generation.is_in_grace(now);
        if self.superseded.iter().all(is_over) && !self.superseded.iter().any(|generation| generation.divided) {
            self.divisions = 0;
        }
        self.superseded.retain(|generation| generation.is_in_grace(now));
        if self.superseded.len() == MAX_SUPERSEDED {
            self.superseded.remove(0);
        }
        let others = std::mem::take(&mut self.current);
        let others = others.into_iter().filter(|token| *token != sent);
        self.superseded.push(Generation {
            tokens: [sent].into_iter().chain(others).collect(),
            at: now,
            replays: 0,
            divided: false,
        });
    }
}

/// The tokens in version 2 of the record, whose replays had one successor.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FamilyV2 {
    proof: Digest,
    current: Digest,
    replaced: Vec<ReplacedV2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReplacedV2 {
    token: Digest,
    #[serde(rename = "nonce")]
    _nonce: Digest,
    at: Timestamp,
}

impl From<FamilyV2> for TokenFamily {
    fn from(family: FamilyV2) -> Self {
        let superseded = family.replaced.into_iter().map(|replaced| Generation {
            tokens: vec![replaced.token],
            at: replaced.at,
            replays: 0,
            divided: false,
        });
        Self {
            current: vec![family.current],
            superseded: superseded.collect(),
            ..Self::of_proof(family.proof)
        }
    }
}

#[cfg(test)]
mod tests;
