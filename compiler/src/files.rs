//! Files that a model uses, from the file system: what all doors read with. Nothing else in this crate reads a file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use nnc_grammar::MAX_SOURCE_BYTES;
use nnc_grammar::diagnostic::closest;

use crate::load::{LoadFault, Loader};

/// Reads used files, relative to the file that uses them.
#[derive(Debug, Clone, Default)]
pub struct Files {
    root: String,
    /// The folder in which paths of a file are looked for, by the file's key.
    folders: BTreeMap<String, PathBuf>,
    /// Where a file was found, by its key.
    paths: BTreeMap<String, PathBuf>,
    looked_for: Vec<PathBuf>,
}

impl Files {
    /// For a model in a file.
    pub fn beside(model: &Path) -> Self {
        let root = key(model);
        let folder = model.parent().unwrap_or_else(|| Path::new("")).to_owned();
        Self { folders: BTreeMap::from([(root.clone(), folder)]), root, ..Self::default() }
    }

    /// For a text that stands in no file of its own, whose paths are relative to a folder.
    pub fn within(folder: &Path) -> Self {
        Self { folders: BTreeMap::from([(String::new(), folder.to_owned())]), ..Self::default() }
    }

    /// Files that were read, in order: what is compiled changes when one of them does.
    pub fn read_files(&self) -> impl Iterator<Item = &Path> {
        self.looked_for.iter().map(PathBuf::as_path).filter(|path| path.is_file())
    }

    /// Files that were looked for, there or not.
    pub fn looked_for(&self) -> &[PathBuf] {
        &self.looked_for
    }
}

impl Loader for Files {
    fn root(&self) -> String {
        self.root.clone()
    }

    fn find(&mut self, path: &str, from: &str) -> Result<String, LoadFault> {
        let folder = self.folders.get(from).cloned().unwrap_or_default();
        let tried = folder.join(path);
        if !self.looked_for.contains(&tried) {
            self.looked_for.push(tried.clone());
        }
        match std::fs::metadata(&tried) {
            Err(error) => {
                let meant = similar(&tried).map(|name| Path::new(path).with_file_name(name));
                // Strings of the language are written with `/` everywhere.
                let closest = meant.map(|path| path.display().to_string().replace('\\', "/"));
                Err(LoadFault { closest, ..fault(&tried, reason(&error)) })
            }
            Ok(found) if found.is_dir() => Err(fault(&tried, "it is a folder".to_owned())),
            Ok(_) => {
                let key = key(&tried);
                let folder = tried.parent().unwrap_or_else(|| Path::new("")).to_owned();
                self.folders.entry(key.clone()).or_insert(folder);
                self.paths.entry(key.clone()).or_insert(tried);
                Ok(key)
            }
        }
    }

    fn read(&mut self, file: &str) -> Result<String, LoadFault> {
        let path = self.paths.get(file).map_or(Path::new(file), PathBuf::as_path);
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(path);
        // One byte more than is allowed tells that it is too large, even of a pipe.
        opened
            .and_then(|opened| opened.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| fault(path, reason(&error)))?;
        if bytes.len() > MAX_SOURCE_BYTES {
            return Err(fault(path, format!("it is larger than {} MiB", MAX_SOURCE_BYTES >> 20)));
        }
        String::from_utf8(bytes).map_err(|_| fault(path, "it is not UTF-8 text".to_owned()))
    }
}

/// The name of a `.nn` file in the same folder that is nearly that of `path`.
pub fn similar(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".nn"))
        .collect();
    names.sort_unstable();
    closest(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The system's reason without its number, beginning in lower case as all messages do.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Two paths to one file have one key.
fn key(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

fn fault(path: &Path, reason: String) -> LoadFault {
    LoadFault { tried: path.display().to_string(), reason, closest: None }
}
