//! The wire format of an event.

use std::borrow::Cow;

use api::openapi::schema::{self, Id, RequestId, Time};
use domain::audit::{Action, Event, Position, UnknownAction};
use domain::logins::MAX_LOGINS;
use domain::{Address, LoginId, SessionId, TenantId, Timestamp, UserId};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// An event: the common members, and the members of its type.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventBody {
    id: String,
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    at: Timestamp,
    tenant_id: TenantId,
    user_id: UserId,
    login_id: Option<LoginId>,
    ip: Option<Address>,
    request_id: String,
    #[serde(flatten)]
    details: Details,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Details {
    None {},
    Attempts { attempts: u32 },
    Ended { ended: usize },
    EndedLogin { ended_login_id: LoginId },
    Session { session_id: SessionId },
}

impl EventBody {
    /// The event at this position of the tenant's log.
    pub fn of(tenant: TenantId, position: Position, event: Event) -> Self {
        Self {
            id: position.id(),
            kind: event.action.name(),
            at: event.at,
            tenant_id: tenant,
            user_id: event.user,
            login_id: event.login,
            ip: event.address,
            request_id: event.request_id,
            details: Details::of(&event.action),
        }
    }
}

impl Details {
    fn of(action: &Action) -> Self {
        match *action {
            Action::Registered
            | Action::LoggedIn
            | Action::Refreshed
            | Action::RefreshReplayed
            | Action::ReuseDetected
            | Action::LoggedOut
            | Action::Unknown(_) => Self::None {},
            Action::LoginRefused { attempts } => Self::Attempts { attempts },
            Action::LoginEnded { ended } | Action::LoginEvicted { ended } => Self::EndedLogin { ended_login_id: ended },
            Action::LoggedOutEverywhere { ended } | Action::PasswordChanged { ended } => Self::Ended { ended },
            Action::SessionCreated { session }
            | Action::SessionChanged { session }
            | Action::SessionDeleted { session } => Self::Session { session_id: session },
        }
    }
}

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
        let address = schema::text()
            .min_length(Some(2))
            .max_length(Some(45))
            .examples(["203.0.113.1"])
            .build();
        let form = |kind: ObjectBuilder, details: Option<(&str, RefOr<Schema>)>| {
            let event = ObjectBuilder::new()
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
                .property("userId", reference::<Id>())
                .required("userId")
                .property("loginId", or_null(reference::<Id>()))
                .required("loginId")
                .property("ip", or_null(address.clone().into()))
                .required("ip")
                .property("requestId", reference::<RequestId>())
                .required("requestId");
            match details {
                Some((name, schema)) => event.property(name, schema).required(name),
                None => event,
            }
        };
        let one_of = |types: &[&str]| schema::text().enum_values(Some(types.iter().copied()));
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
        let plain = [
            "user.registered",
            "login.opened",
            "login.refreshed",
            "login.refresh_replayed",
            "login.reuse_detected",
            "login.closed",
        ];
        OneOfBuilder::new()
            .description(Some("An event: the common members, and the members of its type."))
            .item(form(one_of(&session), Some(("sessionId", reference::<Id>()))))
            .item(form(one_of(&plain), None))
            .item(form(
                one_of(&["login.refused"]),
                Some(("attempts", count(4_294_967_295))),
            ))
            .item(form(
                one_of(&["login.ended", "login.evicted"]),
                Some(("endedLoginId", reference::<Id>())),
            ))
            .item(form(
                one_of(&["login.ended_all", "password.changed"]),
                Some(("ended", count(MAX_LOGINS))),
            ))
            .item(form(unknown, None).additional_properties(Some(AdditionalProperties::FreeForm(true))))
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

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn or_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(schema).item(null).into()
}

#[cfg(test)]
mod tests {
    use domain::Client;
    use domain::id::Id;
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
        let event = Event::of(id(), None, &Client::default(), Timestamp::from_millis(0), action);
        let mut body = serde_json::to_value(EventBody::of(id(), place, event)).unwrap();
        let members = body.as_object_mut().unwrap();
        for common in ["id", "type", "at", "tenantId", "userId", "loginId", "ip", "requestId"] {
            members.remove(common).expect(common);
        }
        body
    }

    #[test]
    fn every_action_adds_its_details() {
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
            (Action::SessionCreated { session }, json!({ "sessionId": ID })),
            (Action::SessionChanged { session }, json!({ "sessionId": ID })),
            (Action::SessionDeleted { session }, json!({ "sessionId": ID })),
        ] {
            assert_eq!(details(action.clone()), expected, "{action:?}");
        }
    }
}
