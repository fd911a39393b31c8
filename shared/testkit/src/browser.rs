//! A browser with one page, which keeps and sends cookies.

use std::collections::BTreeMap;

use axum::http::header;

use crate::request::{Target, TestRequest};
use crate::response::TestResponse;

/// A browser's cookies of one host. Its page has one origin.
#[derive(Clone, Debug)]
pub struct Browser {
    origin: &'static str,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser without cookies.
    pub fn with_page_of(origin: &'static str) -> Self {
        Self {
            origin,
            cookies: BTreeMap::new(),
        }
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// The request with the headers that the browser adds.
    #[must_use]
    pub fn complete<'a, T: Target + ?Sized>(&self, request: TestRequest<'a, T>) -> TestRequest<'a, T> {
        let request = request.header(header::ORIGIN, self.origin);
        if self.cookies.is_empty() {
            return request;
        }
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        request.header(header::COOKIE, &pairs.join("; "))
    }

    /// Stores and removes the cookies that the response says.
    pub fn receive(&mut self, response: &TestResponse) {
        for cookie in response.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie is ASCII");
            let (pair, attributes) = cookie.split_once("; ").expect("a cookie has attributes");
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if attributes.split("; ").any(|attribute| attribute == "Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Sends the request, and keeps the cookies of the response.
    ///
    /// # Panics
    /// If the document does not allow the response.
    pub async fn send<T: Target + ?Sized>(&mut self, request: TestRequest<'_, T>) -> TestResponse {
        let response = self.complete(request).send().await;
        self.receive(&response);
        response
    }
}
