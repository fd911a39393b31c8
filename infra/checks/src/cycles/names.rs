//! The names that a module declares, imports and uses, read from its tokens.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// A path such as `crate::store::find`, and its line.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// A name that a `use` brings into a module.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) path: Path,
    /// `pub use`, `pub(crate) use`, …
    pub(super) is_reexport: bool,
}

/// A module in a file of its own.
#[derive(Debug)]
pub(super) struct FileModule {
    pub(super) name: String,
    /// The value of `#[path = "…"]`.
    pub(super) path: Option<String>,
}

/// The contents of one module.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `mod name;`
    pub(super) files: Vec<FileModule>,
    /// `mod name { … }`
    pub(super) inline: Vec<(String, Names)>,
    pub(super) bindings: Vec<Binding>,
    /// The paths before `::*`.
    pub(super) globs: Vec<Path>,
    /// Paths of two segments or more outside `use`.
    pub(super) paths: Vec<Path>,
    /// Every identifier outside `use`.
    pub(super) words: BTreeSet<String>,
}

impl Names {
    pub(super) fn read(tokens: TokenStream) -> Self {
        let mut names = Self::default();
        names.walk(&tokens.into_iter().collect::<Vec<_>>());
        names
    }

    fn walk(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        let mut path = None;
        while at < tokens.len() {
            at += match &tokens[at..] {
                [TokenTree::Punct(hash), TokenTree::Group(attribute), rest @ ..]
                    if hash.as_char() == '#' && is_test_only(attribute) =>
                {
                    2 + item_len(rest)
                }
                [TokenTree::Punct(hash), TokenTree::Group(attribute), ..]
                    if hash.as_char() == '#' && path_of(attribute).is_some() =>
                {
                    path = path_of(attribute);
                    2
                }
                [TokenTree::Ident(word), rest @ ..] if *word == "mod" => 1 + self.module(rest, path.take()),
                // Not `use<'a>`, which lists captured lifetimes.
                [TokenTree::Ident(word), rest @ ..]
                    if *word == "use" && !rest.first().is_some_and(|token| is_punct(token, '<')) =>
                {
                    let end = rest.iter().position(|token| is_punct(token, ';')).unwrap_or(rest.len());
                    self.import(&[], &rest[..end], is_public(&tokens[..at]));
                    1 + end
                }
                [TokenTree::Ident(_), ..] => self.path(&tokens[..at], &tokens[at..]),
                [TokenTree::Group(group), ..] => {
                    self.walk(&group.stream().into_iter().collect::<Vec<_>>());
                    1
                }
                _ => 1,
            };
        }
    }

    /// Reads what follows `mod`, and returns the number of its tokens.
    fn module(&mut self, tokens: &[TokenTree], path: Option<String>) -> usize {
        match tokens {
            [TokenTree::Ident(name), TokenTree::Group(body), ..] if body.delimiter() == Delimiter::Brace => {
                self.inline.push((name.to_string(), Self::read(body.stream())));
                2
            }
            [TokenTree::Ident(name), end, ..] if is_punct(end, ';') => {
                self.files.push(FileModule {
                    name: name.to_string(),
                    path,
                });
                2
            }
            _ => 0,
        }
    }

    /// Reads a use tree, whose enclosing braces are preceded by `prefix`.
    fn import(&mut self, prefix: &[String], tokens: &[TokenTree], is_reexport: bool) {
        let mut path = Path {
            segments: prefix.to_vec(),
            line: tokens.first().map_or(1, |token| token.span().start().line),
        };
        let mut name = None;
        let mut rest = tokens;
        loop {
            rest = match rest {
                [TokenTree::Ident(word), TokenTree::Ident(alias), ..] if *word == "as" => {
                    name = Some(alias.to_string());
                    break;
                }
                [TokenTree::Ident(segment), rest @ ..] => {
                    path.segments.push(segment.to_string());
                    rest
                }
                [TokenTree::Punct(star), ..] if star.as_char() == '*' => {
                    self.globs.push(path);
                    return;
                }
                [TokenTree::Punct(first), ..] if first.as_char() == ':' && path.segments.is_empty() => return,
                [TokenTree::Punct(_), rest @ ..] => rest,
                [TokenTree::Group(group), ..] => {
                    let tokens: Vec<_> = group.stream().into_iter().collect();
                    for tree in tokens.split(|token| is_punct(token, ',')) {
                        if !tree.is_empty() {
                            self.import(&path.segments, tree, is_reexport);
                        }
                    }
                    return;
                }
                _ => break,
            };
        }
        if path.segments.len() > 1 && path.segments.last().is_some_and(|last| last == "self") {
            path.segments.pop();
        }
        if let Some(name) = name.or_else(|| path.segments.last().cloned()) {
            self.bindings.push(Binding {
                name,
                path,
                is_reexport,
            });
        }
    }

    /// Reads a path from its first identifier on, and returns the number of its tokens.
    fn path(&mut self, before: &[TokenTree], tokens: &[TokenTree]) -> usize {
        let mut segments = Vec::new();
        let mut len = 0;
        while let Some(TokenTree::Ident(segment)) = tokens.get(len) {
            segments.push(segment.to_string());
            len += 1;
            if !is_separator(&tokens[len..]) || !matches!(tokens.get(len + 2), Some(TokenTree::Ident(_))) {
                break;
            }
            len += 2;
        }
        let is_field = match before {
            [.., first, last] => is_punct(last, '.') && !is_punct(first, '.'),
            _ => false,
        };
        // `::std::…` names another crate, and `::<T>::new` continues a path.
        if !is_field && !ends_with_separator(before) {
            self.words.insert(segments[0].clone());
            if segments.len() > 1 {
                self.paths.push(Path {
                    segments,
                    line: tokens[0].span().start().line,
                });
            }
        }
        len
    }
}

/// `[cfg(test)]`, `[cfg(all(test, …))]`: the attribute of an item that only unit tests contain.
fn is_test_only(attribute: &Group) -> bool {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(cfg), TokenTree::Group(condition)] if *cfg == "cfg" => {
            let words: Vec<_> = condition.stream().into_iter().collect();
            match &words[..] {
                [TokenTree::Ident(test)] => *test == "test",
                [TokenTree::Ident(all), TokenTree::Group(conditions)] if *all == "all" => {
                    let mut conditions = conditions.stream().into_iter();
                    conditions.any(|token| matches!(token, TokenTree::Ident(word) if word == "test"))
                }
                _ => false,
            }
        }
        _ => false,
    }
}

/// The value of `[path = "…"]`.
fn path_of(attribute: &Group) -> Option<String> {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(path), TokenTree::Punct(_), TokenTree::Literal(value)] if *path == "path" => {
            Some(value.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

/// The number of tokens of the item at the start: up to its `;` or its braces.
fn item_len(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';'),
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}

/// Whether the tokens before an item end with its `pub` or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
    let is_pub = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "pub");
    match before {
        [.., token, TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => is_pub(token),
        [.., token] => is_pub(token),
        [] => false,
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(first), TokenTree::Punct(second), ..] => {
            first.as_char() == ':' && first.spacing() == Spacing::Joint && second.as_char() == ':'
        }
        _ => false,
    }
}

fn ends_with_separator(tokens: &[TokenTree]) -> bool {
    tokens.len() >= 2 && is_separator(&tokens[tokens.len() - 2..])
}
