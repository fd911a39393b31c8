//! `GET /sessions/{id}/files/search`

use api::openapi::parameters::{optional, required};
use api::openapi::problems;
use api::openapi::schema::{IdParameter, text};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::files::FilePath;
use domain::files::search::{
    CURSOR_CHARS, FILE_MATCHES, Found, Match, Mode, PAGE_MATCHES, PREVIEW_CHARS, Page, Reason, Search, Skipped, ops,
};
use domain::page::Cursor;
use domain::sessions::Filter;
use domain::text::Rejection;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::Ref;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{PartialSchema as _, ToSchema};

use crate::schema::{EntryPath, FilePathText};

api::schemas! {
    /// What matches.
    MatchKind = text().enum_values(Some(["name", "text"]));

    /// What a search looks at.
    SearchMode = text().enum_values(Some(Mode::NAMES)).default(Some(json!("all")));

    /// A part of a name or of a line.
    SearchText = text()
        .description(Some("A part of a name or of a line. Case and Unicode's normalisation do not matter."))
        .min_length(Some(1))
        .max_length(Some(Filter::MAX_CHARS))
        .examples(["todo"]);

    /// A part of a line.
    Preview = text()
        .description(Some("The line, or the part of it around its first match."))
        .max_length(Some(PREVIEW_CHARS))
        .examples(["// todo: remove"]);

    /// Why a page is incomplete.
    IncompleteReason = text()
        .description(Some(
            "Why the page ended before everything was examined: it has enough matches, or the request has examined as \
             many files, or read as many bytes, or taken as much time as it may.",
        ))
        .enum_values(Some(Reason::NAMES));

    /// The cursor of a search.
    SearchCursor = text()
        .description(Some("A position in a search, opaque to clients."))
        .max_length(Some(CURSOR_CHARS))
        .pattern(Some("^[A-Za-z0-9_-]+$"))
        .examples(["Ai9zcmMvbWFpbi5yc9Ks1Wm3oM0QxVw3fRZk8hI"]);
}

/// A match.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FileMatch)]
pub struct MatchBody {
    /// The path of the file or the directory.
    #[schema(value_type = EntryPath)]
    path: FilePath,
    /// What matches.
    #[schema(value_type = MatchKind)]
    kind: &'static str,
    /// The number of the line, from 1; null for a name.
    #[schema(required, minimum = 1, maximum = 4_194_305, example = 2)]
    line: Option<u64>,
    /// The line, or a part of it; null for a name.
    #[schema(value_type = Option<Preview>, required)]
    preview: Option<String>,
}

impl From<Match> for MatchBody {
    fn from(found: Match) -> Self {
        let (kind, line, preview) = match found.found {
            Found::Name => ("name", None, None),
            Found::Line { number, preview } => ("text", Some(number), Some(preview)),
        };
        Self {
            path: found.path,
            kind,
            line,
            preview,
        }
    }
}

/// How much this page leaves out for good: no further page has it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchSkipped)]
pub struct SkippedBody {
    /// The files whose text was not searched, because they have a zero byte at their start, or are no UTF-8.
    #[schema(minimum = 0, maximum = 2_000)]
    binary: usize,
    /// The files whose text was not searched, because they are larger than 4 MiB.
    #[schema(minimum = 0, maximum = 2_000)]
    large: usize,
    /// The files and directories that were not searched, because their paths are longer than a request may name.
    #[schema(minimum = 0, maximum = 2_000)]
    deep: usize,
    /// The files of which only the first ten matches are in the result.
    #[schema(minimum = 0, maximum = 2_000)]
    crowded: usize,
}

impl From<Skipped> for SkippedBody {
    fn from(skipped: Skipped) -> Self {
        let Skipped {
            binary,
            large,
            deep,
            crowded,
        } = skipped;
        Self {
            binary,
            large,
            deep,
            crowded,
        }
    }
}

/// A page of a search.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchPage)]
pub struct PageBody {
    /// The matches, in the order of paths and lines. At most ten of each file.
    #[schema(max_items = 109)]
    matches: Vec<MatchBody>,
    /// The cursor of the next page; null if everything was examined.
    #[schema(value_type = Option<SearchCursor>, required)]
    next_cursor: Option<String>,
    /// Whether the page ended before everything was examined.
    incomplete: bool,
    /// Why; null if everything was examined.
    #[schema(value_type = Option<IncompleteReason>, required)]
    reason: Option<&'static str>,
    /// What was left out.
    skipped: SkippedBody,
}

const _: () = assert!(
    PAGE_MATCHES - 1 + FILE_MATCHES == 109,
    "the schema states the largest page"
);

impl From<Page> for PageBody {
    fn from(page: Page) -> Self {
        let (next_cursor, reason) = page
            .next
            .map(|(cursor, reason)| (cursor.encode(), reason.as_str()))
            .unzip();
        Self {
            matches: page.matches.into_iter().map(MatchBody::from).collect(),
            next_cursor,
            incomplete: reason.is_some(),
            reason,
            skipped: page.skipped.into(),
        }
    }
}

/// `q`, `path`, `mode` and `cursor`.
pub struct Parameters;

impl utoipa::IntoParams for Parameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let at = ParameterIn::Query;
        let path = "The directory that is searched with everything below it; the root directory by default.";
        let cursor = "The `nextCursor` of the previous page.";
        vec![
            required(at.clone(), "q", "What to find.", SearchText::schema()),
            optional(at.clone(), "path", path, Ref::from_schema_name(FilePathText::name())),
            optional(at.clone(), "mode", "Where to find it.", SearchMode::schema()),
            optional(at, "cursor", cursor, SearchCursor::schema()),
        ]
    }
}

fn parse_needle(text: &str) -> Result<Filter, Rejection> {
    Filter::parse(text)?.ok_or(Rejection::because("must not be empty"))
}

fn parse(mut query: Query) -> Result<Search, ApiError> {
    let needle = query.required("q", parse_needle);
    let path = query.optional("path", FilePath::parse);
    let mode = query.optional("mode", Mode::parse);
    let after = query.optional("cursor", Cursor::parse);
    match (needle, path, mode, after) {
        (Some(needle), Some(path), Some(mode), Some(after)) => Ok(Search {
            path: path.unwrap_or_else(FilePath::root),
            needle,
            mode: mode.unwrap_or_default(),
            after,
        }),
        _ => Err(query.into_error()),
    }
}

/// Searches the names and the texts of files, in the order of paths. A request does a bounded amount of work: if it
/// ends early, `incomplete` is true, and `nextCursor` continues, even if there are no matches on the page. A cursor is
/// valid only with the `q`, `path` and `mode` that created it. Texts are files of UTF-8 with up to 4 MiB; `skipped`
/// counts the others. A line is one match. Files that change during the search are found as they were at some moment of
/// it.
#[utoipa::path(
    get,
    path = "/sessions/{id}/files/search",
    tag = "files",
    operation_id = "searchFiles",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), Parameters),
    responses(
        (status = 200, description = "A page of matches.", body = PageBody),
        problems::NotADirectory,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let page = ops::search(&app.env, &caller, id, &parse(query)?).await?;
    Ok(Reply::ok(page.into()))
}
