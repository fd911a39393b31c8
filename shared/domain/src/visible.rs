//! Which characters of a text are visible, and which change the order of the characters around them.

/// Characters that Unicode 17 lists as `Default_Ignorable_Code_Point` (`DerivedCoreProperties.txt`): a program shows
/// nothing for them. The ranges contain their ends and are in ascending order.
const IGNORABLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The blank Braille pattern. Unicode counts it as a symbol, but fonts show an empty cell.
const BLANK_BRAILLE: char = '\u{2800}';

/// Whether `text` has a character that a reader sees: no white space, no control character, and not ignorable.
pub(crate) fn is_visible(text: &str) -> bool {
    text.chars()
        .any(|c| !(c.is_whitespace() || c.is_control() || c == BLANK_BRAILLE || is_ignorable(c)))
}

fn is_ignorable(c: char) -> bool {
    let after = IGNORABLE.partition_point(|&(_, last)| last < c);
    IGNORABLE.get(after).is_some_and(|&(first, _)| first <= c)
}

/// Whether `c` overrides, embeds or isolates the direction of text (Unicode Standard Annex 9, section 2).
///
/// With these characters, text is shown in another order than it is stored: a name can imitate another one. The marks
/// U+061C, U+200E and U+200F, which names in Arabic and Hebrew use, only affect the characters beside them.
pub(crate) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_ascending_order() {
        assert!(IGNORABLE.iter().all(|(first, last)| first <= last));
        assert!(IGNORABLE.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn text_without_a_visible_character_is_invisible() {
        for text in [
            "",
            " \t\u{a0}\u{3000}",
            "\u{ad}",
            "\u{200b}\u{200d}",
            "\u{2060}",
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{2800}",
            "\u{fe0f}\u{e0041}",
            "\u{7}\u{7f}\u{85}",
        ] {
            assert!(!is_visible(text), "{text:?} is visible");
        }
        for text in [
            "a",
            "\u{200b}.",
            "é",
            "雨",
            "👩\u{200d}🚀",
            "\u{200f}שלום",
            "\u{180a}",
            "\u{e1000}",
        ] {
            assert!(is_visible(text), "{text:?} is invisible");
        }
    }

    #[test]
    fn direction_marks_are_not_direction_controls() {
        assert!(
            "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
                .chars()
                .all(is_bidi_control)
        );
        assert!(
            !"\u{61c}\u{200e}\u{200f}\u{2029}\u{202f}\u{2065}\u{206a}a"
                .chars()
                .any(is_bidi_control)
        );
    }
}
