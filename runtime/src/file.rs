//! Files that are written whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// Writes a file so that at any moment either the old one or the new one is there, whole: to a file beside it that is
/// flushed to the disk and then takes its name. What is not a plain file, such as `/dev/null`, is written directly.
///
/// # Errors
/// E0417; the old file is then as it was, and nothing is left beside it.
pub fn write_atomic(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    write_whole(path, content).map_err(|error| Error::write(path, &error))
}

/// Whether a file can be written, found out before there is something to write: an hour of training, for one.
///
/// # Errors
/// E0417; nothing is changed either way.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    let check = || {
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"))
            }
            Ok(metadata) if !metadata.is_file() => Ok(()),
            _ => fs::remove_file(create_beside(path)?.0),
        }
    };
    check().map_err(|error| Error::write(path, &error))
}

fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A link is followed: it is the file it points to that is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return fill(&mut OpenOptions::new().write(true).open(path)?, content);
    }
    let (beside, file) = create_beside(path)?;
    let written = write_and_rename(&beside, file, path, content);
    if written.is_err() {
        // The fault that matters is the first one.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_and_rename(
    beside: &Path,
    mut file: File,
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if let Ok(old) = fs::metadata(path) {
        // The new file may be read by whom the old one could; where that cannot be set, it is not worth failing.
        let _ = file.set_permissions(old.permissions());
    }
    fill(&mut file, content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(beside, path)?;
    sync_folder(path);
    Ok(())
}

fn fill(file: &mut File, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    content(&mut writer)?;
    writer.flush()
}

/// A new file in the same folder, under a name that no other writer uses.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    /// Names that are tried: a process that was killed, of the same number as this one, may have left files behind.
    const TRIES: usize = 1000;
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
    };
    for _ in 0..TRIES {
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let beside = path.with_file_name(beside);
        match OpenOptions::new().write(true).create_new(true).open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (beside, file)),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many unfinished files are left beside it"))
}

/// The new name is on the disk only when its folder is. Not every system allows it, and the file is whole either way.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
