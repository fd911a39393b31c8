//! The object store for large files, as the environment names it. Only a function with large files opens it.

use std::fmt;
use std::sync::Arc;

use domain::objects::ObjectStore;

use super::variables::{ConfigError, Variables};

/// The variables besides `OBJECTS` that a bucket needs.
const VARIABLES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

/// Opens the object store with these settings. A function with large files passes it to its router, so that no other
/// program contains the object store.
pub type OpenObjects = fn(&ObjectSettings) -> Result<Arc<dyn ObjectStore>, ConfigError>;

/// `OBJECTS`, and what a bucket needs besides. It may contain a secret.
#[derive(Clone)]
pub struct ObjectSettings {
    objects: String,
    environment: Vec<(&'static str, String)>,
}

impl ObjectSettings {
    /// The value of `OBJECTS`.
    pub fn objects(&self) -> &str {
        &self.objects
    }

    /// The value of one of the further variables.
    pub fn variable(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }
}

/// Without the values: a malformed `OBJECTS` may contain a secret, too.
impl fmt::Debug for ObjectSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSettings").finish_non_exhaustive()
    }
}

pub(super) fn settings(vars: &Variables<'_>) -> Result<Option<ObjectSettings>, ConfigError> {
    let Some(objects) = vars.text("OBJECTS")? else {
        return Ok(None);
    };
    let mut environment = Vec::new();
    if objects.starts_with("s3:") {
        for name in VARIABLES {
            if let Some(value) = vars.text(name)? {
                environment.push((name, value));
            }
        }
    }
    Ok(Some(ObjectSettings { objects, environment }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI");

    #[test]
    fn only_a_bucket_has_credentials_and_nothing_shows_them() {
        let read = |objects| settings(&Variables::of(&[("OBJECTS", objects), SECRET])).unwrap();
        assert!(read("").is_none());
        assert!(read("file:a").unwrap().environment.is_empty());
        let bucket = read("s3://my-bucket").unwrap();
        assert_eq!(bucket.environment, [(SECRET.0, SECRET.1.to_owned())]);
        assert_eq!(format!("{bucket:?}"), "ObjectSettings { .. }");
    }
}
