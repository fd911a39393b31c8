//! Dumps and arguments that cannot be used.

use std::fs;
use std::path::Path;

use testkit::TestStore;

use super::{command, export, fill_with_many, text};
use crate::process::startup_error;

/// The dump with two entries exchanged.
fn unordered(dump: &str) -> String {
    let mut lines: Vec<_> = dump.lines().collect();
    let last = lines.len() - 2;
    lines.swap(last - 1, last);
    lines.join("\n") + "\n"
}

/// The dump with the key of an unfinished import as its first entry: the tuple `("import",)`.
fn with_foreign_key(dump: &str) -> String {
    let (header, rest) = dump.split_once('\n').unwrap();
    format!("{header}\n{{\"set\":\"AmltcG9ydAA\",\"value\":\"\"}}\n{rest}")
}

#[tokio::test]
async fn bad_input_is_one_sentence_and_leaves_nothing() {
    let (store, target) = (TestStore::lmdb(), TestStore::lmdb());
    fill_with_many(&store).await;
    let file = export(&store);
    let dump = text(&fs::read(&file).unwrap());
    let bad = store.folder().join("bad");
    let half = dump.len() / 2;
    for (content, reason) in [
        ("", "is no dump"),
        ("no dump at all\n", "is no dump"),
        (&dump[..half], "incomplete"),
        (&dump[..dump.len() - 1], "incomplete"),
        (&*dump.replacen("\"format\":1", "\"format\":2", 1), "format 2"),
        (&*dump.replacen("\"value\":\"", "\"value\":\"A", 1), "damaged"),
        (&*format!("{dump}x"), "after its end"),
        (&*unordered(&dump), "not in the order of the keys"),
        (&*with_foreign_key(&dump), "belongs to its store"),
    ] {
        fs::write(&bad, content).unwrap();
        let error = startup_error(command(&target, "import", &bad));
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(
            !target.folder().join("store").exists(),
            "{reason}: the store is not created"
        );
    }
    let missing = startup_error(command(&target, "import", Path::new("/nonexistent/dump")));
    assert!(missing.contains("/nonexistent/dump"), "{missing}");
    let no_store = startup_error(command(&target, "export", &target.folder().join("dump")));
    assert!(no_store.contains("there is no store"), "{no_store}");
    let no_folder = startup_error(command(&store, "export", Path::new("/nonexistent/dump")));
    assert!(no_folder.contains("/nonexistent/dump"), "{no_folder}");
    let mut wrong_engine = command(&target, "import", &file);
    wrong_engine.env("STORE", "postgres");
    let wrong_engine = startup_error(wrong_engine);
    assert!(wrong_engine.contains("STORE"), "{wrong_engine}");

    // A file instead of the folder, which also those may not write who may write everything.
    let mut no_permission = command(&target, "import", &file);
    no_permission.env("STORE", format!("lmdb:{}", file.join("store").display()));
    let no_permission = startup_error(no_permission);
    assert!(no_permission.contains("cannot open the store"), "{no_permission}");
}
