//! The modules of one crate, and the files that they import.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;

use super::names::{FileModule, Names};
use crate::workspace::Source;

/// From a file to the files that it imports, each with the first line that does.
pub(super) type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// Re-exports of re-exports are followed this far, so that names that import each other end.
const MAX_REEXPORTS: usize = 16;

/// The root is the first one.
pub(super) struct Modules<'a>(Vec<Module<'a>>);

struct Module<'a> {
    file: &'a str,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    names: Names,
}

/// What a path names.
#[derive(Clone, Copy)]
enum Target<'a> {
    Module(usize),
    /// An item that this file defines.
    Item(&'a str),
    /// An item of another crate, of the language, or of the module itself.
    Other,
}

impl<'a> Modules<'a> {
    /// Reads the crate with this root file. None if the root or one of its modules does not parse.
    pub(super) fn read(sources: &BTreeMap<&'a str, &'a Source>, root: &str) -> Option<Self> {
        let mut modules = Self(Vec::new());
        let source = *sources.get(root)?;
        modules.add_file(sources, source, parent_folder(root), None)?;
        Some(modules)
    }

    /// Adds the module of a file, whose children are in `folder`.
    fn add_file(
        &mut self,
        sources: &BTreeMap<&'a str, &'a Source>,
        source: &'a Source,
        folder: &str,
        parent: Option<usize>,
    ) -> Option<usize> {
        let names = Names::read(source.text.parse::<TokenStream>().ok()?);
        self.add(sources, &source.file, names, folder, parent)
    }

    fn add(
        &mut self,
        sources: &BTreeMap<&'a str, &'a Source>,
        file: &'a str,
        mut names: Names,
        folder: &str,
        parent: Option<usize>,
    ) -> Option<usize> {
        let (files, inline) = (std::mem::take(&mut names.files), std::mem::take(&mut names.inline));
        let index = self.0.len();
        self.0.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            names,
        });
        for (name, names) in inline {
            let child = self.add(sources, file, names, &format!("{folder}/{name}"), Some(index))?;
            self.0[index].children.insert(name, child);
        }
        for FileModule { name, path } in files {
            // A file of any name has its own children in its folder, as a `mod.rs` has.
            let (candidates, folder) = match path {
                Some(path) => {
                    let file = join(parent_folder(file), &path);
                    let folder = parent_folder(&file).to_owned();
                    (vec![file], folder)
                }
                None => (
                    vec![format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")],
                    format!("{folder}/{name}"),
                ),
            };
            // Absent if it is generated, or if a macro declares it.
            let Some(source) = candidates.iter().find_map(|file| sources.get(file.as_str()).copied()) else {
                continue;
            };
            let child = self.add_file(sources, source, &folder, Some(index))?;
            self.0[index].children.insert(name, child);
        }
        Some(index)
    }

    /// The imports of every file.
    pub(super) fn imports(&self) -> Imports<'a> {
        let mut imports = Imports::new();
        let mut add = |importing: &'a str, imported: &'a str, line: usize| {
            if importing != imported {
                let first = imports.entry(importing).or_default().entry(imported).or_insert(line);
                *first = line.min(*first);
            }
        };
        for (index, Module { file, names, .. }) in self.0.iter().enumerate() {
            let bindings = names.bindings.iter();
            let imported = bindings.filter(|binding| !binding.is_reexport || self.mentions(index, &binding.name));
            for path in imported.map(|binding| &binding.path).chain(&names.paths) {
                // Only the items of a module are imports.
                if let Target::Item(imported) = self.resolve(index, &path.segments, 0) {
                    add(file, imported, path.line);
                }
            }
            for path in &names.globs {
                match self.resolve(index, &path.segments, 0) {
                    Target::Module(module) => add(file, self.0[module].file, path.line),
                    Target::Item(imported) => add(file, imported, path.line),
                    Target::Other => {}
                }
            }
        }
        imports
    }

    /// Whether the module uses the word, or a module inside its file does.
    fn mentions(&self, index: usize, word: &str) -> bool {
        let module = &self.0[index];
        let mut inner = module
            .children
            .values()
            .filter(|&&child| self.0[child].file == module.file);
        module.names.words.contains(word) || inner.any(|&child| self.mentions(child, word))
    }

    /// What a path in a module names.
    fn resolve(&self, module: usize, path: &[String], reexports: usize) -> Target<'a> {
        let Some((first, rest)) = path.split_first().filter(|_| reexports <= MAX_REEXPORTS) else {
            return Target::Other;
        };
        let mut target = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(module),
            "super" => self.parent(module),
            name => self.visible(module, name, rest.is_empty(), reexports),
        };
        for (index, name) in rest.iter().enumerate() {
            let Target::Module(module) = target else { break };
            target = match name.as_str() {
                "self" => target,
                "super" => self.parent(module),
                name => self
                    .member(module, name, index + 1 == rest.len(), reexports)
                    .unwrap_or(Target::Item(self.0[module].file)),
            };
        }
        target
    }

    fn parent(&self, module: usize) -> Target<'a> {
        self.0[module].parent.map_or(Target::Other, Target::Module)
    }

    /// What a plain name means inside a module.
    fn visible(&self, module: usize, name: &str, is_last: bool, reexports: usize) -> Target<'a> {
        if let Some(target) = self.member(module, name, is_last, reexports) {
            return target;
        }
        let Module { parent, names, .. } = &self.0[module];
        match parent {
            Some(parent) if names.globs.iter().any(|path| path.segments == ["super"]) => {
                self.visible(*parent, name, is_last, reexports)
            }
            _ => Target::Other,
        }
    }

    /// The child module or the imported name that a module has under `name`, if any.
    fn member(&self, module: usize, name: &str, is_last: bool, reexports: usize) -> Option<Target<'a>> {
        let Module { children, names, .. } = &self.0[module];
        let child = children.get(name).map(|&child| Target::Module(child));
        let binding = names.bindings.iter().find(|binding| binding.name == name);
        let imported = || binding.map(|binding| self.resolve(module, &binding.path.segments, reexports + 1));
        // A module and an item may have the same name: only a module has members.
        if is_last {
            imported().or(child)
        } else {
            child.or_else(imported)
        }
    }
}

fn parent_folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The file at a relative path, without `..`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
