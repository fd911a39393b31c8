//! The wire format of an account.

use api::openapi::schema::{Email, Id, PersonName, Time};
use api::{ApiError, Prefix, Reply, TenantBody};
use domain::users::profile::{Account, AccountTenant};
use domain::{Timestamp, UserId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::schema;

/// The caller's account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
pub struct AccountBody {
    /// The user's id.
    #[schema(value_type = Id)]
    id: UserId,
    /// The email to log in with.
    #[schema(value_type = Email)]
    email: String,
    /// Whether the user has proved that they read the emails to it.
    #[schema(example = true)]
    email_verified: bool,
    /// The address that the user has asked to make the account's, until it confirms that or the request expires.
    #[schema(required, value_type = Option<Email>)]
    pending_email: Option<String>,
    /// From when on the account is deleted; null if no deletion is scheduled. Until then, it can be cancelled.
    #[schema(required, value_type = Option<Time>)]
    deletes_at: Option<Timestamp>,
    /// Whether nothing is sent to the email: emails bounced, or were reported as spam. An operator can end that.
    #[schema(example = false)]
    email_suppressed: bool,
    /// The first name.
    #[schema(required, value_type = Option<PersonName>)]
    first_name: Option<String>,
    /// The last name.
    #[schema(required, value_type = Option<PersonName>)]
    last_name: Option<String>,
    /// The company.
    #[schema(required, value_type = Option<PersonName>)]
    company: Option<String>,
    /// The path of the picture.
    #[schema(required, value_type = Option<schema::AvatarUrl>)]
    avatar_url: Option<String>,
    /// The preferences.
    #[schema(value_type = schema::Preferences)]
    preferences: Map<String, Value>,
    /// The tenants that the user has access to, beginning with their own.
    #[schema(min_items = 1, max_items = 1000)]
    tenants: Vec<TenantBody>,
    /// When the account was registered.
    #[schema(value_type = Time)]
    created_at: Timestamp,
}

impl AccountBody {
    /// The response with this account.
    pub fn reply(account: Account, Prefix(prefix): Prefix) -> Result<Reply<Self>, ApiError> {
        let version = account.version()?;
        let tenant = |tenant: AccountTenant| TenantBody::new(tenant.id, tenant.name, tenant.kind, tenant.role);
        let body = Self {
            id: account.id,
            email: account.email.to_string(),
            email_verified: account.email_verified,
            pending_email: account.pending_email.map(|email| email.to_string()),
            deletes_at: account.deletes_at,
            email_suppressed: account.email_suppressed,
            first_name: account.first_name.map(|name| name.to_string()),
            last_name: account.last_name.map(|name| name.to_string()),
            company: account.company.map(|name| name.to_string()),
            avatar_url: account.avatar.map(|digest| format!("{prefix}/avatars/{digest}")),
            preferences: account.preferences.as_map().clone(),
            tenants: account.tenants.into_iter().map(tenant).collect(),
            created_at: account.created_at,
        };
        Ok(Reply::ok(body).version(version))
    }
}
