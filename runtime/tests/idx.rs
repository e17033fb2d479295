//! IDX files: those of MNIST, and those that are not whole.
#![cfg(feature = "data")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{assert_tells, classifier, data_file, info, regressor};
use nnc_runtime::Error;
use nnc_runtime::data::Targets;
use nnc_runtime::data::idx::{Idx, IdxKind, IdxOptions, read, read_inputs};
use nnc_runtime::model::ModelInfo;
use proptest::prelude::*;

fn idx(kind: u8, dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn parse(bytes: &[u8]) -> Result<Idx, Error> {
    Idx::from_reader(Path::new("images.idx"), bytes)
}

struct Files {
    _folder: tempfile::TempDir,
    images: PathBuf,
    labels: PathBuf,
}

fn files(images: &[u8], labels: &[u8]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let (image_file, label_file) = (folder.path().join("images.idx"), folder.path().join("labels.idx"));
    fs::write(&image_file, images).unwrap();
    fs::write(&label_file, labels).unwrap();
    Files { _folder: folder, images: image_file, labels: label_file }
}

fn read_pair(images: &[u8], labels: &[u8], info: &ModelInfo) -> Result<nnc_runtime::data::DataSet, Error> {
    let files = files(images, labels);
    read(&files.images, &files.labels, &IdxOptions::default(), info)
}

#[test]
fn the_test_images_of_mnist_are_read() {
    let (images, labels) = (data_file("t10k-images-idx3-ubyte.gz"), data_file("t10k-labels-idx1-ubyte.gz"));
    let mut model = classifier(784, 10);
    model.input = &[28, 28];
    let data = read(&images, &labels, &IdxOptions::default(), &model).unwrap();
    assert_eq!((data.rows, data.features), (10_000, 784));
    let Targets::Classes(classes) = &data.targets else { unreachable!() };
    assert_eq!(classes[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    assert_eq!(data.class_names()[9], "9");
    let greatest = data.inputs.iter().copied().fold(0.0, f32::max);
    assert_eq!(greatest, 1.0);
    // The mean of these pixels, as it is well known.
    let mean = data.inputs.iter().map(|&value| f64::from(value)).sum::<f64>() / data.inputs.len() as f64;
    assert!((mean - 0.1325).abs() < 1e-4, "{mean}");
}

#[test]
fn every_element_type_is_read() {
    for (code, data, kind, expected) in [
        (0x08, &[1, 255][..], IdxKind::U8, [1.0, 255.0]),
        (0x09, &[1, 255], IdxKind::I8, [1.0, -1.0]),
        (0x0b, &[1, 0, 255, 254], IdxKind::I16, [256.0, -2.0]),
        (0x0c, &[0, 1, 0, 0, 255, 255, 255, 253], IdxKind::I32, [65536.0, -3.0]),
        (0x0d, &[0x3f, 0x80, 0, 0, 0xbf, 0, 0, 0], IdxKind::F32, [1.0, -0.5]),
    ] {
        let file = parse(&idx(code, &[2], data)).unwrap();
        assert_eq!((file.kind, file.values().collect::<Vec<_>>()), (kind, expected.to_vec()));
    }
    let doubles = [1.5_f64, -2.5].map(f64::to_be_bytes).concat();
    assert_eq!(parse(&idx(0x0e, &[2], &doubles)).unwrap().values().collect::<Vec<_>>(), [1.5, -2.5]);
}

#[test]
fn bytes_are_scaled_and_other_types_are_not() {
    let bytes = files(&idx(8, &[1, 2], &[0, 51]), &[]);
    let read = |files: &Files, scale| {
        read_inputs(&files.images, &IdxOptions { scale, ..IdxOptions::default() }, &info(2, 1, None))
    };
    assert_eq!(read(&bytes, None).unwrap().inputs, [0.0, 0.2]);
    assert_eq!(read(&bytes, Some(1.0)).unwrap().inputs, [0.0, 51.0]);
    let words = files(&idx(0x0b, &[1, 2], &[0, 1, 0, 2]), &[]);
    assert_eq!(read(&words, None).unwrap().inputs, [1.0, 2.0]);
}

#[test]
fn labels_become_what_the_model_is_compared_with() {
    let images = idx(8, &[3, 1], &[1, 2, 3]);
    let labels = idx(8, &[3], &[2, 0, 1]);
    let of = |info: &ModelInfo| read_pair(&images, &labels, info).map(|data| data.targets);
    assert_eq!(of(&classifier(1, 3)), Ok(Targets::Classes(vec![2, 0, 1])));
    assert_eq!(of(&regressor(1, 1)), Ok(Targets::Values(vec![2.0, 0.0, 1.0], 1)));
    let one_hot = vec![0., 0., 1., 1., 0., 0., 0., 1., 0.];
    assert_eq!(of(&regressor(1, 3)), Ok(Targets::Values(one_hot, 3)));
    let error = of(&classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0416", &["label 2 of image 1", "outside the 2 classes"]);
    assert_tells(&of(&info(1, 1, None)).unwrap_err(), "E0401", &["`Net`"]);
}

#[test]
fn a_list_of_classes_leaves_the_others_aside_and_counts_from_0() {
    let files = files(&idx(8, &[4, 1], &[10, 20, 30, 40]), &idx(8, &[4], &[7, 0, 5, 7]));
    let of = |classes: &[&str], outputs| {
        let classes = classes.iter().map(ToString::to_string).collect();
        let options = IdxOptions { scale: Some(1.0), classes };
        read(&files.images, &files.labels, &options, &classifier(1, outputs))
    };
    let data = of(&["7", "5"], 2).unwrap();
    assert_eq!(data.source, files.images.display().to_string());
    assert_eq!(data.target_source, files.labels.display().to_string());
    assert_eq!((data.rows, &data.inputs[..]), (3, &[10.0, 30.0, 40.0][..]));
    assert_eq!(data.targets, Targets::Classes(vec![0, 1, 0]));
    assert_eq!(data.class_names(), ["7", "5"]);
    assert_tells(&of(&["7", "6"], 2).unwrap_err(), "E0409", &["no row of class `6`"]);
    assert_tells(&of(&["7", "5", "0"], 2).unwrap_err(), "E0416", &["outside the 2 classes"]);
}

#[test]
fn images_and_labels_that_do_not_belong_together_are_refused() {
    let images = idx(8, &[3, 1], &[1, 2, 3]);
    let error = read_pair(&images, &idx(8, &[2], &[0, 1]), &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0415", &["3 images", "2 labels", "labels that belong to the images"]);
    // The two files were swapped, or the same one was named twice.
    let error = read_pair(&images, &images, &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0415", &["expected labels in one dimension, found dimensions [3, 1]"]);
    let error = read_pair(&idx(8, &[1, 2, 2], &[0; 4]), &[], &classifier(3, 2)).unwrap_err();
    assert_tells(&error, "E0416", &["takes 3 values, found images of [2, 2]: 4", "`input [2, 2]`"]);
}

#[test]
fn elements_that_are_not_finite_are_refused() {
    let nan = idx(0x0d, &[1, 1], &f32::NAN.to_be_bytes());
    let one = idx(0x0d, &[1, 1], &1_f32.to_be_bytes());
    let labels = |value: f32| idx(0x0d, &[1], &value.to_be_bytes());
    let error = read_pair(&nan, &labels(1.0), &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0411", &["input value 1 of row 1"]);
    let error = read_pair(&one, &labels(f32::INFINITY), &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0411", &["target value 1 of row 1"]);
    let error = read_pair(&one, &labels(f32::NAN), &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0416", &["label NaN"]);
    assert_eq!(read_pair(&one, &labels(0.5), &classifier(1, 2)).unwrap_err().code, "E0416");
}

#[test]
fn a_wrong_magic_is_told() {
    let error = parse(b"\x89PNG\r\n").unwrap_err();
    assert_tells(&error, "E0415", &["is not an IDX file", "`00 00`", "`89 50 4e 47`"]);
    assert_tells(&parse(&[0, 0, 7, 1]).unwrap_err(), "E0415", &["`07` is no element type"]);
    let error = parse(&idx(8, &[], &[])).map(|file| file.values().count());
    assert!(error.is_err(), "a file of no dimension holds one element, which is not there");
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let whole = idx(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    for len in 0..whole.len() {
        let words = if len < 12 { "ends inside its header" } else { "dimensions [2, 3] need 6 bytes" };
        assert_tells(&parse(&whole[..len]).unwrap_err(), "E0415", &["images.idx", words]);
    }
    let longer = [&whole[..], &[0]].concat();
    assert_tells(&parse(&longer).unwrap_err(), "E0415", &["found more"]);
}

#[test]
fn a_truncated_gzip_file_is_refused() {
    let whole = fs::read(data_file("t10k-labels-idx1-ubyte.gz")).unwrap();
    for len in [3, 30, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let files = files(&whole[..len], &[]);
        assert_tells(&Idx::read(&files.images).unwrap_err(), "E0415", &["damaged"]);
    }
    let mut changed = whole;
    let middle = changed.len() / 2;
    changed[middle] ^= 0x55;
    assert_eq!(Idx::read(&files(&changed, &[]).images).unwrap_err().code, "E0415");
}

/// Sizes that a header only claims: nothing is made room for.
#[test]
fn absurd_sizes_are_refused() {
    for dims in [&[u32::MAX][..], &[u32::MAX; 2], &[u32::MAX; 3], &[u32::MAX; 255], &[1 << 31, 1 << 31]] {
        let error = parse(&idx(0x0e, dims, &[0; 8])).unwrap_err();
        assert_tells(&error, "E0415", &["dimensions"]);
    }
    // No elements, though sizes whose product overflows.
    let empty = idx(8, &[0, u32::MAX, u32::MAX, u32::MAX], &[]);
    assert_eq!(parse(&empty).unwrap().values().count(), 0);
    let error = read_pair(&empty, &idx(8, &[0], &[]), &classifier(1, 2)).unwrap_err();
    assert_eq!(error.code, "E0416");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn random_headers_never_panic(
        kind in 6_u8..16,
        dims in proptest::collection::vec(prop_oneof![0_u32..5, any::<u32>()], 0..5),
        data in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        if let Ok(file) = parse(&idx(kind, &dims, &data)) {
            let elements: u128 = dims.iter().map(|&dim| u128::from(dim)).product();
            prop_assert_eq!(file.values().count() as u128, elements);
        }
    }

    #[test]
    fn random_pairs_never_panic(
        images in proptest::collection::vec(any::<u8>(), 0..12),
        labels in proptest::collection::vec(any::<u8>(), 0..12),
        kind in 8_u8..15,
    ) {
        let images = idx(kind, &[images.len() as u32 / 2, 2], &images);
        let labels = idx(kind, &[labels.len() as u32], &labels);
        for model in [classifier(2, 3), regressor(2, 1), regressor(2, 3)] {
            if let Ok(data) = read_pair(&images, &labels, &model) {
                prop_assert_eq!(data.check(&model), Ok(()));
            }
        }
    }
}
