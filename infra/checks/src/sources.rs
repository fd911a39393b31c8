//! Names that only certain modules may use. Sources are read as tokens, so comments, docs and strings are free.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

use crate::{
    layers::PEER,
    violation::Violation,
    workspace::{Member, Source},
};

/// Crates that only these modules may name, and what other files use instead. A module `a/b` is the file `a/b.rs` and
/// the folder `a/b`.
const NAMED_IN: &[(&str, &[&str], &str)] = &[
    (
        "foundationdb",
        &["shared/kv/src/fdb"],
        "use `kv::Db` and `kv::Txn`, which hide the engine",
    ),
    (
        "heed",
        &["shared/kv/src/lmdb"],
        "use `kv::Db` and `kv::Txn`, which hide the engine",
    ),
    (
        "lambda_extension",
        &["shared/api/src/serve"],
        "write for axum; `api::serve` connects the router to Lambda",
    ),
    (
        "lambda_http",
        &["shared/api/src/serve"],
        "write for axum; `api::serve` connects the router to Lambda",
    ),
];

/// Functions that read or change the environment. Clippy bans the calls; this rule allows the
/// exemption in one module only.
const ENVIRONMENT: &[&str] = &["var", "var_os", "vars", "vars_os", "set_var", "remove_var"];
const ENVIRONMENT_MODULE: &str = "shared/api/src/config";

/// Build scripts and test code may read the environment: cargo configures build scripts with it, and a test run names
/// its cluster with it.
fn is_outside_programs(file: &str) -> bool {
    file.ends_with("/build.rs") || file.contains("/tests/") || file.starts_with("shared/testkit/")
}

/// Whether the file is a part of a module.
fn is_in(module: &str, file: &str) -> bool {
    file.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The baseline of the benchmarks consists of these crates alone.
fn is_in_peer(file: &str) -> bool {
    file.strip_prefix(PEER).is_some_and(|rest| rest.starts_with('/'))
}

pub(crate) fn check(member: &Member) -> Vec<Violation> {
    member.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    let mut found = Found {
        source,
        violations: Vec::new(),
    };
    match source.text.parse::<TokenStream>() {
        Ok(tokens) => found.walk(tokens),
        Err(error) => found.add(
            error.span().start().line,
            format!("this is not valid Rust: {error}"),
            "make it compile",
        ),
    }
    found.violations
}

struct Found<'a> {
    source: &'a Source,
    violations: Vec<Violation>,
}

impl Found<'_> {
    fn add(&mut self, line: usize, problem: String, instead: &str) {
        self.violations.push(Violation {
            file: self.source.file.clone(),
            line,
            problem,
            instead: instead.into(),
        });
    }

    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) => {
                    if is_crate(&tokens[..index], &tokens[index + 1..]) {
                        self.crate_name(ident);
                    }
                    if *ident == "env" {
                        self.environment(&tokens[index + 1..]);
                    }
                }
                TokenTree::Group(group) => {
                    if is_attribute(&tokens[..index], group) {
                        self.attribute(group.stream());
                    }
                    self.walk(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn crate_name(&mut self, ident: &Ident) {
        if let Some((name, modules, instead)) = NAMED_IN.iter().find(|(name, ..)| ident == name)
            && !modules.iter().any(|module| is_in(module, &self.source.file))
            && !is_in_peer(&self.source.file)
        {
            self.add(
                ident.span().start().line,
                format!("only {} may name `{name}`", modules.join(" and ")),
                instead,
            );
        }
    }

    /// `after` are the tokens after `env`: `::var`, or `::{self, var}` in an import.
    fn environment(&mut self, after: &[TokenTree]) {
        let [_, _, named, ..] = after else { return };
        let is_allowed = is_in(ENVIRONMENT_MODULE, &self.source.file) || is_outside_programs(&self.source.file);
        if !starts_with_path_separator(after) || is_allowed {
            return;
        }
        let named = match named {
            TokenTree::Group(group) => group.stream().into_iter().collect(),
            single => vec![single.clone()],
        };
        for token in named {
            if let TokenTree::Ident(ident) = token
                && ENVIRONMENT.iter().any(|function| ident == function)
            {
                self.add(
                    ident.span().start().line,
                    format!("`env::{ident}`: only {ENVIRONMENT_MODULE} may read the environment"),
                    "add a setting to `api::config`, and pass its value",
                );
            }
        }
    }

    /// Rejects `allow(…)` in an attribute, also inside `cfg_attr(…)`.
    fn attribute(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else { continue };
            match tokens[..index].last() {
                Some(TokenTree::Ident(ident)) if *ident == "allow" => self.add(
                    ident.span().start().line,
                    "`allow` silences a lint permanently".into(),
                    "fix the cause, or write `#[expect(lint, reason = \"…\")]`, which warns when it is obsolete",
                ),
                Some(TokenTree::Ident(ident)) if *ident == "cfg_attr" => self.attribute(group.stream()),
                _ => {}
            }
        }
    }
}

/// Whether the identifier between `before` and `after` names a crate, rather than a method or field.
fn is_crate(before: &[TokenTree], after: &[TokenTree]) -> bool {
    let is = |token: Option<&TokenTree>, word: &str| matches!(token, Some(TokenTree::Ident(ident)) if ident == word);
    starts_with_path_separator(after)
        || is(after.first(), "as")
        || is(before.last(), "use")
        || is(before.last(), "crate")
}

fn starts_with_path_separator(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(first), TokenTree::Punct(second), ..] => {
            first.as_char() == ':' && first.spacing() == Spacing::Joint && second.as_char() == ':'
        }
        _ => false,
    }
}

/// `#[…]` and `#![…]`.
fn is_attribute(before: &[TokenTree], group: &Group) -> bool {
    let punct = |token: &TokenTree, wanted: char| matches!(token, TokenTree::Punct(p) if p.as_char() == wanted);
    group.delimiter() == Delimiter::Bracket
        && match before {
            [.., hash, bang] if punct(bang, '!') => punct(hash, '#'),
            [.., hash] => punct(hash, '#'),
            [] => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(file: &str, text: &str) -> Vec<Violation> {
        check_source(&Source {
            file: file.into(),
            text: text.into(),
        })
    }

    #[test]
    fn a_wrapped_crate_is_rejected_outside_its_modules() {
        for (name, modules, _) in NAMED_IN {
            let text = format!("fn x() {{\n    {name}::run();\n}}\n");

            for file in modules
                .iter()
                .flat_map(|module| [format!("{module}.rs"), format!("{module}/part.rs")])
            {
                assert_eq!(check_text(&file, &text), [], "{file}");
            }
            assert_eq!(check_text(&format!("{}_other.rs", modules[0]), &text).len(), 1);
            assert_eq!(check_text(&format!("{PEER}/src/bin/hello.rs"), &text), []);
            assert_eq!(check_text("infra/bench/src/main.rs", &text).len(), 1, "{name}");
            let violations = check_text("functions/auth/src/main.rs", &text);
            assert_eq!(violations.len(), 1, "{name}");
            assert_eq!(violations[0].line, 2);
            assert!(violations[0].problem.contains(modules[0]));
        }
    }

    #[test]
    fn words_fields_and_methods_with_the_name_of_a_crate_are_accepted() {
        for text in [
            "use heed::Env;",
            "use {heed as store};",
            "use heed;",
            "extern crate heed;",
            "fn x() { ::heed::x() }",
            "vec![heed::x()];",
            "type E = Result<(), heed::Error>;",
        ] {
            assert_eq!(check_text("a.rs", text).len(), 1, "{text}");
        }
        for text in [
            "//! heed\n/// `heed::Env` // heed\n/* heed */ const NAME: &str = \"heed\"; fn heedless() {}",
            "use foundationdb_tuple::pack;",
            "impl X { fn heed(&self) { self.heed().heed; } }",
            "struct X { heed: bool } const A: X = X { heed: ::std::a() };",
        ] {
            assert_eq!(check_text("a.rs", text), [], "{text}");
        }
    }

    #[test]
    fn only_the_configuration_build_scripts_and_tests_may_read_the_environment() {
        for text in [
            "fn x() { std::env::var(\"A\"); }",
            "use std::env::var_os;",
            "use std::env::{self, vars};",
            "fn x() { env::set_var(\"A\", \"b\") }",
        ] {
            assert_eq!(check_text("shared/kv/src/lib.rs", text).len(), 1, "{text}");
            for file in [
                "shared/api/src/config.rs",
                "shared/api/src/config/variables.rs",
                "shared/kv/build.rs",
                "shared/kv/tests/common/mod.rs",
                "shared/testkit/src/store.rs",
            ] {
                assert_eq!(check_text(file, text), [], "{file}: {text}");
            }
        }
    }

    #[test]
    fn names_that_resemble_the_environment_are_accepted() {
        for text in [
            "const ROOT: &str = env!(\"CARGO_MANIFEST_DIR\");",
            "fn x() { app.env.clock.now(); command.env(\"A\", \"b\"); std::env::current_dir(); }",
            "use domain::env::Env; fn x() { let var = 1; }",
        ] {
            assert_eq!(check_text("a.rs", text), [], "{text}");
        }
    }

    #[test]
    fn allow_is_rejected_in_every_attribute_position() {
        for text in [
            "#[allow(dead_code)] fn x() {}",
            "#![allow(dead_code)]",
            "mod a { fn b() { #[allow(unused)] let c = 1; } }",
            "#[cfg_attr(test, allow(dead_code))] fn x() {}",
            "#[cfg_attr(unix, cfg_attr(test, allow(dead_code)))] fn x() {}",
        ] {
            assert_eq!(check_text("a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn expect_and_functions_named_allow_are_accepted() {
        for text in [
            "#[expect(dead_code, reason = \"a\")] fn x() {}",
            "fn x() { allow(1); layer.allow(headers); let a = [allow(2)]; }",
        ] {
            assert_eq!(check_text("a.rs", text), [], "{text}");
        }
    }

    #[test]
    fn a_file_that_does_not_parse_is_rejected() {
        let violations = check_text("a.rs", "fn x() {\n    \"no end\n");
        assert_eq!(violations.len(), 1);
        assert!(violations[0].problem.contains("not valid Rust"));
    }
}
