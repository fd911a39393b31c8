//! The base template with the functions filled in.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};

use crate::table::Context;

const BASE: &str = include_str!("../../aws/template.base.yaml");

/// Fills in the base template. Its statements are YAML comments, and `CloudFormation` uses none of its delimiters.
pub(crate) fn render(context: &Context) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .block_delimiters("<%", "%>")
            .variable_delimiters("<<", ">>")
            .comment_delimiters("<#", "#>")
            .line_statement_prefix("#%")
            .line_comment_prefix("##")
            .keep_trailing_newline(true)
            .build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_named_str("template.base.yaml", BASE, Serde(context))
}
