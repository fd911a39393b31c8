//! Edits of text files. An error names the place that was not found, so that a moved list is easy to correct.

/// A file of the workspace while it is edited. Positions are byte offsets.
pub(crate) struct Edit {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Edit {
    /// The start of the first line that begins with `prefix`.
    pub(crate) fn line(&self, prefix: &str) -> Result<usize, String> {
        self.line_after(0, prefix)
    }

    /// The start of the line after the first line that begins with `prefix`.
    pub(crate) fn below(&self, prefix: &str) -> Result<usize, String> {
        Ok(self.end_of_line(self.line(prefix)?))
    }

    /// The start of the first line at or after `position` that begins with `prefix`.
    pub(crate) fn line_after(&self, position: usize, prefix: &str) -> Result<usize, String> {
        let mut start = position;
        for line in self.text[position..].split_inclusive('\n') {
            if line.starts_with(prefix) {
                return Ok(start);
            }
            start += line.len();
        }
        Err(self.missing(prefix))
    }

    /// Inserts lines at `position`, which is the start of a line.
    pub(crate) fn insert(&mut self, position: usize, lines: &str) {
        self.text.insert_str(position, &format!("{lines}\n"));
    }

    /// Inserts a line into the sorted list of lines that begins at `position` and ends with an empty line.
    pub(crate) fn insert_sorted(&mut self, position: usize, line: &str) {
        let key = |line: &str| line.trim_start_matches("pub ").to_owned();
        let end = self.end_of_list(position);
        let list = self.text[position..end].split_inclusive('\n');
        let smaller = list.take_while(|other| key(other) < key(line));
        let position = position + smaller.map(str::len).sum::<usize>();
        self.insert(position, line);
    }

    /// Appends a line to the list of lines that begins at `position` and ends with an empty line.
    pub(crate) fn append_to_list(&mut self, position: usize, line: &str) {
        self.insert(self.end_of_list(position), line);
    }

    /// Adds a paragraph at the end of the file.
    pub(crate) fn append(&mut self, lines: &str) {
        self.text = format!("{}\n\n{lines}\n", self.text.trim_end());
    }

    /// Inserts text directly before the first occurrence of `anchor`.
    pub(crate) fn insert_ahead_of(&mut self, anchor: &str, text: &str) -> Result<(), String> {
        let position = self.text.find(anchor).ok_or_else(|| self.missing(anchor))?;
        self.text.insert_str(position, text);
        Ok(())
    }

    /// Adds `by` to the number after the first occurrence of `anchor`.
    pub(crate) fn increase(&mut self, anchor: &str, by: u32) -> Result<(), String> {
        let start = self.text.find(anchor).ok_or_else(|| self.missing(anchor))? + anchor.len();
        let digits = self.text[start..].chars().take_while(char::is_ascii_digit).count();
        let number: u32 = self.text[start..start + digits]
            .parse()
            .map_err(|_| self.missing(&format!("{anchor}NUMBER")))?;
        self.text
            .replace_range(start..start + digits, &(number + by).to_string());
        Ok(())
    }

    fn end_of_line(&self, position: usize) -> usize {
        let line = self.text[position..].find('\n');
        line.map_or(self.text.len(), |length| position + length + 1)
    }

    fn end_of_list(&self, position: usize) -> usize {
        let list = self.text[position..].split_inclusive('\n');
        let lines = list.take_while(|line| !line.trim().is_empty());
        position + lines.map(str::len).sum::<usize>()
    }

    fn missing(&self, place: &str) -> String {
        format!("{} has no `{place}`: correct infra/new-group/src/changes.rs", self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str) -> Edit {
        Edit {
            file: "a.txt".into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_sorted_list_stays_sorted() {
        for (line, result) in [
            ("a", "list:\na\nb\npub c\nd\n\nz\n"),
            ("bb", "list:\nb\nbb\npub c\nd\n\nz\n"),
            ("pub cc", "list:\nb\npub c\npub cc\nd\n\nz\n"),
            ("e", "list:\nb\npub c\nd\ne\n\nz\n"),
        ] {
            let mut edit = edit("list:\nb\npub c\nd\n\nz\n");
            let list = edit.below("list:").unwrap();
            edit.insert_sorted(list, line);
            assert_eq!(edit.text, result);
        }
    }

    #[test]
    fn lines_are_found_by_their_prefix_and_lists_end_with_an_empty_line() {
        let mut edit = edit("a = 1\nb\na = 2\n\nc\n");
        assert_eq!(edit.line("a").unwrap(), 0);
        let second = edit.line_after(1, "a").unwrap();
        edit.append_to_list(second, "d");
        assert_eq!(edit.text, "a = 1\nb\na = 2\nd\n\nc\n");
        edit.append("e");
        assert_eq!(edit.text, "a = 1\nb\na = 2\nd\n\nc\n\ne\n");
    }

    #[test]
    fn text_and_numbers_are_changed_within_a_line() {
        let mut edit = edit("it adds up to 471, [one, three]\n");
        edit.increase("adds up to ", 50).unwrap();
        edit.insert_ahead_of("three", "two, ").unwrap();
        assert_eq!(edit.text, "it adds up to 521, [one, two, three]\n");
    }

    #[test]
    fn a_missing_place_is_named_with_its_file() {
        let mut edit = edit("a\n");
        for problem in [
            edit.line("b").unwrap_err(),
            edit.below("b").unwrap_err(),
            edit.insert_ahead_of("b", "c").unwrap_err(),
            edit.increase("b", 1).unwrap_err(),
        ] {
            assert!(problem.starts_with("a.txt has no `b"), "{problem}");
        }
    }
}
