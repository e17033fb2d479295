//! Weights in safetensors files: written, read, refused, and never half there.
#![cfg(feature = "std")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Linear, assert_tells};
use nnc_runtime::Error;
use nnc_runtime::model::{Layout, Role, TensorInfo};
use nnc_runtime::safetensors::{
    Dtype, LoadOptions, Metadata, SafeTensors, Tensor, WeightsError, load, load_bytes, read_metadata, save,
    write,
};
use proptest::prelude::*;

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    (folder, path)
}

/// A file of a header as it stands and data after it.
fn bytes_of(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn read(bytes: &[u8]) -> Result<SafeTensors, Error> {
    SafeTensors::from_bytes(Path::new("weights.safetensors"), bytes)
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn model() -> Linear {
    let mut model = Linear::new();
    model.tensors = [vec![1.5, -0.0], vec![1e-38, 3e38], vec![f32::MIN_POSITIVE, 0.1], vec![-7.25]];
    model
}

#[test]
fn a_model_comes_back_bit_for_bit() {
    let (_folder, path) = file();
    save(&model(), &path, &Metadata::from([("key".to_owned(), "välue\u{1}".to_owned())])).unwrap();
    let mut back = Linear::new();
    let metadata = load(&mut back, &path, &LoadOptions::default()).unwrap();
    assert_eq!(back.bits(), model().bits());
    let expected = [
        ("format", "nnc"),
        ("key", "välue\u{1}"),
        ("model", "Line"),
        ("spec_hash", "00000000000000000000000000000001"),
        ("version", "2"),
    ];
    assert_eq!(metadata, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    assert_eq!(read_metadata(&path).unwrap(), metadata);
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let (_folder, path) = file();
    let metadata = Metadata::from([("a".to_owned(), "\"b\"".to_owned())]);
    let tensors = [
        Tensor { name: "x".into(), shape: &[1, 2], values: &[1.0, -2.0] },
        Tensor { name: "y".into(), shape: &[], values: &[0.5] },
    ];
    write(&path, &metadata, &tensors).unwrap();
    let header = concat!(
        r#"{"__metadata__":{"a":"\"b\""},"#,
        r#""x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"#,
        r#""y":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}"#
    );
    let padded = format!("{header}{}", " ".repeat(64 - (header.len() + 8) % 64));
    let data: Vec<u8> = [1.0_f32, -2.0, 0.5].into_iter().flat_map(f32::to_le_bytes).collect();
    let found = fs::read(&path).unwrap();
    assert_eq!(found, bytes_of(&padded, &data));
    write(&path, &metadata, &tensors).unwrap();
    assert_eq!(fs::read(&path).unwrap(), found, "equal content makes equal bytes");
}

/// White space, order of keys and of tensors, keys of later versions: as other writers have them.
#[test]
fn files_of_other_writers_are_read() {
    let header = r#" { "b" : {"data_offsets":[4,8], "shape":[ 1 ], "dtype":"F32", "later":[{"x":null},-1.5e3]},
        "__metadata__":{"format":"pt"}, "a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]} }  "#;
    let data: Vec<u8> = [1.0_f32, 2.0].into_iter().flat_map(f32::to_le_bytes).collect();
    let file = read(&bytes_of(header, &data)).unwrap();
    let value = |name| file.values(file.entry(name).unwrap()).unwrap();
    assert_eq!((value("a"), value("b")), (vec![1.0], vec![2.0]));
    assert_eq!(file.metadata()["format"], "pt");
    assert_eq!(file.entry("c"), None);
    assert_eq!(read(&bytes_of("{}", &[])).unwrap().entries(), []);
}

#[test]
fn other_floating_point_types_become_f32() {
    let of = |dtype: &str, data: &[u8]| {
        let len = data.len();
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{len}]}}}}"#);
        let file = read(&bytes_of(&header, data))?;
        assert_eq!(file.entries()[0].dtype.name(), dtype);
        file.values(&file.entries()[0])
    };
    assert_eq!(of("F64", &(-1.5_f64).to_le_bytes()), Ok(vec![-1.5]));
    assert_eq!(of("F16", &0xbe00_u16.to_le_bytes()), Ok(vec![-1.5]));
    assert_eq!(of("BF16", &0xbfc0_u16.to_le_bytes()), Ok(vec![-1.5]));
    let error = of("I32", &[0; 4]).unwrap_err();
    assert_tells(&error, "E0413", &["`a` is stored as I32", "expected numbers as F32"]);
    let file = read(&bytes_of(r#"{"a":{"dtype":"Q4","shape":[9],"data_offsets":[0,3]}}"#, &[0; 3])).unwrap();
    assert_eq!(file.entries()[0].dtype, Dtype::Other("Q4".into()));
}

#[test]
fn headers_that_do_not_describe_the_data_are_refused() {
    let tensor = |name: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let a = tensor("a", "[2]", 0, 8);
    let many = format!("[{}]", vec!["1"; 33].join(","));
    for (fields, words) in [
        (String::new(), "the tensors need 0 bytes, the file has 8"),
        (tensor("a", "[1]", 0, 4), "the tensors need 4 bytes, the file has 8"),
        (tensor("a", "[4]", 0, 16), "the tensors need 16 bytes, the file has 8"),
        (tensor("a", "[1]", 4, 8), "begins at byte 4, expected 0"),
        (tensor("a", "[3]", 0, 8), "needs 3 * 4 bytes, found 8"),
        (tensor("a", "[2]", 8, 0), "ends before it begins"),
        (format!("{a},{a}"), "`a` is there twice"),
        (format!("{a},{}", tensor("b", "[1]", 4, 8)), "begins at byte 4, expected 8"),
        (tensor("a", "[4294967296,4294967296,2]", 0, 8), "impossible shape"),
        (tensor("a", "[18446744073709551616]", 0, 8), "expected a whole number"),
        (tensor("a", "[-2]", 0, 8), "expected a whole number"),
        (tensor("a", &many, 0, 8), "more than 32 sizes"),
        (r#""a":{"dtype":"F32","shape":[2]}"#.to_owned(), "needs a dtype, a shape and data_offsets"),
        (r#""a":{"dtype":"F32","shape":[2],"data_offsets":[8]}"#.to_owned(), "needs two offsets"),
        (r#""a":3"#.to_owned(), "expected `{`"),
        (format!("{a},"), "expected `\"`"),
        (format!(r#"{a},"__metadata__":{{"x":1}}"#), "expected `\"`"),
    ] {
        let error = read(&bytes_of(&format!("{{{fields}}}"), &[0; 8])).unwrap_err();
        assert_tells(&error, "E0415", &["`weights.safetensors` is not a whole safetensors file", words]);
    }
    let deep = format!(r#"{{"a":{{"x":{}"#, "[".repeat(1_000_000));
    assert_tells(&read(&bytes_of(&deep, &[])).unwrap_err(), "E0415", &["nested too deeply"]);
    assert_tells(&read(&bytes_of("{}x", &[])).unwrap_err(), "E0415", &["expected the end"]);
    let mut not_text = bytes_of("{\"ab\"}", &[]);
    not_text[10] = 0xff;
    assert_tells(&read(&not_text).unwrap_err(), "E0415", &["its header is not UTF-8"]);
}

/// Lengths that a file only claims: nothing is made room for.
#[test]
fn absurd_lengths_are_refused() {
    for len in [3, 1 << 20, u64::from(u32::MAX), u64::MAX - 7, u64::MAX] {
        let bytes = [&len.to_le_bytes()[..], b"{}"].concat();
        assert_tells(&read(&bytes).unwrap_err(), "E0415", &[&len.to_string(), "the file has 10"]);
        let (_folder, path) = file();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(SafeTensors::read(&path).unwrap_err().code, "E0415");
        assert_eq!(read_metadata(&path).unwrap_err().code, "E0415");
    }
}

/// A file of 1 TB that takes no room: its header is as long as it says, its data are not.
#[test]
#[cfg(unix)]
fn a_sparse_file_of_a_terabyte_is_refused() {
    let (_folder, path) = file();
    let file = fs::File::create(&path).unwrap();
    if file.set_len(1 << 40).is_ok() {
        drop(file);
        // Eight zeros: an empty header.
        assert_tells(&SafeTensors::read(&path).unwrap_err(), "E0415", &["expected `{`"]);
    }
}

#[test]
#[cfg(unix)]
fn devices_and_folders_are_refused() {
    for device in ["/dev/zero", "/dev/null"] {
        assert_tells(&SafeTensors::read(Path::new(device)).unwrap_err(), "E0415", &[device]);
    }
    let folder = tempfile::tempdir().unwrap();
    assert_tells(&SafeTensors::read(folder.path()).unwrap_err(), "E0414", &["it is a folder"]);
    assert_tells(&SafeTensors::read(folder.path().join("none")).unwrap_err(), "E0414", &["no such file"]);
}

#[test]
fn weights_of_another_shape_name_layer_expected_and_found() {
    let (_folder, path) = file();
    let tensor = |name: &str, shape: &'static [usize], values: &'static [f32]| Tensor {
        name: name.into(),
        shape,
        values,
    };
    let normalize = || [tensor("normalize.mean", &[2], &[0.0; 2]), tensor("normalize.std", &[2], &[1.0; 2])];
    let try_load = |tensors: Vec<Tensor<'_>>| {
        let all: Vec<Tensor<'_>> = normalize().into_iter().chain(tensors).collect();
        write(&path, &Metadata::from([("model".into(), "Plane".into())]), &all).unwrap();
        let mut model = Linear::new();
        let error = load(&mut model, &path, &LoadOptions::default()).unwrap_err();
        assert_eq!(model, Linear::new(), "refused weights leave the model alone");
        error
    };
    let error = try_load(vec![
        tensor("line.weight", &[1, 3], &[0.0; 3]),
        tensor("line.bias", &[2], &[0.0; 2]),
        tensor("extra.bias", &[1], &[0.0]),
    ]);
    assert_tells(
        &error,
        "E0413",
        &[
            "`line.weight` of layer `line` has shape [1, 3], expected [1, 2]",
            "`line.bias` has shape [2], expected [1]",
            "unexpected: `extra.bias`",
            "the file holds weights of model `Plane`",
        ],
    );
    let error = try_load(vec![tensor("line.weight", &[1, 2], &[0.0; 2])]);
    assert_tells(&error, "E0413", &["expected tensor `line.bias`, not found"]);
    // The same numbers in another shape are another matrix.
    let error = try_load(vec![tensor("line.weight", &[2, 1], &[0.0; 2]), tensor("line.bias", &[1], &[0.0])]);
    assert_tells(&error, "E0413", &["has shape [2, 1], expected [1, 2]"]);
}

#[test]
fn weights_of_another_specification_are_refused_unless_it_is_meant() {
    let (_folder, path) = file();
    save(&model(), &path, &Metadata::new()).unwrap();
    let other = || Linear::with_info(|info| info.spec_hash = "00000000000000000000000000000009");
    let mut refused = other();
    let error = load(&mut refused, &path, &LoadOptions::default()).unwrap_err();
    assert_tells(&error, "E0413", &["another specification", "0009", "0001"]);
    assert_eq!(refused, other());
    let mut taken = other();
    load(&mut taken, &path, &LoadOptions { ignore_hash: true }).unwrap();
    assert_eq!(taken.bits(), model().bits());
}

#[test]
fn weights_without_a_hash_fit_when_names_and_shapes_do() {
    let (_folder, path) = file();
    save(&model(), &path, &Metadata::new()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|word| word == b"spec_hash").unwrap();
    let mut plain = bytes;
    plain[at] = b'_';
    fs::write(&path, plain).unwrap();
    let mut other = Linear::with_info(|info| info.spec_hash = "00000000000000000000000000000009");
    load(&mut other, &path, &LoadOptions::default()).unwrap();
    assert_eq!(other.bits(), model().bits());
}

#[test]
fn the_hash_of_another_version_says_nothing() {
    let (_folder, path) = file();
    save(&model(), &path, &Metadata::new()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let version = br#""version":"2""#;
    let at = bytes.windows(version.len()).position(|word| word == version).unwrap();
    bytes[at + version.len() - 2] = b'1';
    fs::write(&path, bytes).unwrap();
    let mut other = Linear::with_info(|info| info.spec_hash = "00000000000000000000000000000009");
    load(&mut other, &path, &LoadOptions::default()).unwrap();
    assert_eq!(other.bits(), model().bits());
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let (_folder, path) = file();
    let mut bad = model();
    bad.tensors[2][1] = f32::NAN;
    save(&bad, &path, &Metadata::new()).unwrap();
    let mut model = Linear::new();
    let error = load(&mut model, &path, &LoadOptions::default()).unwrap_err();
    assert_tells(&error, "E0411", &["`line.weight` of layer `line`"]);
    assert_eq!(model, Linear::new());
}

/// What loading a file says, and loading its content; a fault leaves the model alone.
fn both_ways(
    path: &Path,
    model: impl Fn() -> Linear,
) -> (Result<Linear, Error>, Result<Linear, WeightsError>) {
    let (mut of_file, mut of_bytes) = (model(), model());
    let loaded = load(&mut of_file, path, &LoadOptions::default());
    let taken = load_bytes(&mut of_bytes, &fs::read(path).unwrap());
    assert!(loaded.is_ok() || of_file == model());
    assert!(taken.is_ok() || of_bytes == model());
    (loaded.map(|_| of_file), taken.map(|()| of_bytes))
}

#[test]
fn the_content_of_a_file_is_loaded_and_refused_as_the_file_is() {
    let (_folder, path) = file();
    save(&model(), &path, &Metadata::new()).unwrap();
    let (of_file, of_bytes) = both_ways(&path, Linear::new);
    assert_eq!(of_file.unwrap().bits(), model().bits());
    assert_eq!(of_bytes.unwrap().bits(), model().bits());

    let refused = |expected: &WeightsError, words: &[&str], model: &dyn Fn() -> Linear| {
        let (of_file, of_bytes) = both_ways(&path, model);
        let (of_file, of_bytes) = (of_file.unwrap_err(), of_bytes.unwrap_err());
        assert_eq!(of_bytes, *expected);
        assert_eq!(of_bytes.code(), of_file.code);
        assert_tells(&of_bytes.into(), of_file.code, words);
    };
    let hash = "00000000000000000000000000000009";
    let other = WeightsError::Specification { expected: hash, found: hash.replace('9', "1") };
    let words = ["another specification", "expected 00000000000000000000000000000009"];
    refused(&other, &words, &|| Linear::with_info(|info| info.spec_hash = hash));

    let mut bad = model();
    bad.tensors[2][1] = f32::INFINITY;
    save(&bad, &path, &Metadata::new()).unwrap();
    refused(&WeightsError::NotFinite("line.weight"), &["`line.weight`", "not finite"], &Linear::new);

    let tensor = |name: &str, shape: &'static [usize], values: &'static [f32]| Tensor {
        name: name.into(),
        shape,
        values,
    };
    let normalize =
        || vec![tensor("normalize.mean", &[2], &[0.0; 2]), tensor("normalize.std", &[2], &[1.0; 2])];
    let put = |more: Vec<Tensor<'_>>| {
        let all: Vec<Tensor<'_>> = normalize().into_iter().chain(more).collect();
        write(&path, &Metadata::new(), &all).unwrap();
    };
    let bias = || tensor("line.bias", &[1], &[0.0]);
    put(vec![tensor("line.weight", &[2, 1], &[0.0; 2]), bias()]);
    let shape = WeightsError::Shape { tensor: "line.weight", expected: &[1, 2], found: vec![2, 1] };
    refused(&shape, &["`line.weight` has shape [2, 1], expected [1, 2]"], &Linear::new);
    put(vec![bias()]);
    refused(&WeightsError::Missing("line.weight"), &["expected tensor `line.weight`"], &Linear::new);
    put(vec![tensor("line.weight", &[1, 2], &[0.0; 2]), bias(), tensor("more", &[1], &[0.0])]);
    refused(&WeightsError::Unexpected("more".into()), &["no tensor `more`"], &Linear::new);

    put(vec![tensor("line.weight", &[1, 2], &[0.0; 2]), bias()]);
    let text = fs::read(&path).unwrap();
    let at = text.windows(4).position(|word| word == b"\"F32").unwrap();
    let mut whole = text.clone();
    whole[at + 1] = b'I';
    fs::write(&path, &whole).unwrap();
    let dtype = WeightsError::Dtype { tensor: "normalize.mean", found: "I32".into() };
    refused(&dtype, &["`normalize.mean` is stored as I32"], &Linear::new);
    fs::write(&path, &text[..text.len() - 1]).unwrap();
    let (_, damaged) = both_ways(&path, Linear::new);
    assert!(matches!(damaged, Err(WeightsError::Damaged(reason)) if reason.contains("the file has")));
}

#[test]
fn a_model_without_tensors_has_a_file_too() {
    static NONE: [TensorInfo; 0] = [];
    let (_folder, path) = file();
    let mut model = Linear::with_info(|info| info.tensors = &NONE);
    save(&model, &path, &Metadata::new()).unwrap();
    load(&mut model, &path, &LoadOptions::default()).unwrap();
}

#[test]
fn the_old_file_stays_when_the_new_one_cannot_be_written() {
    let (folder, path) = file();
    save(&model(), &path, &Metadata::new()).unwrap();
    // A file in the way of a folder.
    let below = path.join("weights.safetensors");
    assert_tells(&save(&model(), &below, &Metadata::new()).unwrap_err(), "E0417", &["not a directory"]);
    let in_the_way = folder.path().join("folder");
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(save(&model(), &in_the_way, &Metadata::new()).unwrap_err().code, "E0417");
    assert_eq!(save(&model(), Path::new(""), &Metadata::new()).unwrap_err().code, "E0417");
    load(&mut Linear::new(), &path, &LoadOptions::default()).unwrap();
    assert_eq!(names_in(folder.path()), ["folder", "weights.safetensors"]);
}

/// Found by review: a killed process may have had the number of this one, as in a container, where it is always 1.
#[test]
fn what_a_killed_process_left_is_no_obstacle() {
    let (folder, path) = file();
    for count in 0..50 {
        let left = format!(".weights.safetensors.{}-{count}.tmp", std::process::id());
        fs::write(folder.path().join(left), "half").unwrap();
    }
    save(&model(), &path, &Metadata::new()).unwrap();
    load(&mut Linear::new(), &path, &LoadOptions::default()).unwrap();
}

#[test]
#[cfg(unix)]
fn a_link_is_followed_and_permissions_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = file();
    save(&Linear::new(), &path, &Metadata::new()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    save(&model(), &link, &Metadata::new()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut back = Linear::new();
    load(&mut back, &path, &LoadOptions::default()).unwrap();
    assert_eq!(back.bits(), model().bits());
    // A device is written to as it is, not replaced.
    save(&model(), Path::new("/dev/null"), &Metadata::new()).unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

/// Any bytes: refused or read, and read tensors have the length of their shape.
fn never_panics(bytes: &[u8]) {
    let mut model = Linear::new();
    assert!(load_bytes(&mut model, bytes).is_ok() || model == Linear::new());
    if let Ok(file) = read(bytes) {
        for entry in file.entries() {
            if let Ok(values) = file.values(entry) {
                assert_eq!(values.len(), entry.len());
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&bytes);
    }

    #[test]
    fn random_headers_never_panic(header in r#"[ {}\[\]":,a-c0-9\\u_\-.]{0,80}"#, data in 0_usize..20) {
        never_panics(&bytes_of(&header, &vec![0; data]));
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let header = concat!(
            r#"{"__metadata__":{"a":"\u00e9"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"#,
            r#""y":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}"#
        );
        let mut bytes = bytes_of(header, &[1; 10]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        never_panics(&bytes);
    }

    #[test]
    fn what_is_written_is_read_back(
        name in "\\PC{1,8}",
        key in any::<String>(),
        text in any::<String>(),
        values in proptest::collection::vec(any::<f32>(), 0..40),
    ) {
        prop_assume!(name != "__metadata__");
        let (_folder, path) = file();
        let shape = [values.len()];
        let metadata = Metadata::from([(key, text)]);
        write(&path, &metadata, &[Tensor { name: name.clone(), shape: &shape, values: &values }]).unwrap();
        let file = SafeTensors::read(&path).unwrap();
        prop_assert_eq!(file.metadata(), &metadata);
        let entry = file.entry(&name).unwrap();
        prop_assert_eq!(&entry.shape, &shape);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&file.values(entry).unwrap()), bits(&values));
    }
}

/// The tables that a test model shares with emitted ones.
#[test]
fn the_tables_of_the_test_model_fit_it() {
    use nnc_runtime::model::Model;
    for tensor in model().info().tensors {
        assert!(matches!(tensor.layout, Layout::Vector { len } if len == tensor.len()), "{tensor:?}");
        assert_ne!(tensor.role, Role::Frozen);
    }
}
