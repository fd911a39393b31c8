//! `GET /users/me/tokens`

use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::access_tokens::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::token_body::TokenBody;

/// The caller's personal access tokens, newest first; at most 50.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenList)]
pub struct TokensBody {
    /// The tokens.
    #[schema(max_items = 50)]
    tokens: Vec<TokenBody>,
}

/// Lists the caller's personal access tokens, without the tokens themselves. Expired ones are listed for 30 days.
#[utoipa::path(
    get,
    path = "/users/me/tokens",
    tag = "users",
    operation_id = "listTokens",
    security(("accessToken" = [])),
    responses((
        status = 200,
        description = "The tokens.",
        body = TokensBody,
        links(("revoke" = (operation_id = "revokeToken", parameters(("id" = "$response.body#/data/tokens/0/id")))))
    )),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<TokensBody>, ApiError> {
    let tokens = ops::list(&app.env, &caller).await?;
    Ok(Reply::ok(TokensBody {
        tokens: tokens.into_iter().map(|token| TokenBody::new(token, None)).collect(),
    }))
}
