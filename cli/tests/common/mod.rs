//! A folder of its own for each test, and the command run in it.
#![allow(dead_code, reason = "each file of tests uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A model that learns from [`ROWS`].
pub const MODEL: &str = r#"model Small {
    input [2]
    hidden: dense(4) -> relu
    head: dense(2)
    loss cross_entropy
    optimizer adam(lr = 0.01)
}

data {
    csv "rows.csv"
    target kind
    split 0.75
}

train {
    epochs 2
    batch 4
    seed 3
}
"#;

/// Sixteen rows of two classes.
pub const ROWS: &str = "x,y,kind\n\
    1,1,up\n-1,-1,down\n2,1,up\n-2,-1,down\n1,2,up\n-1,-2,down\n3,1,up\n-3,-1,down\n\
    1,3,up\n-1,-3,down\n2,2,up\n-2,-2,down\n3,2,up\n-3,-2,down\n2,3,up\n-2,-3,down\n";

/// Where compiled models of all tests are kept.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("nnc-cache")
}

/// The command with the environment that tests want, in the folder `at`.
pub fn nnc(at: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnc"));
    command.current_dir(at).stdin(Stdio::null()).env("NNC_CACHE_DIR", cache());
    for name in ["NNC_SIMD", "NNC_THREADS", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// A folder that is gone after the test.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a folder can be made"))
    }

    /// One with `small.nn` and `rows.csv`: [`MODEL`] and [`ROWS`].
    pub fn small() -> Self {
        Self::new().with("small.nn", MODEL).with("rows.csv", ROWS)
    }

    /// With a file in it.
    pub fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).expect("a file can be written");
        self
    }

    /// A place in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The text of a file.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("a text")
    }

    /// The names of all files.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("the folder can be read");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The command, to be changed and run.
    pub fn nnc(&self, arguments: &[&str]) -> Command {
        let mut command = nnc(self.0.path());
        command.args(arguments);
        command
    }

    /// Runs the command.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.nnc(arguments))
    }

    /// Runs the command, which reports an error of this code and leaves the folder as it was.
    pub fn fails(&self, arguments: &[&str], code: &str) -> Ran {
        let before = self.files();
        let ran = self.run(arguments);
        ran.is_error(code);
        assert_eq!(self.files(), before, "nothing is left behind");
        ran
    }
}

/// What the command did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the command runs");
        Self::from(output)
    }

    /// It succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// It failed with this code, and said so in words.
    #[track_caller]
    pub fn is_error(&self, code: &str) {
        assert_eq!(self.code, Some(1), "{self}");
        assert!(self.err.contains(&format!("error[{code}]: ")), "expected {code}\n{self}");
    }

    /// The standard error holds a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "expected `{text}`\n{self}");
        self
    }

    /// The standard output holds a text.
    #[track_caller]
    pub fn shows(self, text: &str) -> Self {
        assert!(self.out.contains(text), "expected `{text}`\n{self}");
        self
    }

    /// The lines of the standard output, each an object.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}")))
            .collect()
    }

    /// The one event of this name.
    #[track_caller]
    pub fn event(&self, name: &str) -> Value {
        let mut events = self.events();
        events.retain(|event| event["event"] == name);
        assert_eq!(events.len(), 1, "{name}\n{self}");
        events.remove(0)
    }
}

impl From<Output> for Ran {
    #[track_caller]
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let ran = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ran.err.contains("panicked"), "{ran}");
        ran
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// A file of the repository.
pub fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).display().to_string()
}
