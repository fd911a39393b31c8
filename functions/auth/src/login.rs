//! `POST /auth/login`

use api::{ApiError, AppState, Body, Checks, Field, Reply, Sender};
use axum::extract::State;
use domain::logins::ops;
use domain::secret::Password;
use domain::users::Email;
use serde::Deserialize;

use crate::signed_in::SignedInBody;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LoginBody {
    email: Field<String>,
    password: Field<String>,
}

impl LoginBody {
    fn parse(self) -> Result<(Email, Password), ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        let password = checks.required("password", self.password, |text| Password::claimed(&text));
        match (email, password) {
            (Some(email), Some(password)) => Ok((email, password)),
            _ => Err(checks.refuse()),
        }
    }
}

/// Signs in with email and password.
pub async fn login(
    State(app): State<AppState>,
    Sender(client): Sender,
    Body(body): Body<LoginBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let (email, password) = body.parse()?;
    let signed_in = ops::log_in(&app.env, &client, &email, &password).await?;
    Ok(Reply::ok(SignedInBody::sign(&app, signed_in)?))
}
