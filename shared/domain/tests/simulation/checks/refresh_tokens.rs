//! Refresh tokens: each has one successor, which every client receives that sends the token within the grace period.
//! Only reuse after the grace period ends the login.

use std::collections::BTreeMap;

use domain::logins::GRACE;

use super::known_login::KnownLogin;
use super::problems::Problems;
use crate::history::{Call, Event, Reply};

/// How many replaced tokens a login keeps.
const KEPT: usize = 16;

pub(super) fn check(login: &KnownLogin<'_>, problems: &mut Problems) {
    let mut sent: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    let mut rotations = 0;
    for event in login.events() {
        if let Call::Refresh { token, .. } = &event.call
            && token.login() == login.id()
        {
            sent.entry(token.reveal()).or_default().push(event);
            rotations += usize::from(login.run.trail.has_rotated(event));
        }
    }
    for events in sent.values() {
        one_token(login, events, rotations, problems);
    }
}

/// All requests with one token.
fn one_token(login: &KnownLogin<'_>, events: &[&Event], rotations: usize, problems: &mut Problems) {
    let trail = login.run.trail;
    let rotators = events.iter().copied().filter(|event| trail.has_rotated(event));
    let rotators: Vec<&Event> = rotators.collect();
    let numbers = || rotators.iter().map(|event| event.number).collect::<Vec<_>>();
    problems.unless(rotators.len() <= 1, || {
        format!("one token was replaced by each of {:?}", numbers())
    });
    let rotator = rotators.first().copied();
    // Both times are those of the serving processes.
    let is_in_grace = |event: &Event| rotator.is_none_or(|rotator| event.at <= rotator.at.plus(GRACE));
    let is_after_rotation = |event: &Event| rotator.is_some_and(|rotator| rotator.called < event.replied);
    let is_forgotten = rotations > KEPT;
    let mut successor: Option<String> = None;
    for event in events {
        let number = event.number;
        match &event.reply {
            Reply::SignedIn(signed_in) => {
                let received = signed_in.refresh_token.reveal();
                problems.unless(successor.get_or_insert_with(|| received.clone()) == &received, || {
                    format!("#{number} received another successor than earlier requests")
                });
                problems.unless(is_after_rotation(event) && is_in_grace(event), || {
                    format!("#{number} was accepted with a token that {:?} had replaced", numbers())
                });
            }
            Reply::InvalidRefreshToken => {
                let is_late = is_after_rotation(event) && !is_in_grace(event);
                problems.unless(is_late || is_forgotten || login.may_be_missing_for(event), || {
                    format!("#{number} lost login {} through a race", login.id())
                });
            }
            _ => {}
        }
        problems.unless(
            !trail.has_detected_reuse(event) || !is_in_grace(event) || is_forgotten,
            || format!("#{number} was taken for reuse within the grace period"),
        );
    }
}
