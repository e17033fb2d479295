//! Arrays as NumPy has written them: read in every type and order, and refused with what is wrong with them.
#![cfg(feature = "data")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{assert_tells, classifier, info, inputs, regressor};
use nnc_runtime::Error;
use nnc_runtime::data::npy::{Array, NpyOptions, read, read_inputs, read_npz};
use nnc_runtime::data::{DataSet, Targets};
use nnc_runtime::model::{ModelInfo, TargetInfo};
use proptest::prelude::*;

/// A file of `tests/data/numpy`, which its `make.py` has written.
fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/numpy").join(name)
}

/// 0 to 23, less `offset`.
fn counted(offset: f64) -> Vec<f64> {
    (0..24).map(|n| f64::from(n) - offset).collect()
}

/// A model of samples of 2 by 3 in three classes.
fn small() -> ModelInfo {
    ModelInfo { input: &[2, 3], ..classifier(6, 3) }
}

#[test]
fn every_type_and_order_is_read() {
    for dtype in
        ["f4", "f8", "i1", "i2", "i4", "i8", "f4_big", "i2_big", "f8_fortran", "i4_fortran", "version2"]
    {
        let array = Array::read(stored(&format!("{dtype}.npy"))).expect(dtype);
        assert_eq!(array.shape, [4, 2, 3], "{dtype}");
        assert_eq!(array.values().collect::<Vec<_>>(), counted(5.0), "{dtype}");
    }
    for dtype in ["u1", "u2", "u4", "u8"] {
        let array = Array::read(stored(&format!("{dtype}.npy"))).expect(dtype);
        assert_eq!(array.values().collect::<Vec<_>>(), counted(0.0), "{dtype}");
    }
    let truths = Array::read(stored("b1.npy")).expect("truth values");
    assert!(truths.values().enumerate().all(|(n, value)| value == (n % 2) as f64));
    let number = Array::read(stored("number.npy")).expect("a number");
    assert_eq!((number.shape.len(), number.values().collect::<Vec<_>>()), (0, vec![7.0]));
    assert_eq!(Array::read(stored("empty.npy")).expect("nothing").values().count(), 0);
}

#[test]
fn elements_that_are_no_numbers_are_refused() {
    let cases =
        [("complex", "<c8"), ("half", "<f2"), ("record", "[('a', '<f4')"), ("text", "<U1"), ("object", "|O")];
    for (name, dtype) in cases {
        let error = Array::read(stored(&format!("{name}.npy"))).expect_err(name);
        assert_tells(&error, "E0501", &[dtype, "astype"]);
    }
}

fn pair(x: &str, y: &str, options: &NpyOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    read(&stored(x), Some(&stored(y)), options, info)
}

#[test]
fn inputs_and_targets_become_what_the_model_is_compared_with() {
    let plain = NpyOptions::default();
    let data = pair("f4.npy", "y.npy", &plain, &small()).unwrap();
    assert_eq!((data.rows, data.features), (4, 6));
    assert_eq!(data.inputs, counted(5.0).into_iter().map(|value| value as f32).collect::<Vec<_>>());
    assert_eq!(data.targets, Targets::Classes(vec![0, 2, 1, 2]));
    assert_eq!(data.class_names(), ["0", "1", "2"]);
    assert_eq!(pair("f8_fortran.npy", "y_float.npy", &plain, &small()).unwrap().targets, data.targets);
    let scaled = NpyOptions { scale: 0.5, ..NpyOptions::default() };
    assert_eq!(pair("u1.npy", "y.npy", &scaled, &small()).unwrap().inputs[23], 11.5);
    // Axes of 1 say nothing, and a row is a sample of any shape.
    let image = ModelInfo { input: &[1, 2, 3], ..classifier(6, 3) };
    assert_eq!(pair("f4.npy", "y.npy", &plain, &image).unwrap().inputs, data.inputs);
    let chosen = NpyOptions { classes: vec!["2".to_owned(), "0".to_owned()], ..NpyOptions::default() };
    let few = ModelInfo { input: &[2, 3], ..classifier(6, 2) };
    let data = pair("f4.npy", "y.npy", &chosen, &few).unwrap();
    assert_eq!((data.rows, &data.targets), (3, &Targets::Classes(vec![1, 0, 0])));
    assert_eq!(data.class_names(), ["2", "0"]);
    let of = |y: &str, info: ModelInfo| {
        pair("f4.npy", y, &plain, &ModelInfo { input: &[2, 3], ..info }).map(|data| data.targets)
    };
    assert_eq!(of("y_float.npy", regressor(6, 1)), Ok(Targets::Values(vec![0.0, 2.0, 1.0, 2.0], 1)));
    let values = vec![0.0, 0.0, 1.0, -1.0, 0.5, -0.5, 1.0, -1.0];
    assert_eq!(of("y_values.npy", regressor(6, 2)), Ok(Targets::Values(values, 2)));
    let one_hot = Targets::Values(vec![1., 0., 0., 0., 0., 1., 0., 1., 0., 0., 0., 1.], 3);
    assert_eq!(of("y.npy", regressor(6, 3)), Ok(one_hot));
    // A class for each of six positions, which here are the tokens themselves.
    let positions = info(6, 6 * 24, Some(TargetInfo::Positions { classes: 24, positions: 6 }));
    let positions = ModelInfo { inputs: inputs(6, Some(24)), ..positions };
    let data = pair("u1.npy", "i4.npy", &plain, &positions);
    assert_tells(&data.unwrap_err(), "E0416", &["takes [6]", "4 samples of [2, 3]"]);
    // Compared with itself.
    let own = ModelInfo { input: &[2, 3], ..regressor(6, 0) };
    let data = read(&stored("f4.npy"), None, &plain, &own).unwrap();
    assert_eq!((data.rows, data.targets), (4, Targets::Values(Vec::new(), 0)));
}

#[test]
fn classes_at_positions_have_an_axis() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, values: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, npy("|u1", "(2, 3)", values)).expect("a file can be written");
        path
    };
    let model = info(3, 15, Some(TargetInfo::Positions { classes: 5, positions: 3 }));
    let model = ModelInfo { inputs: inputs(3, Some(5)), ..model };
    let (x, y) = (file("x.npy", &[0, 1, 2, 3, 4, 0]), file("y.npy", &[1, 2, 3, 4, 0, 1]));
    let data = read(&x, Some(&y), &NpyOptions::default(), &model).unwrap();
    assert_eq!(data.targets, Targets::Positions(vec![1, 2, 3, 4, 0, 1], 3));
    let y = file("y.npy", &[1, 2, 3, 4, 5, 1]);
    let error = read(&x, Some(&y), &NpyOptions::default(), &model).unwrap_err();
    assert_tells(&error, "E0416", &["class 5 at position 2 of sample 2", "5 classes"]);
}

/// An array of these bytes.
fn npy(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(bytes);
    file
}

#[test]
fn archives_are_read_by_name() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of = |file: &str, arrays: &[&str], info: &ModelInfo| {
        read_npz(&stored(file), &names(arrays), &NpyOptions::default(), info)
    };
    let plain = pair("f4.npy", "y.npy", &NpyOptions::default(), &small()).unwrap();
    for (file, arrays) in [("stored.npz", ["x", "y"]), ("packed.npz", ["x_train", "y_train"])] {
        let data = of(file, &arrays, &small()).unwrap();
        assert_eq!((data.inputs, data.targets), (plain.inputs.clone(), plain.targets.clone()), "{file}");
    }
    let test = of("packed.npz", &["x_test", "y_test"], &small()).unwrap();
    assert_eq!((test.rows, test.targets), (2, Targets::Classes(vec![0, 2])));
    let error = of("packed.npz", &["x_tain", "y_train"], &small()).unwrap_err();
    assert_tells(&error, "E0406", &["no array `x_tain`", "`x_test`", "did you mean `x_train`?"]);
    let error = of("stored.npz", &["x", "z"], &small()).unwrap_err();
    assert_tells(&error, "E0415", &["4 samples", "targets of shape [3]"]);
    // To predict from: by its name, or the only one.
    let alone = |file: &str, name: &str| read_inputs(&stored(file), name, &NpyOptions::default(), &small());
    for (file, name) in [("stored.npz", "x"), ("one.npz", "x"), ("f8.npy", "x")] {
        assert_eq!(alone(file, name).unwrap().inputs, plain.inputs, "{file}");
    }
    assert_tells(&alone("packed.npz", "x").unwrap_err(), "E0406", &["no array `x`", "`x_train`"]);
}

#[test]
fn arrays_that_do_not_fit_are_errors() {
    let plain = NpyOptions::default();
    let fault = |x: &str, y: &str, info: &ModelInfo| pair(x, y, &plain, info).unwrap_err();
    let other = ModelInfo { input: &[3, 2], ..classifier(6, 3) };
    let error = fault("f4.npy", "y.npy", &other);
    assert_tells(&error, "E0416", &["takes [3, 2]", "4 samples of [2, 3]", "declare `input [2, 3]`"]);
    // Channels last.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    fs::write(&path, npy("|u1", "(1, 4, 5, 3)", &[0; 60])).expect("a file can be written");
    let image = ModelInfo { input: &[3, 4, 5], ..classifier(60, 3) };
    let error = read(&path, Some(&stored("y.npy")), &plain, &image).unwrap_err();
    assert_tells(&error, "E0416", &["numpy.moveaxis(x, -1, 1)"]);
    assert_tells(&fault("number.npy", "y.npy", &small()), "E0416", &["is one number"]);
    let two = ModelInfo { input: &[2, 3], ..classifier(6, 2) };
    assert_tells(&fault("f4.npy", "y.npy", &two), "E0416", &["label 2 of sample 2", "2 classes"]);
    assert_tells(
        &fault("f4.npy", "y_values.npy", &small()),
        "E0416",
        &["one class a sample", "shape [4, 2]"],
    );
    let three = ModelInfo { input: &[2, 3], ..regressor(6, 3) };
    assert_tells(&fault("f4.npy", "y_values.npy", &three), "E0416", &["3 values a sample", "shape [4, 2]"]);
    let error = read(&stored("f4.npy"), None, &plain, &small()).unwrap_err();
    assert_tells(&error, "E0416", &["compared with targets"]);
    fs::write(&path, npy("<f4", "(1, 6)", &[0, 0, 0xc0, 0x7f].repeat(6))).expect("a file can be written");
    let error = read(&path, Some(&stored("y.npy")), &plain, &small()).unwrap_err();
    assert_tells(&error, "E0411", &["NaN"]);
    assert_tells(&fault("none.npy", "y.npy", &small()), "E0414", &["none.npy"]);
    assert_tells(&fault("stored.npz", "y.npy", &small()), "E0415", &["is not an array of NumPy"]);
    let error = read_npz(&stored("f4.npy"), &["x".to_owned()], &plain, &small()).unwrap_err();
    assert_tells(&error, "E0415", &["is not an archive of arrays"]);
}

#[test]
fn what_is_cut_or_changed_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut");
    let whole = fs::read(stored("f4.npy")).expect("it is there");
    for len in 6..whole.len() {
        assert_tells(&Array::from_bytes(&path, &whole[..len]).unwrap_err(), "E0415", &["cut"]);
    }
    assert_eq!(Array::from_bytes(&path, &[&whole[..], &[0]].concat()).unwrap_err().code, "E0415");
    let huge = npy("<f8", "(4611686018427387904, 4)", &[]);
    assert_tells(&Array::from_bytes(&path, &huge).unwrap_err(), "E0415", &["more than memory can hold"]);
    let names = ["x_train".to_owned(), "y_train".to_owned()];
    let whole = fs::read(stored("packed.npz")).expect("it is there");
    let of = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a file can be written");
        read_npz(&path, &names, &NpyOptions::default(), &small())
    };
    assert!(of(&whole).is_ok());
    for len in (2..whole.len()).step_by(7) {
        assert_eq!(of(&whole[..len]).unwrap_err().code, "E0415", "{len}");
    }
    // A byte of what is packed: its checksum tells, or deflate.
    let mut other = whole.clone();
    other[90] ^= 0x10;
    assert_eq!(of(&other).unwrap_err().code, "E0415");
}

proptest! {
    /// Whatever the bytes are, reading them ends in an array or an error.
    #[test]
    fn no_bytes_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), is_archive in any::<bool>()) {
        let mut bytes = fs::read(stored(if is_archive { "packed.npz" } else { "i4_fortran.npy" })).expect("it is there");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_archive {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("x.npz");
            fs::write(&path, bytes).expect("a file can be written");
            let _ = read_npz(&path, &["x_train".to_owned(), "y_train".to_owned()], &NpyOptions::default(), &small());
        } else if let Ok(array) = Array::from_bytes(Path::new("x.npy"), &bytes) {
            prop_assert_eq!(array.values().count(), array.shape.iter().product::<usize>());
        }
    }
}
