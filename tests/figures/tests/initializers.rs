//! Weights of fresh models against what other implementations have in theory (`tests/data/pytorch/initializers.json`):
//! mean, deviation and bounds over many seeds, and products of rows of orthogonal ones.

#[path = "../../common/mod.rs"]
mod common;

use nnc::Model;
use serde_json::Value;

use common::figures;

include!(concat!(env!("OUT_DIR"), "/initializers.rs"));

/// Models that are drawn. With 2,048 weights each a deviation is known to about 0.2 %.
const SEEDS: u64 = 64;
/// How many of its own deviations a figure may be off.
const SIGMAS: f64 = 5.0;

/// The weight of a model, row after row.
fn weight<M: Model<Elem = f32>>(model: &M) -> Vec<f64> {
    let tensors = model.info().tensors;
    let at = tensors.iter().position(|tensor| tensor.name == "w.weight").expect("a weight");
    let mut values = vec![0.0; tensors[at].len()];
    model.read_tensor(at, &mut values);
    values.into_iter().map(f64::from).collect()
}

/// The entry at this place, with nothing behind the layer.
fn initializers<M: Model<Elem = f32>>(at: usize, new: impl Fn(u64) -> M) {
    moments(&figures("initializers.json")["initializers"][at], new);
}

/// The entry at this place, with its activation behind the layer.
fn for_activations<M: Model<Elem = f32>>(at: usize, new: impl Fn(u64) -> M) {
    moments(&figures("initializers.json")["for_activations"][at], new);
}

fn moments<M: Model<Elem = f32>>(entry: &Value, new: impl Fn(u64) -> M) {
    let call = &entry["call"];
    let of = |key: &str| entry["theory"][key].as_f64();
    let values: Vec<f64> = (0..SEEDS).flat_map(|seed| weight(&new(seed))).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let (least, greatest) =
        values.iter().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
    let (center, expected) = (of("mean").expect("a mean"), of("std").expect("a deviation"));
    if expected == 0.0 {
        // Numbers of these entries are of few digits, which f32 holds.
        assert_eq!((least, greatest), (center, center), "{call}");
        return;
    }
    assert!((mean - center).abs() < SIGMAS * expected / n.sqrt(), "{call}: mean {mean}");
    assert!((std / expected - 1.0).abs() < SIGMAS / (2.0 * n).sqrt(), "{call}: {std}, expected {expected}");
    match (of("min"), of("max")) {
        (Some(low), Some(high)) => {
            // The bounds are in f64: numbers near them are rounded to f32.
            let room = 1e-7 * high.abs().max(low.abs());
            assert!(least >= low - room && greatest <= high + room, "{call}: {least} to {greatest}");
            let width = 0.01 * (high - low);
            assert!(least < low + width && greatest > high - width, "{call}: {least} to {greatest}");
        }
        _ => assert!(
            least < center - 4.0 * std && greatest > center + 4.0 * std,
            "{call}: {least} to {greatest}"
        ),
    }
}

/// Rows, or columns where they are fewer, have one length and nothing in common.
fn orthogonal<M: Model<Elem = f32>>(at: usize, new: impl Fn(u64) -> M) {
    let entry = &figures("initializers.json")["orthogonal"][at];
    let call = &entry["call"];
    let length = entry["length_squared"].as_f64().expect("a length");
    let size = |axis: usize| entry["shape"][axis].as_u64().expect("a size") as usize;
    let (rows, columns) = (size(0), size(1));
    for seed in 0..4 {
        let weight = weight(&new(seed));
        let at = |line: usize, k: usize| {
            if rows <= columns { weight[line * columns + k] } else { weight[k * columns + line] }
        };
        for a in 0..rows.min(columns) {
            for b in 0..=a {
                let product: f64 = (0..rows.max(columns)).map(|k| at(a, k) * at(b, k)).sum();
                let expected = if a == b { length } else { 0.0 };
                assert!((product - expected).abs() < 1e-6, "{call}: {a} by {b} is {product}");
            }
        }
        assert!(weight.iter().any(|value| *value < 0.0) && weight.iter().any(|value| *value > 0.0));
    }
}
