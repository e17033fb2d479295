//! Samples that are changed as they are trained on: what becomes of them, and what stays as it is.
#![cfg(feature = "std")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Linear, assert_tells, classifier, info, line, several};
use nnc_runtime::Error;
use nnc_runtime::data::{Augmentation, Augmenter, DataSet, Fill, Split, Targets, fit_normalize};
use nnc_runtime::fit::{Callback, FitOptions, StepReport, fit};
use nnc_runtime::model::{
    LayerInfo, Model, ModelInfo, NormalizeInfo, NormalizeKind, ShapeError, StepError, Target, TargetInfo,
    Train,
};

/// Learns nothing, and remembers the rows that it is given.
#[derive(Debug)]
struct Witness {
    info: &'static ModelInfo,
    trained: Vec<Vec<f32>>,
    measured: Vec<Vec<f32>>,
}

impl Witness {
    fn new(info: ModelInfo) -> Self {
        Self { info: Box::leak(Box::new(info)), trained: Vec::new(), measured: Vec::new() }
    }
}

impl Model for Witness {
    type Elem = f32;

    fn info(&self) -> &'static ModelInfo {
        self.info
    }

    fn predict_rows(&self, _: &[f32], out: &mut [f32]) -> Result<(), ShapeError> {
        out.fill(0.0);
        Ok(())
    }

    fn read_tensor(&self, _: usize, _: &mut [f32]) {}

    fn write_tensor(&mut self, _: usize, _: &[f32]) {}
}

impl Train for Witness {
    fn step_rows(&mut self, x: &[f32], _: Target<'_, f32>) -> Result<f32, StepError> {
        self.trained.extend(x.chunks(self.info.input_len()).map(<[f32]>::to_vec));
        Ok(1.0)
    }

    fn loss_rows(&mut self, x: &[f32], _: Target<'_, f32>) -> Result<f32, StepError> {
        self.measured.extend(x.chunks(self.info.input_len()).map(<[f32]>::to_vec));
        Ok(1.0)
    }

    fn first_non_finite(&self) -> Option<LayerInfo> {
        None
    }

    fn steps(&self) -> u64 {
        0
    }

    fn set_steps(&mut self, _: u64) {}

    fn learning_rate(&self) -> Option<f64> {
        None
    }

    fn set_learning_rate(&mut self, _: f64) {}

    fn read_state(&self, _: usize, _: usize, _: &mut [f32]) {}

    fn write_state(&mut self, _: usize, _: usize, _: &[f32]) {}
}

/// A model of images of 2 by 3, with one channel.
fn small() -> ModelInfo {
    ModelInfo { input: &[1, 2, 3], ..classifier(6, 2) }
}

/// Images whose pixels tell the row: 10 row + 1 to 10 row + 6.
fn images(rows: usize) -> DataSet {
    let inputs = (0..rows * 6).map(|n| (n / 6 * 10 + n % 6 + 1) as f32).collect();
    let classes = (0..rows).map(|row| (row % 2) as u32).collect();
    DataSet::from_rows(inputs, 6, Targets::Classes(classes)).expect("whole rows")
}

fn augmenter(steps: &[Augmentation], shape: &[usize], seed: u64) -> Augmenter {
    Augmenter::new(steps, shape, seed).expect("they fit")
}

const CROP: Augmentation = Augmentation::Crop { padding: 1, fill: Fill::Edge };
const ALL: [Augmentation; 4] =
    [Augmentation::Shift { pixels: 1 }, Augmentation::Flip, CROP, Augmentation::Noise { std: 0.1 }];

#[test]
fn every_place_within_reach_is_as_likely_as_the_others() {
    for (step, seed) in
        [(Augmentation::Shift { pixels: 2 }, 1), (Augmentation::Crop { padding: 2, fill: Fill::Zero }, 2)]
    {
        let mut augmenter = augmenter(&[step], &[5, 5], seed);
        let mut counts = [0_u32; 25];
        for row in 0..10_000 {
            // A light in the middle stays within the image wherever it is moved.
            let mut sample = [0.0; 25];
            sample[12] = 1.0;
            augmenter.apply(3, row, &mut sample);
            assert_eq!(sample.iter().sum::<f32>(), 1.0);
            counts[sample.iter().position(|value| *value == 1.0).expect("one is 1")] += 1;
        }
        // 400 each, with a deviation of 20.
        assert!(counts.iter().all(|count| (310..490).contains(count)), "{step}: {counts:?}");
    }
}

#[test]
fn half_of_the_images_are_flipped() {
    let mut augmenter = augmenter(&[Augmentation::Flip], &[2, 2, 3], 5);
    let original: Vec<f32> = (0..12).map(|n| n as f32).collect();
    let flipped = [2., 1., 0., 5., 4., 3., 8., 7., 6., 11., 10., 9.];
    let mut count = 0;
    for row in 0..10_000 {
        let mut sample = original.clone();
        augmenter.apply(0, row, &mut sample);
        assert!(sample == original || sample == flipped, "{sample:?}");
        count += usize::from(sample == flipped);
    }
    // A deviation of 50.
    assert!((4800..5200).contains(&count), "{count}");
}

#[test]
fn noise_has_its_deviation() {
    let mut augmenter = augmenter(&[Augmentation::Noise { std: 0.5 }], &[4], 1);
    let mut all = Vec::new();
    for row in 0..10_000 {
        let mut sample = [1.0_f32; 4];
        augmenter.apply(2, row, &mut sample);
        all.extend(sample.map(|value| f64::from(value) - 1.0));
    }
    let mean = |power: i32| all.iter().map(|value| value.powi(power)).sum::<f64>() / all.len() as f64;
    assert!(mean(1).abs() < 0.01, "{}", mean(1));
    assert!((mean(2).sqrt() - 0.5).abs() < 0.01, "{}", mean(2));
    // Of a normal distribution the fourth moment is 3 of the square of the second.
    assert!((mean(4) / mean(2).powi(2) - 3.0).abs() < 0.15, "{}", mean(4));
    // Neighbours have nothing in common.
    let along = all.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / all.len() as f64;
    assert!(along.abs() < 0.01, "{along}");
}

#[test]
fn noise_is_in_units_of_what_the_model_makes_of_the_data() {
    let noise = [Augmentation::Noise { std: 0.5 }];
    let deviations = |kind: NormalizeKind, first: &[f32], second: &[f32]| {
        let mut model = Linear::with_info(|info| {
            let layer = NormalizeInfo { input: 0, kind, tensors: [0, 1], over_all: false };
            info.normalize = Box::leak(Box::new([layer]));
        });
        model.write_tensor(0, first);
        model.write_tensor(1, second);
        let mut augmenter = augmenter(&noise, &[2], 1);
        augmenter.set_units(&model);
        let mut squares = [0.0_f64; 2];
        for row in 0..10_000 {
            let mut sample = [0.0; 2];
            augmenter.apply(0, row, &mut sample);
            squares.iter_mut().zip(sample).for_each(|(sum, value)| *sum += f64::from(value).powi(2));
        }
        squares.map(|sum| (sum / 10_000.0).sqrt())
    };
    let near =
        |found: [f64; 2], wanted: [f64; 2]| found.iter().zip(wanted).all(|(a, b)| (a / b - 1.0).abs() < 0.03);
    let found = deviations(NormalizeKind::Standard, &[7.0, 8.0], &[2.0, 100.0]);
    assert!(near(found, [1.0, 50.0]), "{found:?}");
    let found = deviations(NormalizeKind::MinMax, &[-1.0, 8.0], &[3.0, 10.0]);
    assert!(near(found, [2.0, 1.0]), "{found:?}");
}

#[test]
fn a_sample_depends_on_seed_epoch_and_row_alone() {
    let of = |seed: u64, epoch: usize, row: usize, before: &[usize]| {
        let mut augmenter = augmenter(&ALL, &[1, 4, 4], seed);
        for other in before {
            augmenter.apply(epoch, *other, &mut [0.0; 16]);
        }
        let mut sample: [f32; 16] = std::array::from_fn(|n| n as f32);
        augmenter.apply(epoch, row, &mut sample);
        sample.map(f32::to_bits)
    };
    let first = of(7, 2, 5, &[]);
    assert_eq!(of(7, 2, 5, &[9, 5, 1]), first);
    assert_ne!(of(8, 2, 5, &[]), first);
    assert_ne!(of(7, 3, 5, &[]), first);
    assert_ne!(of(7, 2, 6, &[]), first);
}

fn options(augment: &[Augmentation]) -> FitOptions<'static> {
    FitOptions { epochs: 2, seed: 4, augment: augment.to_vec(), ..FitOptions::default() }
}

/// What a fit of images trains on, in order, and what it measures.
fn seen(options: &FitOptions<'_>) -> [Vec<Vec<f32>>; 2] {
    let split = Split { train: images(40), validation: Some(images(5)), test: None };
    let mut model = Witness::new(small());
    fit(&mut model, &split, options, &mut ()).expect("it fits");
    [model.trained, model.measured]
}

#[test]
fn training_samples_are_changed_and_those_of_validation_are_not() {
    let rows =
        |rows: usize| -> Vec<Vec<f32>> { images(rows).inputs.chunks(6).map(<[f32]>::to_vec).collect() };
    let [trained, measured] = seen(&options(&[CROP]));
    assert_eq!(measured, [rows(5), rows(5)].concat());
    assert_eq!(trained.len(), 80);
    let [plain, _] = seen(&options(&[]));
    let changed = trained.iter().zip(&plain).filter(|(found, plain)| found != plain).count();
    // One place in nine leaves an image as it is.
    assert!((55..80).contains(&changed), "{changed}");
    // Each image is still the one whose turn it was: with the edge as its border it has no pixel of another.
    assert!(trained.iter().zip(&plain).all(|(found, plain)| found.iter().all(|pixel| plain.contains(pixel))));
}

#[test]
fn neither_order_nor_batch_changes_a_sample() {
    let sorted = |options: FitOptions<'_>| {
        let [mut trained, _] = seen(&options);
        for epoch in trained.chunks_mut(40) {
            epoch.sort_by(|a, b| {
                a.iter().map(|value| (value / 10.0) as u32).cmp(b.iter().map(|value| (value / 10.0) as u32))
            });
        }
        trained
    };
    let steps = [CROP, Augmentation::Flip];
    let expected = sorted(options(&steps));
    assert_eq!(sorted(FitOptions { shuffle: false, ..options(&steps) }), expected);
    assert_eq!(sorted(FitOptions { batch: Some(7), ..options(&steps) }), expected);
    assert_ne!(sorted(FitOptions { seed: 5, ..options(&steps) }), expected);
    assert_ne!(expected[..40], expected[40..], "epochs differ");
}

struct Interrupt<'a> {
    flag: &'a AtomicBool,
    at: u64,
}

impl Callback for Interrupt<'_> {
    fn on_step(&mut self, report: &StepReport) -> std::ops::ControlFlow<()> {
        self.flag.store(report.step == self.at, Ordering::Relaxed);
        std::ops::ControlFlow::Continue(())
    }
}

fn lined(last: &Path, augment: &[Augmentation]) -> FitOptions<'static> {
    FitOptions { epochs: 4, last: Some(last.to_owned()), save_every: Duration::ZERO, ..options(augment) }
}

#[test]
fn a_run_goes_on_with_the_samples_of_one_that_was_never_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, last) = (folder.path().join("whole"), folder.path().join("last"));
    let split = Split::from(line(30));
    let noise = [Augmentation::Noise { std: 0.3 }];
    let fitted = || {
        let mut model = Linear::new();
        fit_normalize(&mut model, &split.train).expect("it fits");
        model
    };
    let mut model = fitted();
    fit(&mut model, &split, &lined(&whole, &noise), &mut ()).expect("it fits");
    let mut plain = fitted();
    fit(&mut plain, &split, &lined(&whole, &[]), &mut ()).expect("it fits");
    assert_ne!(plain.bits(), model.bits(), "noise is felt");

    let flag = AtomicBool::new(false);
    let stopped = FitOptions { interrupt: Some(&flag), ..lined(&last, &noise) };
    let error = fit(&mut fitted(), &split, &stopped, &mut Interrupt { flag: &flag, at: 6 }).unwrap_err();
    assert_eq!(error.code, "E0418");
    let resumed = |augment: &[Augmentation]| {
        let mut model = Linear::new();
        let options =
            FitOptions { resume: Some(last.clone()), ..lined(&folder.path().join("other"), augment) };
        fit(&mut model, &split, &options, &mut ()).map(|_| model.bits())
    };
    assert_eq!(resumed(&noise).expect("it goes on"), model.bits());
    let error = resumed(&[]).unwrap_err();
    assert_tells(&error, "E0419", &["augmentation noise(0.3)", "this run has augmentation none"]);
}

#[test]
fn what_cannot_be_augmented_is_told() {
    let shift = Augmentation::Shift { pixels: 2 };
    let fault = |steps: &[Augmentation], info: &ModelInfo, data: &DataSet| -> Error {
        Augmenter::of_model(steps, info, data, 1).expect_err("it does not fit")
    };
    let data = images(2);
    assert_tells(&fault(&[shift], &classifier(6, 2), &data), "E0416", &["shift(2)", "found [6]"]);
    assert!(Augmenter::of_model(&[Augmentation::Noise { std: 1.0 }], &classifier(6, 2), &data, 1).is_ok());
    assert_tells(&fault(&[shift], &small(), &data), "E0205", &["shift(2)", "1 to 1 pixels", "2 by 3"]);
    let crop = Augmentation::Crop { padding: 3, fill: Fill::Reflect };
    assert_tells(&fault(&[crop], &small(), &data), "E0205", &["crop(padding = 3, fill = reflect)"]);
    let twice = [Augmentation::Flip, Augmentation::Shift { pixels: 1 }, Augmentation::Flip];
    assert_tells(&fault(&twice, &small(), &data), "E0205", &["`flip` is the second of its kind"]);
    for std in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(fault(&[Augmentation::Noise { std }], &small(), &data).code, "E0205", "{std}");
    }
    let positions = info(6, 12, Some(TargetInfo::Positions { classes: 2, positions: 6 }));
    let positions = ModelInfo { input: &[2, 3], ..positions };
    let data = DataSet::from_rows(vec![0.0; 6], 6, Targets::Positions(vec![0; 6], 6)).expect("whole rows");
    assert_tells(&fault(&[Augmentation::Flip], &positions, &data), "E0416", &["flip", "leave the classes"]);
    let tokens = ModelInfo { inputs: common::inputs(6, Some(9)), ..small() };
    assert_tells(&fault(&[Augmentation::Flip], &tokens, &images(2)), "E0416", &["tokens"]);
    let mut two = several(6, &[("output", 2, Some(TargetInfo::Class { classes: 2 }))]);
    two.inputs = Box::leak([two.inputs, two.inputs].concat().into_boxed_slice());
    assert_tells(&fault(&[Augmentation::Flip], &two, &images(2)), "E0416", &["2 inputs, expected one"]);
}
