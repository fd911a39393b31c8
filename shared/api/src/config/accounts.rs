//! The lifetime of logins, the policy for new passwords, and the verification of emails.

use std::time::Duration;

use domain::logins::Lifetime;
use domain::password::{self, Policy};

use super::mail::Mail;
use super::tokens::TokenUse;
use super::variables::{ConfigError, DAY_SECONDS, Variables};

pub(super) fn login(vars: &Variables<'_>) -> Result<Lifetime, ConfigError> {
    let seconds = |variable, default| {
        let number = vars.number(variable, 60..=10 * 365 * DAY_SECONDS)?;
        Ok(Duration::from_secs(number.unwrap_or(default)))
    };
    Ok(Lifetime {
        idle: seconds("LOGIN_IDLE_SECONDS", 30 * DAY_SECONDS)?,
        absolute: seconds("LOGIN_TTL_SECONDS", 90 * DAY_SECONDS)?,
    })
}

pub(super) fn deletion_delay(vars: &Variables<'_>) -> Result<Duration, ConfigError> {
    let days = vars.number("ACCOUNT_DELETION_DAYS", 1..=365)?;
    Ok(Duration::from_secs(days.unwrap_or(14) * DAY_SECONDS))
}

pub(super) fn passwords(vars: &Variables<'_>) -> Result<Policy, ConfigError> {
    let policy = match vars.text("PASSWORD_POLICY")?.as_deref() {
        None => Policy::default(),
        Some("basic") => Policy::BASIC,
        Some("strict") => Policy::STRICT,
        Some(other) => {
            let problem = format!("must be `basic` or `strict`, but is `{other}`");
            return Err(ConfigError::new("PASSWORD_POLICY", problem));
        }
    };
    let lengths = password::MIN_LENGTH..=password::MIN_LENGTH_MAX;
    let min_length = vars.number("PASSWORD_MIN_LENGTH", lengths)?;
    Ok(min_length.map_or(policy, |min_length| policy.with_min_length(min_length)))
}

/// Whether users whose email is not verified can use only their own account.
pub(super) fn requires_verified_email(
    vars: &Variables<'_>,
    token_use: TokenUse,
    mail: &Mail,
) -> Result<bool, ConfigError> {
    const VARIABLE: &str = "EMAIL_VERIFICATION";
    match vars.text(VARIABLE)?.as_deref() {
        None | Some("optional") => Ok(false),
        // The process that registers users writes the emails.
        Some("required") if token_use == TokenUse::Signs && !mail.is_written => {
            let problem = "must be `optional` as long as MAIL is `off`, because nobody could verify an email";
            Err(ConfigError::new(VARIABLE, problem))
        }
        Some("required") => Ok(true),
        Some(other) => {
            let problem = format!("must be `optional` or `required`, but is `{other}`");
            Err(ConfigError::new(VARIABLE, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verified_email_can_be_required_where_emails_are_written() {
        let required = |value, token_use, is_written| {
            let vars = Variables::of(&[("EMAIL_VERIFICATION", value)]);
            let mail = Mail {
                is_written,
                ..Mail::default()
            };
            requires_verified_email(&vars, token_use, &mail).map_err(|error| error.to_string())
        };
        assert_eq!(required("", TokenUse::Signs, false), Ok(false));
        assert_eq!(required("optional", TokenUse::Signs, true), Ok(false));
        assert_eq!(required("required", TokenUse::Signs, true), Ok(true));
        assert_eq!(required("required", TokenUse::Verifies, false), Ok(true));
        let error = required("required", TokenUse::Signs, false).unwrap_err();
        assert!(error.starts_with("EMAIL_VERIFICATION must be `optional`"), "{error}");
        let error = required("on", TokenUse::Signs, true).unwrap_err();
        assert!(error.starts_with("EMAIL_VERIFICATION must be"), "{error}");
    }

    #[test]
    fn a_login_lives_thirty_days_without_a_refresh_and_ninety_in_total() {
        let days = |pairs: &[_]| {
            let lifetime = login(&Variables::of(pairs)).unwrap();
            [lifetime.idle, lifetime.absolute].map(|duration| duration.as_secs() / DAY_SECONDS)
        };
        assert_eq!(days(&[]), [30, 90]);
        let set = [("LOGIN_IDLE_SECONDS", "86400"), ("LOGIN_TTL_SECONDS", "172800")];
        assert_eq!(days(&set), [1, 2]);
        let error = login(&Variables::of(&[("LOGIN_TTL_SECONDS", "5")]))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("LOGIN_TTL_SECONDS must be a whole number from 60"),
            "{error}"
        );
    }

    #[test]
    fn an_account_is_deleted_fourteen_days_after_the_request() {
        let days = |pairs: &[_]| deletion_delay(&Variables::of(pairs)).map(|delay| delay.as_secs() / DAY_SECONDS);
        assert_eq!(days(&[]).unwrap(), 14);
        assert_eq!(days(&[("ACCOUNT_DELETION_DAYS", "30")]).unwrap(), 30);
        let error = days(&[("ACCOUNT_DELETION_DAYS", "0")]).unwrap_err().to_string();
        assert!(
            error.starts_with("ACCOUNT_DELETION_DAYS must be a whole number from 1"),
            "{error}"
        );
    }

    #[test]
    fn a_length_overrides_the_password_policys_own() {
        let passwords = |pairs: &[_]| passwords(&Variables::of(pairs)).unwrap();
        let strict = ("PASSWORD_POLICY", "strict");
        assert_eq!(passwords(&[]), Policy::STRICT);
        assert_eq!(passwords(&[("PASSWORD_POLICY", "basic")]), Policy::BASIC);
        assert_eq!(passwords(&[strict]), Policy::STRICT);
        assert_eq!(
            passwords(&[("PASSWORD_POLICY", "basic"), ("PASSWORD_MIN_LENGTH", "64")]),
            Policy::BASIC.with_min_length(64)
        );
        assert_eq!(
            passwords(&[strict, ("PASSWORD_MIN_LENGTH", "8")]),
            Policy::STRICT.with_min_length(8)
        );
    }
}
