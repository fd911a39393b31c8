//! `POST /auth/refresh`

use api::cookies::{self, Cookies};
use api::error::Violation;
use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Field, Reply};
use axum::extract::State;
use domain::Error;
use domain::logins::{RefreshToken, ops};
use domain::text::Rejection;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::schema;
use crate::signed_in::SignedInBody;
use crate::transport::{RequestedTransport, Transport};

/// The refresh token of a login.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refresh)]
pub struct RefreshBody {
    /// The `refreshToken` of the last response.
    #[schema(value_type = schema::RefreshToken)]
    refresh_token: Field<String>,
    /// Where the response has its tokens.
    #[schema(value_type = Option<schema::Transport>)]
    transport: Field<String>,
}

/// The refresh token is in the cookie `__Host-coditect-refresh`, and the new tokens are in cookies again.
#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshByCookie)]
#[expect(dead_code, reason = "it only documents the other form of the body")]
struct CookieBody {
    #[schema(value_type = schema::CookieTransport)]
    transport: String,
}

/// The form for programs, which keep their tokens, or the one for pages, whose browser keeps them. A page with a token
/// of its own may send both members: the token moves to the cookie.
struct RefreshForm;

impl utoipa::PartialSchema for RefreshForm {
    fn schema() -> RefOr<Schema> {
        let forms = [RefreshBody::name(), CookieBody::name()].map(Ref::from_schema_name);
        let any = forms.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
        any.into()
    }
}

impl ToSchema for RefreshForm {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        }
        add::<RefreshBody>(schemas);
        add::<CookieBody>(schemas);
    }
}

impl RefreshBody {
    fn parse(self, cookies: &Cookies) -> Result<(RefreshToken, Transport), ApiError> {
        let mut checks = Checks::new();
        let text = checks.optional("refreshToken", self.refresh_token, Ok::<_, Rejection>);
        let transport = checks.optional("transport", self.transport, |text| RequestedTransport::parse(&text));
        let (Some(text), Some(transport)) = (text, transport) else {
            return Err(checks.into_error());
        };
        let checked = transport.unwrap_or_default().check(cookies)?;
        let (text, used) = match (text, transport) {
            (Some(text), _) => (text, checked),
            // A script cannot move the token of a cookie to a body, where it could read it.
            (None, Some(RequestedTransport::Body)) => return Err(token_required()),
            (None, _) => match cookies.get(cookies::REFRESH)? {
                Some(text) => (text, RequestedTransport::Cookie.check(cookies)?),
                // A page cannot know whether the browser has the cookie.
                None if checked.is_cookie() => return Err(Error::InvalidRefreshToken(None).into()),
                None => return Err(token_required()),
            },
        };
        let token = RefreshToken::parse(&text).ok_or(Error::InvalidRefreshToken(None))?;
        Ok((token, used))
    }
}

/// The rejection of a request without a token in its body and its cookies.
fn token_required() -> ApiError {
    let violation = Violation {
        pointer: "/refreshToken".to_owned(),
        message: "is required".to_owned(),
    };
    ApiError::invalid(vec![violation])
}

/// Exchanges a refresh token for new tokens. For 30 seconds after that, the old token is accepted at most twice more,
/// for two tabs that refresh at once and for a lost response. Each use receives a refresh token of its own. Keep one
/// copy of the refresh token per browser profile or installation, for example in storage that all tabs share or in a
/// cookie, and replace it after each exchange. Tabs that each keep their own copy look like a thief. The login ends
/// if a token was copied: if a replaced token is used after the 30 seconds, or if different refresh tokens from one
/// exchange are used at two exchanges in a row. A client that gets 401 reads the stored token again, because another
/// tab may have replaced it. If it has not changed, the client logs out with it (`POST /auth/logout`), which ends the
/// login for a thief, too.
///
/// Without a `refreshToken` in the body, the token is read from the cookie, and the new tokens are in cookies. All tabs
/// of a browser share the cookie, which is the one copy that the client needs to keep.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    tag = "authentication",
    operation_id = "refresh",
    request_body(
        content = RefreshForm,
        examples(
            ("body" = (
                summary = "A program that keeps its tokens itself",
                value = json!({"refreshToken": "coditect_rt_AZDQoHw-ehGPPgEjRWeJqw"})
            )),
            ("cookie" = (
                summary = "A page whose tokens are in cookies",
                value = json!({"transport": "cookie"})
            )),
        )
    ),
    responses(
        (
            status = 200,
            description = "The login's new tokens.",
            body = SignedInBody,
            headers(("Set-Cookie")),
            links((
                "refresh" = (
                    operation_id = "refresh",
                    request_body = json!({"refreshToken": "$response.body#/data/refreshToken"})
                )
            ))
        ),
        problems::InvalidRefreshToken,
        problems::OriginNotAllowed,
        problems::TooManyAttempts,
        problems::QuotaExceeded,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    cookies: Cookies,
    Body(body): Body<RefreshBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let (token, transport) = body.parse(&cookies)?;
    let signed_in = ops::refresh(&app.env, &client, &token).await?;
    SignedInBody::reply(Reply::ok, &app, &signed_in, transport)
}
