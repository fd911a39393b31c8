//! The object store as its callers see it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod botocore;
mod folder;
mod moto;
mod open;
mod support;
