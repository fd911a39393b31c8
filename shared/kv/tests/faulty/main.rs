//! Fault injection, and how transactions recover from faults. Needs the feature `testing`.
#![cfg(feature = "testing")]

mod injection;
mod snapshots;
mod support;
mod unknown_commits;
