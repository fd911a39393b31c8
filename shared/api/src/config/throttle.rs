//! The throttle of password attempts and registrations.

use std::time::Duration;

use domain::throttle::{Rule, Rules};

use super::server::Mode;
use super::variables::{ConfigError, Variables};

const VARIABLE: &str = "THROTTLE";

/// `None` if nothing is throttled.
pub(super) fn rules(vars: &Variables<'_>, mode: Mode) -> Result<Option<Rules>, ConfigError> {
    let defaults = Rules::default();
    let rules = Rules {
        pair: rule(vars, "THROTTLE_PAIR", defaults.pair)?,
        known: rule(vars, "THROTTLE_KNOWN", defaults.known)?,
        account: rule(vars, "THROTTLE_ACCOUNT", defaults.account)?,
        address: rule(vars, "THROTTLE_ADDRESS", defaults.address)?,
        registration: rule(vars, "THROTTLE_REGISTRATION", defaults.registration)?,
        emails: rule(vars, "THROTTLE_EMAILS", defaults.emails)?,
        recipient: rule(vars, "THROTTLE_RECIPIENT", defaults.recipient)?,
    };
    match (vars.text(VARIABLE)?.as_deref(), mode) {
        (None | Some("on"), _) => Ok(Some(rules)),
        (Some("off"), Mode::Server(_)) => Ok(None),
        (Some("off"), Mode::Lambda) => {
            let problem = "must not be `off` under Lambda, because attackers could guess passwords";
            Err(ConfigError::new(VARIABLE, problem))
        }
        (Some(other), _) => {
            let problem = format!("must be `on` or `off`, but is `{other}`");
            Err(ConfigError::new(VARIABLE, problem))
        }
    }
}

/// Three numbers: free attempts, seconds until one attempt is forgotten, and the longest wait in seconds.
fn rule(vars: &Variables<'_>, variable: &'static str, default: Rule) -> Result<Rule, ConfigError> {
    let Some(value) = vars.text(variable)? else {
        return Ok(default);
    };
    let numbers: Option<Vec<u32>> = value.split('/').map(|number| number.trim().parse().ok()).collect();
    let Some(&[free @ 1..=100_000, regain @ 1..=86_400, max_wait @ 1..=86_400]) = numbers.as_deref() else {
        let problem = format!(
            "must be three numbers like `10/900/900` (free attempts from 1 to 100000; seconds until one is forgotten, \
             and the longest wait in seconds, each from 1 to 86400), but is `{value}`"
        );
        return Err(ConfigError::new(variable, problem));
    };
    Ok(Rule {
        free,
        regain: Duration::from_secs(regain.into()),
        max_wait: Duration::from_secs(max_wait.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server::mode;

    #[test]
    fn a_rule_is_three_numbers_and_only_a_server_may_switch_the_throttle_off() {
        let throttle = |pairs: &[_]| {
            let vars = Variables::of(pairs);
            rules(&vars, mode(&vars)?)
        };
        assert_eq!(throttle(&[]), Ok(Some(Rules::default())));
        assert_eq!(throttle(&[("THROTTLE", "off")]), Ok(None));
        let rule = throttle(&[("THROTTLE_PAIR", "3/60/7")]).unwrap().unwrap().pair;
        assert_eq!((rule.free, rule.regain.as_secs(), rule.max_wait.as_secs()), (3, 60, 7));
        for pairs in [
            &[("THROTTLE", "no")][..],
            &[("THROTTLE_PAIR", "3/60")],
            &[("THROTTLE_KNOWN", "30/1800/100000")],
            &[("THROTTLE_ACCOUNT", "0/60/60")],
            &[("THROTTLE_ADDRESS", "3/60/60/60")],
            &[("THROTTLE_REGISTRATION", "three/60/60")],
            &[("THROTTLE", "off"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")],
        ] {
            let error = throttle(pairs).unwrap_err().to_string();
            assert!(error.starts_with(pairs[0].0), "{error}");
        }
    }
}
