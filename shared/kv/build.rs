//! Lets programs with the feature `fdb` link on a machine without `FoundationDB`'s client.
//!
//! The bindings have the linker look for `libfdb_c`. A client that is installed is used; where there is none, this makes an
//! import library: it has the client's name and the client's functions, and none of their code. A program linked with it is the
//! same as one linked with the client, and needs the client to start.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment is how cargo speaks to a build script"
)]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Every function of the client's C interface. A name missing here fails the link of what calls it.
const FUNCTIONS: &str = include_str!("fdb_c.symbols");

/// The folder of a client that is not in [`SYSTEM`]'s; the bindings read it too.
const CLIENT: &str = "FDB_CLIENT_LIB_PATH";

/// Where the client's packages put it, and a build from source.
const SYSTEM: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_FDB").is_none() {
        return;
    }
    println!("cargo::rerun-if-changed=fdb_c.symbols");
    println!("cargo::rerun-if-env-changed={CLIENT}");

    let os = variable("CARGO_CFG_TARGET_OS");
    let name = if os == "macos" { "libfdb_c.dylib" } else { "libfdb_c.so" };
    if let Some(folder) = client(name) {
        // A client that is installed later changes nothing for the linker; one that is removed does.
        println!("cargo::rerun-if-changed={}", folder.join(name).display());
        println!("cargo::rustc-link-search=native={}", folder.display());
        return;
    }

    let out = PathBuf::from(variable("OUT_DIR"));
    match os.as_str() {
        "linux" => shared_object(&out.join(name), name),
        "macos" => text_stub(&out.join("libfdb_c.tbd"), name),
        _ => return,
    }
    // `cargo run` and `cargo test` let programs load libraries from search paths below the target folder, and this one would then be
    // taken for the client. Cargo compares names, and this is another name of the folder: the parent of `/` is `/`.
    println!("cargo::rustc-link-search=native=/..{}", out.display());
}

/// The folder of the client to link with, if there is one.
fn client(name: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(CLIENT).filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        assert!(
            folder.join(name).exists(),
            "{CLIENT} is {}, and there is no {name} in it",
            folder.display()
        );
        return Some(folder);
    }
    // What is installed here is for this machine.
    let native = variable("HOST") == variable("TARGET");
    let mut folders = SYSTEM.iter().map(PathBuf::from).filter(|_| native);
    folders.find(|folder| folder.join(name).exists())
}

/// For ELF: compiled by the C compiler that LMDB is compiled by, so it is right for every target that is built for.
fn shared_object(file: &Path, name: &str) {
    let source = file.with_extension("c");
    let code: Vec<String> = functions()
        .map(|function| format!("void {function}(void) {{ __builtin_trap(); }}"))
        .collect();
    fs::write(&source, code.join("\n")).expect("OUT_DIR can be written to");

    let mut compiler = cc::Build::new().get_compiler().to_command();
    compiler
        .args(["-shared", "-nostdlib", &format!("-Wl,-soname,{name}"), "-o"])
        .args([file, &source]);
    let outcome = compiler.status();
    assert!(
        outcome.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{compiler:?} made no {name}: {outcome:?}"
    );
}

/// For Mach-O: the linker takes a list of names, as it does for the libraries of the system.
fn text_stub(file: &Path, name: &str) {
    let names: Vec<String> = functions().map(|function| format!("_{function}")).collect();
    let text = format!(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x86_64-macos, arm64-macos ]\ninstall-name: '@rpath/{name}'\n\
         exports:\n  - targets: [ x86_64-macos, arm64-macos ]\n    symbols: [ {} ]\n...\n",
        names.join(", ")
    );
    fs::write(file, text).expect("OUT_DIR can be written to");
}

fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
