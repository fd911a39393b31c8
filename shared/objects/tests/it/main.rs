//! The object store as its callers see it.

mod botocore;
mod folder;
mod moto;
mod support;
