//! Tokens that must be rejected: the corpus of [`crate::forged`].

use std::collections::BTreeSet;

use super::{NOW, keys, subject, tokens};
use crate::forged;

#[test]
fn every_forgery_is_rejected_for_its_own_fault() {
    let signing = tokens(keys()[0].clone(), &[]);
    let (_, claims) = signing.sign(subject(), NOW).unwrap();
    let tokens = tokens(None, &forged::verifying_keys());
    for token in forged::genuine_tokens(&claims) {
        assert_eq!(tokens.verify(&token, NOW), Ok(claims.bearer()));
    }
    let forgeries = forged::forgeries(&claims, NOW);
    assert!(forgeries.len() > 500, "{}", forgeries.len());
    let wrong: Vec<_> = forgeries
        .iter()
        .map(|forgery| (forgery, tokens.verify(&forgery.token, NOW)))
        .filter(|(forgery, verdict)| verdict.as_ref() != Err(&forgery.rejection))
        .map(|(forgery, verdict)| format!("{}: {verdict:?} and not {:?}", forgery.name, forgery.rejection))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forgeries_have_unique_names_and_are_not_genuine() {
    let signing = tokens(keys()[0].clone(), &[]);
    let (_, claims) = signing.sign(subject(), NOW).unwrap();
    let genuine = forged::genuine_tokens(&claims);
    let forgeries = forged::forgeries(&claims, NOW);
    let names: BTreeSet<_> = forgeries.iter().map(|forgery| &forgery.name).collect();
    assert_eq!(names.len(), forgeries.len());
    assert!(forgeries.iter().all(|forgery| !genuine.contains(&forgery.token)));
}
