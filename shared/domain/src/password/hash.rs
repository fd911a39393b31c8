//! Password hashes: Argon2id in PHC string format.

use std::cell::RefCell;
use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::password::input::Password;

/// A password's Argon2id hash in PHC string format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub(super) String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The outcome of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is wrong, or there is no hash.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, but its hash has other parameters than today's and should be renewed.
    Outdated,
}

impl PasswordHash {
    /// Hashes `password` with `salt` and `params`.
    pub(super) fn compute(password: &Password, salt: &[u8], params: &Params) -> Result<Self> {
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        Self::of_output(salt, output(&argon, password, salt, length)?, params)
    }

    fn of_output(salt: &[u8], output: phc::Output, params: &Params) -> Result<Self> {
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: params.try_into().map_err(failed)?,
            salt: Some(phc::Salt::new(salt).map_err(failed)?),
            hash: Some(output),
        };
        Ok(Self(hash.to_string()))
    }

    /// The hash of no known password: its `output` is random. To verify it takes as long as to verify any other.
    pub(super) fn of_no_password(salt: &[u8], output: &[u8], params: &Params) -> Result<Self> {
        Self::of_output(salt, phc::Output::new(output).map_err(failed)?, params)
    }

    /// Verifies `password`. `params` are today's parameters.
    pub(super) fn verify(&self, password: &Password, params: &Params) -> Result<Verdict> {
        let hash = phc::PasswordHash::new(&self.0).map_err(unreadable)?;
        let (argon, salt, expected) = parts(&hash)?;
        match output(&argon, password, salt, expected.len())? {
            // `Output` compares in constant time.
            computed if computed != *expected => Ok(Verdict::Wrong),
            _ if is_current(&hash, params) => Ok(Verdict::Right),
            _ => Ok(Verdict::Outdated),
        }
    }
}

/// The parameters, the salt and the output of a hash.
fn parts(hash: &phc::PasswordHash) -> Result<(Argon2<'static>, &phc::Salt, &phc::Output)> {
    let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
        return Err(unreadable("the salt or the output is missing"));
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(unreadable)?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from);
    let params = Params::try_from(hash).map_err(unreadable)?;
    Ok((
        Argon2::new(algorithm, version.map_err(unreadable)?, params),
        salt,
        output,
    ))
}

thread_local! {
    /// Memory for hashing, kept as long as the runtime keeps the thread. Allocating zeroed memory for each hash takes a
    /// fourteenth of the hash's time, and a fifth with two threads, which then wait for each other in the kernel.
    ///
    /// Leftovers of another hash do not matter: the first pass writes every block before it reads it. An attacker who
    /// can read them could read the passwords as well.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn output(argon: &Argon2<'_>, password: &Password, salt: &[u8], length: usize) -> Result<phc::Output> {
    MEMORY.with_borrow_mut(|memory| {
        let blocks = argon.params().block_count();
        if memory.len() < blocks {
            memory.clear();
            memory.try_reserve_exact(blocks).map_err(failed)?;
            memory.resize(blocks, Block::default());
        }
        let mut output = [0; phc::Output::MAX_LENGTH];
        let output = output
            .get_mut(..length)
            .ok_or_else(|| failed("the output is longer than a hash can be"))?;
        argon
            .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory[..blocks])
            .map_err(failed)?;
        phc::Output::new(output).map_err(failed)
    })
}

fn is_current(hash: &phc::PasswordHash, params: &Params) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|stored| {
            (stored.m_cost(), stored.t_cost(), stored.p_cost()) == (params.m_cost(), params.t_cost(), params.p_cost())
        })
}

fn unreadable(why: impl fmt::Display) -> Error {
    Error::Corrupt {
        kind: "password hash",
        why: why.to_string(),
    }
}

fn failed(error: impl fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_hidden_in_logs() {
        assert_eq!(format!("{:?}", PasswordHash("$argon2id$…".into())), "PasswordHash(…)");
    }
}
