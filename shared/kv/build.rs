//! Lets programs with the feature `fdb` link on a machine without `FoundationDB`'s client.
//!
//! The bindings have the linker look for `libfdb_c`. A client that is installed is used; where there is none, this makes an
//! import library: it has the client's name and the names of its functions, and none of its code. A program linked with it is
//! the same as one linked with the client, and needs the client to start.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment is how cargo speaks to a build script"
)]

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::{env, fs};

/// Names the folder of a client that is in none of [`SYSTEM`]. The bindings know it too.
const CLIENT: &str = "FDB_CLIENT_LIB_PATH";

/// Where the client's packages and builds from source put it.
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
        // One that is installed later makes no difference to what is linked; one that is removed does.
        println!("cargo::rerun-if-changed={}", folder.join(name).display());
        println!("cargo::rustc-link-search=native={}", folder.display());
        return;
    }

    let out = PathBuf::from(variable("OUT_DIR"));
    match os.as_str() {
        "linux" => shared_object(&out, name),
        "macos" => text_stub(&out, name),
        _ => return,
    }
    // A search path below the target folder is also one of `cargo run` and `cargo test` for loading libraries, and this one would be
    // taken for the client. Cargo compares names, and this is another name of the folder: above `/` is `/`.
    println!("cargo::rustc-link-search=native=/..{}", out.display());
}

/// The folder of the client to link with, if there is one.
fn client(name: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(CLIENT).filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        if !folder.join(name).exists() {
            println!(
                "cargo::error={CLIENT} is {}, and there is no {name} in it",
                folder.display()
            );
        }
        return Some(folder);
    }
    if variable("HOST") != variable("TARGET") {
        return None; // What is installed here is for this machine.
    }
    let mut folders = SYSTEM.iter().map(PathBuf::from);
    folders.find(|folder| folder.join(name).exists())
}

/// For ELF: made by the C compiler that LMDB is compiled with, so there is one, and it is the right one for the target.
fn shared_object(out: &Path, name: &str) {
    // They are never to run; if they do, they stop the program instead of answering it.
    let code: Vec<String> = functions()
        .map(|function| format!("void {function}(void) {{ __builtin_trap(); }}"))
        .collect();
    let source = out.join("fdb_c.c");
    fs::write(&source, code.join("\n")).expect("cargo made OUT_DIR to be written to");

    let mut compiler = cc::Build::new().get_compiler().to_command();
    compiler
        .args(["-shared", "-nostdlib", &format!("-Wl,-soname,{name}"), "-o"])
        .args([&out.join(name), &source]);
    let outcome = compiler.status();
    assert!(
        outcome.as_ref().is_ok_and(ExitStatus::success),
        "{compiler:?} made no {name}: {outcome:?}"
    );
}

/// For Mach-O: the linker reads a list of names, as it does for the libraries of the system.
fn text_stub(out: &Path, name: &str) {
    let symbols: Vec<String> = functions().map(|function| format!("_{function}")).collect();
    let symbols = symbols.join(", ");
    let text = format!(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x86_64-macos, arm64-macos ]\ninstall-name: '@rpath/{name}'\nexports:\n  \
         - targets: [ x86_64-macos, arm64-macos ]\n    symbols: [ {symbols} ]\n...\n"
    );
    fs::write(out.join("libfdb_c.tbd"), text).expect("cargo made OUT_DIR to be written to");
}

fn functions() -> impl Iterator<Item = &'static str> {
    include_str!("fdb_c.symbols")
        .lines()
        .filter(|line| !line.starts_with('#'))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
