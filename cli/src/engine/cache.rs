//! Compiled code by content: what was compiled once is not compiled again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use nnc_runtime::Error;

/// Folders in which entries are being made.
const MAKING: &str = "making-";
/// How long a folder may be made before it counts as left over.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Entries that are kept: those that were used last.
const MOST_ENTRIES: usize = 256;

/// The folder that compiled code is kept in: `$NNC_CACHE_DIR`, else `nnc` in the user's cache folder. It is absolute, for
/// rustc runs in a folder of its own.
///
/// # Errors
/// E0417 when the user has none. What is in it is run: a folder where others may write, as that for temporary files, will
/// not do.
pub fn folder() -> Result<PathBuf, Error> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("NNC_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("nnc")))
        .or_else(|| variable("LOCALAPPDATA").map(|folder| folder.join("nnc")))
        .or_else(|| std::env::home_dir().map(|folder| folder.join(".cache").join("nnc")))
        .ok_or_else(|| {
            Error::new("E0417", "there is no folder for compiled code: no user's folder is known")
                .help("set `NNC_CACHE_DIR` to a folder where you alone can write")
        })?;
    Ok(std::path::absolute(&folder).unwrap_or(folder))
}

/// The file `name` in the folder of `key`: made by `make`, unless it is there.
///
/// `make` is given a folder of its own, which takes its place in the cache whole: two programs may make the same entry
/// at the same time, and neither sees a half of it.
///
/// # Errors
/// E0417 when the cache cannot be written, and what `make` reports.
pub fn entry<E: From<Error>>(
    key: &str,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let folder = folder()?;
    let place = folder.join(key);
    let file = place.join(name);
    if file.is_file() {
        // That it was used: it may be on a disk that cannot be written to.
        let _ = std::fs::File::open(&file).and_then(|file| file.set_modified(SystemTime::now()));
        return Ok(file);
    }
    remove_leftovers(&folder);
    remove_oldest(&folder, name);
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let room = folder.join(format!("{MAKING}{}-{number}", std::process::id()));
    std::fs::create_dir_all(&room).map_err(|error| Error::write(&room, &error))?;
    let made = make(&room).and_then(|()| match std::fs::rename(&room, &place) {
        Ok(()) => Ok(()),
        // Somebody else was faster, and made the same.
        Err(_) if file.is_file() => Ok(()),
        Err(error) => Err(Error::write(&place, &error).into()),
    });
    if room.is_dir() && made.is_ok() {
        // Left over from the race; what is in it is in the cache already.
        let _ = std::fs::remove_dir_all(&room);
    }
    made.map(|()| file)
}

/// Makes room for an entry whose file is called so: of all with such a file, those that were not used for longest go.
fn remove_oldest(folder: &Path, name: &str) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut used: Vec<(SystemTime, PathBuf)> = entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with(MAKING))
        .filter_map(|entry| {
            let place = entry.path();
            Some((place.join(name).metadata().ok()?.modified().ok()?, place))
        })
        .collect();
    used.sort();
    let surplus = (used.len() + 1).saturating_sub(MOST_ENTRIES);
    for (_, place) in used.into_iter().take(surplus) {
        // Where a program runs what is in it, a system may not let go of it.
        let _ = std::fs::remove_dir_all(place);
    }
}

/// Removes what programs that were killed, and code that did not compile, left behind a day ago.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_old = || {
            let age = entry.metadata().ok()?.modified().ok()?.elapsed().ok()?;
            Some(age > LONGEST)
        };
        if entry.file_name().to_string_lossy().starts_with(MAKING) && is_old() == Some(true) {
            // Another program may be doing the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
