//! Fault injection, and how runs recover from faults. Needs the feature `testing`.
#![cfg(feature = "testing")]

mod injection;
mod snapshots;
mod support;
mod unknown_commits;
