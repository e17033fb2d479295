//! `normalize`, `min_max` and `robust` against scikit-learn's scalers (`tests/data/scikit_learn`): what is kept of the
//! training rows, and what becomes of other rows, in emitted code and in the reference.

mod common;

use nnc::data::{DataSet, Targets, fit_normalize};
use nnc::{Element, Model};
use serde_json::Value;

use common::{Reference, compiled, figures, numbers};

const FEATURES: usize = 5;
/// Of the value, and of 1: f32, and what is kept is rounded to f32 before it is subtracted.
const SINGLE: f64 = 1e-5;
const DOUBLE: f64 = 1e-12;

#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let room = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= room, "{what}[{at}]: {found:e}, expected {expected:e}");
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

/// Fits a fresh model to each table, and compares it with the entry of that call.
fn check<M: Model<Elem = f32>>(call: &str, buffers: [&str; 2], new: impl Fn() -> M) {
    let figures = figures("../scikit_learn/scalers.json");
    for table in figures["tables"].as_array().expect("tables") {
        let found = |entry: &&Value| entry["call"] == call;
        let entry = table["scalers"].as_array().expect("entries").iter().find(found).expect("an entry");
        let train = narrow(&numbers(&table["train"]));
        let rows = train.len() / FEATURES;
        let what = |part: &str| format!("{call}, {rows} rows: {part}");
        let data = DataSet::from_rows(train, FEATURES, Targets::Values(vec![0.0; rows], 1)).expect("rows");
        let mut model = new();
        fit_normalize(&mut model, &data).expect("it is fitted");
        let mut kept = std::collections::BTreeMap::new();
        for (at, tensor) in model.info().tensors.iter().enumerate() {
            let name = tensor.name.rsplit('.').next().expect("a part");
            let mut values = vec![0.0; tensor.len()];
            model.read_tensor(at, &mut values);
            let expected = numbers(&entry[name]);
            let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            // Each to its own size: a range of 1e-3 stands beside one of 1e3.
            for (found, expected) in wide(&values).iter().zip(&expected) {
                let room = 1e-6 * expected.abs().max(1e-9 * largest);
                assert!((found - expected).abs() <= room, "{}: {found}, expected {expected}", what(name));
            }
            kept.insert(tensor.name.to_owned(), expected);
        }
        let names: Vec<&str> = kept.keys().filter_map(|name| name.rsplit('.').next()).collect();
        assert!(buffers.iter().all(|buffer| names.contains(buffer)), "{call} keeps {names:?}");
        let (input, output) = (numbers(&table["input"]), numbers(&entry["output"]));
        let mut out = vec![0.0; output.len()];
        model.predict_rows(&narrow(&input), &mut out).expect("the rows fit");
        close(&what("output"), &wide(&out), &output, SINGLE);
        let mut one = vec![0.0; FEATURES];
        model.predict_rows(&narrow(&input[..FEATURES]), &mut one).expect("the row fits");
        close(&what("first output"), &wide(&one), &output[..FEATURES], SINGLE);

        let mut reference = Reference::new(&compiled(&format!("model M {{\n input [5]\n {call}\n}}")).graph);
        reference.set(&kept);
        close(&what("reference"), &reference.predict(&input), &output, DOUBLE);
    }
}

macro_rules! call {
    ($name:ident, $buffers:expr, $call:literal, { $($layer:tt)* }) => {
        mod $name {
            nnc::network! { pub model Scaler { input [5] $($layer)* } }

            #[test]
            fn is_that_of_scikit_learn() {
                super::check($call, $buffers, || Scaler::new(0));
            }
        }
    };
}

const MOMENTS: [&str; 2] = ["mean", "std"];
const RANGE: [&str; 2] = ["min", "max"];
const QUARTILES: [&str; 2] = ["median", "iqr"];

call!(normalize, super::MOMENTS, "normalize", { normalize });
call!(normalize_all, super::MOMENTS, "normalize(per = all)", { normalize(per = all) });
call!(min_max, super::RANGE, "min_max", { min_max });
call!(min_max_all, super::RANGE, "min_max(per = all)", { min_max(per = all) });
call!(min_max_signed, super::RANGE, "min_max(low = -1, high = 1)", { min_max(low = -1, high = 1) });
call!(min_max_wide, super::RANGE, "min_max(low = 0.5, high = 3)", { min_max(low = 0.5, high = 3) });
call!(robust, super::QUARTILES, "robust", { robust });
call!(robust_all, super::QUARTILES, "robust(per = all)", { robust(per = all) });
