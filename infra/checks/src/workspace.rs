//! The input of the rules: every member with its declared dependencies, its manifest and its Rust sources, and every
//! tracked text file. Members, crate roots and files are discovered, never listed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

pub(crate) struct Workspace {
    root: PathBuf,
    pub(crate) members: Vec<Member>,
}

pub(crate) struct Member {
    /// Relative to the workspace root, with `/` between its parts.
    pub(crate) folder: String,
    /// The text of its `Cargo.toml`.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The root source file of each of its crates: library, programs, tests, examples, build script.
    pub(crate) roots: Vec<String>,
    pub(crate) sources: Vec<Source>,
}

/// One entry of a manifest's dependencies.
pub(crate) struct Dependency {
    /// The name of the package, also if the manifest renames it.
    pub(crate) name: String,
    /// Its folder if it is a member of this workspace.
    pub(crate) folder: Option<String>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[dependencies]` and `[build-dependencies]`.
    Program,
    /// `[dev-dependencies]`.
    Tests,
}

pub(crate) struct Source {
    /// Relative to the workspace root, with `/` between its parts.
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Member {
    pub(crate) fn manifest_file(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

impl Workspace {
    /// Reads the workspace around the current directory.
    pub(crate) fn load() -> Result<Self, String> {
        // `--no-deps` reads the manifests of the members only: no lock file, no registry, no network.
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "cargo metadata failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("cannot read cargo metadata: {error}"))?;

        let root = metadata.workspace_root;
        let members = metadata
            .packages
            .into_iter()
            .map(|package| member(&root, package))
            .collect::<Result<_, _>>()?;
        Ok(Self { root, members })
    }

    /// The text files that git tracks.
    pub(crate) fn tracked_files(&self) -> Result<Vec<Source>, String> {
        let output = Command::new("git")
            .args(["ls-files", "-z"])
            .current_dir(&self.root)
            .output()
            .map_err(|error| format!("cannot run git: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "git ls-files failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let names = String::from_utf8_lossy(&output.stdout);
        let mut sources = Vec::new();
        for file in names.split_terminator('\0') {
            match fs::read_to_string(self.root.join(file)) {
                Ok(text) => sources.push(Source {
                    file: file.to_owned(),
                    text,
                }),
                // A binary file, or one that was deleted but not yet committed.
                Err(error) if [io::ErrorKind::InvalidData, io::ErrorKind::NotFound].contains(&error.kind()) => {}
                Err(error) => return Err(format!("cannot read {file}: {error}")),
            }
        }
        Ok(sources)
    }
}

fn member(root: &Path, package: Package) -> Result<Member, String> {
    let manifest_path = &package.manifest_path;
    let folder = manifest_path.parent().unwrap_or(root);
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()));

    let mut files = Vec::new();
    rust_files(folder, &mut files).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    files.sort();

    Ok(Member {
        folder: relative(root, folder),
        manifest: read(manifest_path)?,
        dependencies: package
            .dependencies
            .into_iter()
            .map(|dependency| Dependency {
                name: dependency.name,
                folder: dependency.path.map(|path| relative(root, &path)),
                kind: match dependency.kind.as_deref() {
                    Some("dev") => Kind::Tests,
                    _ => Kind::Program,
                },
            })
            .collect(),
        roots: package
            .targets
            .iter()
            .map(|target| relative(root, &target.src_path))
            .collect(),
        sources: files
            .iter()
            .map(|path| {
                Ok(Source {
                    file: relative(root, path),
                    text: read(path)?,
                })
            })
            .collect::<Result<_, String>>()?,
    })
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// The fields of `cargo metadata` that the rules need. The format is versioned and stable.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    dependencies: Vec<DeclaredDependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct DeclaredDependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_loaded_with_manifests_dependencies_roots_and_sources() {
        let workspace = Workspace::load().unwrap();
        let member = |folder: &str| workspace.members.iter().find(|member| member.folder == folder).unwrap();

        let checks = member("infra/checks");
        assert!(checks.manifest.contains("name = \"checks\""));
        let mut dependencies = checks.dependencies.iter();
        assert!(dependencies.any(|dependency| dependency.name == "toml" && dependency.folder.is_none()));
        assert_eq!(checks.roots, ["infra/checks/src/main.rs"]);
        let mut sources = checks.sources.iter();
        assert!(sources.any(|source| source.file == "infra/checks/src/workspace.rs"));

        let gateway = member("infra/gateway");
        let mut dependencies = gateway.dependencies.iter();
        assert!(dependencies.any(|dependency| dependency.folder.as_deref() == Some("functions/auth")));
        let mut dependencies = gateway.dependencies.iter();
        assert!(dependencies.any(|dependency| dependency.name == "testkit" && dependency.kind == Kind::Tests));
        assert!(gateway.roots.contains(&"infra/gateway/tests/it/main.rs".to_owned()));
    }

    #[test]
    fn tracked_files_include_sources_scripts_and_documents() {
        let files = Workspace::load().unwrap().tracked_files().unwrap();
        for wanted in ["Makefile", "README.md", "infra/checks/src/main.rs", "template.yaml"] {
            assert!(files.iter().any(|source| source.file == wanted), "{wanted}");
        }
    }
}
