//! How the refresh token and the device token travel: in bodies, or in cookies, which scripts cannot read.

use api::cookies::{self, Cookies};
use api::{ApiError, Reply};
use domain::logins::{Lifetime, SignedIn};
use domain::text::Rejection;
use domain::throttle::DeviceToken;

/// The transport that a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestedTransport {
    /// In the body.
    #[default]
    Body,
    /// In cookies.
    Cookie,
}

/// Where the tokens of a response are. Only [`RequestedTransport::check`] makes one, and no response has tokens without
/// one: an endpoint cannot forget the check.
#[derive(Clone, Copy, Debug)]
pub struct Transport(RequestedTransport);

impl RequestedTransport {
    /// The names in requests.
    pub const NAMES: [&str; 2] = ["body", "cookie"];

    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match text {
            "body" => Ok(Self::Body),
            "cookie" => Ok(Self::Cookie),
            _ => Err(Rejection("must be `body` or `cookie`".to_owned())),
        }
    }

    /// Rejects a request for cookies from a page that may not use them. To be called before any effect.
    pub fn check(self, cookies: &Cookies) -> Result<Transport, ApiError> {
        if self == Self::Cookie {
            cookies.check_origin()?;
        }
        Ok(Transport(self))
    }
}

impl Transport {
    /// Whether the tokens are in cookies.
    pub fn is_cookie(self) -> bool {
        self.0 == RequestedTransport::Cookie
    }

    /// The device token in the body, or else in the cookie. A damaged token must not keep a user out.
    pub fn device(self, in_body: Option<DeviceToken>, cookies: &Cookies) -> Result<Option<DeviceToken>, ApiError> {
        if self.is_cookie() && in_body.is_none() {
            return Ok(cookies.get(cookies::DEVICE)?.as_deref().and_then(DeviceToken::parse));
        }
        Ok(in_body)
    }

    /// Adds the tokens of a login to a response whose body has none.
    pub fn add_cookies<T>(reply: Reply<T>, signed_in: &SignedIn, lifetime: Lifetime) -> Result<Reply<T>, ApiError> {
        let token = &signed_in.refresh_token;
        // The refresh token is first: a load balancer without multi-value headers drops the second one.
        reply
            .cookie(cookies::REFRESH, token.reveal(), signed_in.refresh_token_lifetime())?
            .cookie(
                cookies::DEVICE,
                token.device_token().reveal(),
                signed_in.device_token_lifetime(lifetime),
            )
    }
}
