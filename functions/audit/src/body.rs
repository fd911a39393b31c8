//! An event as it is sent.

use domain::audit::{Action, Event, Place};
use domain::{Address, LoginId, SessionId, TenantId, Timestamp, UserId};
use serde::Serialize;

/// An event as it is sent: what all have in common, and beside it what its type adds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventBody {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
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
    /// The event at this place of the tenant's log.
    pub fn of(tenant: TenantId, place: Place, event: Event) -> Self {
        Self {
            id: place.id(),
            kind: event.action.as_str(),
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
            | Action::LoggedOut => Self::None {},
            Action::LoginRefused { attempts } => Self::Attempts { attempts },
            Action::LoginEnded { ended } | Action::LoginEvicted { ended } => Self::EndedLogin { ended_login_id: ended },
            Action::LoggedOutEverywhere { ended } | Action::PasswordChanged { ended } => Self::Ended { ended },
            Action::SessionCreated { session }
            | Action::SessionChanged { session }
            | Action::SessionDeleted { session } => Self::Session { session_id: session },
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Client;
    use domain::id::Id;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";

    fn id<I: Id + DeserializeOwned>() -> I {
        serde_json::from_value(json!(ID)).unwrap()
    }

    /// What the body of an event has beside what all of them have.
    fn details(action: Action) -> Value {
        let place = Place::from_slice(&[0; 12]).unwrap();
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
