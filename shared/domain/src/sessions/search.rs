//! The search in a list of sessions.

use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use crate::clock::Clock;
use crate::id::TenantId;
use crate::record::{Projection, Record};
use crate::scan::ScanBudget;
use crate::sessions::{Session, WorkspacePath};
use crate::text::{Name, Rejection};

/// A search: a case-insensitive part of the name or the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 200;

    /// Parses at most 200 characters; empty text is no filter.
    pub fn parse(text: &str) -> Result<Option<Self>, Rejection> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Rejection(format!("must have at most {} characters", Self::MAX_CHARS)));
        }
        if text.is_empty() {
            return Ok(None);
        }
        let mut filter = String::new();
        fold_into(&mut filter, text);
        Ok(Some(Self(filter)))
    }

    /// The search in the form that is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The texts of a session in the form that a search compares. It has a key of its own beside the session's record, so
/// that the record stays small and readable by all versions of the program.
///
/// Folding ASCII takes no longer than reading it, so only sessions with other text have one. Other sessions, and those
/// that an older version of the program has written, are folded when they are searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchText {
    /// The version of the session that it was made from. An older version of the program changes sessions without it.
    version: u64,
    /// How it was made ([`folding`]). Folded by different rules, a text and a search do not match.
    folding: String,
    name: String,
    workspace_path: String,
}

/// The rules of [`fold_into`] in this program: a number that changes with the code, and the versions of Unicode whose
/// case and composition it uses, which change with the compiler and a library.
fn folding() -> String {
    const CODE: u8 = 1;
    let version = |(major, minor, patch)| format!("{major}.{minor}.{patch}");
    let composition = unicode_normalization::UNICODE_VERSION;
    format!("{CODE} {} {}", version(char::UNICODE_VERSION), version(composition))
}

impl Record for SearchText {
    const KIND: &'static str = "search text";
}

impl SearchText {
    /// The text of a session; `None` if it is ASCII.
    pub fn of(session: &Session) -> Option<Self> {
        let (name, workspace_path) = (session.name.as_str(), session.workspace_path.as_str());
        if name.is_ascii() && workspace_path.is_ascii() {
            return None;
        }
        let folded = |text| {
            let mut folded = String::new();
            fold_into(&mut folded, text);
            folded
        };
        Some(Self {
            version: session.version,
            folding: folding(),
            name: folded(name),
            workspace_path: folded(workspace_path),
        })
    }

    /// Whether it claims to be made from this version of the session by the rules of this program, and was not.
    pub(crate) fn is_wrong_for(&self, session: &Session) -> bool {
        self.version == session.version && self.folding == folding() && Self::of(session).as_ref() != Some(self)
    }
}

/// What a search needs of a session that it does not return.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SearchedSession {
    pub(crate) tenant: TenantId,
    name: Name,
    workspace_path: WorkspacePath,
    version: u64,
}

impl Projection for SearchedSession {
    type Whole = Session;
}

impl From<Session> for SearchedSession {
    fn from(session: Session) -> Self {
        Self {
            tenant: session.tenant,
            name: session.name,
            workspace_path: session.workspace_path,
            version: session.version,
        }
    }
}

/// A search in progress. It stops after a bounded amount of work, and yields in between.
pub(crate) struct Scan<'a> {
    filter: &'a Filter,
    /// The bound of the work. Its bytes are those of names and paths.
    pub(crate) budget: ScanBudget<'a>,
    /// The folded text, kept to reuse its memory.
    folded: String,
    /// The rules by which a stored text must be folded.
    folding: String,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(filter: &'a Filter, clock: &'a dyn Clock) -> Self {
        Self {
            filter,
            budget: ScanBudget::new(clock),
            folded: String::new(),
            folding: folding(),
        }
    }

    /// Whether the session matches. Its stored text only saves work: the result and the budget do not depend on it.
    pub(crate) fn accepts(&mut self, session: &SearchedSession, stored: Option<&SearchText>) -> bool {
        let texts = [session.name.as_str(), session.workspace_path.as_str()];
        self.budget.count(texts.iter().map(|text| text.len()).sum());
        if let Some(stored) =
            stored.filter(|stored| stored.version == session.version && stored.folding == self.folding)
        {
            let stored = [&stored.name, &stored.workspace_path];
            return stored.into_iter().any(|text| text.contains(&self.filter.0));
        }
        texts.into_iter().any(|text| {
            fold_into(&mut self.folded, text);
            self.folded.contains(&self.filter.0)
        })
    }
}

/// Replaces `folded` by `text` in the form that a search compares: composed (NFC), because some systems decompose
/// names, and in lower case.
///
/// Letters are folded one by one, so that a part of a text folds as it does within the text. A sigma at the end of a
/// word therefore becomes the same letter as one inside.
pub(crate) fn fold_into(folded: &mut String, text: &str) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        return;
    }
    let lower = |c: char| c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c });
    // Most text is composed. Finding that out takes a fraction of the time of composing it.
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        folded.extend(text.chars().flat_map(lower));
    } else {
        folded.extend(text.nfc().flat_map(lower));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        let mut folded = "something else".to_owned();
        fold_into(&mut folded, text);
        folded
    }

    #[test]
    fn a_search_ignores_case_and_composition() {
        assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
        assert!(folded("ΟΔΟΣ").contains(&folded("Σ")) && folded("ΟΔΟΣ").contains(&folded("ς")));
        assert!(folded("My PROJECT").contains(&folded("project")));
        assert!(folded("/workspace/u\u{308}ber").contains(&folded("\u{dc}B")));
    }

    fn session(name: &str, path: &str) -> Session {
        let stored = serde_json::json!({
            "id": "01a21afc-461c-7399-95ff-be4ef4fda80b",
            "tenant": "149bdabf-223b-5e59-a230-3951d62aaa9b",
            "owner": "01a21afc-45ee-7497-b779-2e746480f562",
            "name": name,
            "workspacePath": path,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "version": 7,
        });
        serde_json::from_value(stored).unwrap()
    }

    fn accepts(filter: &Filter, session: &Session, text: Option<&SearchText>) -> bool {
        Scan::new(filter, &crate::clock::SystemClock).accepts(&session.clone().into(), text)
    }

    #[test]
    fn only_a_text_of_the_same_version_and_the_same_rules_replaces_the_session() {
        let filter = &Filter::parse("ä").unwrap().unwrap();
        let text = |version, folding| SearchText {
            version,
            folding,
            name: "ä".to_owned(),
            workspace_path: "/".to_owned(),
        };
        let session = &session("ö", "/");
        let accepted = [6, 7, 8].map(|version| accepts(filter, session, Some(&text(version, folding()))));
        assert_eq!(accepted, [false, true, false]);
        let other_rules = text(7, "1 8.0.0 8.0.0".to_owned());
        assert!(!accepts(filter, session, Some(&other_rules)));
        assert!(!other_rules.is_wrong_for(session));
    }

    #[test]
    fn ascii_has_no_text_of_its_own() {
        assert_eq!(SearchText::of(&session("ABC", "/abc")), None);
        assert!(SearchText::of(&session("ABC", "/ä")).is_some());
        assert!(SearchText::of(&session("Ä", "/abc")).is_some());
    }

    #[test]
    fn folded_text_is_at_most_three_times_as_long_and_a_value_has_room_for_it() {
        let longest =
            |text: String| [text.nfc().collect(), text.nfd().collect(), text].map(|form: String| folded(&form).len());
        // No character beyond is composed or has a case.
        for c in ('\0'..='\u{2fa1f}').filter(|c| !c.is_control()) {
            let lens = longest(c.to_string());
            assert!(lens.iter().all(|len| *len <= 3 * c.len_utf8()), "{c:?}: {lens:?}");
        }
        // The bytes of names and paths; JSON writes one with two at most.
        let texts = 4 * crate::text::NAME_MAX + WorkspacePath::MAX_BYTES;
        assert!(2 * 3 * texts + 512 < kv::MAX_VALUE_LEN);
    }

    proptest! {
        #[test]
        fn a_stored_text_never_changes_the_result(
            name in "[A-Za-z0-9 ]{0,8}|\\PC{0,20}|[a-zA-Z\u{300}-\u{310}ΣςİẤ\u{fdfa}]{0,9}",
            path in "/[a-z]{0,8}|/\\PC{0,20}",
            search in "[a-z]{1,2}|\\PC{1,2}|[a-zA-Z\u{300}-\u{310}Σςİấ]{1,2}",
            from in 0usize..20, len in 1usize..4,
        ) {
            let session = &session(&name, &path);
            let part: String = name.chars().skip(from).take(len).collect();
            for filter in [search, part].iter().filter_map(|text| Filter::parse(text).unwrap()) {
                let text = SearchText::of(session);
                prop_assert_eq!(accepts(&filter, session, text.as_ref()), accepts(&filter, session, None));
            }
        }

        #[test]
        fn the_short_cuts_fold_as_composing_does(
            text in "[A-Za-z0-9 ]{0,8}|\\PC{0,20}|[a-zA-Z\u{300}-\u{310}Σς]{0,9}",
        ) {
            let lower = text.nfc().flat_map(char::to_lowercase);
            let expected: String = lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect();
            prop_assert_eq!(folded(&text), expected);
        }
    }
}
