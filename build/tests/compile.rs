//! What a build script sees: files, and messages.

use std::path::{Path, PathBuf};

use nnc_build::{Builder, Error};

/// A model of the repository.
fn iris() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/iris/iris.nn")
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a temporary folder can be written to");
    path
}

fn failure(text: &str) -> (Error, Vec<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), "a.nn", text);
    let out = folder.path().join("out");
    std::fs::create_dir(&out).expect("a temporary folder can be written to");
    let error = Builder::new().out_dir(&out).compile(path).expect_err("the model has a fault");
    let left = std::fs::read_dir(&out).expect("the folder is there");
    (error, left.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

#[test]
fn a_model_becomes_a_file_of_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Builder::new().out_dir(folder.path()).compile(iris()).expect("the example is correct");
    let text = std::fs::read_to_string(folder.path().join("iris.rs")).expect("the file is there");
    assert!(text.starts_with("mod nnc_iris {\n"), "{text}");
    assert!(text.ends_with("\npub use nnc_iris::Iris;\n"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 1);
}

#[test]
fn a_second_run_leaves_the_file_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let date = || {
        Builder::new().out_dir(folder.path()).compile(iris()).expect("the example is correct");
        let path = folder.path().join("iris.rs");
        std::fs::metadata(path).and_then(|metadata| metadata.modified()).expect("the file is there")
    };
    assert_eq!(date(), date());
}

#[test]
fn models_of_one_name_do_not_replace_each_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sub = folder.path().join("other");
    std::fs::create_dir(&sub).expect("a temporary folder can be written to");
    let model = "model A(width = 2) { input [2] dense(width) }";
    let (first, second) = (write(folder.path(), "a.nn", model), write(&sub, "a.nn", model));
    let builder = Builder::new().out_dir(folder.path());
    builder.compile(&first).expect("it is correct");
    builder.compile(&first).expect("it may be written again");
    let told = |builder: &Builder, path: &Path| builder.compile(path).expect_err("it is there").to_string();
    let error = told(&builder, &second);
    assert!(error.contains("E0417") && error.contains(&first.display().to_string()), "{error}");
    let error = told(&builder.clone().set("width", 3), &first);
    assert!(error.contains("with other parameters") && error.contains("out_dir"), "{error}");
    builder.clone().out_dir(&sub).compile(&second).expect("it has a folder of its own");
}

#[test]
fn parameters_are_set() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), "a.nn", "model A(width) { input [2] dense(width) }");
    let builder = Builder::new().out_dir(folder.path());
    assert!(builder.clone().compile(&path).is_err());
    builder.set("width", 3).compile(&path).expect("the parameter is given");
}

#[test]
fn faults_are_shown_as_the_command_shows_them() {
    let (error, left) = failure("model A {\n    input [2]\n    danse(3)\n}\n");
    let text = error.to_string();
    assert!(text.contains("error[E0201]"), "{text}");
    assert!(text.contains("--> a.nn:3:5"), "{text}");
    assert!(text.contains("did you mean `dense`?"), "{text}");
    assert_eq!(format!("{error:?}"), text);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_missing_file_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error =
        Builder::new().out_dir(folder.path()).compile("missing.nn").expect_err("there is no such file");
    assert!(error.to_string().starts_with("E0414: cannot read `missing.nn`: no such file"), "{error}");
}

#[test]
fn the_folder_is_made_where_it_can_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sub = folder.path().join("several/wide");
    Builder::new().out_dir(&sub).compile(iris()).expect("the folder is made");
    let file = sub.join("iris.rs");
    let error = Builder::new().out_dir(&file).compile(iris()).expect_err("it is no folder");
    assert!(error.to_string().starts_with("E0417: "), "{error}");
}

#[test]
fn used_files_are_read_beside_the_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), "a.nn", "use \"bent.nn\" model A { input [2] dense(1) -> bent }");
    let builder = Builder::new().out_dir(folder.path());
    let text = builder.compile(&path).expect_err("a file is missing").to_string();
    assert!(text.contains("error[E0414]: cannot read `bent.nn`"), "{text}");
    write(folder.path(), "bent.nn", "activation bent(x) = if x > 0 { x } else { 0.3 * x }");
    builder.compile(&path).expect("the file is there");
}
