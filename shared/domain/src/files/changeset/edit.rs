//! Edits: replacements in the content of a file.

use memchr::memmem;
use tokio::task::yield_now;

use crate::contents::MAX_BYTES;
use crate::files::changeset::Replacement;
use crate::text::Rejection;

/// The bytes that the edits of a changeset may examine and write: each replacement examines its file, and writes
/// another.
const MAX_WORK: usize = 256 << 20;

/// The bytes of all files that the edits of a changeset may leave. They are in memory together.
const MAX_RESULTS: u64 = 2 * MAX_BYTES;

/// The work after which the edits let other requests of the thread run, in bytes.
const STEP: usize = 1 << 20;

/// The work that the edits of a changeset may still do, in bytes.
#[derive(Debug)]
pub(super) struct Work {
    rest: usize,
    /// What is left of [`MAX_RESULTS`].
    results: u64,
    /// The work since other requests of the thread could run.
    step: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            rest: MAX_WORK,
            results: MAX_RESULTS,
            step: 0,
        }
    }
}

impl Work {
    fn spend(&mut self, bytes: usize) -> Result<(), Rejection> {
        let bytes = bytes.max(1);
        let rest = self.rest.checked_sub(bytes);
        self.rest = rest.ok_or_else(|| Rejection::because("take too much work: write the whole file instead"))?;
        self.step += bytes;
        Ok(())
    }

    /// Takes the work of a result with this length, before it takes memory. The `last` one of a file stays in memory.
    fn spend_result(&mut self, len: usize, last: bool) -> Result<(), Rejection> {
        if len as u64 > MAX_BYTES {
            return Err(Rejection(format!("must leave a file of at most {MAX_BYTES} bytes")));
        }
        if last {
            let results = self.results.checked_sub(len as u64);
            self.results = results.ok_or_else(|| {
                Rejection(format!(
                    "must leave files of at most {MAX_RESULTS} bytes in one changeset"
                ))
            })?;
        }
        self.spend(len)
    }

    /// Lets other requests of the thread run, after much work.
    async fn pause(&mut self) {
        if self.step >= STEP {
            self.step = 0;
            yield_now().await;
        }
    }
}

/// The content after all replacements, one after the other.
pub(super) async fn edited(
    content: &[u8],
    replacements: &[Replacement],
    work: &mut Work,
) -> Result<Vec<u8>, Rejection> {
    let Some((first, others)) = replacements.split_first() else {
        return Err(Rejection::because("must contain a replacement"));
    };
    let mut content = replaced(content, first, work, others.is_empty())?;
    work.pause().await;
    for (index, replacement) in others.iter().enumerate() {
        let is_last = index + 1 == others.len();
        content = replaced(&content, replacement, work, is_last)?;
        work.pause().await;
    }
    Ok(content)
}

/// The content after a replacement, which is the `last` one of its file or not.
fn replaced(content: &[u8], replacement: &Replacement, work: &mut Work, last: bool) -> Result<Vec<u8>, Rejection> {
    work.spend(content.len())?;
    match replacement {
        Replacement::Text { find, replace, count } => {
            let len = replaced_len(content, find, replace, *count)?;
            work.spend_result(len, last)?;
            Ok(replace_text(content, find, replace, len))
        }
        Replacement::Range {
            offset,
            length,
            replace,
        } => {
            let (start, end) = bounds(content, *offset, *length)?;
            work.spend_result(content.len() - (end - start) + replace.len(), last)?;
            Ok([&content[..start], replace, &content[end..]].concat())
        }
    }
}

/// The length of the result. Fails unless the content has the text `count` times.
fn replaced_len(content: &[u8], find: &[u8], replace: &[u8], count: usize) -> Result<usize, Rejection> {
    if find.is_empty() || count == 0 {
        return Err(Rejection::because("must find a text, at least once"));
    }
    // The places are not collected: a text of one byte can have millions.
    let found = memmem::find_iter(content, find).take(count.saturating_add(1)).count();
    if found != count {
        let more = if found > count { "more than " } else { "" };
        let number = found.min(count);
        return Err(Rejection(format!(
            "must find the text exactly {count} times, and the file contains it {more}{number} times"
        )));
    }
    let len = content.len() - find.len() * count;
    Ok(len.saturating_add(replace.len().saturating_mul(count)))
}

/// Replaces each occurrence of the text. The result has the length `len`.
fn replace_text(content: &[u8], find: &[u8], replace: &[u8], len: usize) -> Vec<u8> {
    let mut result = Vec::with_capacity(len);
    let mut from = 0;
    for start in memmem::find_iter(content, find) {
        result.extend_from_slice(&content[from..start]);
        result.extend_from_slice(replace);
        from = start + find.len();
    }
    result.extend_from_slice(&content[from..]);
    result
}

fn bounds(content: &[u8], offset: u64, length: u64) -> Result<(usize, usize), Rejection> {
    let end = offset.checked_add(length).filter(|end| *end <= content.len() as u64);
    let bounds = (usize::try_from(offset), end.map(usize::try_from));
    let (Ok(start), Some(Ok(end))) = bounds else {
        return Err(Rejection(format!(
            "must be within the {} bytes of the file",
            content.len()
        )));
    };
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(find: &str, replace: &str, count: usize) -> Replacement {
        let (find, replace) = (find.into(), replace.into());
        Replacement::Text { find, replace, count }
    }

    fn range(offset: u64, length: u64, replace: &str) -> Replacement {
        let replace = replace.into();
        Replacement::Range {
            offset,
            length,
            replace,
        }
    }

    fn edit_with(content: &[u8], replacements: &[Replacement], work: &mut Work) -> Result<Vec<u8>, Rejection> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(edited(content, replacements, work))
    }

    fn edit(content: &str, replacements: &[Replacement]) -> Result<String, String> {
        let result = edit_with(content.as_bytes(), replacements, &mut Work::default());
        result
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|why| why.0)
    }

    #[test]
    fn replacements_apply_one_after_the_other() {
        assert_eq!(
            edit("a b a", &[text("a", "xx", 2), range(0, 2, "y")]).unwrap(),
            "y b xx"
        );
        assert_eq!(edit("", &[range(0, 0, "new")]).unwrap(), "new");
        assert_eq!(edit("aaaa", &[text("aa", "b", 2)]).unwrap(), "bb");
        assert_eq!(edit("ab", &[range(2, 0, "c"), text("abc", "", 1)]).unwrap(), "");
    }

    #[test]
    fn an_edit_that_does_not_fit_the_file_is_rejected_with_the_reason() {
        for (content, replacement, why) in [
            ("a a", text("a", "b", 1), "the file contains it more than 1 times"),
            ("a a", text("a", "b", 3), "the file contains it 2 times"),
            ("a", text("x", "b", 1), "the file contains it 0 times"),
            ("a", text("", "b", 1), "must find a text"),
            ("a", text("a", "b", 0), "must find a text"),
            ("abc", range(2, 2, ""), "must be within the 3 bytes"),
            ("abc", range(4, 0, ""), "must be within the 3 bytes"),
            ("abc", range(u64::MAX, u64::MAX, ""), "must be within the 3 bytes"),
        ] {
            let error = edit(content, &[replacement]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(edit("a", &[]).is_err());
    }

    #[test]
    fn the_result_and_the_work_are_bounded() {
        let megabyte = "a".repeat(1 << 20);
        let error = edit(&megabyte, &[text("a", &"b".repeat(100), 1 << 20)]).unwrap_err();
        assert!(error.contains("at most 4194304 bytes"), "{error}");
        let mut work = Work {
            rest: 20,
            ..Work::default()
        };
        let replacements = vec![range(0, 0, ""); 4];
        assert!(edit_with(b"abc", &replacements[..3], &mut work).is_ok());
        assert!(edit_with(b"abc", &replacements[..1], &mut work).is_err());
    }

    #[test]
    fn all_results_of_a_changeset_are_bounded_together() {
        let work = &mut Work::default();
        let large = "b".repeat(1000);
        let grow = |work: &mut Work| edit_with(&[b'a'; 4096], &[text("a", &large, 4096)], work);
        assert!(grow(work).is_ok());
        assert!(grow(work).is_ok());
        let error = grow(work).unwrap_err().0;
        assert!(error.contains("in one changeset"), "{error}");
        // What the next replacement replaces does not stay in memory.
        let shrink = [text("a", &large, 4096), text("b", "", 4_096_000)];
        assert_eq!(edit_with(&[b'a'; 4096], &shrink, work).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn a_replaced_range_is_between_what_was_before_and_after_it(
            content: Vec<u8>, offset: prop::sample::Index, length: prop::sample::Index, replace: Vec<u8>,
        ) {
            let offset = offset.index(content.len() + 1);
            let length = length.index(content.len() - offset + 1);
            let replacement = Replacement::Range {
                offset: offset as u64, length: length as u64, replace: replace.clone(),
            };
            let mut expected = content.clone();
            expected.splice(offset..offset + length, replace);
            prop_assert_eq!(replaced(&content, &replacement, &mut Work::default(), true), Ok(expected));
        }
    }
}
