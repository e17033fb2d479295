//! `use "my.nn"` and `import Base from "base.nn"`: the files that a text uses, and those that they use.
//!
//! The compiler reads no file itself: a [`Loader`] is handed in and turns a path as written into a text. Each file is
//! read once, however many use it. What comes out is ordered: a file stands behind all that it uses.

use std::collections::{BTreeMap, BTreeSet};

use nnc_grammar::ast::{Ast, Item, Text};
use nnc_grammar::diagnostic::{self, Code, Diagnostic, Suggestion};
use nnc_grammar::span::{FileId, SourceMap, Span};

/// How deep files may use each other.
const DEEPEST: usize = 64;

/// Finds the texts that paths stand for.
pub trait Loader {
    /// What tells the text that compilation begins with from all others; empty where it is no file.
    fn root(&self) -> String {
        String::new()
    }

    /// What tells the file that `path` means in the file `from` from all others, however its path is written. `from`
    /// is what this function, or [`Loader::root`], returned for that file.
    ///
    /// # Errors
    /// When there is no such file.
    fn find(&mut self, path: &str, from: &str) -> Result<String, LoadFault>;

    /// The text of a file that was found. It is asked for once.
    ///
    /// # Errors
    /// When it cannot be read, or is no text.
    fn read(&mut self, file: &str) -> Result<String, LoadFault>;
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFault {
    /// Where it was looked for.
    pub tried: String,
    /// What went wrong: `no such file`.
    pub reason: String,
    /// The path that may be meant, as it would be written.
    pub closest: Option<String>,
}

/// Where nothing but the text itself can be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn find(&mut self, path: &str, _from: &str) -> Result<String, LoadFault> {
        self.read(path)
    }

    fn read(&mut self, file: &str) -> Result<String, LoadFault> {
        let reason = "no other file can be read here".to_owned();
        Err(LoadFault { tried: file.to_owned(), reason, closest: None })
    }
}

/// Files in memory by their paths, as tests and programs without a file system have them.
///
/// ```
/// use nnc_compiler::load::Texts;
/// use nnc_compiler::{Options, compile_with};
///
/// let mut texts = Texts::new("models/net.nn");
/// texts.add("shared/bent.nn", "activation bent(x) = if x > 0 { x } else { 0.3 * x }");
/// let text = "use \"../shared/bent.nn\"  model Net { input [4] dense(3) -> bent }";
/// let compilation = compile_with("models/net.nn", text, &Options::default(), &mut texts);
/// assert!(compilation.diagnostics.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Texts {
    root: String,
    texts: BTreeMap<String, String>,
}

impl Texts {
    /// No files beside the one that compilation begins with, whose path is `root`.
    pub fn new(root: &str) -> Self {
        Self { root: root.to_owned(), texts: BTreeMap::new() }
    }

    /// Adds a file.
    pub fn add(&mut self, path: &str, text: &str) {
        self.texts.insert(path.to_owned(), text.to_owned());
    }
}

impl Loader for Texts {
    fn root(&self) -> String {
        self.root.clone()
    }

    fn find(&mut self, path: &str, from: &str) -> Result<String, LoadFault> {
        let file = relative(from, path);
        self.read(&file).map(|_| file)
    }

    fn read(&mut self, file: &str) -> Result<String, LoadFault> {
        self.texts.get(file).cloned().ok_or_else(|| {
            let closest = diagnostic::closest(file, self.texts.keys().map(String::as_str)).map(str::to_owned);
            LoadFault { tried: file.to_owned(), reason: "no such file".to_owned(), closest }
        })
    }
}

/// What `path` means in the file `from`, by the words alone: `relative("models/net.nn", "../shared/bent.nn")` is
/// `shared/bent.nn`.
pub fn relative(from: &str, path: &str) -> String {
    let is_separator = |c: char| c == '/' || cfg!(windows) && c == '\\';
    if path.starts_with(is_separator) || cfg!(windows) && path.get(1..2) == Some(":") {
        return path.to_owned();
    }
    let folder = from.rfind(is_separator).and_then(|at| from.get(..=at)).unwrap_or("");
    let start = if folder.starts_with(is_separator) { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split(is_separator).chain(path.split(is_separator)) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{start}{}", parts.join("/"))
}

/// A file that is used, or of which a model is imported.
#[derive(Debug, Clone)]
pub struct Used {
    /// The file.
    pub file: FileId,
    /// Its syntax tree. Only its definitions are used: models, `data` and `train` are its own.
    pub ast: Ast,
    /// The item in the text that compilation began with through which it was reached first.
    pub site: Span,
}

/// What a text uses.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    /// All files, each behind those that it uses.
    pub files: Vec<Used>,
    /// The items of the text that compilation began with, with the file that each means.
    pub direct: Vec<(Span, FileId)>,
    /// Whether every file could be read and none uses itself; else any name may be missing for that.
    pub is_complete: bool,
    /// Imports of all files, each with the file that it means.
    pub imports: Vec<(Span, FileId)>,
    /// The file that compilation began with.
    root: FileId,
    /// Files that each file can see: those that it uses, and those that they use. What is imported is not among them.
    reach: BTreeMap<FileId, BTreeSet<FileId>>,
}

impl Uses {
    /// Whether the definitions of `other` can be seen in `file`.
    pub fn sees(&self, file: FileId, other: FileId) -> bool {
        file == other || self.reach.get(&file).is_some_and(|reach| reach.contains(&other))
    }

    /// Whether the text that compilation began with sees the definitions of `file`.
    pub fn root_sees(&self, file: FileId) -> bool {
        self.sees(self.root, file)
    }

    /// Whether there is a file that sees the definitions of both: they cannot share a name there.
    pub fn are_seen_together(&self, one: FileId, other: FileId) -> bool {
        let mut files = self.reach.keys();
        files.any(|file| self.sees(*file, one) && self.sees(*file, other))
    }

    /// Whether a file is there for the sake of its model alone.
    pub fn is_imported(&self, file: FileId) -> bool {
        self.tree(file).is_some() && !self.root_sees(file)
    }

    /// The file that compilation began with.
    pub fn root(&self) -> FileId {
        self.root
    }

    /// The tree of a file that is used or imported.
    pub fn tree(&self, file: FileId) -> Option<&Ast> {
        self.files.iter().find(|used| used.file == file).map(|used| &used.ast)
    }

    /// The item in the text that compilation began with by which `file` is there.
    pub fn site(&self, file: FileId) -> Option<Span> {
        self.files.iter().find(|used| used.file == file).map(|used| used.site)
    }
}

/// Reads everything that the file `root` uses.
///
/// # Errors, as diagnostics
/// E0414 for a file that cannot be read, E0222 for files that use each other in a circle, E0502 for a chain of files
/// that is too long, the faults of syntax of each file, and the warning W0102 for a file that is used twice.
pub fn load(
    sources: &mut SourceMap,
    root: FileId,
    ast: &Ast,
    loader: &mut dyn Loader,
) -> (Uses, Vec<Diagnostic>) {
    let key = loader.root();
    let uses = Uses { is_complete: true, root, ..Uses::default() };
    let known = BTreeMap::from([(key.clone(), root)]);
    let mut walk = Walk { sources, loader, uses, known, stack: Vec::new(), diagnostics: Vec::new() };
    walk.file(root, &key, ast);
    (walk.uses, walk.diagnostics)
}

struct Walk<'a> {
    sources: &'a mut SourceMap,
    loader: &'a mut dyn Loader,
    uses: Uses,
    /// Files by what tells them apart.
    known: BTreeMap<String, FileId>,
    /// Files that are being read, outermost first, with the item that is being followed.
    stack: Vec<(FileId, Span)>,
    diagnostics: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn file(&mut self, file: FileId, key: &str, ast: &Ast) {
        let mut reach = BTreeSet::new();
        let mut direct: Vec<(FileId, Span)> = Vec::new();
        for item in &ast.items {
            let (path, span) = match item {
                Item::Use(include) => (&include.path, include.span),
                Item::Import(import) => (&import.path, import.span),
                _ => continue,
            };
            let Some(used) = self.follow(file, key, path, span) else {
                self.uses.is_complete = false;
                continue;
            };
            if matches!(item, Item::Import(_)) {
                self.uses.imports.push((span, used));
                continue;
            }
            if let Some((_, first)) = direct.iter().find(|(first, _)| *first == used) {
                let diagnostic = Diagnostic::new(
                    Code::W0102,
                    format!("`{}` is used twice", path.value),
                    span,
                    "this changes nothing",
                );
                self.diagnostics.push(diagnostic.with_label(*first, "used here already"));
                continue;
            }
            direct.push((used, span));
            reach.insert(used);
            reach.extend(self.uses.reach.get(&used).into_iter().flatten().copied());
        }
        self.uses.reach.insert(file, reach);
        if self.stack.is_empty() {
            self.uses.direct = direct.into_iter().map(|(file, span)| (span, file)).collect();
        }
    }

    /// The file that an item means, read if it was not before. `None` after a report.
    fn follow(&mut self, from: FileId, from_key: &str, path: &Text, item: Span) -> Option<FileId> {
        let found = self.loader.find(&path.value, from_key);
        let key = found.map_err(|fault| self.diagnostics.push(unreadable(path, fault))).ok()?;
        if let Some(file) = self.known.get(&key).copied() {
            let is_open = file == from || self.stack.iter().any(|(open, _)| *open == file);
            if is_open {
                self.report_circle(file, path.span);
                return None;
            }
            return Some(file);
        }
        if self.stack.len() >= DEEPEST {
            let text = "this file is too deep";
            let diagnostic = Diagnostic::new(Code::E0502, "files use each other too deeply", path.span, text)
                .with_note(format!("a file may be reached through {DEEPEST} others"));
            self.diagnostics.push(diagnostic);
            return None;
        }
        let from_name = self.sources.get(from).map_or_else(String::new, |file| file.name.clone());
        let read = self.loader.read(&key);
        let text = read.map_err(|fault| self.diagnostics.push(unreadable(path, fault))).ok()?;
        let file = self.sources.add(relative(&from_name, &path.value), text);
        self.known.insert(key.clone(), file);
        let parsed = nnc_grammar::parse(self.sources, file);
        self.diagnostics.extend(parsed.diagnostics);
        let site = self.stack.first().map_or(item, |(_, site)| *site);
        self.stack.push((from, item));
        self.file(file, &key, &parsed.ast);
        self.stack.pop();
        self.uses.files.push(Used { file, ast: parsed.ast, site });
        Some(file)
    }

    fn report_circle(&mut self, file: FileId, span: Span) {
        let name = |file: FileId| self.sources.get(file).map_or("", |file| file.name.as_str());
        let around: Vec<(FileId, Span)> =
            self.stack.iter().skip_while(|(open, _)| *open != file).copied().collect();
        let message = format!("`{}` uses itself", name(file));
        let diagnostic = if around.is_empty() {
            Diagnostic::new(Code::E0222, message, span, "this is the file itself")
                .with_help("a file sees its own definitions: take this line out")
        } else {
            let mut way: Vec<String> = around.iter().map(|(file, _)| format!("`{}`", name(*file))).collect();
            way.push(format!("`{}`", name(span.file)));
            way.push(format!("`{}`", name(file)));
            let label = format!("`{}` is used again", name(file));
            let mut diagnostic = Diagnostic::new(Code::E0222, message, span, label);
            let next = around.iter().skip(1).map(|(file, _)| *file).chain([span.file]);
            for ((_, span), used) in around.iter().zip(next) {
                diagnostic = diagnostic.with_label(*span, format!("uses `{}`", name(used)));
            }
            diagnostic
                .with_note(way.join(" uses "))
                .with_help("put the definitions that both need into a file of their own, which both use")
        };
        self.diagnostics.push(diagnostic);
    }
}

fn unreadable(path: &Text, fault: LoadFault) -> Diagnostic {
    let message = format!("cannot read `{}`: {}", path.value, fault.reason);
    let mut diagnostic = Diagnostic::new(Code::E0414, message, path.span, format!("tried `{}`", fault.tried));
    match fault.closest {
        Some(closest) => {
            diagnostic = diagnostic.with_help(format!("did you mean `{closest}`?"));
            diagnostic.suggestion =
                Some(Suggestion { span: path.span, replacement: nnc_grammar::quoted(&closest) });
            diagnostic
        }
        None => diagnostic.with_note("the path is relative to the file that uses it"),
    }
}

#[cfg(test)]
mod tests;
