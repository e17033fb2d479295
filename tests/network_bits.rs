//! One seed, one result, of the networks in `examples/zoo` and `benches/`: the bits of their weights after 200 steps are the
//! same for every instruction set, and for debug and release builds. (Debug builds take all steps with one set, and a
//! tenth of them with the others.)
//!
//! Sizes are as small as leave every layer in its place, and large networks take fewer steps: debug builds run this too.
//! The resnet20, the lenet and the LSTM of `benches/` are those of the zoo, where the mlp is that of `benches/`.

mod common;

use common::bits::{Rows, bits};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nnc::{Set, Simd, Train};

/// Samples of the largest batch: a group of sixteen, and one more.
const SAMPLES: usize = 17;

/// What the weights are after a tenth of so many steps on batches of several sizes and, unless that is all that is asked
/// for, after all of them.
fn train<M: Train<Elem = f32>>(model: &mut M, steps: usize, is_short: bool) -> [u64; 2] {
    let info = *model.info();
    let mut rows = Rows::new();
    model.set_horizon(steps as u64, 1);
    let (early, mut bits_early) = (steps.div_ceil(10), 0);
    for step in 0..if is_short { early } else { steps } {
        // Most of a batch's time is that of its groups: few are large.
        let samples = if step % 8 == 7 { SAMPLES.min(info.batch) } else { 1 + step % 4 };
        let (x, aims) = rows.batch(&info, samples);
        let loss = model.step_rows(&x, aims.target());
        assert!(loss.expect("the rows fit").is_finite(), "{}, step {step}", info.name);
        if step + 1 == early {
            bits_early = bits(model);
        }
    }
    [bits_early, bits(model)]
}

/// A network, its run, and the figures of the first one; whoever changes the order of a sum changes them, and says why.
struct Run {
    name: &'static str,
    run: fn(bool) -> [u64; 2],
    bits: [u64; 2],
}

macro_rules! networks {
    ($($name:ident: $model:ident = $path:literal $(, $key:ident = $value:tt)*; $steps:literal steps: $early:literal, $bits:literal;)*) => {
        $(mod $name { nnc::network!($path $(, $key = $value)*); })*

        const RUNS: &[Run] = &[$(Run {
            name: stringify!($name),
            run: |is_short| train(&mut $name::$model::new(3), $steps, is_short),
            bits: [$early, $bits],
        }),*];
    };
}

networks! {
    lenet5: LeNet5 = "examples/zoo/lenet5/lenet5.nn",
        size = 12, maps1 = 2, maps2 = 3, units1 = 7, units2 = 6, classes = 4; 200 steps: 6_907_571_965_664_842_227, 1_887_588_584_992_151_304;
    resnet20: ResNet20 = "examples/zoo/resnet20/resnet20.nn",
        size = 4, width = 2, classes = 4, lr = 0.01; 200 steps: 13_679_081_387_268_248_316, 2_699_238_785_538_863_655;
    wide_resnet: ResNet20 = "examples/zoo/resnet20/resnet20.nn",
        size = 4, width = 8, blocks = 2, classes = 4, lr = 0.01; 20 steps: 3_320_525_350_620_508_649, 16_658_782_406_989_518_922;
    vgg: Vgg = "examples/zoo/vgg/vgg.nn", size = 8, width = 2, units = 6, classes = 4; 200 steps: 8_991_160_260_886_996_647, 1_385_238_297_520_658_443;
    mobilenet: MobileNet = "examples/zoo/mobilenet/mobilenet.nn",
        size = 4, width = 2, classes = 4, lr = 0.01; 200 steps: 11_281_350_458_110_958_589, 1_212_967_489_651_324_795;
    unet: UNet = "examples/zoo/unet/unet.nn", size = 4, width = 2; 200 steps: 9_505_520_867_592_320_829, 285_355_996_929_620_135;
    signal_fcn: SignalFcn = "examples/zoo/signal_fcn/signal_fcn.nn",
        length = 15, channels = 2, width = 3, classes = 4; 200 steps: 7_037_234_260_612_310_737, 1_567_967_294_117_881_804;
    autoencoder: Autoencoder = "examples/zoo/autoencoder/autoencoder.nn",
        size = 12, units1 = 9, units2 = 7, units3 = 5, code = 3; 200 steps: 10_422_099_408_610_406_273, 1_352_138_194_839_919_445;
    char_gpt: CharGpt = "examples/zoo/char_gpt/char_gpt.nn",
        vocabulary = 13, context = 5, width = 10, heads = 2, blocks = 2, dropout = 0.1; 200 steps: 10_392_349_918_694_219_145, 18_275_945_926_422_272_028;
    char_rnn: CharRnn = "examples/zoo/char_rnn/char_rnn.nn", vocabulary = 13, context = 7, width = 5, hidden = 6; 200 steps: 15_717_694_094_843_503_128, 16_543_078_452_897_889_398;
    char_lstm: CharLstm = "examples/zoo/char_lstm/char_lstm.nn", vocabulary = 13, context = 7, width = 5, hidden = 6; 200 steps: 17_324_004_228_594_230_963, 1_704_815_657_130_369_856;
    char_gru: CharGru = "examples/zoo/char_gru/char_gru.nn", vocabulary = 13, context = 7, width = 5, hidden = 6; 200 steps: 9_252_317_748_997_295_242, 6_321_200_145_496_573_565;
    transformer_classifier: TransformerClassifier = "examples/zoo/transformer_classifier/transformer_classifier.nn",
        vocabulary = 13, context = 7, width = 8, heads = 2, classes = 4; 200 steps: 2_417_937_253_377_919_791, 12_877_066_605_846_665_966;
    xor: Xor = "benches/xor.nn"; 200 steps: 9_536_913_047_105_374_350, 3_103_971_909_072_070_132;
    iris: Iris = "benches/iris.nn"; 200 steps: 5_160_205_751_244_335_034, 7_088_009_975_323_648_875;
    mlp: Mlp = "benches/mlp.nn"; 20 steps: 12_016_430_757_653_101_812, 8_206_839_744_959_704_802;
    bnmlp: BnMlp = "benches/bnmlp.nn"; 20 steps: 2_427_034_695_493_761_509, 3_957_596_366_663_822_705;
    gpt: Gpt = "benches/gpt.nn", vocabulary = 9, context = 6, width = 20, heads = 4, blocks = 1; 200 steps: 3_334_451_409_840_859_854, 8_714_883_334_423_399_499;
    wide: Wide = "tests/data/models/wide.nn"; 3 steps: 3_041_109_617_952_825_195, 3_549_135_208_490_633_745;
}

/// What is not as it was, of all networks; several at a time.
fn differences(is_short: bool) -> Vec<String> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(Run { name, run, bits }) = RUNS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let now = run(is_short);
            if now[0] != bits[0] || !is_short && now[1] != bits[1] {
                found.lock().expect("no panic").push(format!("{name}: {now:?}, expected {bits:?}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    found.into_inner().expect("no panic")
}

#[test]
fn every_set_and_every_build_has_the_same_bits() {
    let widest = Simd::detect().set();
    for set in Set::ALL {
        Simd::cap(set);
        // A machine has not all of them.
        if Simd::detect().set() != set {
            continue;
        }
        // All steps of every set would take minutes without optimization.
        let differences = differences(cfg!(debug_assertions) && set != widest);
        assert!(differences.is_empty(), "{set:?}: {differences:#?}");
    }
}
