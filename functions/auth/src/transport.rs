//! How the refresh token and the device token travel: in bodies, or in cookies, which scripts cannot read.

use api::cookies::{self, Cookies};
use api::{ApiError, Reply};
use domain::logins::{Lifetime, SignedIn};
use domain::text::Rejection;
use domain::throttle::DeviceToken;

/// Where the tokens of a response are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// In the body.
    #[default]
    Body,
    /// In cookies.
    Cookie,
}

impl Transport {
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
    pub fn check(self, cookies: &Cookies) -> Result<(), ApiError> {
        match self {
            Self::Body => Ok(()),
            Self::Cookie => cookies.check_origin(),
        }
    }

    /// The device token in the body, or else in the cookie. A damaged token must not keep a user out.
    pub fn device(self, in_body: Option<DeviceToken>, cookies: &Cookies) -> Result<Option<DeviceToken>, ApiError> {
        self.check(cookies)?;
        match (self, in_body) {
            (Self::Cookie, None) => Ok(cookies.get(cookies::DEVICE)?.as_deref().and_then(DeviceToken::parse)),
            (_, in_body) => Ok(in_body),
        }
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
