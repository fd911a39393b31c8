//! The wire format of an event.

use std::borrow::Cow;

use api::openapi::schema::{self, Id, RequestId, Time};
use domain::TenantId;
use domain::access_tokens::Scope;
use domain::audit::{Action, Event, EventLine, Position, UnknownAction};
use domain::logins::MAX_LOGINS;
use domain::text::NAME_MAX;
use domain::usage::{Quota, Quotas};
use domain::users::profile::ProfileMember;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// An event: the common members, and the members of its type.
#[derive(Serialize)]
#[serde(transparent)]
pub struct EventBody(EventLine);

impl EventBody {
    /// The event at this position of the tenant's log.
    pub fn of(tenant: TenantId, position: Position, event: Event) -> Self {
        Self(EventLine::of(tenant, position, event))
    }
}

/// The types of the events without further members that a user causes.
const PLAIN: [&str; 13] = [
    "user.registered",
    "login.opened",
    "login.refreshed",
    "login.refresh_replayed",
    "login.reuse_detected",
    "login.closed",
    "user.export_requested",
    "email.verified",
    "password.recovery_requested",
    "email.change_requested",
    "email.changed",
    "user.deletion_cancelled",
    "user.deleted",
];

/// The same, caused by an operator.
const PLAIN_BY_OPERATOR: [&str; 5] = [
    "user.resumed",
    "user.recovery_link_created",
    "user.deletion_revoked",
    "mail.suppressed",
    "mail.unsuppressed",
];

/// The types of events that count the logins which they ended.
const ENDED_LOGINS: [&str; 4] = [
    "login.ended_all",
    "password.changed",
    "password.recovered",
    "email.change_undone",
];

/// The types of events of a snapshot.
const SNAPSHOT: [&str; 3] = ["snapshot.created", "snapshot.deleted", "snapshot.restore_requested"];

/// One schema for each set of details, with the event types that have it.
impl PartialSchema for EventBody {
    fn schema() -> RefOr<Schema> {
        let count = |most: usize| {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0))
                .maximum(Some(most))
                .into()
        };
        let one_of = |types: &[&str]| schema::text().enum_values(Some(types.iter().copied()));
        let user = ("userId", reference::<Id>());
        let any_user = ("userId", or_null(reference::<Id>()));
        let of_user = |types: &[&str], details: Option<(&str, RefOr<Schema>)>| {
            let details: Vec<_> = [Some(user.clone()), details].into_iter().flatten().collect();
            form(one_of(types), &details)
        };
        let operator = || {
            let name = schema::text()
                .min_length(Some(1))
                .max_length(Some(NAME_MAX))
                .description(Some("The operator who acted, as they named themselves."))
                .examples(["ops"]);
            ("operator", name.into())
        };
        let by_operator = |types: &[&str], details: Option<(&str, RefOr<Schema>)>| {
            let details: Vec<_> = [Some(user.clone()), Some(operator()), details]
                .into_iter()
                .flatten()
                .collect();
            form(one_of(types), &details)
        };
        // An older version of the program shows events of a newer one, and a newer one those that a client's copy of
        // this document does not know.
        let known = json!({ "enum": Action::NAMES });
        let unknown = schema::text()
            .description(Some(
                "Any other type. The version of the API that wrote the event may describe further members.",
            ))
            .pattern(Some("^[a-z._]+$"))
            .min_length(Some(1))
            .max_length(Some(UnknownAction::NAME_MAX))
            .extensions(Some([("not", known)].into_iter().collect()));
        let session = ["session.created", "session.changed", "session.deleted"];
        let snapshot = [
            user.clone(),
            ("sessionId", reference::<Id>()),
            ("snapshotId", reference::<Id>()),
        ];
        let deletes_at = || Some(("deletesAt", reference::<Time>()));
        let ended_login = || Some(("endedLoginId", reference::<Id>()));
        let ended = || Some(("ended", count(MAX_LOGINS)));
        let limit = ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::Integer, Type::Null]))
            .description(Some(
                "The tenant's own limit; null if the limit of every tenant applies again.",
            ))
            .minimum(Some(0))
            .maximum(Some(Quotas::MAX));
        let limit_changed = [
            ("userId", ObjectBuilder::new().schema_type(Type::Null).into()),
            operator(),
            (
                "quota",
                schema::text().enum_values(Some(Quota::NAMES.iter().copied())).into(),
            ),
            ("limit", limit.into()),
        ];
        let mail = || {
            let kind = schema::text()
                .min_length(Some(1))
                .max_length(Some(UnknownAction::NAME_MAX))
                .description(Some("The kind of email."))
                .examples(["password.changed"]);
            Some(("mail", kind.into()))
        };
        OneOfBuilder::new()
            .description(Some(
                "An event: the common members, and the members of its type. An event with `operator` was caused by an \
                 operator of the API, not by the user. An event with `accessTokenId` was caused by a personal access \
                 token.",
            ))
            .item(of_user(&session, Some(("sessionId", reference::<Id>()))))
            .item(form(one_of(&SNAPSHOT), &snapshot))
            .item(of_user(&PLAIN, None))
            .item(of_user(&["login.refused"], Some(("attempts", count(4_294_967_295)))))
            .item(of_user(&["user.deletion_scheduled"], deletes_at()))
            .item(of_user(&["login.ended", "login.evicted"], ended_login()))
            .item(of_user(&ENDED_LOGINS, ended()))
            .item(form(one_of(&["access_token.created"]), &created_token()))
            .item(of_user(
                &["access_token.revoked"],
                Some(("revokedAccessTokenId", reference::<Id>())),
            ))
            .item(of_user(&["user.profile_changed"], Some(("changed", changed_members()))))
            .item(by_operator(&PLAIN_BY_OPERATOR, None))
            .item(by_operator(&["user.deletion_ordered"], deletes_at()))
            .item(by_operator(&["login.revoked"], ended_login()))
            .item(by_operator(&["user.suspended", "login.revoked_all"], ended()))
            .item(by_operator(&["mail.retried", "mail.dropped"], mail()))
            .item(form(one_of(&["tenant.limit_changed"]), &limit_changed))
            .item(form(unknown, &[any_user]).additional_properties(Some(AdditionalProperties::FreeForm(true))))
            .into()
    }
}

impl ToSchema for EventBody {
    fn name() -> Cow<'static, str> {
        "AuditEvent".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Id::name().into_owned(), Id::schema()));
        schemas.push((RequestId::name().into_owned(), RequestId::schema()));
        schemas.push((Time::name().into_owned(), Time::schema()));
    }
}

/// The schema of the events of these types: the common members, and `details`.
fn form(kind: ObjectBuilder, details: &[(&str, RefOr<Schema>)]) -> ObjectBuilder {
    let address = schema::text()
        .min_length(Some(2))
        .max_length(Some(45))
        .examples(["203.0.113.1"])
        .build();
    let common = ObjectBuilder::new()
        .property(
            "id",
            schema::text()
                .pattern(Some("^[0-9a-f]{24}$"))
                .max_length(Some(24))
                .examples(["000000000000002a00000000"]),
        )
        .required("id")
        .property("type", kind)
        .required("type")
        .property("at", reference::<Time>())
        .required("at")
        .property("tenantId", reference::<Id>())
        .required("tenantId")
        .property("loginId", or_null(reference::<Id>()))
        .required("loginId")
        .property("accessTokenId", reference::<Id>())
        .property("ip", or_null(address.clone().into()))
        .required("ip")
        .property("requestId", reference::<RequestId>())
        .required("requestId");
    details.iter().fold(common, |event, (name, schema)| {
        event.property(*name, schema.clone()).required(*name)
    })
}

fn changed_members() -> RefOr<Schema> {
    let members = schema::text().enum_values(Some(ProfileMember::NAMES.iter().copied()));
    ArrayBuilder::new()
        .items(members)
        .min_items(Some(1))
        .max_items(Some(ProfileMember::NAMES.len()))
        .description(Some(
            "The members of the account that were changed, without their values.",
        ))
        .into()
}

/// The details of a created personal access token.
fn created_token() -> [(&'static str, RefOr<Schema>); 5] {
    let scopes = ArrayBuilder::new()
        .items(schema::text().enum_values(Some(Scope::NAMES.iter().copied())))
        .min_items(Some(1))
        .max_items(Some(Scope::NAMES.len()));
    [
        ("userId", reference::<Id>()),
        ("createdAccessTokenId", reference::<Id>()),
        ("createdForTenantId", reference::<Id>()),
        ("scopes", scopes.into()),
        ("expiresAt", reference::<Time>()),
    ]
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn or_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(schema).item(null).into()
}

#[cfg(test)]
mod tests {
    use domain::access_tokens::Scopes;
    use domain::id::Id;
    use domain::text::Name;
    use domain::{Client, Timestamp, UserId};
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    const ID: &str = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";

    fn id<I: Id + DeserializeOwned>() -> I {
        serde_json::from_value(json!(ID)).unwrap()
    }

    /// The members of an event beside the common ones.
    fn details(action: Action) -> Value {
        let place = Position::from_slice(&[0; 12]).unwrap();
        let event = Event::of(
            id::<UserId>(),
            None,
            &Client::default(),
            Timestamp::from_millis(0),
            action,
        );
        let mut body = serde_json::to_value(EventBody::of(id(), place, event)).unwrap();
        let members = body.as_object_mut().unwrap();
        for common in ["id", "type", "at", "tenantId", "userId", "loginId", "ip", "requestId"] {
            members.remove(common).expect(common);
        }
        body
    }

    #[test]
    fn every_action_of_a_user_adds_its_details() {
        let session = id();
        for (action, expected) in [
            (Action::Registered, json!({})),
            (Action::LoggedIn, json!({})),
            (Action::LoginRefused { attempts: 3 }, json!({ "attempts": 3 })),
            (Action::Refreshed, json!({})),
            (Action::RefreshReplayed, json!({})),
            (Action::ReuseDetected, json!({})),
            (Action::LoggedOut, json!({})),
            (Action::LoginEnded { ended: id() }, json!({ "endedLoginId": ID })),
            (Action::LoginEvicted { ended: id() }, json!({ "endedLoginId": ID })),
            (Action::LoggedOutEverywhere { ended: 2 }, json!({ "ended": 2 })),
            (Action::PasswordChanged { ended: 0 }, json!({ "ended": 0 })),
            (
                Action::ProfileChanged {
                    changed: vec![ProfileMember::FirstName, ProfileMember::Avatar],
                },
                json!({ "changed": ["firstName", "avatar"] }),
            ),
            (
                Action::AccessTokenCreated {
                    created: id(),
                    tenant: id(),
                    scopes: Scopes::new([Scope::ReadAudit]).unwrap(),
                    expires_at: Timestamp::from_millis(0),
                },
                json!({
                    "createdAccessTokenId": ID,
                    "createdForTenantId": ID,
                    "scopes": ["audit:read"],
                    "expiresAt": "1970-01-01T00:00:00.000Z",
                }),
            ),
            (
                Action::AccessTokenRevoked { revoked: id() },
                json!({ "revokedAccessTokenId": ID }),
            ),
            (Action::EmailVerified, json!({})),
            (Action::RecoveryRequested, json!({})),
            (Action::PasswordRecovered { ended: 2 }, json!({ "ended": 2 })),
            (Action::EmailChangeRequested, json!({})),
            (Action::EmailChanged, json!({})),
            (Action::EmailChangeUndone { ended: 2 }, json!({ "ended": 2 })),
            (Action::SessionCreated { session }, json!({ "sessionId": ID })),
            (Action::SessionChanged { session }, json!({ "sessionId": ID })),
            (Action::SessionDeleted { session }, json!({ "sessionId": ID })),
            (
                Action::SnapshotCreated {
                    session,
                    snapshot: id(),
                },
                json!({ "sessionId": ID, "snapshotId": ID }),
            ),
            (
                Action::SnapshotDeleted {
                    session,
                    snapshot: id(),
                },
                json!({ "sessionId": ID, "snapshotId": ID }),
            ),
            (
                Action::RestoreRequested {
                    session,
                    snapshot: id(),
                },
                json!({ "sessionId": ID, "snapshotId": ID }),
            ),
        ] {
            assert_eq!(details(action.clone()), expected, "{action:?}");
        }
    }

    #[test]
    fn every_action_of_an_operator_adds_its_details() {
        let operator = || Name::parse("ops").unwrap();
        for (action, expected) in [
            (
                Action::RecoveryLinkCreated { operator: operator() },
                json!({ "operator": "ops" }),
            ),
            (
                Action::Suspended {
                    operator: operator(),
                    ended: 2,
                },
                json!({ "operator": "ops", "ended": 2 }),
            ),
            (Action::Resumed { operator: operator() }, json!({ "operator": "ops" })),
            (
                Action::MailSuppressed { operator: operator() },
                json!({ "operator": "ops" }),
            ),
            (
                Action::MailUnsuppressed { operator: operator() },
                json!({ "operator": "ops" }),
            ),
            (
                Action::LoginRevoked {
                    operator: operator(),
                    ended: id(),
                },
                json!({ "operator": "ops", "endedLoginId": ID }),
            ),
            (
                Action::LoginsRevoked {
                    operator: operator(),
                    ended: 2,
                },
                json!({ "operator": "ops", "ended": 2 }),
            ),
            (
                Action::LimitChanged {
                    operator: operator(),
                    quota: Quota::StoredBytes,
                    limit: Some(7),
                },
                json!({ "operator": "ops", "quota": "storedBytes", "limit": 7 }),
            ),
            (
                Action::MailRetried {
                    operator: operator(),
                    mail: "password.changed".to_owned(),
                },
                json!({ "operator": "ops", "mail": "password.changed" }),
            ),
            (
                Action::MailDropped {
                    operator: operator(),
                    mail: "password.changed".to_owned(),
                },
                json!({ "operator": "ops", "mail": "password.changed" }),
            ),
        ] {
            assert_eq!(details(action.clone()), expected, "{action:?}");
        }
    }

    #[test]
    fn every_action_of_a_deletion_adds_its_details() {
        let time = Timestamp::from_millis(0);
        let operator = || Name::parse("ops").unwrap();
        for (action, expected) in [
            (
                Action::DeletionScheduled { due_at: time },
                json!({ "deletesAt": "1970-01-01T00:00:00.000Z" }),
            ),
            (Action::DeletionCancelled, json!({})),
            (
                Action::DeletionOrdered {
                    operator: operator(),
                    due_at: time,
                },
                json!({ "operator": "ops", "deletesAt": "1970-01-01T00:00:00.000Z" }),
            ),
            (
                Action::DeletionRevoked { operator: operator() },
                json!({ "operator": "ops" }),
            ),
            (Action::AccountDeleted, json!({})),
        ] {
            assert_eq!(details(action.clone()), expected, "{action:?}");
        }
    }
}
