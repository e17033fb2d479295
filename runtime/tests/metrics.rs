//! Metrics against their formulas and against figures of scikit-learn.
#![cfg(feature = "std")]

mod common;

use common::{assert_tells, classifier, regressor, several, where_and_what};
use nnc_runtime::metrics::{ConfusionMatrix, Meter, Metric, figure_of, metric_names, parse_metrics};
use nnc_runtime::model::{Target, TargetInfo};
use nnc_runtime::outputs::argmax;

const ALL_OF_VALUES: [Metric; 4] = [Metric::Mae, Metric::Rmse, Metric::R2, Metric::Accuracy];

fn figures(meter: &Meter) -> Vec<f64> {
    meter.figures().into_iter().map(|(_, figure)| figure).collect()
}

#[test]
fn names_are_read_and_misspelt_ones_are_corrected() {
    let metrics = parse_metrics(metric_names().iter().copied()).unwrap();
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
    assert_eq!(names, metric_names());
    assert_tells(&parse_metrics(["acuracy"]).unwrap_err(), "E0214", &["did you mean `accuracy`?"]);
    assert_tells(&parse_metrics(["f1"]).unwrap_err(), "E0214", &["the metrics are `accuracy`"]);
}

#[test]
fn metrics_that_do_not_fit_the_target_are_errors() {
    for metric in [Metric::Mae, Metric::Rmse, Metric::R2] {
        let error = Meter::new(&[metric], &classifier(4, 3)).unwrap_err();
        assert_tells(&error, "E0214", &[metric.name(), "has classes", "use `accuracy`"]);
    }
    let error = Meter::new(&[Metric::Top5], &regressor(4, 1)).unwrap_err();
    assert_tells(&error, "E0214", &["top_5", "has values"]);
}

/// The example of scikit-learn's `r2_score`, `mean_absolute_error` and `mean_squared_error`.
#[test]
fn values_have_the_figures_of_scikit_learn() {
    let mut meter = Meter::new(&[Metric::R2, Metric::Mae, Metric::Rmse], &regressor(1, 1)).unwrap();
    meter.update(&[2.5, 0.0, 2.0, 8.0], Target::Values(&[3.0, -0.5, 2.0, 7.0]));
    let found = figures(&meter);
    assert!((found[0] - 0.948_608_137_044_967_9).abs() < 1e-15, "{found:?}");
    assert_eq!(found[1], 0.5);
    assert!((found[2] - 0.375_f64.sqrt()).abs() < 1e-15);
    assert_eq!(meter.confusion(), None);

    let mut meter = Meter::new(&[Metric::R2, Metric::Mae], &regressor(1, 2)).unwrap();
    meter.update(&[0.0, 2.0, -1.0, 2.0, 8.0, -5.0], Target::Values(&[0.5, 1.0, -1.0, 1.0, 7.0, -6.0]));
    let found = figures(&meter);
    assert!((found[0] - 0.936_800_526_662_277_7).abs() < 1e-12, "{found:?}");
    assert_eq!(found[1], 0.75);
}

/// What is not a number is never right, whatever stands beside it.
#[test]
fn an_output_that_is_not_a_number_is_wrong() {
    for outputs in [[f32::NAN; 3], [f32::NAN, f32::NAN, 1.0]] {
        let mut meter = Meter::new(&[Metric::Accuracy], &regressor(1, 3)).unwrap();
        meter.update(&outputs, Target::Values(&[1.0, 0.0, 0.0]));
        assert_eq!(figures(&meter), [0.0]);
        let mut meter = Meter::new(&[Metric::Accuracy, Metric::Top5], &classifier(4, 3)).unwrap();
        meter.update(&outputs, Target::Classes(&[0]));
        assert_eq!(figures(&meter), [0.0, 0.0]);
    }
}

#[test]
fn batches_add_up_to_the_whole() {
    let outputs: Vec<f32> = (0..60).map(|i| ((i * 37) % 11) as f32 / 3.0).collect();
    let targets: Vec<f32> = (0..60).map(|i| ((i * 23) % 7) as f32 / 2.0).collect();
    let mut whole = Meter::new(&ALL_OF_VALUES, &regressor(1, 2)).unwrap();
    whole.update(&outputs, Target::Values(&targets));
    let mut in_batches = Meter::new(&ALL_OF_VALUES, &regressor(1, 2)).unwrap();
    for (outputs, targets) in outputs.chunks(14).zip(targets.chunks(14)) {
        in_batches.update(outputs, Target::Values(targets));
    }
    assert_eq!(figures(&in_batches), figures(&whole));
    assert_eq!(in_batches.rows(), 30);
    in_batches.reset();
    in_batches.update(&outputs, Target::Values(&targets));
    assert_eq!(figures(&in_batches), figures(&whole), "reset forgets everything");
}

#[test]
fn r2_of_a_target_that_never_varies() {
    let of = |outputs: &[f32]| {
        let mut meter = Meter::new(&[Metric::R2], &regressor(1, 1)).unwrap();
        meter.update(outputs, Target::Values(&[0.1, 0.1, 0.1]));
        figures(&meter)[0]
    };
    assert_eq!(of(&[0.1, 0.1, 0.1]), 1.0);
    assert_eq!(of(&[0.1, 0.1, 0.2]), 0.0);
}

#[test]
fn classes_are_counted_and_confused() {
    let mut meter = Meter::new(&[Metric::Accuracy, Metric::Top5], &classifier(1, 3)).unwrap();
    let outputs = [[0.9, 0.1, 0.0], [0.2, 0.3, 0.5], [0.1, 0.1, 0.0], [-3.0, -2.0, -1.0]].concat();
    meter.update(&outputs, Target::Classes(&[0, 1, 0, 2]));
    assert_eq!(figures(&meter), [0.75, 1.0]);
    let confusion = meter.confusion().unwrap();
    assert_eq!((confusion.get(0, 0), confusion.get(1, 2), confusion.get(2, 2)), (2, 1, 1));
    assert_eq!(confusion.total(), 4);
    assert_eq!(confusion.recall(1), Some(0.0));
    assert_eq!(confusion.precision(2), Some(0.5));
}

#[test]
fn top_5_looks_at_the_five_greatest() {
    let mut meter = Meter::new(&[Metric::Top5], &classifier(1, 8)).unwrap();
    let outputs: Vec<f32> = (0..8).map(|i| i as f32).collect();
    for class in 0..8 {
        meter.update(&outputs, Target::Classes(&[class]));
    }
    assert_eq!(figures(&meter), [5.0 / 8.0]);
    // Of equal outputs the first five, not all of them.
    meter.reset();
    for class in 0..8 {
        meter.update(&[0.5; 8], Target::Classes(&[class]));
    }
    assert_eq!(figures(&meter), [5.0 / 8.0]);
}

#[test]
fn two_classes_of_one_output_part_at_a_half() {
    let mut meter = Meter::new(&[Metric::Accuracy], &regressor(1, 1)).unwrap();
    meter.update(&[0.4, 0.6, 0.6, 0.5], Target::Values(&[0.0, 1.0, 0.0, 0.0]));
    assert_eq!(figures(&meter), [0.75]);
}

/// Found by review: a model whose outputs are all NaN took every sample for class 0, and was right where it is 0.
#[test]
fn an_output_that_is_nan_is_never_right() {
    let mut meter = Meter::new(&[Metric::Accuracy, Metric::Top5], &classifier(1, 3)).unwrap();
    meter.update(&[f32::NAN; 6], Target::Classes(&[0, 1]));
    assert_eq!(figures(&meter), [0.0, 0.0]);
    let mut meter = Meter::new(&ALL_OF_VALUES, &regressor(1, 1)).unwrap();
    meter.update(&[f32::NAN; 2], Target::Values(&[0.0, 1.0]));
    let found = figures(&meter);
    assert!(found[..3].iter().all(|figure| figure.is_nan()), "{found:?}");
    assert_eq!(found[3], 0.0);
}

#[test]
fn without_samples_there_are_no_figures() {
    let meter = Meter::new(&ALL_OF_VALUES, &regressor(1, 1)).unwrap();
    assert!(figures(&meter).iter().all(|figure| figure.is_nan()));
    assert!(Meter::new(&[], &regressor(1, 1)).unwrap().is_idle());
    assert!(!Meter::new(&[], &classifier(1, 3)).unwrap().is_idle());
    assert!(Meter::new(&[], &classifier(1, 3)).unwrap().without_confusion().is_idle());
}

#[test]
fn a_confusion_matrix_prints_as_a_table() {
    let mut matrix = ConfusionMatrix::new(3);
    for (actual, predicted) in [(0, 0), (0, 0), (1, 1), (1, 0), (9, 0), (0, 9)] {
        matrix.add(actual, predicted);
    }
    let expected = "\
actual \\ predicted  cat  dög  2  recall
cat                   2    0  0   1.000
dög                   1    1  0   0.500
2                     0    0  0       -
";
    assert_eq!(matrix.table(&["cat".into(), "dög".into()]), expected);
    let table = matrix.table(&["\n".into(), "a b".into(), "\t".into()]);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("actual \\ predicted  \\n  a b  \\t  recall\n"), "{table}");
    assert_eq!(ConfusionMatrix::new(0).total(), 0);
}

#[test]
fn the_first_of_equals_is_the_greatest() {
    assert_eq!(argmax(&[1.0, 2.0, 2.0]), 1);
    assert_eq!(argmax(&[f32::NAN, -1.0, f32::NAN]), 1);
    assert_eq!(argmax(&[f32::NEG_INFINITY; 2]), 0);
    assert_eq!(argmax(&[]), 0);
}

#[test]
fn each_output_has_its_figures() {
    let info = where_and_what();
    let metrics = [Metric::Accuracy, Metric::Rmse, Metric::Top5];
    let mut meter = Meter::new(&metrics, &info).unwrap();
    // A row of outputs: place, feature, kind. A row of targets: place, class.
    let outputs = [1.0, 2.0, 9.0, 0.1, 0.8, 0.1, 3.0, 5.0, 9.0, 0.7, 0.2, 0.1];
    meter.update(&outputs, Target::Values(&[1.0, 2.0, 1.0, 3.0, 4.0, 2.0]));
    assert_eq!(meter.rows(), 2);
    let found = meter.figures();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["place.rmse", "kind.accuracy", "kind.top_5"]);
    assert_eq!(found.iter().map(|(_, figure)| *figure).collect::<Vec<_>>(), [0.5, 0.5, 1.0]);
    assert_eq!(figure_of(&found, Metric::Accuracy), Some(0.5));
    assert_eq!(figure_of(&found, Metric::Mae), None);
    assert_eq!(meter.confusion().unwrap().get(2, 0), 1);
    // A metric that fits none is an error.
    let values = |len| Some(TargetInfo::Values { len });
    let info = several(1, &[("a", 1, values(1)), ("b", 2, values(2))]);
    assert_tells(&Meter::new(&[Metric::Top5], &info).unwrap_err(), "E0214", &["top_5", "has values"]);
}
