//! What a program does with a model, beside steps and predictions: tensors by name, rates, checkpoints, figures of the
//! data, and what is left of a model when training fails.

use std::ops::ControlFlow;

use nnc::data::{DataSet, Split, Targets, fit_normalize};
use nnc::fit::{EpochReport, FitOptions};
use nnc::metrics::Metric;
use nnc::outputs::{argmax, softmax};
use nnc::safetensors::{Metadata, load_prefixed};
use nnc::{Model, TensorError, Train, checkpoint};

nnc::network! {
    model Net {
        input x: [3]
        normalize
        hidden: dense(8) -> tanh -> dropout(0.5)
        head: dense(1)
        loss mse
        optimizer momentum(lr = plateau(0.05, patience = 0))
    }
    train { batch 4 }
}

mod cosine {
    nnc::network! {
        pub model Short { input [1] dense(1) loss mse optimizer sgd(lr = cosine(0.1)) }
        train { batch 4 }
    }
}

const X: [[f32; 3]; 4] = [[1.0, 5.0, -2.0], [2.0, 6.0, -1.0], [3.0, 4.0, 0.5], [4.0, 7.0, 1.5]];
const Y: [[f32; 1]; 4] = [[0.5], [1.0], [-0.5], [2.0]];

/// The rows of `X`, each number `scale` times as large, with targets.
fn data(scale: f32) -> DataSet {
    let inputs = X.as_flattened().iter().map(|x| x * scale).collect();
    DataSet::from_rows(inputs, 3, Targets::Values(Y.as_flattened().to_vec(), 1)).expect("whole rows")
}

fn mean(model: &Net) -> Vec<f32> {
    model.tensor("normalize.mean").expect("the model has it")
}

fn bits(model: &Net) -> Vec<u32> {
    let tensors = Net::description().tensors.iter();
    tensors.flat_map(|tensor| model.tensor(tensor.name).expect("its own")).map(f32::to_bits).collect()
}

#[test]
fn tensors_are_read_and_set_by_name() {
    let mut model = Net::new(1);
    let mut bias = model.tensor("head.bias").expect("the model has it");
    assert_eq!(bias, [0.0]);
    let before = model.predict(&X[0])[0];
    bias[0] = 2.0;
    assert_eq!(model.set_tensor("head.bias", &bias), Ok(()));
    assert!((model.predict(&X[0])[0] - before - 2.0).abs() < 1e-6);
    assert_eq!(model.tensor("head.bais"), None);
    assert_eq!(model.set_tensor("head.bais", &bias), Err(TensorError::Unknown("head.bais".into())));
    let error = model.set_tensor("head.weight", &bias).expect_err("it has eight");
    assert_eq!(error, TensorError::Len { expected: 8, found: 1 });
    assert_eq!(nnc::Error::from(error).code, "E0413");
}

#[test]
fn a_rate_that_is_none_is_passed_over() {
    let mut model = cosine::Short::new(1);
    for rate in [f64::NAN, f64::INFINITY, -0.1] {
        model.set_learning_rate(rate);
        assert_eq!(model.learning_rate(), Some(0.1));
    }
    model.set_learning_rate(0.2);
    assert_eq!(model.learning_rate(), Some(0.2));
}

#[test]
fn who_trains_longer_than_was_said_stays_at_the_end_of_a_schedule() {
    let mut model = cosine::Short::new(1);
    model.set_horizon(2, 2);
    let mut rates = Vec::new();
    for _ in 0..9 {
        rates.push(model.scheduled_rate().expect("a rate"));
        model.train_step(&[[1.0]], &[[1.0]]).expect("a sample");
    }
    assert!(rates[..5].is_sorted_by(|a, b| a > b), "{rates:?}");
    assert!(rates[4..].iter().all(|rate| rate.abs() < 1e-17), "{rates:?}");
    // An epoch has a step, and training an epoch.
    model.set_horizon(0, 0);
    assert!(model.scheduled_rate().is_some_and(f64::is_finite));
}

#[test]
fn a_checkpoint_has_what_schedules_remember_and_where_random_numbers_come_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("net.safetensors");
    let step = |model: &mut Net| model.train_step(&X, &Y).expect("the batch is whole");
    let mut model = Net::new(3);
    for loss in [1.0, 2.0, 3.0] {
        step(&mut model);
        model.end_epoch(loss);
    }
    assert!(model.scheduled_rate().expect("a rate") < 0.01, "the schedule went on");
    checkpoint::save(&model, &path, &Metadata::new()).expect("it can be written");
    let mut other = Net::new(4);
    checkpoint::load(&mut other, &path).expect("it is its own");
    assert_eq!((other.seed(), other.schedule()), (Some(3), model.schedule()));
    for _ in 0..3 {
        assert_eq!(step(&mut other).to_bits(), step(&mut model).to_bits());
    }
    assert_eq!(bits(&other), bits(&model));
}

#[test]
fn figures_of_the_data_are_fitted_once() {
    let options = FitOptions { epochs: 1, ..FitOptions::default() };
    let mut model = Net::new(1);
    // What is wrong with options or data is told before.
    let few = Split::from(DataSet::from_rows(vec![9.0; 3], 3, Targets::Values(vec![1.0], 1)).expect("a row"));
    assert_eq!(model.fit(&few, &options, &mut ()).expect_err("too few rows").code, "E0410");
    assert_eq!(mean(&model), [0.0; 3]);
    model.fit(&Split::from(data(1.0)), &options, &mut ()).expect("it trains");
    assert_eq!(mean(&model), [2.5, 5.5, -0.25]);
    // The weights go with these, whatever comes.
    model.fit(&Split::from(data(3.0)), &options, &mut ()).expect("it trains");
    assert_eq!(mean(&model), [2.5, 5.5, -0.25]);
    fit_normalize(&mut model, &data(2.0)).expect("it fits");
    assert_eq!(mean(&model), [5.0, 11.0, -0.5]);
}

#[test]
fn a_fit_that_fails_leaves_the_last_good_model() {
    let mut model = Net::new(1);
    let good = Split::from(data(1.0));
    model.fit(&good, &FitOptions { epochs: 2, ..FitOptions::default() }, &mut ()).expect("it trains");
    let (before, steps) = (bits(&model), model.steps());
    model.set_learning_rate(1e300);
    let error = model.fit(&good, &FitOptions { epochs: 20, ..FitOptions::default() }, &mut ());
    assert_eq!(error.expect_err("the rate is too large").code, "E0412");
    assert_eq!((bits(&model), model.steps()), (before, steps));
}

#[test]
fn a_beginning_that_no_tensor_has_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("net.safetensors");
    let mut model = Net::new(1);
    model.save(&path).expect("it can be written");
    let error = load_prefixed(&mut model, &path, "Base.").expect_err("it has none");
    assert!(error.code == "E0413" && error.message.contains("`Base.`"), "{error}");
}

/// What takes a model takes a box of one, and one that is lent: with all that it remembers.
#[test]
fn a_box_of_a_model_is_a_model() {
    fn trained(mut model: impl Train<Elem = f32>) -> (Vec<f32>, Vec<f64>, Option<u64>, u64) {
        let options = FitOptions { epochs: 6, batch: Some(2), ..FitOptions::default() };
        let split = Split { validation: Some(data(1.5)), ..Split::from(data(1.0)) };
        nnc::fit::fit(&mut model, &split, &options, &mut ()).expect("it trains");
        let weights = model.tensor("head.weight").expect("its own");
        (weights, model.schedule().to_vec(), model.seed(), model.steps())
    }
    let boxed: Box<dyn Train<Elem = f32>> = Box::new(Net::new(3));
    assert_eq!(format!("{boxed:?}"), format!("{:?}", Net::new(0)));
    let mut lent = Net::new(3);
    let expected = trained(Net::new(3));
    assert_ne!(expected.1, [0.0; 2][..expected.1.len().min(2)]);
    assert_eq!(trained(boxed), expected);
    assert_eq!(trained(&mut lent), expected);
    assert_eq!(lent.steps(), 12);
}

/// The method, the function, and both through a trait object fit the figures first.
#[test]
fn the_function_fit_is_the_method() {
    let (split, options) = (Split::from(data(1.0)), FitOptions { epochs: 3, ..FitOptions::default() });
    let (mut one, mut other) = (Net::new(5), Net::new(5));
    one.fit(&split, &options, &mut ()).expect("it trains");
    nnc::fit::fit(&mut other as &mut dyn Train<Elem = f32>, &split, &options, &mut ()).expect("it trains");
    assert_eq!(bits(&one), bits(&other));
    assert_ne!(mean(&one), [0.0; 3]);
}

#[test]
fn a_closure_is_called_after_each_epoch() {
    let options = FitOptions { epochs: 9, ..FitOptions::default() };
    let mut losses = Vec::new();
    let mut stop_after_three = |report: &EpochReport| {
        losses.push(report.loss);
        if losses.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report =
        Net::new(1).fit(&Split::from(data(1.0)), &options, &mut stop_after_three).expect("it trains");
    assert_eq!((losses.len(), report.epochs.len()), (3, 3));
}

mod scales {
    nnc::network! {
        pub model YesNo { input [1] dense(1) loss binary_cross_entropy_with_logits optimizer sgd }
        pub model Counts { input [1] dense(1) loss poisson optimizer sgd }
        pub model Events { input [1] dense(1) loss poisson(log_input = false) optimizer sgd }
        pub model Tags { input [1] dense(3) loss cross_entropy(ignore_index = 0) optimizer sgd }
        train { batch 8 }
    }
}

/// A model of `line` whose output is `slope` times its input.
fn set_line(model: &mut impl Model<Elem = f32>, slope: &[f32]) {
    model.set_tensor("dense.weight", slope).expect("a weight for each output");
}

/// Metrics are of what an output stands for: a logit of 0.1 is a yes, and the logarithm of a rate a rate.
#[test]
fn metrics_are_in_the_scale_of_the_target() {
    let data = |x: &[f32], y: &[f32]| {
        DataSet::from_rows(x.to_vec(), 1, Targets::Values(y.to_vec(), 1)).expect("whole rows")
    };
    let asked = [Metric::Accuracy, Metric::Mae];
    let mut yes_no = scales::YesNo::new(1);
    set_line(&mut yes_no, &[1.0]);
    let found =
        yes_no.evaluate(&data(&[-0.4, -0.1, 0.1, 0.4], &[0.0, 0.0, 1.0, 1.0]), &asked).expect("it fits");
    assert_eq!(found.metrics[0].1, 1.0);
    let off = [0.1_f64, 0.4].map(|x| 1.0 - 1.0 / (1.0 + (-x).exp()));
    assert!((found.metrics[1].1 - f64::midpoint(off[0], off[1])).abs() < 1e-6, "{:?}", found.metrics);
    let mut counts = scales::Counts::new(1);
    set_line(&mut counts, &[1.0]);
    let found =
        counts.evaluate(&data(&[20f32.ln(), 50f32.ln()], &[20.0, 50.0]), &asked[1..]).expect("it fits");
    assert!(found.metrics[0].1 < 1e-4, "{:?}", found.metrics);
    // Not the logarithm, but the rate itself.
    let mut rates = scales::Events::new(1);
    set_line(&mut rates, &[1.0]);
    let found = rates.evaluate(&data(&[20.0, 50.0], &[20.0, 50.0]), &asked[1..]).expect("it fits");
    assert_eq!(found.metrics[0].1, 0.0);
}

/// What a loss leaves out is left out of metrics; of equal outputs the first come first.
#[test]
fn metrics_leave_out_what_the_loss_does() {
    let mut tags = scales::Tags::new(1);
    set_line(&mut tags, &[0.0, 1.0, 2.0]);
    let classes = Targets::Classes(vec![0, 0, 2, 1]);
    let data = DataSet::from_rows(vec![1.0; 4], 1, classes).expect("whole rows");
    let found = tags.evaluate(&data, &[Metric::Accuracy]).expect("it fits");
    assert_eq!(found.metrics[0].1, 0.5);
}

#[test]
fn a_validation_part_without_rows_is_an_error() {
    let empty = DataSet::from_rows(Vec::new(), 3, Targets::Values(Vec::new(), 1)).expect("no rows");
    let split = Split { validation: Some(empty), ..Split::from(data(1.0)) };
    let error = Net::new(1).fit(&split, &FitOptions::default(), &mut ()).expect_err("it has none");
    assert_eq!(error.code, "E0410");
}

#[test]
fn scores_become_probabilities() {
    let mut scores = [1000.0, 1001.0, -1000.0];
    softmax(&mut scores);
    assert_eq!(argmax(&scores), 1);
    assert!((scores[0] - 0.268_941_43).abs() < 1e-7 && scores[2] == 0.0);
}

#[test]
fn weights_go_through_memory_as_through_a_file() {
    let mut model = Net::new(4);
    for _ in 0..3 {
        model.train_step(&X, &Y).expect("it fits");
    }
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("net.safetensors");
    model.save(&path).expect("it can be written");
    let bytes = model.to_bytes();
    assert_eq!(bytes, std::fs::read(&path).expect("it was written"));
    let read = Net::from_bytes(&bytes).expect("its own");
    assert_eq!(bits(&read), bits(&model));
    assert_eq!(read.predict(&X[1]), model.predict(&X[1]));
    assert!(Net::from_bytes(&bytes[..bytes.len() - 1]).is_err());
}
