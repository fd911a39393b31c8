//! `GET /docs`

use std::sync::LazyLock;

use api::Static;
use api::openapi::schema::text;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

macro_rules! style {
    () => {
        include_str!("page.css")
    };
}

macro_rules! script {
    () => {
        include_str!("page.js")
    };
}

/// One file, so that a browser requests nothing but the document.
const PAGE: &str = concat!(
    r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Coditect API</title>
<link rel="icon" href="data:,">
<style>"#,
    style!(),
    r##"</style>
<a class="skip" href="#content">Skip to the content</a>
<div id="page">
<nav aria-label="Operations"></nav>
<main id="content" tabindex="-1">
<noscript>A script renders this page from <a href="openapi.json">openapi.json</a>.</noscript>
</main>
</div>
<script>"##,
    script!(),
    "</script>\n</html>\n"
);

/// The page may run its own script, use its own styles, and get the document. Everything else is forbidden.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(script!()),
        hash(style!()),
    );
    HeaderValue::try_from(policy).expect("hashes in base64 are a valid header value")
});

api::schemas! {
    /// The page, in HTML.
    Page = text().min_length(Some(1)).examples(["<!doctype html>"]);
}

/// Shows the OpenAPI document to people.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "health",
    operation_id = "getDocs",
    responses((
        status = 200,
        description = "A page that renders the document and loads nothing from other origins.",
        content_type = "text/html",
        body = Page,
        headers(("Content-Security-Policy")),
        extensions(("x-bare" = json!(true)))
    )),
)]
pub async fn handle() -> impl IntoResponse {
    let page = Static {
        media_type: "text/html; charset=utf-8",
        body: PAGE.as_bytes(),
    };
    ([(header::CONTENT_SECURITY_POLICY, POLICY.clone())], page)
}
