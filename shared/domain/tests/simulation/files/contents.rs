//! The contents that files have, and what is at a path.

use std::sync::LazyLock;

use domain::contents::{Content, Digest};
use domain::files::{EntryTag, Node};

/// The number of contents of files that edits can make of each other.
pub(super) const EDITABLE: usize = 3;

/// The text that an editable content consists of.
pub(super) fn text(content: usize) -> String {
    format!("content {content}")
}

/// All contents: the editable ones, one with several chunks, and one with several parts of an upload.
pub(super) static CONTENTS: LazyLock<Vec<Content>> = LazyLock::new(|| {
    let editable = (0..EDITABLE).map(|content| text(content).into_bytes());
    let long = [vec![b'x'; 9000], vec![b'y'; 65_546]];
    editable.chain(long).map(Content::new).collect()
});

/// The content that is larger than a part of an upload.
pub(super) const LARGEST: usize = EDITABLE + 1;

/// The content with this digest.
pub(super) fn content_of(digest: &Digest) -> Option<usize> {
    CONTENTS.iter().position(|content| content.digest() == *digest)
}

/// The entity tag of a file with this content.
pub(super) fn tag(content: usize) -> EntryTag {
    let content = &CONTENTS[content];
    let node = Node::File {
        size: content.size(),
        digest: content.digest(),
        is_object: false,
    };
    node.tag()
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// A file with this content.
    File(usize),
    Directory,
}

impl Item {
    pub(super) fn of(node: &Node) -> Self {
        match node.digest() {
            Some(digest) => Self::File(content_of(digest).expect("a file has one of the contents")),
            None => Self::Directory,
        }
    }

    pub(super) fn of_tag(of: EntryTag) -> Self {
        let mut contents = 0..CONTENTS.len();
        contents
            .find(|content| tag(*content) == of)
            .map_or(Self::Directory, Self::File)
    }
}
