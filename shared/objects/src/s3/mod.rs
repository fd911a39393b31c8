//! Objects in a bucket of S3, or of a server that speaks its protocol.

mod bucket;
mod call;
mod documents;
mod http;
mod multipart;
mod signer;

pub(crate) use bucket::Bucket;
