//! Folders of images: read as their classes, and refused with what is wrong with them.
#![cfg(feature = "images")]

mod common;

use std::fs;
use std::path::Path;

use common::{assert_tells, classifier, regressor};
use nnc_runtime::Error;
use nnc_runtime::data::images::{ImageOptions, decode, read, read_inputs, read_like};
use nnc_runtime::data::{DataSet, Targets};
use nnc_runtime::model::ModelInfo;

const RAW: ImageOptions = ImageOptions { scale: 1.0, classes: Vec::new() };

/// A PNG of 2 columns.
fn png(color: png::ColorType, values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let height = values.len() / color.samples() / 2;
    let mut encoder = png::Encoder::new(&mut bytes, 2, height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(values)).expect("it can be written");
    bytes
}

fn grey(values: &[u8]) -> Vec<u8> {
    png(png::ColorType::Grayscale, values)
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder can be made");
        fs::write(path, bytes).expect("a file can be written");
    }
    folder
}

/// A model of grey images of 1 by 2.
fn small(classes: usize) -> ModelInfo {
    ModelInfo { input: &[1, 1, 2], ..classifier(2, classes) }
}

fn cats_and_dogs() -> tempfile::TempDir {
    folder(&[("dog/b.png", grey(&[5, 6])), ("dog/a.png", grey(&[3, 4])), ("cat/z.png", grey(&[1, 2]))])
}

fn fault(files: &[(&str, Vec<u8>)], info: &ModelInfo) -> Error {
    let folder = folder(files);
    read(folder.path(), &RAW, info).expect_err("it does not fit")
}

fn raw(path: &Path, info: &ModelInfo) -> DataSet {
    read(path, &RAW, info).expect("it can be read")
}

#[test]
fn a_folder_is_a_class() {
    let folder = cats_and_dogs();
    let data = raw(folder.path(), &small(2));
    assert_eq!(data.inputs, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(data.targets, Targets::Classes(vec![0, 1, 1]));
    assert_eq!(data.class_names(), ["cat", "dog"]);
    let scaled = read(folder.path(), &ImageOptions::default(), &small(2)).unwrap();
    assert_eq!(scaled.inputs[2], 3.0 * (1.0 / 255.0));
    // One output is 0 or 1.
    let one = ModelInfo { input: &[1, 2], ..regressor(2, 1) };
    assert_eq!(raw(folder.path(), &one).targets, Targets::Values(vec![0.0, 1.0, 1.0], 1));
}

#[test]
fn numbers_are_in_their_order_and_classes_can_be_chosen() {
    let folder =
        folder(&[("10/a.png", grey(&[1, 1])), ("9/a.png", grey(&[2, 2])), ("1/a.png", grey(&[3, 3]))]);
    assert_eq!(raw(folder.path(), &small(3)).class_names(), ["1", "9", "10"]);
    let options = ImageOptions { classes: vec!["10".to_owned(), "1".to_owned()], ..RAW };
    let data = read(folder.path(), &options, &small(2)).unwrap();
    assert_eq!((data.inputs, data.targets), (vec![1.0, 1.0, 3.0, 3.0], Targets::Classes(vec![0, 1])));
}

#[test]
fn the_input_says_the_channels() {
    let color = png(png::ColorType::Rgb, &[10, 20, 30, 40, 50, 60]);
    let folder = folder(&[("a/x.png", color), ("b/x.png", grey(&[7, 8]))]);
    let colored = ModelInfo { input: &[3, 1, 2], ..classifier(6, 2) };
    let expected = [10., 40., 20., 50., 30., 60., 7., 8., 7., 8., 7., 8.];
    assert_eq!(raw(folder.path(), &colored).inputs, expected);
    let found = raw(folder.path(), &small(2)).inputs;
    assert!((found[0] - 18.15).abs() < 1e-4 && (found[1] - 48.15).abs() < 1e-4, "{found:?}");
}

#[test]
fn other_rows_are_read_with_the_classes_of_training() {
    let names = ["bird", "dog", "cat"].map(str::to_owned);
    let folder = cats_and_dogs();
    let data = read_like(folder.path(), &names, &RAW, &small(3)).unwrap();
    assert_eq!(data.targets, Targets::Classes(vec![1, 1, 2]));
    let error = read_like(folder.path(), &names[..2], &RAW, &small(2)).unwrap_err();
    assert_tells(&error, "E0409", &["`cat`", "`bird`, `dog`"]);
    let (data, files) = read_inputs(&folder.path().join("dog"), &RAW, &small(3)).unwrap();
    assert_eq!(
        (data.inputs, files),
        (vec![3.0, 4.0, 5.0, 6.0], vec!["a.png".to_owned(), "b.png".to_owned()])
    );
}

#[test]
fn images_that_do_not_fit_are_errors() {
    let ok = || ("a/x.png", grey(&[1, 2]));
    let error = fault(&[ok(), ("b/tall.png", grey(&[1, 2, 3, 4]))], &small(2));
    assert_tells(&error, "E0416", &["tall.png", "1 by 2", "found 2 by 2", "x.png` is 1 by 2"]);
    let error = fault(&[("a/tall.png", grey(&[1, 2, 3, 4])), ("b/x.png", grey(&[1, 2]))], &small(2));
    assert_tells(&error, "E0416", &["tall.png", "found 2 by 2", "declare `input [1, 2, 2]`"]);
    let five = ModelInfo { input: &[5, 1, 2], ..classifier(10, 2) };
    let error = fault(&[ok(), ("b/x.png", grey(&[1, 2]))], &five);
    assert_tells(&error, "E0416", &["expected 5 channels", "found 1", "`input [3, 1, 2]`"]);
    let error = fault(&[ok(), ("b/x.png", png(png::ColorType::Rgba, &[0; 8]))], &small(2));
    assert_tells(&error, "E0416", &["expected 1 channel", "found 4", "transparent"]);
    let error = fault(&[ok(), ("b/x.png", grey(&[1, 2]))], &classifier(2, 2));
    assert_tells(&error, "E0416", &["x.png", "declare `input [1, 1, 2]`"]);
    let error = fault(&[ok(), ("b/x.png", grey(&[1, 2]))], &small(3));
    assert_tells(&error, "E0416", &["has 2 classes, model `Net` has 3", "`a`, `b`", "dense(2)"]);
}

#[test]
fn what_is_no_image_is_named() {
    let ok = || ("a/x.png", grey(&[1, 2]));
    let error = fault(&[ok(), ("b/notes.txt", b"hello".to_vec())], &small(2));
    assert_tells(&error, "E0415", &["notes.txt", "is not an image"]);
    let mut cut = grey(&[1, 2]);
    cut.truncate(45);
    assert_tells(&fault(&[ok(), ("b/cut.png", cut)], &small(2)), "E0415", &["cut.png", "is damaged"]);
    let jpeg = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    let error = fault(&[ok(), ("b/cut.jpg", jpeg)], &small(2));
    if cfg!(feature = "jpeg") {
        assert_tells(&error, "E0415", &["cut.jpg", "is damaged"]);
    } else {
        assert_tells(&error, "E0501", &["cut.jpg", "is a JPEG", "--features jpeg"]);
    }
    let error = fault(&[ok(), ("stray.png", grey(&[1, 2]))], &small(2));
    assert_tells(&error, "E0415", &["stray.png", "beside the folders"]);
    assert_tells(&fault(&[ok()], &small(2)), "E0410", &["1 class", "two to tell apart"]);
    let empty = folder(&[ok()]);
    fs::create_dir(empty.path().join("b")).expect("a folder can be made");
    assert_tells(&read(empty.path(), &RAW, &small(2)).unwrap_err(), "E0410", &["class `b`", "empty"]);
    let error = read(&empty.path().join("none"), &RAW, &small(2)).unwrap_err();
    assert_tells(&error, "E0414", &["none"]);
}

/// A file of `tests/data/images`, which its `make.py` has written.
fn stored(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/images").join(name)
}

/// What a stored PNG holds, channel by channel of each pixel.
fn picture(pixel: impl Fn(usize, usize) -> Vec<usize>) -> Vec<f32> {
    (0..7)
        .flat_map(|y| (0..9).flat_map(|x| pixel(y, x)).collect::<Vec<_>>())
        .map(|value| value as f32)
        .collect()
}

fn color(y: usize, x: usize) -> Vec<usize> {
    vec![20 * y + 3 * x, 255 - 25 * x, 5 * x * y]
}

#[test]
fn every_kind_of_png_is_read() {
    let grey = |y, x| vec![30 * y + 5 * x];
    let with = |pixel: &dyn Fn(usize, usize) -> Vec<usize>, alpha: &dyn Fn(usize, usize) -> usize| {
        picture(|y, x| [pixel(y, x), vec![alpha(y, x)]].concat())
    };
    let cases: Vec<(&str, usize, Vec<f32>)> = vec![
        ("grey8", 1, picture(grey)),
        ("grey8_interlaced", 1, picture(grey)),
        ("grey16", 1, picture(grey)),
        ("grey1", 1, picture(|y, x| vec![(y + x) % 2 * 255])),
        ("grey4", 1, picture(|y, x| vec![(y + x) % 16 * 17])),
        ("rgb8", 3, picture(color)),
        ("rgb8_interlaced", 3, picture(color)),
        ("rgb16", 3, picture(color)),
        ("grey_alpha8", 2, with(&grey, &|_, _| 255)),
        ("rgba8", 4, with(&color, &|_, _| 255)),
        ("rgba8_clear", 4, with(&color, &|_, x| 255 - 10 * x)),
        ("palette8", 3, picture(color)),
        ("palette8_interlaced", 3, picture(color)),
        ("palette2", 3, picture(|y, x| color(0, (y + x) % 4))),
        ("palette8_clear", 4, with(&color, &|y, x| [0, 128].get(9 * y + x).copied().unwrap_or(255))),
    ];
    for (name, channels, expected) in cases {
        let image = decode(&stored(&format!("{name}.png"))).expect(name);
        assert_eq!((image.channels, image.height, image.width), (channels, 7, 9), "{name}");
        assert_eq!(image.values, expected, "{name}");
    }
}

#[test]
fn a_png_that_ends_anywhere_is_damaged() {
    for name in ["grey8.png", "rgb8_interlaced.png", "palette2.png"] {
        let whole = fs::read(stored(name)).expect(name);
        let folder = folder(&[]);
        let path = folder.path().join("cut.png");
        // The last 16 bytes are the sum of the data and the mark of the end, which nothing depends on.
        for len in 8..whole.len() - 16 {
            fs::write(&path, &whole[..len]).expect("a file can be written");
            let error = decode(&path).expect_err(name);
            assert_tells(&error, "E0415", &["cut.png", "is damaged"]);
        }
        // A pixel that is not what was written.
        let mut other = whole.clone();
        other[whole.len() - 20] ^= 0x55;
        fs::write(&path, &other).expect("a file can be written");
        assert_eq!(decode(&path).expect_err(name).code, "E0415", "{name}");
    }
}

#[cfg(feature = "jpeg")]
#[test]
fn jpeg_is_read_in_color_and_grey() {
    for name in ["rgb.jpg", "rgb_progressive.jpg"] {
        let image = decode(&stored(name)).expect(name);
        assert_eq!((image.channels, image.height, image.width), (3, 8, 16), "{name}");
        for (n, pixel) in image.values.chunks_exact(3).enumerate() {
            let expected = if n % 16 < 8 { [200.0, 30.0, 40.0] } else { [20.0, 60.0, 220.0] };
            // JPEG rounds colors on their way there and back.
            let near = pixel.iter().zip(expected).all(|(found, wanted)| (found - wanted).abs() <= 4.0);
            assert!(near, "{name}, pixel {n}: {pixel:?}");
        }
    }
    let image = decode(&stored("grey.jpg")).expect("it can be read");
    assert_eq!((image.channels, image.values.len()), (1, 128));
    assert!(image.values.iter().all(|value| (value - 77.0).abs() <= 1.0), "{:?}", image.values);
}

#[cfg(feature = "jpeg")]
#[test]
fn a_jpeg_that_ends_early_is_damaged() {
    let whole = fs::read(stored("rgb.jpg")).expect("it is there");
    let folder = folder(&[]);
    let path = folder.path().join("cut.jpg");
    // Within its tables, and within the picture.
    for len in [3, 20, whole.len() / 2, whole.len() - 12] {
        fs::write(&path, &whole[..len]).expect("a file can be written");
        let error = decode(&path).expect_err("it is cut");
        assert_tells(&error, "E0415", &["cut.jpg", "is damaged"]);
    }
}
