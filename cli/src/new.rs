//! `nnc new`: a model to start from, with data to train it on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nnc_compiler::emit::is_reserved;
use nnc_runtime::Error;

use crate::output::Output;
use crate::source::Failure;

const MODEL: &str = include_str!("../../examples/iris/iris.nn");
const ROWS: &str = include_str!("../../examples/iris/iris.csv");

/// Writes a folder, whole or not at all.
pub fn run(name: &str, output: &Output) -> Result<(), Failure> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_name) {
        return Err(Error::new("E0417", format!("`{name}` cannot be the name of a folder and a model"))
            .help("take letters, digits, `-` and `_`, and begin with a letter: `nnc new flowers`")
            .into());
    }
    let folder = PathBuf::from(name);
    if folder.exists() {
        return Err(Error::new("E0417", format!("`{name}` is there already"))
            .at(&folder)
            .help("take another name")
            .into());
    }
    let beside = PathBuf::from(format!(".{name}.{}.tmp", std::process::id()));
    let made = fill(&beside, name).and_then(|()| fs::rename(&beside, &folder));
    if let Err(error) = made {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_dir_all(&beside);
        return Err(Error::write(&folder, &error).into());
    }
    output.line(&format!("wrote {name}/{name}.nn and {name}/{name}.csv"));
    output.line(&format!("train it: nnc train {name}/{name}.nn"));
    Ok(())
}

fn fill(folder: &Path, name: &str) -> io::Result<()> {
    fs::create_dir(folder)?;
    let model = MODEL
        .replace("model Iris {", &format!("model {} {{", type_name(name)))
        .replace("iris.csv", &format!("{name}.csv"));
    fs::write(folder.join(format!("{name}.nn")), model)?;
    fs::write(folder.join(format!("{name}.csv")), ROWS)
}

/// `my-flowers` as the name of a type: `MyFlowers`.
fn type_name(name: &str) -> String {
    let mut text = String::new();
    for part in name.split(['-', '_']) {
        let mut letters = part.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    if is_reserved(&text) {
        text.push_str("Model");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{MODEL, type_name};

    #[test]
    fn names_of_types() {
        assert_eq!(type_name("my-flowers_2"), "MyFlowers2");
        assert_eq!(["self", "row", "f32"].map(type_name), ["SelfModel", "RowModel", "F32"]);
        assert!(MODEL.contains("model Iris {") && MODEL.contains("iris.csv"));
    }
}
