//! States of cells that go on from step to step: what a step begins with, when it begins anew, and what training makes
//! of it.

use nnc::data::{DataSet, Split, Targets};
use nnc::fit::{FitOptions, FitReport, StepReport};
use nnc::{Model, Target, Train};

mod models {
    nnc::network! {
        /// Windows of three positions, one behind the other.
        pub model Windows {
            input words: [3, 2]
            read: lstm(5, carry = true)
            shown: leaky(4, carry = true)
            head: dense(3)
            loss cross_entropy
            optimizer sgd(lr = 0.1)
        }

        /// The same in one window.
        pub model Whole {
            input words: [9, 2]
            read: lstm(5)
            shown: leaky(4)
            head: dense(3)
            loss cross_entropy
            optimizer sgd(lr = 0.1)
        }

        /// A cell that begins with another number than 0.
        cell leaky(hidden) {
            state h: [hidden] = 0.5
            let x = input -> ih: dense(hidden)
            h = 0.5 * h + tanh(x)
            output h
        }

        train {
            batch 4
        }
    }
}

use models::{Whole, Windows};

const SAMPLES: usize = 3;

/// Nine positions of three samples, and a class for each.
fn sequences() -> (Vec<[[f32; 2]; 9]>, Vec<[u32; 9]>) {
    let at = |n: usize, t: usize| (n * 9 + t) as f32;
    let word = |n, t| [(at(n, t) * 0.7).sin(), (at(n, t) * 1.3).cos()];
    let words = (0..SAMPLES).map(|n| core::array::from_fn(|t| word(n, t)));
    let classes = (0..SAMPLES).map(|n| core::array::from_fn(|t| ((n + t * t) % 3) as u32));
    (words.collect(), classes.collect())
}

/// Window `k` of each.
fn window(k: usize) -> (Vec<[[f32; 2]; 3]>, Vec<[u32; 3]>) {
    let (words, classes) = sequences();
    let words = words.iter().map(|words| core::array::from_fn(|t| words[3 * k + t]));
    let classes = classes.iter().map(|classes| core::array::from_fn(|t| classes[3 * k + t]));
    (words.collect(), classes.collect())
}

/// A step on window `k`.
fn step(model: &mut Windows, k: usize) -> f32 {
    let (words, classes) = window(k);
    model.train_step(&words, &classes).expect("a batch")
}

fn weights(model: &impl Model<Elem = f32>) -> Vec<Vec<f32>> {
    let tensors = model.info().tensors.iter().enumerate();
    let read = |(n, tensor): (usize, &nnc::TensorInfo)| {
        let mut values = vec![0.0; tensor.len()];
        model.read_tensor(n, &mut values);
        values
    };
    tensors.map(read).collect()
}

/// The states that the next step begins with.
fn states(model: &Windows) -> Vec<f32> {
    let mut states = vec![f32::NAN; model.carried()];
    model.read_carried(&mut states);
    states
}

#[test]
fn windows_one_behind_the_other_are_one_window() {
    let (mut windows, mut whole) = (Windows::new(7), Whole::new(7));
    assert_eq!(weights(&windows), weights(&whole));
    // Nothing is learned: it is the forward part that is looked at.
    windows.set_learning_rate(0.0);
    let (words, classes) = sequences();
    let expected =
        whole.loss_rows(words.as_flattened().as_flattened(), Target::Classes(classes.as_flattened()));
    let losses = [0, 1, 2].map(|k| step(&mut windows, k));
    let mean = losses.iter().sum::<f32>() / 3.0;
    assert!((mean - expected.expect("a batch")).abs() < 1e-6, "{losses:?} {expected:?}");
    // Anew, the second window is another one.
    windows.reset_state();
    assert_eq!(step(&mut windows, 0), losses[0]);
    windows.reset_state();
    assert_ne!(step(&mut windows, 1), losses[1]);
}

#[test]
fn samples_that_a_step_does_not_have_keep_their_state() {
    let mut model = Windows::new(7);
    model.set_learning_rate(0.0);
    let (words, classes) = window(0);
    step(&mut model, 0);
    model.train_step(&words[..1], &classes[..1]).expect("a batch");
    let found = step(&mut model, 1);
    let mut other = Windows::new(7);
    other.set_learning_rate(0.0);
    step(&mut other, 0);
    let mut states = states(&other);
    other.train_step(&words[..1], &classes[..1]).expect("a batch");
    // The first lane is that of the first sample.
    let mut after = vec![0.0; other.carried()];
    other.read_carried(&mut after);
    for (n, (before, after)) in states.iter_mut().zip(&after).enumerate() {
        match n % 16 {
            0 => *before = *after,
            _ => assert_eq!(before, after, "{n}"),
        }
    }
    other.reset_state();
    other.write_carried(&states);
    assert_eq!(step(&mut other, 1), found);
}

#[test]
fn a_step_that_is_not_taken_leaves_the_state() {
    let mut model = Windows::new(7);
    let (words, classes) = window(0);
    step(&mut model, 0);
    let before = states(&model);
    let bad = [[[f32::NAN; 2]; 3]; SAMPLES];
    assert!(model.train_step(&bad, &classes).is_ok_and(|loss| !loss.is_finite()));
    assert!(model.train_step(&words, &[[0, 1, 3]; SAMPLES]).is_err());
    assert_eq!(states(&model), before);
}

#[test]
fn predictions_and_losses_begin_anew() {
    let mut model = Windows::new(7);
    let (words, classes) = window(1);
    let rows = words.as_flattened().as_flattened();
    let (one, loss) =
        (model.predict(&words[0]), model.loss_rows(rows, Target::Classes(classes.as_flattened())));
    model.set_learning_rate(0.0);
    step(&mut model, 0);
    let before = states(&model);
    assert_eq!(model.predict(&words[0]), one);
    assert_eq!(model.loss_rows(rows, Target::Classes(classes.as_flattened())), loss);
    assert_eq!(states(&model), before);
}

/// Eleven samples that continue each other: three streams of four, the last of them one short.
fn text() -> Split {
    let (rows, classes): (Vec<f32>, Vec<u32>) = (
        (0..11 * 6).map(|n| (n as f32 * 0.9).sin()).collect(),
        (0..11 * 3).map(|n| (n * n / 2 % 3) as u32).collect(),
    );
    let train = DataSet::from_rows(rows, 6, Targets::Positions(classes, 3)).expect("rows");
    Split { train, validation: None, test: None }
}

fn options() -> FitOptions<'static> {
    FitOptions { epochs: 3, batch: Some(3), ..FitOptions::default() }
}

/// Ends a fit behind a step.
struct Until(u64);

impl nnc::fit::Callback for Until {
    fn on_step(&mut self, step: &StepReport) -> std::ops::ControlFlow<()> {
        if step.step == self.0 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    }
}

fn fitted(options: &FitOptions<'_>, until: u64) -> (Windows, FitReport) {
    let mut model = Windows::new(3);
    let report = model.fit(&text(), options, &mut Until(until)).expect("it trains");
    (model, report)
}

#[test]
fn a_fit_takes_the_next_sample_of_each_stream() {
    let (model, report) = fitted(&options(), u64::MAX);
    assert_eq!(report.steps, 12);
    let mut other = Windows::new(3);
    let data = text().train;
    let Targets::Positions(classes, _) = &data.targets else { panic!() };
    for _ in 0..3 {
        other.reset_state();
        for step in 0..4 {
            let rows = (step..11).step_by(4);
            let x: Vec<f32> = rows.clone().flat_map(|row| data.row(row).iter().copied()).collect();
            let target: Vec<u32> =
                rows.flat_map(|row| classes[3 * row..3 * row + 3].iter().copied()).collect();
            other.step_rows(&x, Target::Classes(&target)).expect("a batch");
        }
    }
    assert_eq!(weights(&model), weights(&other));
    let (again, _) = fitted(&options(), u64::MAX);
    assert_eq!(weights(&model), weights(&again));
    // The seed orders nothing.
    let (seeded, _) = fitted(&FitOptions { seed: 9, ..options() }, u64::MAX);
    assert_eq!(weights(&model), weights(&seeded));
}

#[test]
fn a_fit_that_is_resumed_goes_on_with_its_states() {
    let (whole, _) = fitted(&options(), u64::MAX);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("last.safetensors");
    for until in [1, 4, 6, 11] {
        let stopped = FitOptions { last: Some(path.clone()), ..options() };
        fitted(&stopped, until);
        let resumed = FitOptions { resume: Some(path.clone()), ..options() };
        let (model, report) = fitted(&resumed, u64::MAX);
        assert_eq!(report.steps, 12);
        assert_eq!(weights(&model), weights(&whole), "{until}");
    }
}
