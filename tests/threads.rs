//! The number of threads changes no bit: networks of `examples/zoo` and `benches/`, as small as leaves them functions that
//! are long enough to be divided, with one thread, two and three.

mod common;

use common::bits::{Rows, bits};
use nnc::{Threads, Train};
use nnc_compiler::plan::Along;
use nnc_compiler::{Options, compile};

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

#[test]
fn every_number_of_threads_has_the_same_bits() {
    let mut expected = Vec::new();
    for count in [1, 2, 3] {
        Threads::cap(count);
        assert_eq!(Threads::detect().count(), count, "`NNC_THREADS` must not be set");
        for (n, network) in NETWORKS.iter().enumerate() {
            let found = (network.run)();
            match expected.get(n) {
                None => expected.push(found),
                Some(expected) => assert!(found == *expected, "{} with {count} threads", network.path),
            }
        }
    }
}

/// What the functions of a network's training step are divided along.
fn divisions(network: &Network) -> Vec<Along> {
    let path = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), network.path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let set = network.set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let compilation = compile(&path, &text, &Options { set, ..Options::default() });
    let model = compilation.models.first().unwrap_or_else(|| panic!("{path} compiles"));
    let train = model.plan.train.as_ref().expect("it is trained");
    let divisions: Vec<Along> =
        train.functions.iter().filter_map(|function| function.division(&train.graph)).collect();
    assert_eq!(model.plan.is_divided(), !divisions.is_empty(), "{path}");
    divisions
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
