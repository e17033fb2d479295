//! Initial weights: those of emitted code are those of the reference, and spread as each initializer says. Where PyTorch
//! has figures, `tests/figures` compares with them.

use nnc::{Model, Rng};
use nnc_compiler::reference::{Draw, Draws, Interpreter};
use nnc_compiler::{Options, compile};

/// A model, and its text.
macro_rules! model {
    ($name:ident, $($text:tt)*) => {
        mod $name {
            nnc::network! { $($text)* }
            pub const TEXT: &str = stringify!($($text)*);
        }
    };
}

model! { start,
    allow W0105

    init both = random_normal() + random_truncated() * random_uniform() + random_orthogonal()

    pub model Start {
        input [100]
        uniform: dense(90, init = uniform(low = -1, high = 3), bias_init = normal(mean = 2, std = 0.1)) -> relu
        truncated: dense(80, init = truncated_normal(mean = 1, std = 0.5), bias_init = truncated_normal)
        wide: dense(60, init = orthogonal)
        square: dense(60, init = orthogonal(gain = 2)) -> tanh
        tall: dense(100, init = orthogonal)
        lecun: dense(100, init = lecun_truncated)
        glorot: dense(70, init = glorot_truncated)
        he: dense(80, init = he_truncated) -> relu
        kaiming: dense(50, init = kaiming) -> leaky_relu(slope = 0.5)
        even: dense(60, init = kaiming_uniform) -> sigmoid
        notes: dense(60, init = fan_in)
        lecun_normal: dense(60, init = lecun)
        lecun_even: dense(60, init = lecun_uniform)
        xavier: dense(60, init = glorot)
        xavier_spread: dense(60, init = glorot_normal, bias_init = constant(value = 0.25))
        still: dense(60, init = zeros, bias_init = ones)
        default_tanh: dense(70) -> tanh
        plain: dense(50, init = standard_normal)
        several: dense(40, init = both, bias_init = ones)
    }
}

/// Draws as emitted code makes them.
struct Seeded(u64);

impl Draws for Seeded {
    fn draw(&self, tensor: usize, index: u64, draw: Draw) -> f64 {
        let rng = Rng::new(self.0, tensor as u64);
        match draw {
            Draw::Uniform => rng.uniform(index),
            Draw::Normal => rng.normal(index),
            Draw::Truncated => rng.truncated(index),
        }
    }

    fn orthogonal(&self, (rows, columns): (usize, usize), normal: &dyn Fn(u64) -> f64) -> Vec<f64> {
        nnc::__private::orthogonal(rows, columns, normal).into_vec()
    }
}

/// The values of a tensor, and its shape.
fn tensor(model: &start::Start, name: &str) -> (Vec<f64>, &'static [usize]) {
    let (n, info) =
        model.info().tensors.iter().enumerate().find(|(_, info)| info.name == name).expect("a tensor");
    let mut values = vec![0.0; info.len()];
    model.read_tensor(n, &mut values);
    (values.into_iter().map(f64::from).collect(), info.shape)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn std(values: &[f64]) -> f64 {
    let center = mean(values);
    mean(&values.iter().map(|value| (value - center).powi(2)).collect::<Vec<_>>()).sqrt()
}

#[test]
fn emitted_code_and_the_reference_draw_the_same_numbers() {
    let compilation = compile("start.nn", start::TEXT, &Options::default());
    assert!(!compilation.has_errors(), "{:?}", compilation.diagnostics);
    let graph = &compilation.models.first().expect("a model").graph;
    let mut interpreter = Interpreter::new(graph).expect("the graph is valid");
    interpreter.initialize(&Seeded(11));
    let model = start::Start::new(11);
    for (n, info) in model.info().tensors.iter().enumerate() {
        let (values, _) = tensor(&model, info.name);
        let expected: Vec<f64> = interpreter
            .parameter(n)
            .expect("a tensor")
            .iter()
            .map(|value| f64::from(*value as f32))
            .collect();
        // A formula that is simplified may round its last digit otherwise.
        for (value, expected) in values.iter().zip(&expected) {
            assert!((value - expected).abs() <= 1e-6 * expected.abs(), "{}: {value}, {expected}", info.name);
        }
        assert_eq!(values.len(), expected.len());
    }
}

#[test]
fn weights_are_spread_as_their_initializer_says() {
    let model = start::Start::new(3);
    // Mean, deviation, and the greatest distance from the mean there can be, of initializers with thousands of draws.
    let sqrt = f64::sqrt;
    let truncated = 0.879_625_661_034_239_8;
    for (name, center, deviation, most) in [
        ("uniform.weight", 1.0, sqrt(4.0 / 3.0), 2.0),
        ("truncated.weight", 1.0, 0.5 * truncated, 1.0),
        ("plain.weight", 0.0, 1.0, f64::INFINITY),
        ("lecun.weight", 0.0, 0.1, 0.2 / truncated),
        ("glorot.weight", 0.0, sqrt(2.0 / 170.0), 2.0 * sqrt(2.0 / 170.0) / truncated),
        ("he.weight", 0.0, sqrt(2.0 / 70.0), 2.0 * sqrt(2.0 / 70.0) / truncated),
        ("kaiming.weight", 0.0, sqrt(2.0 / 1.25 / 80.0), f64::INFINITY),
        ("even.weight", 0.0, 1.846_228_545 / sqrt(50.0), 1.846_228_545 * sqrt(3.0 / 50.0)),
        ("notes.weight", 0.0, 1.0 / sqrt(60.0), f64::INFINITY),
        ("lecun_normal.weight", 0.0, 1.0 / sqrt(60.0), f64::INFINITY),
        ("lecun_even.weight", 0.0, 1.0 / sqrt(60.0), sqrt(3.0 / 60.0)),
        ("xavier.weight", 0.0, 1.0 / sqrt(60.0), sqrt(6.0 / 120.0)),
        ("xavier_spread.weight", 0.0, 1.0 / sqrt(60.0), f64::INFINITY),
        ("default_tanh.weight", 0.0, 1.592_537_42 / sqrt(60.0), f64::INFINITY),
    ] {
        let (values, _) = tensor(&model, name);
        assert!((mean(&values) - center).abs() < 0.05 * deviation, "{name}: mean {}", mean(&values));
        assert!((std(&values) / deviation - 1.0).abs() < 0.04, "{name}: deviation {}", std(&values));
        let far = values.iter().map(|value| (value - center).abs()).fold(0.0, f64::max);
        assert!(far <= most * (1.0 + 1e-6) && far > 2.0f64.min(most) * 0.8 * deviation, "{name}: {far}");
    }
}

#[test]
fn orthogonal_matrices_keep_lengths() {
    let model = start::Start::new(5);
    for (name, gain) in [("wide.weight", 1.0), ("square.weight", 2.0), ("tall.weight", 1.0)] {
        let (values, shape) = tensor(&model, name);
        let &[rows, columns] = shape else { panic!("{name}: {shape:?}") };
        let at = |n: usize, m: usize| {
            if rows > columns { values[m * columns + n] } else { values[n * columns + m] }
        };
        let (count, len) = (rows.min(columns), rows.max(columns));
        for a in 0..count {
            for b in 0..=a {
                let product: f64 = (0..len).map(|m| at(a, m) * at(b, m)).sum();
                let expected = if a == b { gain * gain } else { 0.0 };
                assert!((product - expected).abs() < 1e-5, "{name}: {a}, {b}: {product}");
            }
        }
    }
}

#[test]
fn constants_are_what_they_say() {
    let model = start::Start::new(5);
    for (name, expected) in [("still.weight", 0.0), ("still.bias", 1.0), ("xavier_spread.bias", 0.25)] {
        let (values, _) = tensor(&model, name);
        assert!(values.iter().all(|value| *value == expected), "{name}: {values:?}");
    }
}

#[test]
fn other_seeds_give_other_weights() {
    let (first, second) = (start::Start::new(1), start::Start::new(2));
    let drawn = |info: &&nnc::TensorInfo| info.name.ends_with(".weight") && info.name != "still.weight";
    for info in first.info().tensors.iter().filter(drawn) {
        assert_ne!(tensor(&first, info.name), tensor(&second, info.name), "{}", info.name);
    }
}
