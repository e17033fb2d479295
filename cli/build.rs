//! Embeds the sources of the runtime: `nnc` compiles its core with the user's `rustc`, without a package manager.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    // What cargo says now, not when this was compiled: a checkout may have been moved since.
    let package = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let root = package.join("../runtime/src");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut table =
        String::from("/// Sources of the runtime by path.\npub const SOURCES: &[(&str, &str)] = &[\n");
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let name = name.to_string_lossy().replace('\\', "/");
        table.push_str(&format!("    ({name:?}, include_str!({:?})),\n", fs::canonicalize(file)?));
    }
    table.push_str("];\n");
    let pages = package.join("../docs/errors");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(&pages)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    table.push_str("/// Pages of the codes.\npub const PAGES: &[(&str, &str)] = &[\n");
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let code = file.file_stem().unwrap_or_default().to_string_lossy();
        table.push_str(&format!("    ({code:?}, include_str!({:?})),\n", fs::canonicalize(file)?));
    }
    table.push_str("];\n");
    let out = std::env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("embedded.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
