//! What the function `web` serves, from a folder like a built application.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod files;
mod front_doors;
mod page;

use std::path::Path;

use tempfile::TempDir;
use testkit::TestApp;

const PAGE: &str = "<!doctype html><title>Coditect</title>";
const SCRIPT: &str = "console.log('a script that is long enough to be compressed');";

/// A folder like the one that the build of the application writes. The compressed forms are recognisable.
fn built() -> TempDir {
    built_in(&std::env::temp_dir())
}

/// The same, in a folder of the test.
fn built_in(parent: &Path) -> TempDir {
    let folder = tempfile::tempdir_in(parent).unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("index.html", PAGE);
    write("icon.svg", "<svg/>");
    write("assets/index-abc.js", SCRIPT);
    write("assets/index-abc.js.br", "brotli");
    write("assets/index-abc.js.gz", "gzip");
    write(".vite/manifest.json", "{}");
    folder
}

fn start(root: &Path) -> TestApp {
    TestApp::start(web::router_of(root.to_owned()))
}
