//! Feedback of the email service: bounces and complaints, in the formats of Amazon SES, in messages of Amazon SNS.
//!
//! Clients cannot forge it: only the topic in `template.yaml` may invoke the function with it, and only SES may publish
//! to the topic.

use domain::Env;
use domain::suppressions::{Reason, ops};
use domain::users::Email;
use serde::{Deserialize, Serialize};

/// An event of Amazon SNS.
#[derive(Clone, Debug, Deserialize)]
pub struct Notifications {
    #[serde(rename = "Records")]
    records: Vec<Notification>,
}

#[derive(Clone, Debug, Deserialize)]
struct Notification {
    #[serde(rename = "Sns")]
    sns: Envelope,
}

#[derive(Clone, Debug, Deserialize)]
struct Envelope {
    /// JSON as text; SES also sends a text to test the topic.
    #[serde(rename = "Message")]
    message: String,
}

/// A message of SES. Notifications of an identity and events of a configuration set name their type differently.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(alias = "eventType")]
    notification_type: String,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounced_recipients: Vec<Recipient>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complaint_feedback_type: Option<String>,
    complained_recipients: Vec<Recipient>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
}

/// The summary of an event: how many addresses it suppressed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackBody {
    /// The addresses that were not suppressed before.
    suppressed: usize,
    /// The messages that suppress no address: of other types, temporary bounces, or none that this program can read.
    #[serde(skip_serializing_if = "super::is_zero")]
    ignored: usize,
}

/// Suppresses the addresses that the messages report. The same event may arrive twice.
pub async fn receive(env: Env, event: Notifications) -> domain::Result<FeedbackBody> {
    let mut body = FeedbackBody::default();
    for Notification { sns } in &event.records {
        match reported(&sns.message) {
            Some((reason, emails)) => body.suppressed += ops::suppress(&env, &emails, reason).await?,
            None => body.ignored += 1,
        }
    }
    Ok(body)
}

/// The addresses that a message reports as permanently undeliverable, or whose owners complained.
fn reported(message: &str) -> Option<(Reason, Vec<Email>)> {
    let feedback: Feedback = serde_json::from_str(message).ok()?;
    let (reason, recipients) = match (&*feedback.notification_type, feedback.bounce, feedback.complaint) {
        ("Bounce", Some(bounce), _) if bounce.bounce_type == "Permanent" => (Reason::Bounce, bounce.bounced_recipients),
        ("Complaint", _, Some(complaint)) if complaint.complaint_feedback_type.as_deref() != Some("not-spam") => {
            (Reason::Complaint, complaint.complained_recipients)
        }
        _ => return None,
    };
    let mut emails = Vec::new();
    for email in recipients
        .iter()
        .filter_map(|recipient| parse(&recipient.email_address))
    {
        if !emails.contains(&email) {
            emails.push(email);
        }
    }
    (!emails.is_empty()).then_some((reason, emails))
}

/// The address, which may be in angle brackets after a name.
fn parse(text: &str) -> Option<Email> {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
    Email::parse(inner.unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(message: &str) -> Option<(Reason, Vec<String>)> {
        let (reason, emails) = reported(message)?;
        Some((reason, emails.iter().map(|email| email.as_str().to_owned()).collect()))
    }

    fn bounce(kind: &str, bounce_type: &str, recipients: &str) -> String {
        format!(r#"{{"{kind}":"Bounce","bounce":{{"bounceType":"{bounce_type}","bouncedRecipients":[{recipients}]}}}}"#)
    }

    fn complaint(kind: &str, feedback_type: &str, recipients: &str) -> String {
        format!(
            r#"{{"{kind}":"Complaint","complaint":{{"complaintFeedbackType":"{feedback_type}",
               "complainedRecipients":[{recipients}]}}}}"#
        )
    }

    const JANE: &str = r#"{"emailAddress":"jane@example.com"}"#;

    #[test]
    fn permanent_bounces_and_complaints_report_their_recipients() {
        let several = r#"{"emailAddress":"Jane@Example.com","status":"5.1.1"},{"emailAddress":"<jane@example.com>"},
            {"emailAddress":"\"A <b\" <adam@example.com>"}"#;
        for kind in ["notificationType", "eventType"] {
            let expected = ["jane@example.com", "adam@example.com"].map(str::to_owned).to_vec();
            let message = bounce(kind, "Permanent", several);
            assert_eq!(addresses(&message), Some((Reason::Bounce, expected)));
            let expected = vec!["jane@example.com".to_owned()];
            let message = complaint(kind, "abuse", JANE);
            assert_eq!(addresses(&message), Some((Reason::Complaint, expected)));
        }
    }

    #[test]
    fn other_messages_report_no_address() {
        let kind = "notificationType";
        for message in [
            bounce(kind, "Transient", JANE),
            bounce(kind, "Undetermined", JANE),
            bounce(kind, "Permanent", r#"{"emailAddress":"?"}"#),
            bounce(kind, "Permanent", JANE).replace(r#":"Bounce""#, r#":"Delivery""#),
            complaint(kind, "not-spam", JANE),
            r#"{"notificationType":"Bounce"}"#.to_owned(),
            "Successfully validated SNS topic for Amazon SES event publishing.".to_owned(),
            "{}".to_owned(),
            String::new(),
        ] {
            assert_eq!(addresses(&message), None, "{message}");
        }
    }
}
