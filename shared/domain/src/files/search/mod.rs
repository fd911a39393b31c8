//! The search in a session's files: by name and by text.
//!
//! A search walks through the tree in the order of paths. It reads in slices, each of which is a transaction with its
//! own check of the permission, and examines what it has read between them. A request ends early when it has done its
//! share of work, with a cursor that says where to continue, and why it has ended.

mod budget;
pub mod ops;
mod text;
mod walk;

pub use self::budget::Reason;
use crate::files::FilePath;
use crate::page::Cursor;
use crate::sessions::Filter;
use crate::text::Rejection;

/// The number of matches with which a page ends. A page can have a few more: those of its last file.
pub const PAGE_MATCHES: usize = 100;

/// The maximum number of matches in a file.
pub const FILE_MATCHES: usize = 10;

/// The maximum length of a preview in characters.
pub const PREVIEW_CHARS: usize = 200;

/// The maximum length in characters of a cursor, whose position is a path with one more name.
pub const CURSOR_CHARS: usize = ((1 + FilePath::MAX_BYTES + 1 + FilePath::MAX_NAME_BYTES + 16) * 4).div_ceil(3);

/// What a search looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The names of files and directories.
    Name,
    /// The texts of files.
    Text,
    /// Both.
    #[default]
    All,
}

impl Mode {
    /// All modes as text.
    pub const NAMES: [&str; 3] = ["name", "text", "all"];

    /// Parses a mode.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match text {
            "name" => Ok(Self::Name),
            "text" => Ok(Self::Text),
            "all" => Ok(Self::All),
            _ => Err(Rejection::because("must be `name`, `text` or `all`")),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Text => "text",
            Self::All => "all",
        }
    }
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The directory, which is searched with everything below it.
    pub path: FilePath,
    /// A part of a name or of a line, whatever its case and composition.
    pub needle: Filter,
    /// What to look at.
    pub mode: Mode,
    /// The cursor of the page before.
    pub after: Option<Cursor>,
}

/// What matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The name.
    Name,
    /// A line of the text.
    Line {
        /// The number of the line, from 1.
        number: u64,
        /// The line, or the part of it around the first match.
        preview: String,
    },
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The path of the file or the directory.
    pub path: FilePath,
    /// What matches.
    pub found: Found,
}

/// What a page leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// The number of files whose text was not searched, because it is no UTF-8 or has a zero byte.
    pub binary: usize,
    /// The number of files whose text was not searched, because they are larger than 4 MiB.
    pub large: usize,
    /// The number of files and directories that were not searched, because their path is longer than a request may
    /// name.
    pub deep: usize,
    /// The number of files with more matches than a file may have in the result.
    pub crowded: usize,
}

/// A page of a search.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The matches, in the order of paths and lines.
    pub matches: Vec<Match>,
    /// Where to continue, and why the page ended; `None` if everything was examined.
    pub next: Option<(Cursor, Reason)>,
    /// What was left out.
    pub skipped: Skipped,
}
