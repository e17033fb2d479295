//! Weights of fresh models against what PyTorch's initializers have in theory (`tests/data/pytorch/initializers.json`):
//! mean, deviation and bounds over many seeds, and products of rows of orthogonal ones. For tanh and selu PyTorch has
//! gains chosen by hand, 5/3 and 3/4, and the library those that keep the size of values: they are left out.

mod common;

use nnc::Model;
use serde_json::Value;

use common::figures;

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

/// The entry of a call in one of the lists, `activation` being what comes next.
fn entry(figures: &Value, section: &str, call: &str, activation: Option<&str>) -> Value {
    let entries = figures[section].as_array().expect("entries").iter();
    let mut entries = entries.filter(|entry| entry["call"] == call);
    let found = match activation {
        Some(activation) => entries.find(|entry| entry["activation"] == activation),
        None => entries.next(),
    };
    found.unwrap_or_else(|| panic!("no figures for {call} and {activation:?}")).clone()
}

fn moments<M: Model<Elem = f32>>(call: &str, activation: Option<&str>, new: impl Fn(u64) -> M) {
    let figures = figures("initializers.json");
    let section = if activation.is_some() { "for_activations" } else { "initializers" };
    let theory = &entry(&figures, section, call, activation)["theory"];
    let values: Vec<f64> = (0..SEEDS).flat_map(|seed| weight(&new(seed))).collect();
    let n = values.len() as f64;
    assert_eq!(values.len(), 64 * 32 * SEEDS as usize);
    let mean = values.iter().sum::<f64>() / n;
    let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let (least, greatest) =
        values.iter().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
    let of = |key: &str| theory[key].as_f64();
    let expected = of("std").expect("a deviation");
    assert!((mean - of("mean").expect("a mean")).abs() < SIGMAS * expected / n.sqrt(), "{call}: mean {mean}");
    assert!((std / expected - 1.0).abs() < SIGMAS / (2.0 * n).sqrt(), "{call}: {std}, expected {expected}");
    match (of("min"), of("max")) {
        (Some(low), Some(high)) => {
            // The bounds are in f64: numbers near them are rounded to f32.
            let room = 1e-7 * high;
            assert!(least >= low - room && greatest <= high + room, "{call}: {least} to {greatest}");
            assert!(least < 0.99 * low && greatest > 0.99 * high, "{call}: {least} to {greatest}");
        }
        _ => assert!(least < -4.0 * std && greatest > 4.0 * std, "{call}: {least} to {greatest}"),
    }
}

/// Rows, or columns where they are fewer, have one length and nothing in common.
fn orthogonal<M: Model<Elem = f32>>(call: &str, [rows, columns]: [usize; 2], new: impl Fn(u64) -> M) {
    let figures = figures("initializers.json");
    let length = entry(&figures, "orthogonal", call, None)["length_squared"].as_f64().expect("a length");
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

/// `NAME: "the call", what comes next or nothing { the layer }`
macro_rules! initializers {
    ($($name:ident: $call:literal, $activation:expr, { $($layer:tt)* };)*) => {
        $(
            mod $name {
                nnc::network! { allow W0105 pub model Net { input [32] $($layer)* } }

                #[test]
                fn has_the_moments_of_theory() {
                    super::moments($call, $activation, Net::new);
                }
            }
        )*
    };
}

initializers! {
    uniform: "uniform(low = -0.05, high = 0.05)", None, { w: dense(64, init = uniform) };
    normal: "normal(mean = 0, std = 0.05)", None, { w: dense(64, init = normal) };
    truncated_normal: "truncated_normal(mean = 0, std = 0.05)", None, { w: dense(64, init = truncated_normal) };
    xavier: "xavier", None, { w: dense(64, init = xavier) };
    glorot: "xavier", None, { w: dense(64, init = glorot) };
    xavier_normal: "xavier_normal", None, { w: dense(64, init = xavier_normal) };
    xavier_gain: "xavier(gain = 1.6666666666666667)", None, { w: dense(64, init = xavier(gain = 5 / 3)) };
    xavier_normal_gain: "xavier_normal(gain = 1.6666666666666667)", None, {
        w: dense(64, init = xavier_normal(gain = 5 / 3))
    };
    glorot_normal: "glorot_normal", None, { w: dense(64, init = glorot_normal) };
    glorot_by_keras: "glorot", None, { w: dense(64, init = glorot) };
    glorot_truncated: "glorot_truncated", None, { w: dense(64, init = glorot_truncated) };
    lecun: "lecun", None, { w: dense(64, init = lecun) };
    lecun_uniform: "lecun_uniform", None, { w: dense(64, init = lecun_uniform) };
    lecun_truncated: "lecun_truncated", None, { w: dense(64, init = lecun_truncated) };
    fan_in: "fan_in", None, { w: dense(64, init = fan_in) };
    he_truncated: "he_truncated", Some("relu"), { w: dense(64, init = he_truncated) -> relu };
    kaiming: "kaiming", Some("relu"), { w: dense(64, init = kaiming) -> relu };
    kaiming_uniform: "kaiming_uniform", Some("relu"), { w: dense(64, init = kaiming_uniform) -> relu };
    he_relu: "he", Some("relu"), { w: dense(64, init = he) -> relu };
    he_uniform_relu: "he_uniform", Some("relu"), { w: dense(64, init = he_uniform) -> relu };
    he_leaky_relu: "he", Some("leaky_relu(slope = 0.2)"), { w: dense(64, init = he) -> leaky_relu(slope = 0.2) };
    he_uniform_leaky_relu: "he_uniform", Some("leaky_relu(slope = 0.2)"), {
        w: dense(64, init = he_uniform) -> leaky_relu(slope = 0.2)
    };
    he_linear: "he", Some("linear"), { w: dense(64, init = he) };
    he_uniform_linear: "he_uniform", Some("linear"), { w: dense(64, init = he_uniform) };
}

/// Weights that are one number.
#[test]
fn constants_are_the_number() {
    nnc::network! {
        pub model Net {
            input [3]
            a: dense(2, init = zeros)
            b: dense(2, init = ones)
            c: dense(2, init = constant(value = 0.25))
        }
    }
    let model = Net::new(1);
    let figures = figures("initializers.json");
    for (tensor, call) in
        [("a.weight", "zeros"), ("b.weight", "ones"), ("c.weight", "constant(value = 0.25)")]
    {
        let expected = common::numbers(&entry(&figures, "constants", call, None)["value"]);
        let at = model.info().tensors.iter().position(|known| known.name == tensor).expect("it is there");
        let mut values = vec![f32::NAN; model.info().tensors[at].len()];
        model.read_tensor(at, &mut values);
        assert!(values.iter().all(|value| f64::from(*value) == expected[0]), "{call}: {values:?}");
    }
}

mod orthogonal_high {
    nnc::network! { pub model Net { input [32] w: dense(64, init = orthogonal) } }
}

mod orthogonal_wide {
    nnc::network! { pub model Net { input [64] w: dense(32, init = orthogonal(gain = 1.5)) } }
}

mod orthogonal_square {
    nnc::network! { pub model Net { input [32] w: dense(32, init = orthogonal) } }
}

#[test]
fn orthogonal_weights_are() {
    orthogonal("orthogonal", [64, 32], orthogonal_high::Net::new);
    orthogonal("orthogonal(gain = 1.5)", [32, 64], orthogonal_wide::Net::new);
    orthogonal("orthogonal", [32, 32], orthogonal_square::Net::new);
}
