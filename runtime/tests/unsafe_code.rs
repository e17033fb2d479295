//! `unsafe` is where the architecture says that it is, and nowhere else.

use std::fs;
use std::path::Path;

/// Folders end with a slash. `docs/architecture.md` lists them, as an invariant.
fn permitted() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/architecture.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let line =
        page.lines().find(|line| line.contains("`unsafe` is in the runtime's")).expect("the invariant");
    let (_, list) = line.split_once("the runtime's").expect("it was found by this");
    let (list, _) = list.split_once("and in the command's").expect("what the command has comes last");
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn sources(folder: &Path, root: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, root, files);
        } else {
            let name = path.strip_prefix(root).expect("it is within").to_string_lossy().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).expect("a text")));
        }
    }
}

#[test]
fn unsafe_code_is_where_the_architecture_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &root, &mut files);
    let with: Vec<&str> = files
        .iter()
        .filter(|(_, text)| {
            ["allow(unsafe_code", "unsafe impl", "unsafe {"].iter().any(|word| text.contains(word))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let permitted = permitted();
    let covers =
        |place: &str, name: &str| if place.ends_with('/') { name.starts_with(place) } else { name == place };
    for name in &with {
        assert!(permitted.iter().any(|place| covers(place, name)), "{name} is not among {permitted:?}");
    }
    for place in &permitted {
        assert!(with.iter().any(|name| covers(place, name)), "nothing in {place} has unsafe code");
    }
}
