//! Texts: cut into windows in their order, and refused with what is wrong with them.
#![cfg(feature = "data")]

mod common;

use std::fs;
use std::path::Path;

use common::{assert_tells, info, inputs};
use nnc_runtime::Error;
use nnc_runtime::data::text::{TextOptions, Vocabulary, read};
use nnc_runtime::data::{Split, Targets};
use nnc_runtime::model::{ModelInfo, TargetInfo};

const WHOLE: TextOptions = TextOptions { stride: None, train: 1.0, validation: 0.0 };

/// A model of `positions` characters that knows `tokens`.
fn reader(positions: usize, tokens: usize) -> ModelInfo {
    let target = TargetInfo::Positions { classes: tokens, positions };
    ModelInfo { inputs: inputs(positions, Some(tokens)), ..info(positions, positions * tokens, Some(target)) }
}

fn parts(text: &str, options: &TextOptions, info: &ModelInfo) -> Result<Split, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text.txt");
    fs::write(&path, text).expect("it can be written");
    read(&path, None, options, info)
}

#[test]
fn a_sample_is_a_window_and_what_follows_on_each_of_its_characters() {
    let Split { train, validation, test } = parts("abacada", &WHOLE, &reader(2, 4)).unwrap();
    assert_eq!((validation, test), (None, None));
    assert_eq!((train.rows, train.features), (3, 2));
    assert_eq!(train.inputs, [0.0, 1.0, 0.0, 2.0, 0.0, 3.0]);
    assert_eq!(train.targets, Targets::Positions(vec![1, 0, 2, 0, 3, 0], 2));
    assert_eq!(train.class_names(), ["a", "b", "c", "d"]);
    let options = TextOptions { stride: Some(1), ..WHOLE };
    assert_eq!(parts("abacada", &options, &reader(2, 4)).unwrap().train.rows, 5);
    // With one class a sample it is the character behind the window.
    let next = ModelInfo { inputs: inputs(2, Some(4)), ..info(2, 4, Some(TargetInfo::Class { classes: 4 })) };
    let train = parts("abacada", &WHOLE, &next).unwrap().train;
    assert_eq!(train.targets, Targets::Classes(vec![0, 0, 0]));
}

#[test]
fn the_test_is_the_end_of_the_text() {
    let options = TextOptions { train: 0.5, ..WHOLE };
    let Split { train, test, .. } = parts("abababcccc", &options, &reader(2, 3)).unwrap();
    assert_eq!(train.inputs, [0.0, 1.0, 0.0, 1.0]);
    let test = test.expect("a test");
    assert_eq!(test.inputs, [1.0, 2.0, 2.0, 2.0]);
    assert_eq!(test.class_names(), ["a", "b", "c"]);
}

#[test]
fn validation_is_the_end_of_the_rest_and_shares_no_character_with_it() {
    // Every character once, so that a window tells its place.
    let text: String = ('a'..='t').collect();
    let options = TextOptions { stride: Some(1), train: 0.75, validation: 0.4 };
    let Split { train, validation, test } = parts(&text, &options, &reader(2, 20)).unwrap();
    let (validation, test) = (validation.expect("validation"), test.expect("a test"));
    // 9 characters, 6 and 5, each with one window less than pairs of neighbours.
    assert_eq!((train.rows, validation.rows, test.rows), (7, 4, 3));
    let places = |data: &nnc_runtime::data::DataSet| {
        let Targets::Positions(targets, 2) = &data.targets else { panic!("{:?}", data.targets) };
        let inputs = data.inputs.iter().map(|token| *token as u32);
        let mut all: Vec<u32> = inputs.chain(targets.iter().copied()).collect();
        all.sort_unstable();
        (all[0], all[all.len() - 1])
    };
    assert_eq!([places(&train), places(&validation), places(&test)], [(0, 8), (9, 14), (15, 19)]);
    // Without a test, the end of the text.
    let options = TextOptions { validation: 0.1, ..WHOLE };
    let Split { train, validation, test } = parts(&text.repeat(2), &options, &reader(3, 20)).unwrap();
    assert_eq!(test, None);
    assert_eq!(train.rows, 11);
    assert_eq!(validation.expect("validation").inputs, [16.0, 17.0, 18.0]);
}

#[test]
fn texts_that_do_not_fit_are_errors() {
    let fault = |text: &str, info: &ModelInfo| parts(text, &WHOLE, info).unwrap_err();
    for text in ["", "a", "abc"] {
        let words = ["characters", "a sample needs 3 and the one behind them"];
        assert_tells(&fault(text, &reader(3, 3)), "E0416", &words[usize::from(text.len() == 1)..]);
    }
    let error = fault("abcdef", &reader(2, 5));
    assert_tells(&error, "E0416", &["6 different characters", "knows 5"]);
    let values = info(2, 1, Some(TargetInfo::Values { len: 1 }));
    assert_tells(&fault("abc", &values), "E0416", &["does not read tokens"]);
    let values = ModelInfo { inputs: inputs(values.input_len(), Some(3)), ..values };
    assert_tells(&fault("abc", &values), "E0416", &["is not compared with the tokens that come next"]);
    // A part that is too short.
    let options = TextOptions { train: 0.9, ..WHOLE };
    let error = parts("abcabcabcabcabc", &options, &reader(3, 3)).unwrap_err();
    assert_tells(&error, "E0416", &["the test has 1 character"]);
    let options = TextOptions { validation: 0.1, ..WHOLE };
    let error = parts("abcabcabcabcabc", &options, &reader(3, 3)).unwrap_err();
    assert_tells(&error, "E0416", &["the validation part has 2 characters"]);
    for (train, validation) in [(0.0, 0.1), (1.5, 0.1), (0.9, 1.0), (0.9, -0.1), (f64::NAN, 0.0)] {
        let options = TextOptions { train, validation, ..WHOLE };
        assert_eq!(parts("abcabc", &options, &reader(2, 3)).unwrap_err().code, "E0205");
    }
}

#[test]
fn a_character_of_the_test_that_training_never_saw_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (train, test) = (folder.path().join("train.txt"), folder.path().join("test.txt"));
    fs::write(&train, "abab\n").expect("it can be written");
    fs::write(&test, "ab\naxb").expect("it can be written");
    let error = read(&train, Some(&test), &WHOLE, &reader(2, 3)).unwrap_err();
    assert_tells(&error, "E0416", &["'x' in line 2", "vocabulary"]);
    fs::write(&test, [b'a', 0xff]).expect("it can be written");
    let error = read(&train, Some(&test), &WHOLE, &reader(2, 3)).unwrap_err();
    assert_tells(&error, "E0415", &["not UTF-8", "byte 1"]);
    assert_tells(&read(Path::new("nowhere.txt"), None, &WHOLE, &reader(2, 3)).unwrap_err(), "E0414", &[]);
}

#[test]
fn class_names_are_a_vocabulary_again() {
    let vocabulary = Vocabulary::of("zebra\n é");
    let classes: Vec<String> = vocabulary.chars().iter().map(char::to_string).collect();
    assert_eq!(Vocabulary::of_classes(&classes), Some(vocabulary));
    for classes in [vec![], vec!["setosa".to_owned()], vec!["b".to_owned(), "a".to_owned()]] {
        assert_eq!(Vocabulary::of_classes(&classes), None);
    }
}
