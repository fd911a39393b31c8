//! The wire formats of an organisation and of a member.

use api::openapi::schema::{Email, Id, Name, Role, Time};
use api::{Checks, Field, Reply};
use domain::organisations::{Member, Organization};
use domain::{TenantId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

/// An organisation, as the caller sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Organization)]
pub struct OrganizationBody {
    /// The organisation's id, for the header `Coditect-Tenant`. Ids ascend with the time of creation.
    #[schema(value_type = Id)]
    id: TenantId,
    /// The display name.
    #[schema(value_type = Name)]
    name: String,
    /// The caller's role.
    #[schema(value_type = Role)]
    role: &'static str,
    /// The number of members.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 3)]
    members: u64,
    /// When the organisation was created.
    #[schema(value_type = Time)]
    created_at: Timestamp,
}

impl From<Organization> for OrganizationBody {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id,
            created_at: organization.created_at(),
            role: organization.role.as_str(),
            members: organization.members,
            name: organization.name,
        }
    }
}

impl OrganizationBody {
    /// A reply with the organisation as its body and the version as its `ETag`.
    pub fn reply(reply: impl FnOnce(Self) -> Reply<Self>, organization: Organization) -> Reply<Self> {
        let version = organization.version();
        reply(organization.into()).version(version)
    }
}

/// A user within an organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemberUser)]
pub struct UserBody {
    /// The user's id.
    #[schema(value_type = Id)]
    id: UserId,
    /// The email of the account.
    #[schema(value_type = Email)]
    email: domain::users::Email,
    /// The first name.
    #[schema(value_type = Option<Name>, required)]
    first_name: Option<domain::text::Name>,
    /// The last name.
    #[schema(value_type = Option<Name>, required)]
    last_name: Option<domain::text::Name>,
}

/// A member of an organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Member)]
pub struct MemberBody {
    /// The user.
    user: UserBody,
    /// The role.
    #[schema(value_type = Role)]
    role: &'static str,
    /// When the membership began.
    #[schema(value_type = Time)]
    joined_at: Timestamp,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user: UserBody {
                id: member.user,
                email: member.email,
                first_name: member.first_name,
                last_name: member.last_name,
            },
            role: member.role.as_str(),
            joined_at: member.joined_at,
        }
    }
}

/// Parses the required member `role`.
pub fn parse_role(checks: &mut Checks, role: Field<String>) -> Option<domain::Role> {
    checks.required("role", role, |text| {
        domain::Role::parse(&text).ok_or(domain::text::Rejection::because(
            "must be `owner`, `admin`, `member` or `viewer`",
        ))
    })
}
