//! The changes that add a group: new files from the templates, and a row in every list.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::edit::Edit;
use crate::name::Names;

/// The reserved concurrency of the new function, as its row in `infra/aws/functions.toml` states it.
const CONCURRENCY: u32 = 50;

/// The new files: path and template. `things` is the name of the group.
const FILES: &[(&str, &str)] = &[
    (
        "shared/domain/src/things/mod.rs",
        include_str!("../templates/domain/mod.rs"),
    ),
    (
        "shared/domain/src/things/keys.rs",
        include_str!("../templates/domain/keys.rs"),
    ),
    (
        "shared/domain/src/things/store.rs",
        include_str!("../templates/domain/store.rs"),
    ),
    (
        "shared/domain/src/things/ops.rs",
        include_str!("../templates/domain/ops.rs"),
    ),
    (
        "shared/domain/tests/fixtures/records/thing.jsonl",
        include_str!("../templates/domain/thing.jsonl"),
    ),
    (
        "functions/things/Cargo.toml",
        include_str!("../templates/function/Cargo.toml"),
    ),
    (
        "functions/things/src/main.rs",
        include_str!("../templates/function/src/main.rs"),
    ),
    (
        "functions/things/src/lib.rs",
        include_str!("../templates/function/src/lib.rs"),
    ),
    (
        "functions/things/src/body.rs",
        include_str!("../templates/function/src/body.rs"),
    ),
    (
        "functions/things/src/list.rs",
        include_str!("../templates/function/src/list.rs"),
    ),
    (
        "functions/things/tests/it/main.rs",
        include_str!("../templates/function/tests/it/main.rs"),
    ),
    (
        "functions/things/tests/it/list.rs",
        include_str!("../templates/function/tests/it/list.rs"),
    ),
    (
        "functions/things/tests/it/front_doors.rs",
        include_str!("../templates/function/tests/it/front_doors.rs"),
    ),
];

/// Adds the group to the workspace at `root`, and returns the files that were created or changed.
pub(crate) fn create(root: &Path, name: &str) -> Result<Vec<String>, String> {
    let names = Names::parse(name)?;
    let group = &names.group;
    for folder in [format!("functions/{group}"), format!("shared/domain/src/{group}")] {
        if root.join(&folder).exists() {
            return Err(format!("{folder} exists already: choose another name"));
        }
    }
    let mut workspace = Workspace {
        root,
        names: &names,
        files: BTreeMap::new(),
    };
    for (file, template) in FILES {
        workspace.files.insert(names.render(file), names.render(template));
    }
    manifests(&mut workspace)?;
    domain(&mut workspace)?;
    gateway(&mut workspace)?;
    deployment(&mut workspace)?;
    bench(&mut workspace)?;
    readme(&mut workspace)?;
    workspace.write()
}

fn manifests(workspace: &mut Workspace<'_>) -> Result<(), String> {
    workspace.edit("Cargo.toml", |manifest, render| {
        if manifest.line(&render("things = ")).is_ok() {
            return Err(render("things is a dependency in Cargo.toml: choose another name"));
        }
        let members = manifest.below("[workspace.dependencies]")?;
        manifest.insert_sorted(members, &render("things = { path = \"functions/things\" }"));
        let routes = manifest.below("[workspace.metadata.lambda.watch.router]")?;
        for (following, route) in [("\"/api/v5/", "/v5/things"), ("\"/\" = ", "/api/v5/things")] {
            let position = manifest.line_after(routes, following)?;
            manifest.insert(position, &render(&format!("\"{route}\" = \"things\"")));
        }
        Ok(())
    })?;
    workspace.edit("infra/gateway/Cargo.toml", |manifest, render| {
        let dependencies = manifest.below("[dependencies]")?;
        manifest.insert_sorted(dependencies, &render("things.workspace = true"));
        Ok(())
    })
}

fn domain(workspace: &mut Workspace<'_>) -> Result<(), String> {
    workspace.edit("shared/domain/src/lib.rs", |lib, render| {
        let modules = lib.line("pub mod ")?;
        lib.insert_sorted(modules, &render("pub mod things;"));
        lib.insert_ahead_of("LoginId, ", &render("ThingId, "))
    })?;
    workspace.edit("shared/domain/src/id.rs", |ids, render| {
        let list = ids.line("ids! {")?;
        let position = ids.line_after(list, "    /// An access token")?;
        ids.insert(position, &render("    /// A thing.\n    ThingId,"));
        Ok(())
    })?;
    workspace.edit("shared/domain/src/role.rs", |roles, render| {
        let position = roles.line("    /// Read the tenant's audit log.")?;
        roles.insert(position, &render("    /// Read the tenant's things.\n    ReadThings,"));
        roles.insert_ahead_of(
            "Permission::ReadSessions | Permission::ReadFiles",
            &render("Permission::ReadThings | "),
        )?;
        roles.insert_ahead_of("Self::ReadUsage | Self::ManageAccount", &render("Self::ReadThings | "))
    })?;
    workspace.edit("shared/domain/src/record/fixtures.rs", |fixtures, render| {
        let position = fixtures.line("        Kind::of::<User>(")?;
        fixtures.insert(
            position,
            &render("        Kind::of::<crate::things::Thing>(\"thing\"),"),
        );
        Ok(())
    })?;
    workspace.edit("shared/domain/README.md", |readme, render| {
        let position = readme.line("| `ReadAudit` |")?;
        readme.insert(position, &render("| `ReadThings` | yes | yes | yes | logins only |"));
        let position = readme.line("| `tenants / {tenant_id} / idempotency ")?;
        let row = "| `tenants / {tenant_id} / things / {thing_id}` | `Thing`, version 1 | unlimited | |";
        readme.insert(position, &render(row));
        Ok(())
    })
}

fn gateway(workspace: &mut Workspace<'_>) -> Result<(), String> {
    workspace.edit("infra/gateway/src/lib.rs", |lib, render| {
        lib.insert_ahead_of("health::$make()", &render("things::$make(), "))
    })?;
    workspace.edit("infra/gateway/tests/it/operations.rs", |operations, render| {
        let list = operations.line("pub fn operations()")?;
        let end = operations.line_after(list, "    ]")?;
        operations.insert(end, &render("        get(\"/things\", READ_TENANT),"));
        Ok(())
    })?;
    workspace.edit("infra/gateway/tests/it/flow.rs", |flow, render| {
        let position = flow.line("    target.post(\"/api/v5/auth/logout\")")?;
        let step = "    let things = target.get(\"/api/v5/things\").bearer(&phone).send().await.ok();\n    \
                    assert_eq!(things, json!({ \"things\": [], \"nextCursor\": null }));\n";
        flow.insert(position, &render(step));
        Ok(())
    })
}

fn deployment(workspace: &mut Workspace<'_>) -> Result<(), String> {
    workspace.edit("infra/aws/functions.toml", |table, render| {
        table.append(&render(&format!(
            "# A page is one range read and little computing, as for audit. Adapt the figures to the endpoints.\n\
             [things]\n\
             memory = 512\n\
             timeout = 10\n\
             concurrency = {CONCURRENCY}\n\
             log_days = \"LogRetentionDays\"\n\
             store = true\n\
             keys = \"verify\"\n\
             p99_ms = 1000\n\
             routes = [\"/things\"]"
        )));
        Ok(())
    })?;
    workspace.edit("infra/aws/README.md", |readme, _| {
        readme.increase("reserved concurrency adds up to ", CONCURRENCY)
    })
}

fn bench(workspace: &mut Workspace<'_>) -> Result<(), String> {
    workspace.edit("infra/bench/src/trips.rs", |trips, render| {
        let position = trips.line("    // Begin, account and the login's counter")?;
        trips.insert(position, &render("    (\"list things\", 2),"));
        let position = trips.line("    let body = json!({ \"currentPassword\"")?;
        let call = "    let listing = app.get(\"/v5/things\").bearer(&token).send();\n    \
                    timed(&mut counts, \"list things\", listing).await.ok();";
        trips.insert(position, &render(call));
        Ok(())
    })
}

fn readme(workspace: &mut Workspace<'_>) -> Result<(), String> {
    workspace.edit("functions/README.md", |readme, render| {
        let map = readme.below("| function | purpose |")?;
        let rows = readme.line_after(map, "| [")?;
        readme.insert_sorted(
            rows,
            &render("| [`things`](things/src/lib.rs) | the things of a tenant |"),
        );
        let endpoints = readme.line("| endpoint | ")?;
        let source = "[`things/src/list.rs`](things/src/list.rs)";
        let row = format!("| `GET /things` | {source} | owner, member, viewer | 2 |");
        readme.append_to_list(endpoints, &render(&row));
        Ok(())
    })
}

/// The files that are created or changed, by their path from the root. Nothing is written before `write`.
struct Workspace<'a> {
    root: &'a Path,
    names: &'a Names,
    files: BTreeMap<String, String>,
}

impl Workspace<'_> {
    fn edit(
        &mut self,
        file: &str,
        change: impl FnOnce(&mut Edit, &dyn Fn(&str) -> String) -> Result<(), String>,
    ) -> Result<(), String> {
        let text = fs::read_to_string(self.root.join(file)).map_err(|error| format!("cannot read {file}: {error}"))?;
        let mut edit = Edit {
            file: file.to_owned(),
            text,
        };
        change(&mut edit, &|template| self.names.render(template))?;
        self.files.insert(edit.file, edit.text);
        Ok(())
    }

    fn write(self) -> Result<Vec<String>, String> {
        for (file, text) in &self.files {
            let path = self.root.join(file);
            let folder = path.parent().unwrap_or(self.root);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|error| format!("cannot write {file}: {error}"))?;
        }
        Ok(self.files.into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::ROOT;

    /// Copies the workspace without build results and hidden folders.
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let is_skipped =
                name.to_string_lossy().starts_with('.') || ["target", "node_modules"].map(Into::into).contains(&name);
            if entry.file_type().unwrap().is_dir() {
                if !is_skipped {
                    copy(&entry.path(), &to.join(name));
                }
            } else {
                fs::copy(entry.path(), to.join(name)).unwrap();
            }
        }
    }

    fn workspace() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("workspace");
        copy(Path::new(ROOT), &root);
        (folder, root)
    }

    fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    files.insert(path, bytes);
                }
            }
        }
        files
    }

    /// `make test-new-group` also compiles the result and runs its tests.
    #[test]
    fn a_group_is_added_to_every_list() {
        let (_folder, root) = workspace();
        let before = files(&root);
        let changed = create(&root, "notes").unwrap();
        for file in &changed {
            let text = fs::read_to_string(root.join(file)).unwrap();
            let text = text.to_lowercase();
            let is_new = !before.contains_key(&root.join(file));
            assert!(!is_new || !text.contains("thing"), "{file} has a word of the template");
            assert!(text.contains("note") || file == "infra/aws/README.md", "{file}");
        }
        for (path, bytes) in files(&root) {
            let file = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            assert_eq!(before.get(&path) != Some(&bytes), changed.contains(&file), "{file}");
        }

        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(metadata.status.success(), "{metadata:?}");
        let metadata = String::from_utf8(metadata.stdout).unwrap();
        assert!(metadata.contains("functions/notes/Cargo.toml"));

        // A second group fits beside the first, whatever the order of their names.
        for name in ["agents", "webhooks"] {
            create(&root, name).unwrap();
        }
    }

    #[test]
    fn an_existing_name_is_rejected_and_changes_no_file() {
        let (_folder, root) = workspace();
        let before = files(&root);
        for (name, reason) in [
            ("sessions", "functions/sessions exists already"),
            ("tenants", "shared/domain/src/tenants exists already"),
            ("uuid", "uuid is a dependency"),
            ("Notes", "such as notes"),
        ] {
            let problem = create(&root, name).unwrap_err();
            assert!(problem.contains(reason), "{name}: {problem}");
        }
        fs::write(root.join("infra/aws/README.md"), "").unwrap();
        let problem = create(&root, "notes").unwrap_err();
        assert!(problem.contains("infra/aws/README.md has no"), "{problem}");
        fs::write(
            root.join("infra/aws/README.md"),
            &before[&root.join("infra/aws/README.md")],
        )
        .unwrap();
        assert!(files(&root) == before, "a rejected name changed a file");
    }
}
