//! Changesets: operations that are applied completely or not at all. A single operation is a changeset of one.

mod added;
pub(crate) mod author;
mod edit;
pub(crate) mod engine;
mod operation;
pub mod ops;
mod reads;
mod rules;
mod transfers;

pub use self::operation::{
    Changeset, Delete, Edit, Effect, MadeDirectory, MakeDirectory, Operation, Outcome, Overwrite, Put, Replacement,
    Source, Transfer,
};
