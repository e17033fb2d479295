//! Models of several inputs: emitted code against the reference interpreter, both against central differences, against
//! PyTorch (`tests/data/pytorch/inputs.json`), and what the struct offers.

mod common;

use common::compiled;
use common::differential::{check, check_slopes};
use common::training::Case;
use nnc::{Model, ShapeError, StepError, Target, Train};

macro_rules! models {
    ($($name:ident: $model:ident = $path:literal;)*) => {
        $(
            mod $name {
                nnc::network!($path);

                #[test]
                fn emitted_code_is_the_reference() {
                    super::check($path, || $model::new(0));
                }

                #[test]
                fn gradients_are_slopes() {
                    super::check_slopes($path);
                }
            }
        )*
    };
}

models! {
    two_inputs: TwoInputs = "tests/data/models/two_inputs.nn";
    siamese: Siamese = "tests/data/models/siamese.nn";
}

mod two_towers {
    nnc::network!("tests/data/pytorch/models/two_towers.nn");
}

mod padded {
    nnc::network!("tests/data/pytorch/models/padded.nn");
}

use padded::Padded;
use two_towers::TwoTowers;

fn case(name: &str) -> Case {
    Case::new("inputs.json", name, "class")
}

#[test]
fn emitted_code_is_pytorch() {
    case("two_towers").check(TwoTowers::new(0));
    case("padded").check(Padded::new(0));
}

#[test]
fn the_reference_is_pytorch() {
    case("two_towers").check_reference(&compiled(include_str!("data/pytorch/models/two_towers.nn")));
    case("padded").check_reference(&compiled(include_str!("data/pytorch/models/padded.nn")));
}

/// A sequence of `padded` that ends at `len`, with `rest` at each position behind its end.
fn words(len: usize, rest: f32) -> ([[f32; 4]; 5], [f32; 5]) {
    let word =
        |t: usize| core::array::from_fn(|f| if t < len { (t * 4 + f) as f32 / 10.0 - 0.8 } else { rest });
    (core::array::from_fn(word), core::array::from_fn(|t| if t < len { 1.0 } else { 0.0 }))
}

#[test]
fn what_is_behind_the_end_of_a_sequence_does_not_matter() {
    let model = Padded::new(5);
    for len in 0..=5 {
        let samples = [words(len, 0.0), words(len, 7.5)];
        let one = samples.map(|(words, mask)| model.predict(&words, &mask));
        assert_eq!(one[0], one[1], "{len}");
        assert!(one[0].iter().all(|value| value.is_finite()), "{len}: {one:?}");
        let rows = samples.map(|(words, mask)| [words.as_flattened(), &mask[..]].concat()).concat();
        let mut out = [[0.0; 3]; 2];
        model.predict_rows(&rows, out.as_flattened_mut()).expect("two rows");
        assert_eq!(out[0], out[1], "{len}");
        for (row, one) in out[0].iter().zip(one[0]) {
            assert!((row - one).abs() < 1e-6, "{len}: {row} {one}");
        }
    }
}

#[test]
fn a_sequence_of_no_positions_leaves_a_step_finite() {
    let mut model = Padded::new(5);
    let (samples, masks): (Vec<_>, Vec<_>) = [0, 5, 2].map(|len| words(len, 1.0)).into_iter().unzip();
    let before = model.predict(&samples[1], &masks[1]);
    for _ in 0..3 {
        assert!(model.train_step(&samples, &masks, &[0, 1, 2]).is_ok_and(f32::is_finite));
    }
    let after = model.predict(&samples[1], &masks[1]);
    assert!(after.iter().all(|value| value.is_finite()) && after != before);
}

const LEFT: [[f32; 3]; 2] = [[0.5, -1.0, 0.25], [1.0, 2.0, -0.5]];
const RIGHT: [[[f32; 4]; 2]; 2] = [[[0.5, 1.0, 0.0, 2.0]; 2], [[-1.0, 0.25, 3.0, 1.0], [0.0, 1.0, 0.5, 0.5]]];

/// The samples as rows of both inputs.
fn rows() -> Vec<f32> {
    let samples = LEFT.iter().zip(&RIGHT);
    samples.flat_map(|(left, right)| left.iter().chain(right.as_flattened()).copied()).collect()
}

#[test]
fn inputs_are_given_apart_or_as_a_row() {
    let model = TwoTowers::new(3);
    let apart: Vec<f32> = (0..2).flat_map(|n| model.predict(&LEFT[n], &RIGHT[n])).collect();
    let mut out = vec![0.0; 6];
    model.predict_rows(&rows(), &mut out).expect("two rows");
    assert_eq!(apart.len(), 6);
    for (apart, row) in apart.iter().zip(&out) {
        assert!((apart - row).abs() < 1e-6, "{apart} {row}");
    }
    let [left, right] = model.info().inputs else { panic!("{:?}", model.info().inputs) };
    assert_eq!((left.name, left.shape, left.tokens), ("left", &[3][..], None));
    assert_eq!((right.name, right.shape, right.tokens), ("right", &[2, 4][..], None));
    assert_eq!(model.info().input, [11]);
}

#[test]
fn a_step_takes_them_apart_or_as_a_row() {
    let (mut one, mut other) = (TwoTowers::new(3), TwoTowers::new(3));
    for _ in 0..3 {
        let apart = one.train_step(&LEFT, &RIGHT, &[0, 2]);
        assert_eq!(apart, other.step_rows(&rows(), Target::Classes(&[0, 2])));
        assert!(apart.is_ok());
    }
    assert_eq!(one.predict(&LEFT[0], &RIGHT[0]), other.predict(&LEFT[0], &RIGHT[0]));
}

#[test]
fn inputs_of_other_numbers_of_samples_are_refused() {
    let mut model = TwoTowers::new(3);
    let before = model.predict(&LEFT[0], &RIGHT[0]);
    let found = model.train_step(&LEFT, &RIGHT[..1], &[0, 2]);
    let fault = ShapeError { what: "right", expected: 16, is_of_sample: false, found: 8 };
    assert_eq!(found, Err(StepError::from(fault)));
    let many = ([LEFT[0]; 6], [RIGHT[0]; 6]);
    assert_eq!(model.train_step(&many.0, &many.1, &[0; 6]), Err(StepError::Samples { batch: 5, found: 6 }));
    assert_eq!(model.predict(&LEFT[0], &RIGHT[0]), before);
    assert!(model.train_step(&LEFT, &RIGHT, &[0, 2]).is_ok());
}

#[test]
fn a_token_is_looked_for_at_its_own_input() {
    let mut model = two_inputs::TwoInputs::new(3);
    let (words, picture) = ([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 0.0]], [[[[7.5; 3]; 3]; 2]; 2]);
    let found = model.train_step(&words, &picture, &[0, 1]);
    assert_eq!(found, Err(StepError::Token { sample: 1, position: 2, token: 6.0, tokens: 6 }));
}
