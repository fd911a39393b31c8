//! Lets programs with the feature `fdb` link on a machine without FoundationDB's client.
//!
//! The bindings make the linker search for `libfdb_c`. An installed client is used. Without one, this script creates an
//! import library: it has the client's name and the names of its functions, and no code. A program linked with it is
//! identical to one linked with the client, and needs the client to start.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo passes its inputs to a build script in the environment"
)]

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::{env, fs};

/// The variable with the folder of a client outside [`SYSTEM`]. The bindings read it too.
const CLIENT: &str = "FDB_CLIENT_LIB_PATH";

/// Folders in which the client's packages and builds from source install it.
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
        // Only a removed client changes the link: a client installed later gives the same program.
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
    // Cargo adds search paths below the target folder to the library path of `cargo run` and `cargo test`, where the
    // loader would take the import library for the client. Cargo compares names, so another name for the folder
    // prevents that: `/..` is `/`.
    println!("cargo::rustc-link-search=native=/..{}", out.display());
}

/// The folder of an installed client, if any.
fn client(name: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(CLIENT).filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        if !folder.join(name).exists() {
            println!(
                "cargo::error={CLIENT} is {}, but it contains no {name}",
                folder.display()
            );
        }
        return Some(folder);
    }
    if variable("HOST") != variable("TARGET") {
        return None; // The installed client is for this machine.
    }
    let mut folders = SYSTEM.iter().map(PathBuf::from);
    folders.find(|folder| folder.join(name).exists())
}

/// For ELF: compiled with the C compiler that also compiles LMDB, so it exists and fits the target.
fn shared_object(out: &Path, name: &str) {
    // Never called. A call stops the program instead of returning.
    let code: Vec<String> = functions()
        .map(|function| format!("void {function}(void) {{ __builtin_trap(); }}"))
        .collect();
    let source = out.join("fdb_c.c");
    fs::write(&source, code.join("\n")).expect("OUT_DIR is writable");

    let mut compiler = cc::Build::new().get_compiler().to_command();
    compiler
        .args(["-shared", "-nostdlib", &format!("-Wl,-soname,{name}"), "-o"])
        .args([&out.join(name), &source]);
    let outcome = compiler.status();
    assert!(
        outcome.as_ref().is_ok_and(ExitStatus::success),
        "{compiler:?} created no {name}: {outcome:?}"
    );
}

/// For Mach-O: the linker accepts a list of names, as for system libraries.
fn text_stub(out: &Path, name: &str) {
    let symbols: Vec<String> = functions().map(|function| format!("_{function}")).collect();
    let symbols = symbols.join(", ");
    let text = format!(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x86_64-macos, arm64-macos ]\n\
         install-name: '@rpath/{name}'\nexports:\n  \
         - targets: [ x86_64-macos, arm64-macos ]\n    symbols: [ {symbols} ]\n...\n"
    );
    fs::write(out.join("libfdb_c.tbd"), text).expect("OUT_DIR is writable");
}

fn functions() -> impl Iterator<Item = &'static str> {
    include_str!("fdb_c.symbols")
        .lines()
        .filter(|line| !line.starts_with('#'))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
