//! Opening a store.

use objects::Objects;

use crate::support::{clock_at, credentials};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI";
const TOKEN: &str = "session-t0k3n";

#[test]
fn debug_shows_where_objects_are_and_no_credential() {
    let environment = credentials(ID, SECRET, TOKEN);
    let objects = Objects::open("s3://bucket-a?region=eu-1", &environment, clock_at(0)).unwrap();

    let shown = format!("{objects:?}");

    assert!(shown.contains("bucket-a") && shown.contains("eu-1"), "{shown}");
    for hidden in [ID, SECRET, TOKEN] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn a_folder_that_cannot_be_created_is_an_error_that_names_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();

    let error = Objects::open(&format!("file:{}", file.display()), &|_| None, clock_at(0)).unwrap_err();

    assert_eq!(error.variable(), "OBJECTS");
    assert!(
        error
            .to_string()
            .starts_with("OBJECTS names a folder that cannot be used"),
        "{error}"
    );
}

#[test]
fn a_call_can_move_to_another_thread() {
    fn check<T: Send + Sync + Clone>() {}
    check::<Objects>();
}
