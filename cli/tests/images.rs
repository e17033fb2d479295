//! Folders of images: trained on, measured, predicted, and refused.

mod common;

use std::fs;

use common::{Folder, repository};

const BRIGHT: &str = r#"model Bright {
    input [1, 2, 2]
    flatten
    head: dense(2)
    loss cross_entropy
    optimizer adam(lr = 0.1)
}

data {
    images "photos"
    test "others"
}

train {
    epochs 40
    batch 2
}
"#;

/// A grey PNG of 2 by 2 pixels of one brightness: deflate stores four bytes and two filters as they are.
fn png(value: u8) -> Vec<u8> {
    let rows = [0, value, value, 0, value, value];
    let mut data = vec![0x78, 0x01, 1, 6, 0, 0xf9, 0xff];
    data.extend(rows);
    let (a, b) = rows.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    data.extend((b << 16 | a).to_be_bytes());
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in
        [(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 2, 8, 0, 0, 0, 0][..]), (b"IDAT", &data), (b"IEND", &[])]
    {
        bytes.extend((content.len() as u32).to_be_bytes());
        let from = bytes.len();
        bytes.extend(kind);
        bytes.extend(content);
        let sum = bytes[from..].iter().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xedb8_8320 * (sum & 1)))
        });
        bytes.extend((!sum).to_be_bytes());
    }
    bytes
}

fn put(folder: &Folder, name: &str, content: &[u8]) {
    let path = folder.path(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder can be made");
    fs::write(path, content).expect("a file can be written");
}

/// Light and dark images to train on, and two of the test.
fn folder() -> Folder {
    let folder = Folder::new().with("bright.nn", BRIGHT);
    for n in 0..3 {
        put(&folder, &format!("photos/dark/{n}.png"), &png(10 + n));
        put(&folder, &format!("photos/light/{n}.png"), &png(240 + n));
    }
    put(&folder, "others/dark/x.png", &png(30));
    put(&folder, "others/light/x.png", &png(220));
    folder
}

#[test]
fn a_folder_of_images_is_trained_on_and_predicted() {
    let folder = folder();
    let trained = folder.run(&["train", "bright.nn", "--message-format", "json"]).ok().event("finished");
    assert_eq!(trained["test_accuracy"], 1.0, "{trained}");
    let evaluated = folder.run(&["eval", "bright.nn", "--message-format", "json"]).ok().event("evaluated");
    assert_eq!((&evaluated["part"], &evaluated["accuracy"]), (&"test".into(), &1.0.into()), "{evaluated}");
    put(&folder, "new/b.png", &png(200));
    put(&folder, "new/a.png", &png(0));
    let predicted = folder.run(&["predict", "bright.nn", "--input", "new"]).ok().out;
    let fields: Vec<Vec<&str>> = predicted.lines().map(|line| line.split(',').take(2).collect()).collect();
    assert_eq!(fields, [["file", "class"], ["a.png", "dark"], ["b.png", "light"]]);
    assert!(predicted.starts_with("file,class,p_dark,p_light\n"), "{predicted}");
    let one = folder.run(&["predict", "bright.nn", "--input", "new/b.png"]).ok().out;
    assert_eq!(one.lines().last(), predicted.lines().last());
    folder.fails(&["predict", "bright.nn"], "E0414").says("--input");
    folder.fails(&["predict", "bright.nn", "--input", "bright.nn"], "E0415").says("is not an image");
}

#[test]
fn folders_that_cannot_be_used_are_told() {
    let folder = folder().with("none.nn", BRIGHT.replace("\"photos\"", "\"phots\""));
    folder.fails(&["train", "none.nn"], "E0414").says("phots");
    let flat = Folder::new().with("bright.nn", BRIGHT).with("a.png", png(1));
    put(&flat, "photos/a.png", &png(1));
    flat.fails(&["train", "bright.nn"], "E0415").says("beside the folders of the classes");
    let folder = folder.with("wide.nn", BRIGHT.replace("[1, 2, 2]", "[1, 2, 3]"));
    folder.fails(&["train", "wide.nn"], "E0416").says("found 2 by 2").says("declare `input [1, 2, 2]`");
    put(&folder, "others/grey/x.png", &png(128));
    folder.fails(&["train", "bright.nn"], "E0409").says("`grey`").says("`dark`, `light`");
}

#[test]
fn the_shapes_of_the_examples_are_told_apart() {
    let folder = Folder::new();
    let model = repository("examples/shapes/shapes.nn");
    let arguments = ["train", &model, "--seed", "1", "--message-format", "json"];
    let trained = folder.run(&arguments).ok().event("finished");
    assert!(trained["test_accuracy"].as_f64().is_some_and(|share| share > 0.7), "{trained}");
}
