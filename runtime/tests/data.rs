//! Data sets: made in memory, checked, cut into parts, normalised.
#![cfg(feature = "std")]

mod common;

use common::{Linear, assert_tells, classifier, line, regressor};
use nnc_runtime::data::{DataSet, SplitOptions, TargetSchema, Targets, fit_normalize, split, with_test};
use nnc_runtime::metrics::{Meter, Metric};
use nnc_runtime::model::{
    ModelInfo, NormalizeInfo, NormalizeKind, OutputInfo, StepError, Target, TargetLimits,
};
use proptest::prelude::*;

fn of_classes(classes: &[u32]) -> DataSet {
    let inputs = (0..classes.len()).map(|row| row as f32).collect();
    DataSet::from_rows(inputs, 1, Targets::Classes(classes.to_vec())).unwrap()
}

#[test]
fn rows_that_are_not_whole_are_errors() {
    let values = |n: usize, width| Targets::Values(vec![0.0; n], width);
    for (inputs, features, targets) in [
        (7, 2, values(4, 1)),
        (8, 3, values(4, 1)),
        (8, 2, Targets::Classes(vec![0; 3])),
        (8, 2, values(9, 2)),
        (2, usize::MAX, values(2, 1)),
    ] {
        let error = DataSet::from_rows(vec![0.0; inputs], features, targets).unwrap_err();
        assert_tells(&error, "E0416", &["expected", "found"]);
    }
    let data = DataSet::from_rows(vec![0.0; 8], 2, values(8, 2)).unwrap();
    assert_eq!((data.rows, data.features), (4, 2));
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_in_any_memory_order_are_the_same_data() {
    use nnc_runtime::ndarray_api::{Array2, predict_batch};
    let rows = Array2::from_shape_fn((3, 2), |(row, column)| (10 * row + column) as f32);
    let columns = rows.t().as_standard_layout().reversed_axes().to_owned();
    assert!(columns.as_slice().is_none(), "the test needs columns that lie together");
    let targets = || Targets::Values(vec![0.0; 3], 1);
    let data = DataSet::from_arrays(columns.view(), targets()).unwrap();
    assert_eq!(data, DataSet::from_arrays(rows.view(), targets()).unwrap());
    assert_eq!(data.inputs, [0.0, 1.0, 10.0, 11.0, 20.0, 21.0]);
    assert_eq!(DataSet::from_arrays(rows.t(), targets()).unwrap_err().code, "E0416");

    let model = Linear::new();
    let outputs = predict_batch(&model, rows.view()).unwrap();
    assert_eq!(outputs.dim(), (3, 1));
    assert_eq!(predict_batch(&model, columns.view()).unwrap(), outputs);
    assert_eq!(outputs[[1, 0]], 0.25 * 10.0 - 0.5 * 11.0 + 0.125);
    let error = predict_batch(&model, rows.t()).unwrap_err();
    assert_eq!((error.what, error.expected, error.found), ("input", 2, 3));
    assert_eq!(predict_batch(&model, Array2::zeros((0, 2)).view()).unwrap().dim(), (0, 1));
}

#[test]
fn rows_out_of_bounds_are_empty() {
    let data = line(3);
    assert_eq!(data.row(2).len(), 2);
    assert!(data.row(3).is_empty());
    assert!(data.row(usize::MAX).is_empty());
    assert!(data.range(2, 1).is_empty());
    assert!(data.targets.range(2, 4).is_empty());
    assert_eq!(data.select(&[2, 9, 0]).inputs, [data.row(2), data.row(0)].concat());
}

#[test]
fn data_of_another_model_are_refused() {
    let values = |width: usize| {
        DataSet::from_rows(vec![0.0; 12], 3, Targets::Values(vec![0.0; 4 * width], width)).unwrap()
    };
    let classes = DataSet::from_rows(vec![0.0; 12], 3, Targets::Classes(vec![0, 1, 2, 1])).unwrap();
    let of = |data: &DataSet, info| data.check(&info).unwrap_err();
    assert_tells(&of(&values(1), regressor(4, 1)), "E0416", &["takes 4 values a sample, found 3"]);
    assert_tells(&of(&values(1), regressor(3, 2)), "E0416", &["compared with 2 values, found 1"]);
    assert_tells(&of(&values(1), classifier(3, 2)), "E0416", &["2 classes, found values"]);
    assert_tells(&of(&classes, regressor(3, 1)), "E0416", &["1 value, found classes"]);
    let error = of(&classes, classifier(3, 2));
    assert_tells(
        &error,
        "E0416",
        &["class 2 in row 3 is outside the 2 classes", "classes count from 0 to 1"],
    );
    assert_eq!(classes.check(&classifier(3, 3)), Ok(()));
    assert_eq!(values(2).check(&regressor(3, 2)), Ok(()));
}

/// A model of two inputs and one output, whose loss takes these targets alone.
fn limited(low: f64, high: f64, only_ends: bool) -> ModelInfo {
    let limits = TargetLimits { low, high, only_ends, ..TargetLimits::ANY };
    let info = regressor(2, 1);
    let output = OutputInfo { limits, ..info.outputs[0] };
    ModelInfo { outputs: Box::leak(Box::new([output])), ..info }
}

#[test]
fn targets_that_the_loss_does_not_take_are_refused() {
    let data = |targets: &[f32]| {
        let inputs = vec![0.0; 2 * targets.len()];
        DataSet::from_rows(inputs, 2, Targets::Values(targets.to_vec(), 1)).unwrap()
    };
    let probability = limited(0.0, 1.0, false);
    assert_eq!(data(&[0.0, 0.25, 1.0]).check(&probability), Ok(()));
    for wrong in [-0.5, 1.5, 2.0] {
        let error = data(&[0.0, wrong]).check(&probability).unwrap_err();
        assert_tells(&error, "E0416", &[&format!("target {wrong} in row 2 is not from 0 to 1"), "help"]);
    }
    let sign = limited(-1.0, 1.0, true);
    assert_eq!(data(&[-1.0, 1.0]).check(&sign), Ok(()));
    for wrong in [0.0, 0.5, 2.0] {
        let error = data(&[1.0, -1.0, wrong]).check(&sign).unwrap_err();
        let words = [&format!("target {wrong} in row 3 is not -1 or 1"), "write -1 for one class and 1"];
        assert_tells(&error, "E0416", &words.map(|word| word as &str));
    }
    let count = limited(0.0, f64::INFINITY, false);
    assert_eq!(data(&[0.0, 1e30]).check(&count), Ok(()));
    assert_tells(
        &data(&[-1.0]).check(&count).unwrap_err(),
        "E0416",
        &["target -1 in row 1 is not at least 0"],
    );
}

/// A loop of one's own hands batches to the model itself.
#[test]
fn a_batch_with_targets_that_the_loss_does_not_take_is_refused() {
    let sign = limited(-1.0, 1.0, true);
    assert_eq!(sign.check_batch(&[0.0_f32; 4], &Target::Values(&[-1.0_f32, 1.0])), Ok(2));
    let error = sign.check_batch(&[0.0_f32; 4], &Target::Values(&[-1.0_f32, 0.0])).unwrap_err();
    assert_eq!(error.to_string(), "sample 1: target 0 is not -1 or 1, as the loss needs it");
    let share = limited(0.0, 1.0, false);
    assert_eq!(share.check_batch(&[0.0_f64; 2], &Target::Values(&[0.5_f64])), Ok(1));
    let error = share.check_batch(&[0.0_f64; 2], &Target::Values(&[1.5_f64])).unwrap_err();
    assert!(matches!(error, StepError::Value { sample: 0, value: 1.5, .. }));
    // The loss is then no number either, and that has a name of its own.
    assert_eq!(share.check_batch(&[0.0_f32; 2], &Target::Values(&[f32::NAN])), Ok(1));
}

#[test]
fn accuracy_of_signs_is_by_the_side_of_0() {
    let mut meter = Meter::new(&[Metric::Accuracy], &limited(-1.0, 1.0, true)).unwrap();
    meter.update(&[0.3, -2.0, -0.1, 4.0], Target::Values(&[1.0, -1.0, 1.0, 1.0]));
    assert_eq!(meter.figures(), [("accuracy".to_owned(), 0.75)]);
}

#[test]
fn mean_and_deviation_are_those_of_the_training_rows() {
    let inputs = vec![1.0, 100.0, 2.0, 300.0, 3.0, 200.0, 6.0, 400.0];
    let data = DataSet::from_rows(inputs, 2, Targets::Values(vec![0.0; 4], 1)).unwrap();
    let mut model = Linear::new();
    fit_normalize(&mut model, &data).unwrap();
    assert_eq!(model.tensors[0], [3.0, 250.0]);
    assert_eq!(model.tensors[1], [3.5_f32.sqrt(), 12_500_f32.sqrt()]);
    assert_eq!(model.tensors[2..], Linear::new().tensors[2..]);
}

#[test]
fn a_feature_that_never_varies_gets_deviation_1() {
    for constant in [0.0, 0.1, 1e30, f32::MIN_POSITIVE] {
        let inputs = (0..100).flat_map(|row| [row as f32, constant]).collect();
        let data = DataSet::from_rows(inputs, 2, Targets::Values(vec![0.0; 100], 1)).unwrap();
        let mut model = Linear::new();
        fit_normalize(&mut model, &data).unwrap();
        assert_eq!((model.tensors[0][1], model.tensors[1][1]), (constant, 1.0));
    }
}

#[test]
fn a_large_offset_does_not_drown_the_deviation() {
    let inputs = (0..1000).flat_map(|row| [1e7 + (row % 2) as f32, 0.0]).collect();
    let data = DataSet::from_rows(inputs, 2, Targets::Values(vec![0.0; 1000], 1)).unwrap();
    let mut model = Linear::new();
    fit_normalize(&mut model, &data).unwrap();
    assert_eq!(model.tensors[1][0], 0.5);
}

#[test]
fn one_mean_for_all_features_where_the_layer_says_so() {
    let mut model = Linear::with_info(|info| {
        info.normalize =
            &[NormalizeInfo { input: 0, kind: NormalizeKind::Standard, tensors: [0, 1], over_all: true }];
    });
    let data = DataSet::from_rows(vec![1.0, 3.0, 5.0, 7.0], 2, Targets::Values(vec![0.0; 2], 1)).unwrap();
    fit_normalize(&mut model, &data).unwrap();
    assert_eq!(model.tensors[0], [4.0, 4.0]);
    assert_eq!(model.tensors[1], [5.0_f32.sqrt(); 2]);
}

#[test]
fn normalize_refuses_data_it_cannot_measure() {
    let mut model = Linear::new();
    let empty = DataSet { features: 2, ..DataSet::default() };
    assert_tells(&fit_normalize(&mut model, &empty).unwrap_err(), "E0410", &["no rows"]);
    let mut nan = line(4);
    nan.inputs[3] = f32::NAN;
    assert_tells(&fit_normalize(&mut model, &nan).unwrap_err(), "E0411", &["row 2"]);
    assert_eq!(model, Linear::new());
    let mut torn = Linear::with_info(|info| {
        info.normalize =
            &[NormalizeInfo { input: 0, kind: NormalizeKind::Standard, tensors: [0, 9], over_all: false }];
    });
    assert_eq!(fit_normalize(&mut torn, &line(4)).unwrap_err().code, "E0503");
}

#[test]
fn a_class_that_training_never_saw_is_named() {
    let mut test = of_classes(&[0, 2]);
    test.schema.targets = vec![TargetSchema {
        columns: vec!["species".into()],
        classes: ["setosa", "versicolor", "virginica"].map(str::to_owned).to_vec(),
    }];
    (test.source, test.lines) = ("test.csv".into(), vec![2, 3]);
    let train = of_classes(&[0, 1, 1]);
    let error = with_test(&train, test, &SplitOptions::default()).unwrap_err();
    assert_tells(&error, "E0409", &["`virginica`", "test part", "test.csv:3", "column `species`"]);
    // Targets of a file of their own are told with that one.
    let (mut train, mut test) = (of_classes(&[0, 0]), of_classes(&[0, 1]));
    (test.source, test.target_source) = ("images.npy".into(), "labels.npy".into());
    train.target_source = "labels.npy".into();
    let error = with_test(&train, test, &SplitOptions::default()).unwrap_err();
    assert_tells(&error, "E0409", &["class `1`", "labels.npy"]);
    assert!(!error.to_string().contains("images.npy"), "{error}");
}

#[test]
fn without_stratify_an_unseen_class_is_found_in_any_part() {
    let mut classes = vec![0; 30];
    classes.push(1);
    let data = of_classes(&classes);
    let found = (0..60).filter_map(|seed| {
        let options = SplitOptions { train: 0.6, validation: 0.4, seed, stratify: false, rows: None };
        split(&data, &options).err()
    });
    let found: Vec<_> = found.collect();
    assert!(found.iter().all(|error| error.code == "E0409"));
    assert!(found.iter().any(|error| error.message.contains("test part")));
    assert!(found.iter().any(|error| error.message.contains("validation part")));
}

/// Found by review: room was made for each class up to the greatest.
/// Found by review: the classes of a model with one output, 0 and 1, were not stratified.
#[test]
fn two_values_are_stratified_as_classes() {
    let values: Vec<f32> = (0..40).map(|row| if row % 10 == 0 { 1.0 } else { -1.0 }).collect();
    let data = DataSet::from_rows(vec![0.0; 40], 1, Targets::Values(values, 1)).unwrap();
    for seed in 0..8 {
        let options = SplitOptions { train: 0.5, seed, stratify: true, ..SplitOptions::default() };
        let parts = split(&data, &options).unwrap();
        for part in [&parts.train, parts.test.as_ref().unwrap()] {
            let Targets::Values(values, 1) = &part.targets else { panic!("they are values") };
            assert_eq!(values.iter().filter(|value| **value == 1.0).count(), 2, "seed {seed}");
        }
    }
}

#[test]
fn class_numbers_may_be_large() {
    let classes: Vec<u32> = (0..20).map(|row| if row % 2 == 0 { 3 } else { u32::MAX }).collect();
    let parts = split(&of_classes(&classes), &SplitOptions::default()).unwrap();
    let Targets::Classes(test) = parts.test.unwrap().targets else { unreachable!() };
    assert_eq!(test.iter().filter(|&&class| class == 3).count(), 2);
    assert_eq!(test.len(), 4);
}

#[test]
fn the_test_file_is_kept_as_it_is() {
    let test = line(5);
    let options = SplitOptions { validation: 0.25, ..SplitOptions::default() };
    let parts = with_test(&line(40), test.clone(), &options).unwrap();
    assert_eq!(parts.test, Some(test));
    assert_eq!((parts.train.rows, parts.validation.unwrap().rows), (30, 10));
}

proptest! {
    /// Whatever the classes and shares: every row is in one part, and each class is in training if it is anywhere.
    #[test]
    fn parts_are_a_partition(
        classes in proptest::collection::vec(0_u32..6, 1..80),
        train in 0.01_f64..=1.0,
        validation in 0.0_f64..0.99,
        seed in any::<u64>(),
    ) {
        let data = of_classes(&classes);
        let options = SplitOptions { train, validation, seed, stratify: true, rows: None };
        let parts = split(&data, &options).unwrap();
        let all = [Some(&parts.train), parts.validation.as_ref(), parts.test.as_ref()];
        let mut rows: Vec<usize> = Vec::new();
        for part in all.into_iter().flatten() {
            let Targets::Classes(of_part) = &part.targets else { unreachable!() };
            for (row, class) in part.inputs.iter().zip(of_part) {
                prop_assert_eq!(classes[*row as usize], *class);
                rows.push(*row as usize);
            }
        }
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..classes.len()).collect::<Vec<_>>());
        prop_assert!(parts.train.rows > 0);
    }
}

/// What is kept of rows of two features.
fn of_kind(kind: NormalizeKind, over_all: bool, inputs: &[f32]) -> [Vec<f32>; 2] {
    let normalize = NormalizeInfo { input: 0, kind, tensors: [0, 1], over_all };
    let mut model = Linear::with_info(|info| info.normalize = Box::leak(Box::new([normalize])));
    let targets = Targets::Values(vec![0.0; inputs.len() / 2], 1);
    fit_normalize(&mut model, &DataSet::from_rows(inputs.to_vec(), 2, targets).unwrap()).unwrap();
    [model.tensors[0].clone(), model.tensors[1].clone()]
}

#[test]
fn min_max_keeps_the_least_and_the_greatest() {
    let inputs = [3.0, -1.0, 2.0, -1.0, 7.5, -1.0];
    assert_eq!(of_kind(NormalizeKind::MinMax, false, &inputs), [[2.0, -1.0], [7.5, -1.0]]);
    assert_eq!(of_kind(NormalizeKind::MinMax, true, &inputs), [[-1.0; 2], [7.5; 2]]);
    assert_eq!(of_kind(NormalizeKind::MinMax, false, &[4.0, 5.0]), [[4.0, 5.0], [4.0, 5.0]]);
}

#[test]
fn robust_keeps_median_and_quartiles_whatever_the_order() {
    // Five values: quartiles are the second and the fourth. The second feature never varies.
    let five = [1e9, 0.1, 1.0, 0.1, -3.0, 0.1, 2.0, 0.1, 4.0, 0.1];
    assert_eq!(of_kind(NormalizeKind::Robust, false, &five), [[2.0, 0.1], [3.0, 1.0]]);
    // Four: at 0.75, 1.5 and 2.25 of the way from the first to the last.
    let four = [10.0, -8.0, 0.0, -8.0, 20.0, 8.0, 40.0, -8.0];
    assert_eq!(of_kind(NormalizeKind::Robust, false, &four), [[15.0, -8.0], [17.5, 4.0]]);
    // Two, and one.
    assert_eq!(of_kind(NormalizeKind::Robust, false, &[1.0, 6.0, 2.0, 4.0]), [[1.5, 5.0], [0.5, 1.0]]);
    assert_eq!(of_kind(NormalizeKind::Robust, false, &[1.0, 6.0]), [[1.0, 6.0], [1.0, 1.0]]);
    assert_eq!(of_kind(NormalizeKind::Robust, true, &[1.0, 2.0, 3.0, 4.0]), [[2.5; 2], [1.5; 2]]);
}

#[test]
fn quartiles_that_are_equal_divide_by_1() {
    // Most pixels at the edge of an image are 0: quartiles too, though not all values are.
    let inputs: Vec<f32> = (0..20).flat_map(|row| [f32::from(row == 7), f32::from(row > 9)]).collect();
    assert_eq!(of_kind(NormalizeKind::Robust, false, &inputs), [[0.0, 0.5], [1.0, 1.0]]);
}
