//! What the proxy in front of a server logs of requests that fail.

use regex::Regex;

const CADDYFILE: &str = include_str!("../../../../server/Caddyfile");

/// The filter as Caddy reads it: a pattern, and what replaces it. The syntax is Go's, which `regex` shares.
fn filter(uri: &str) -> String {
    let lines = CADDYFILE.lines().map(str::trim);
    let filters: Vec<_> = lines
        .filter_map(|line| line.strip_prefix("request>uri regexp "))
        .collect();
    let [filter] = filters[..] else {
        panic!("Caddy applies one filter to a field: {filters:?}")
    };
    let (pattern, replacement) = filter.split_once(' ').expect("a filter has a replacement");
    let pattern = Regex::new(pattern).expect("the pattern is valid");
    pattern.replace_all(uri, replacement).into_owned()
}

#[test]
fn the_log_of_the_proxy_has_no_tokens_and_nothing_of_files() {
    let files = "/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab/files";
    for (uri, logged) in [
        ("/v5/health".to_owned(), "/v5/health".to_owned()),
        (
            "/v5/exports/coditect_export_0a1B".to_owned(),
            "/v5/exports/coditect_export_(removed)".to_owned(),
        ),
        (
            format!("{files}/content?path=/a&at=1"),
            format!("{files}/content?(removed)"),
        ),
        (format!("{files}/search?q=secret"), format!("{files}/search?(removed)")),
        (format!("{files}?limit=1&%70ath=/a?b"), format!("{files}?(removed)")),
    ] {
        assert_eq!(filter(&uri), logged);
    }
}
