//! Owners with one or more programs, and thieves, in every order and at every pace.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::Id as _;
use crate::rng::SystemRng;

fn family() -> (TokenFamily, RefreshToken) {
    let id = Uuid::from_u128;
    let (user, tenant) = (UserId::from_uuid(id(1)), TenantId::from_uuid(id(2)));
    TokenFamily::start(&SystemRng, user, tenant, LoginId::from_uuid(id(3)))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn send(family: &mut TokenFamily, token: &RefreshToken, seconds: i64) -> Presented {
    family.present(token, TokenSecret::draw(&SystemRng), at(seconds))
}

fn rotate(family: &mut TokenFamily, token: &RefreshToken, seconds: i64) -> RefreshToken {
    match send(family, token, seconds) {
        Presented::Rotated(next) => next,
        other => panic!("{other:?}"),
    }
}

fn replay(family: &mut TokenFamily, token: &RefreshToken, seconds: i64) -> RefreshToken {
    match send(family, token, seconds) {
        Presented::Replayed(next) => next,
        other => panic!("{other:?}"),
    }
}

#[test]
fn neither_the_record_nor_a_log_reveals_a_token() {
    let (mut family, first) = family();
    let second = rotate(&mut family, &first, 0);
    let stored = serde_json::to_string(&family).unwrap();
    let logged = format!("{family:?}");
    for token in [&first, &second] {
        for part in [&token.proof()[..], &token.secret()[..]] {
            let part = URL_SAFE_NO_PAD.encode(part);
            assert!(!stored.contains(&part) && !logged.contains(&part), "{stored} {logged}");
        }
    }
    assert!(
        !logged.contains(&URL_SAFE_NO_PAD.encode(family.current[0].0)),
        "{logged}"
    );
    assert_eq!(serde_json::from_str::<TokenFamily>(&stored).unwrap(), family);
}

#[test]
fn a_replaced_token_is_accepted_for_thirty_seconds_and_stolen_afterwards() {
    let (mut family, first) = family();
    let second = rotate(&mut family, &first, 100);
    let further = replay(&mut family, &first, 130);
    assert!(further != second && further != first);
    assert_eq!(family.status_of(&first, at(131)), TokenStatus::Reused);
    assert_eq!(send(&mut family, &first, 131), Presented::Stolen);
    assert_eq!(family.status_of(&second, at(10_000)), TokenStatus::Current);
}

#[test]
fn a_grace_period_accepts_two_replays() {
    let (mut family, first) = family();
    rotate(&mut family, &first, 0);
    replay(&mut family, &first, 0);
    let last = replay(&mut family, &first, 30);
    for (seconds, is_first) in [(0, true), (30, false)] {
        let rejected = Presented::ReplayedTooOften { is_first };
        assert_eq!(send(&mut family, &first, seconds), rejected);
    }
    // A new generation does not give the old one further replays.
    rotate(&mut family, &last, 30);
    let rejected = Presented::ReplayedTooOften { is_first: false };
    assert_eq!(send(&mut family, &first, 30), rejected);
}

#[test]
fn a_generation_has_at_most_three_tokens() {
    let (mut family, first) = family();
    let second = rotate(&mut family, &first, 0);
    rotate(&mut family, &second, 0);
    for token in [&first, &second] {
        replay(&mut family, token, 0);
    }
    for token in [&first, &second] {
        let rejected = Presented::ReplayedTooOften { is_first: true };
        assert_eq!(send(&mut family, token, 0), rejected);
    }
    assert_eq!(family.current.len(), 3);
}

#[test]
fn a_thief_who_uses_up_the_replays_to_lock_the_owner_out_ends_the_login() {
    let (mut family, token) = family();
    let (owner, thief) = (rotate(&mut family, &token, 0), replay(&mut family, &token, 0));
    rotate(&mut family, &thief, 1000);
    for _ in 0..2 {
        replay(&mut family, &thief, 1000);
    }
    assert_eq!(send(&mut family, &owner, 1000), Presented::Stolen);
}

#[test]
fn the_number_of_generations_is_bounded() {
    let (mut family, first) = family();
    let mut token = first.clone();
    for _ in 0..100 {
        token = rotate(&mut family, &token, 0);
    }
    assert_eq!(family.superseded.len(), MAX_SUPERSEDED);
    assert_eq!(family.status_of(&first, at(0)), TokenStatus::Reused);
    rotate(&mut family, &token, 31);
    assert_eq!(family.superseded.len(), 1, "the others are past their grace period");
}

#[test]
fn a_guess_is_foreign_whatever_ids_and_secret_it_names() {
    let (mut family, token) = family();
    let (_, guess) = self::family();
    let with_secret = guess.successor(TokenSecret::of(&token));
    for guess in [guess, with_secret] {
        assert_eq!(family.status_of(&guess, at(0)), TokenStatus::Foreign);
        assert_eq!(send(&mut family, &guess, 0), Presented::Foreign);
    }
}

#[test]
fn one_divided_generation_is_forgotten_after_a_grace_period_without_one() {
    let (mut family, token) = family();
    let (mut one, mut other) = (rotate(&mut family, &token, 0), replay(&mut family, &token, 0));
    for round in 1..5 {
        let start = round * 1000;
        // Two tabs that have not shared their tokens yet: the storage keeps those of the second.
        rotate(&mut family, &one, start);
        let stored = replay(&mut family, &other, start + 5);
        assert_eq!(family.divisions, 1);
        // Now both use the stored one.
        one = rotate(&mut family, &stored, start + 500);
        other = replay(&mut family, &stored, start + 501);
    }
}

proptest! {
    /// Tabs with shared storage, and clients that lose responses: however they race, they stay logged in.
    #[test]
    fn programs_that_share_their_tokens_are_never_taken_for_thieves(
        rounds in prop::collection::vec((0i64..100, 0usize..3, 0usize..3), 1..40),
    ) {
        let (mut family, mut stored) = family();
        let mut now = 0;
        for (pause, replays, kept) in rounds {
            now += pause;
            let mut received = vec![rotate(&mut family, &stored, now)];
            for _ in 0..replays {
                received.push(replay(&mut family, &stored, now + 30));
            }
            now += 30;
            stored = received.swap_remove(kept % received.len());
        }
    }

    /// A thief copies one token, and then follows every rotation: before or after the owner, at any pace, with quick
    /// further rotations of either. At the latest at the third rotation, the login ends.
    #[test]
    fn a_thief_who_follows_every_rotation_ends_the_login_by_the_third(
        rounds in prop::collection::vec((0i64..90_000, 0i64..=30, any::<bool>(), 0usize..3, 0usize..3), 3),
    ) {
        let (mut family, token) = family();
        let (mut owner, mut thief) = (token.clone(), token);
        let (mut now, mut ended_in) = (0, None);
        'rounds: for (number, round) in rounds.into_iter().enumerate() {
            let (pause, delay, thief_first, quick_before, quick_after) = round;
            now += pause;
            let (first, second) = if thief_first { (&mut thief, &mut owner) } else { (&mut owner, &mut thief) };
            let sends = std::iter::repeat_n((true, now), 1 + quick_before)
                .chain(std::iter::repeat_n((false, now + delay), 1 + quick_after));
            for (is_first, time) in sends {
                let token = if is_first { &mut *first } else { &mut *second };
                match send(&mut family, token, time) {
                    Presented::Rotated(next) | Presented::Replayed(next) => *token = next,
                    Presented::Stolen => {
                        ended_in = Some(number);
                        break 'rounds;
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            now += delay;
        }
        prop_assert!(ended_in.is_some());
    }
}
