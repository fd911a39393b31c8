//! The query parameters of files: parsed once, and described for every operation that accepts them.

use api::Query;
use api::openapi::parameters::{optional, required};
use api::openapi::schema::{Cursor as CursorText, IdParameter};
use domain::SnapshotId;
use domain::files::FilePath;
use domain::page::{Cursor, Limit};
use domain::text::Rejection;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Ref, Type};
use utoipa::{IntoParams, PartialSchema as _, ToSchema as _};

use crate::schema::{FileLimit, FilePathText, SubPathText};
use crate::transfer_body::not_root;

/// `path`.
pub struct PathParameter;

/// `path`, which does not name the root directory.
pub struct SubPathParameter;

impl IntoParams for PathParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path_parameter(Ref::from_schema_name(FilePathText::name()))]
    }
}

impl IntoParams for SubPathParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path_parameter(Ref::from_schema_name(SubPathText::name()))]
    }
}

fn path_parameter(schema: Ref) -> Parameter {
    let description = "The path. It is a parameter, because front doors decode and shorten the paths of URLs.";
    required(ParameterIn::Query, "path", description, schema)
}

impl PathParameter {
    pub(crate) fn read(query: &mut Query) -> Option<FilePath> {
        query.required("path", FilePath::parse)
    }
}

impl SubPathParameter {
    pub(crate) fn read(query: &mut Query) -> Option<FilePath> {
        query.required("path", |text| not_root(text.to_owned()))
    }
}

/// `at`.
pub struct AtParameter;

impl IntoParams for AtParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The id of a snapshot: reads the files as they were then.";
        let schema = Ref::from_schema_name(IdParameter::name());
        vec![optional(ParameterIn::Query, "at", description, schema)]
    }
}

impl AtParameter {
    /// The path, and the snapshot if there is one.
    pub(crate) fn read(query: &mut Query) -> Option<(FilePath, Option<SnapshotId>)> {
        let path = PathParameter::read(query);
        let at = query.optional("at", |text| {
            SnapshotId::parse(text).ok_or_else(|| Rejection("must be a UUID with hyphens".to_owned()))
        });
        path.zip(at)
    }
}

/// `limit` and `cursor`.
pub struct FilePaging;

impl IntoParams for FilePaging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            optional(
                ParameterIn::Query,
                "limit",
                "The largest number of entries in the page.",
                FileLimit::schema(),
            ),
            optional(
                ParameterIn::Query,
                "cursor",
                "The `nextCursor` of the previous page.",
                Ref::from_schema_name(CursorText::name()),
            ),
        ]
    }
}

impl FilePaging {
    pub(crate) fn read(query: &mut Query) -> Option<(Limit, Option<Cursor>)> {
        let limit = query.optional("limit", Limit::parse_for_files);
        let cursor = query.optional("cursor", Cursor::parse);
        Some((limit?.unwrap_or_default(), cursor?))
    }
}

/// The description of a parameter that is `true` or `false`, and false by default.
pub(crate) fn flag(name: &str, description: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .default(Some(json!(false)));
    optional(ParameterIn::Query, name, description, schema)
}

/// The flag `name`; false if it is absent.
pub(crate) fn read_flag(query: &mut Query, name: &str) -> Option<bool> {
    let value = query.optional(name, |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Rejection("must be `true` or `false`".to_owned())),
    })?;
    Some(value.unwrap_or_default())
}
