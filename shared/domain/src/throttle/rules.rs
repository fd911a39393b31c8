//! The rules of throttling: how many attempts are free, and how the wait grows after that.

use std::time::Duration;

/// The rule of one kind of counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number of attempts without a wait.
    pub free: u32,
    /// The time after which one attempt is forgotten.
    pub regain: Duration,
    /// The maximum wait. The first wait is one second, and each doubles the one before.
    pub max_wait: Duration,
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For an account from one address, from one device, and for a login from one address.
    pub pair: Rule,
    /// For an account from all addresses that it knows.
    pub known: Rule,
    /// For an account, or a login, from addresses that it does not know.
    pub account: Rule,
    /// For a site ([`Address::site`](crate::Address::site)), at accounts that do not know the address.
    pub address: Rule,
    /// For registrations from a site.
    pub registration: Rule,
    /// For requests for recoveries from a site.
    pub emails: Rule,
    /// For requests for emails to one recipient. An attempt is forgotten when the token in its email has expired, so
    /// that a recipient whose requests are used up by others has a valid one.
    pub recipient: Rule,
}

impl Default for Rules {
    /// A user who mistypes a few times notices nothing. An attacker gets about a hundred attempts a day at one account
    /// (NIST SP 800-63B-4, section 3.2.2, allows a hundred in a row) from addresses that it does not know, another
    /// hundred from those that it knows, and some thousands from one address at all accounts.
    fn default() -> Self {
        let rule = |free, regain, max_wait| Rule {
            free,
            regain: Duration::from_secs(regain),
            max_wait: Duration::from_secs(max_wait),
        };
        Self {
            pair: rule(10, 900, 900),
            known: rule(30, 1800, 1800),
            account: rule(20, 900, 900),
            address: rule(50, 30, 60),
            registration: rule(100, 60, 300),
            emails: rule(50, 60, 300),
            recipient: rule(3, 3600, 3600),
        }
    }
}
