//! The operation that searches files.

use futures_util::try_join;

use super::budget::Budget;
use super::text::Finder;
use super::walk::{self, Content, Item};
use super::{FILE_MATCHES, Found, Match, Mode, PAGE_MATCHES, Page, Reason, Search};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::FilePath;
use crate::files::store::Files;
use crate::files::tree::Tree;
use crate::id::SessionId;
use crate::page::Cursor;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;

/// The name of this list in its cursors.
const LIST: &str = "files.search";

/// Searches a directory and everything below it, in the order of paths. Fails with [`Error::FileNotFound`], and with
/// [`Error::NotADirectory`] for a file.
///
/// A page shows each file as it was at some moment of the request, and not all at the same. Whatever exists during the
/// whole search is examined once. The permission is checked again whenever the request reads further files.
pub async fn search(env: &Env, caller: &Caller, session: SessionId, search: &Search) -> Result<Page> {
    let filter = &format!(
        "{session} {} {} {}",
        search.mode.as_str(),
        search.needle.as_str().len(),
        [search.needle.as_str(), search.path.as_str()].concat()
    );
    let paths = &[&search.path];
    let mut budget = Budget::new(&*env.clock);
    let mut finder = Finder::new(search.needle.as_str());
    let (mut page, mut position) = (Page::default(), search.after.as_ref().map(position).transpose()?);
    loop {
        let from = position.as_ref();
        let (key, slice) = env
            .in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
                let files = Files {
                    txn: &txn,
                    scope,
                    session,
                };
                let (key, tree) = try_join!(
                    tenants::store::cursor_key(&txn, scope),
                    Tree::open(files, &env.directories, paths)
                )?;
                if let Some(cursor) = &search.after {
                    cursor.verify(&key, LIST, filter)?;
                }
                Ok((key, walk::read(tree, search, from).await?))
            })
            .await?;
        budget.resume();
        let mut items = slice.items.into_iter().peekable();
        while let Some(item) = items.next() {
            let path = item.path.clone();
            examine(item, search.mode, &mut finder, &mut budget, &mut page).await;
            let is_enough = page.matches.len() >= PAGE_MATCHES;
            let reason = is_enough.then_some(Reason::Matches).or_else(|| budget.reached());
            if let Some(reason) = reason
                && !(slice.is_last && items.peek().is_none())
            {
                page.next = Some((Cursor::new(&key, LIST, filter, path.as_str().as_bytes()), reason));
                return Ok(page);
            }
            position = Some(path);
        }
        if slice.is_last {
            return Ok(page);
        }
    }
}

/// The path at which the page before ended, untrusted until the cursor is verified.
fn position(cursor: &Cursor) -> Result<FilePath> {
    let text = str::from_utf8(cursor.position()).map_err(|_| Error::BadCursor)?;
    let names = text.strip_prefix('/').ok_or(Error::BadCursor)?;
    Ok(names.split('/').fold(FilePath::root(), |path, name| path.child(name)))
}

async fn examine(item: Item, mode: Mode, finder: &mut Finder<'_>, budget: &mut Budget<'_>, page: &mut Page) {
    let Item { path, content } = item;
    let bytes = match &content {
        Content::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    budget.count(bytes);
    budget.work(path.name().len()).await;
    let mut found = Vec::new();
    if mode != Mode::Text && !matches!(content, Content::Deep) && finder.is_in(path.name()) {
        found.push(Found::Name);
    }
    match content {
        Content::Nothing => {}
        Content::Deep => page.skipped.deep += 1,
        Content::Binary => page.skipped.binary += 1,
        Content::Large => page.skipped.large += 1,
        Content::Bytes(bytes) => match str::from_utf8(&bytes) {
            Err(_) => page.skipped.binary += 1,
            Ok(text) => {
                let (lines, has_more) = finder.lines(text, FILE_MATCHES - found.len(), budget).await;
                found.extend(lines);
                page.skipped.crowded += usize::from(has_more);
            }
        },
    }
    page.matches.extend(found.into_iter().map(|found| Match {
        path: path.clone(),
        found,
    }));
}
