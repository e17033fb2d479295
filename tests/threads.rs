//! The number of threads changes no bit: networks of `examples/zoo` and `benches/`, as small as leaves them functions that
//! are long enough to be divided, with one thread, two and three.

mod common;

use common::bits::{Rows, bits};
use nnc::{Model, Threads, Train};
use nnc_compiler::plan::{Along, Function};
use nnc_compiler::{CompiledModel, Options, compile};

/// Everything that a model says and becomes: in steps of whole batches and of a part of one, in evaluation, and in
/// prediction.
fn run<M: Train<Elem = f32>>(mut model: M) -> Vec<u64> {
    let info = *model.info();
    let mut rows = Rows::new();
    let mut found = Vec::new();
    model.set_horizon(3, 1);
    for samples in [info.batch, info.batch.div_ceil(2) + 1, info.batch] {
        let (x, aims) = rows.batch(&info, samples);
        let loss = model.step_rows(&x, aims.target()).expect("the rows fit");
        assert!(loss.is_finite(), "{}", info.name);
        found.push(u64::from(loss.to_bits()));
    }
    found.push(bits(&model));
    let (x, aims) = rows.batch(&info, info.batch);
    let loss = model.loss_rows(&x, aims.target()).expect("the rows fit");
    found.push(u64::from(loss.to_bits()));
    let mut y = vec![0.0; info.batch * info.output_len()];
    model.predict_rows(&x, &mut y).expect("the rows fit");
    found.extend(y.iter().map(|value: &f32| u64::from(value.to_bits())));
    found
}

/// A network and its run.
struct Network {
    path: &'static str,
    set: &'static [(&'static str, &'static str)],
    run: fn() -> Vec<u64>,
}

macro_rules! networks {
    ($($name:ident: $model:ident = $path:literal $(, $key:ident = $value:tt)*;)*) => {
        $(mod $name { nnc::network!($path $(, $key = $value)*); })*

        const NETWORKS: &[Network] = &[$(Network {
            path: $path,
            set: &[$((stringify!($key), stringify!($value))),*],
            run: || run($name::$model::new(3)),
        }),*];
    };
}

networks! {
    lenet5: LeNet5 = "examples/zoo/lenet5/lenet5.nn", size = 12, maps1 = 6, maps2 = 8, units1 = 20, units2 = 10, classes = 4;
    resnet20: ResNet20 = "examples/zoo/resnet20/resnet20.nn", size = 12, width = 8, classes = 4, lr = 0.01;
    mobilenet: MobileNet = "examples/zoo/mobilenet/mobilenet.nn", size = 12, width = 4, classes = 4, lr = 0.01;
    unet: UNet = "examples/zoo/unet/unet.nn", size = 8, width = 4, batch = 48;
    signal_fcn: SignalFcn = "examples/zoo/signal_fcn/signal_fcn.nn",
        length = 60, channels = 2, width = 8, classes = 4, batch = 48;
    char_gpt: CharGpt = "examples/zoo/char_gpt/char_gpt.nn",
        vocabulary = 13, context = 8, width = 32, heads = 2, blocks = 2, dropout = 0.1, batch = 40;
    char_gpt_alone: CharGpt = "examples/zoo/char_gpt/char_gpt.nn",
        vocabulary = 13, context = 12, width = 32, heads = 2, blocks = 2, batch = 16;
    mlp: Mlp = "benches/mlp.nn";
    bnmlp: BnMlp = "benches/bnmlp.nn";
    halves: Halves = "tests/data/models/halves.nn", width = 1024;
    lstm: CharLstm = "tests/data/pytorch/models/char_lstm.nn", batch = 48, width = 16, hidden = 24;
}

mod one_image {
    nnc::network!("tests/data/models/one_image.nn");
}

mod large_image {
    nnc::network!("tests/data/models/large_image.nn");
}

mod one_text {
    nnc::network!("tests/data/models/one_text.nn");
}

/// Predictions of single samples.
fn predict<M: Model<Elem = f32>>(model: M) -> Vec<u32> {
    let info = *model.info();
    let mut found = Vec::new();
    for n in 0..3 {
        // Tokens, too.
        let x: Vec<f32> = (0..info.input_len()).map(|i| ((7 * i + 3 * n) % 11) as f32).collect();
        let mut y = vec![0.0; info.output_len()];
        model.predict_rows(&x, &mut y).expect("a row");
        found.extend(y.iter().map(|value: &f32| value.to_bits()));
    }
    found
}

#[test]
fn every_number_of_threads_has_the_same_bits() {
    let (mut expected, mut of_one) = (Vec::new(), Vec::new());
    for count in [1, 2, 3] {
        Threads::cap(count);
        assert_eq!(Threads::detect().count(), count, "`NNC_THREADS` must not be set");
        of_one.push([
            predict(one_image::OneImage::new(3)),
            predict(large_image::LargeImage::new(3)),
            predict(one_text::OneText::new(3)),
        ]);
        assert!(of_one.first() == of_one.last(), "one sample with {count} threads");
        for (n, network) in NETWORKS.iter().enumerate() {
            let found = (network.run)();
            match expected.get(n) {
                None => expected.push(found),
                Some(expected) => assert!(found == *expected, "{} with {count} threads", network.path),
            }
        }
    }
}

/// A file, compiled.
fn compiled(path: &str, set: &[(&str, &str)]) -> CompiledModel {
    let whole = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{whole}: {error}"));
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let compilation = compile(path, &text, &Options { set, ..Options::default() });
    compilation.models.into_iter().next().unwrap_or_else(|| panic!("{path} compiles"))
}

/// What the functions of a network's training step are divided along.
fn divisions(network: &Network) -> Vec<Along> {
    let model = compiled(network.path, network.set);
    let train = model.plan.train.as_ref().expect("it is trained");
    let of_function = |function: &Function| function.division(&train.graph);
    let divisions: Vec<Along> = train.functions.iter().filter_map(of_function).collect();
    assert!(model.plan.is_divided() || divisions.is_empty(), "{}", network.path);
    divisions
}

/// What those of a prediction of one sample are divided along.
fn divisions_of_one(path: &str) -> Vec<Along> {
    let model = compiled(path, &[]);
    let single = &model.plan.single;
    let of_function = |function| single.division_of_one(function);
    let divisions: Vec<Along> = single.functions.iter().filter_map(of_function).collect();
    assert!(model.plan.is_divided() || divisions.is_empty(), "{path}");
    divisions
}

#[test]
fn the_work_for_one_sample_is_divided_where_that_is_long() {
    // Three times eight channels of sixteen rows of sixteen, three panels, and rows of a dense layer; what has no whole
    // parts is not divided, nor is what is short.
    let image = divisions_of_one("tests/data/models/one_image.nn");
    assert_eq!(image, [Along::Rows(3, 128), Along::Rows(3, 128), Along::Rows(3, 64), Along::Rows(65, 1)]);
    // Positions of dense layers, and queries of attention, eight of which share what they read.
    let text = divisions_of_one("tests/data/models/one_text.nn");
    let expected = [(64, 18), (8, 48), (64, 6), (64, 24), (64, 6), (64, 25)];
    assert_eq!(text, expected.map(|(units, rows)| Along::Rows(units, rows)));
    // A convolution of an image that was padded before, for it is large.
    assert_eq!(divisions_of_one("tests/data/models/large_image.nn"), [Along::Rows(2, 4608)]);
    // All of it together is too short for waking a thread.
    let lstm = divisions_of_one("benches/lstm.nn");
    assert_eq!(lstm, []);
}

#[test]
fn these_networks_are_divided_in_every_way() {
    let all: Vec<Vec<Along>> = NETWORKS.iter().map(divisions).collect();
    for (network, divisions) in NETWORKS.iter().zip(&all) {
        assert!(!divisions.is_empty(), "{} {:?} has no long function", network.path, network.set);
    }
    let is_there = |of: fn(&Along) -> bool| all.iter().flatten().any(of);
    assert!(is_there(|along| matches!(along, Along::Groups)));
    assert!(is_there(|along| matches!(along, Along::Positions(_))));
    assert!(is_there(|along| matches!(along, Along::Panels(_))));
    assert!(is_there(|along| matches!(along, Along::Taps(..))));
}
