//! A request to the store, before it is signed.

use hyper::Method;

use crate::key::Key;

/// A request to the store. Everything in it is signed, except the body.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub method: Method,
    /// `None` for a request to the bucket.
    pub key: Option<&'a Key>,
    /// By name.
    pub query: Vec<(&'static str, String)>,
    /// Names in lower case, by name. `host` is added.
    pub headers: Vec<(&'static str, String)>,
}

impl<'a> Call<'a> {
    pub(super) fn to_object(method: Method, key: &'a Key) -> Self {
        Self {
            method,
            key: Some(key),
            query: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn to_bucket(method: Method) -> Self {
        Self {
            method,
            key: None,
            query: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let place = self.query.partition_point(|(other, _)| *other < name);
        self.query.insert(place, (name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let place = self.headers.partition_point(|(other, _)| *other < name);
        self.headers.insert(place, (name, value.into()));
        self
    }
}
