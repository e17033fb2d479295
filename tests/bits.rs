//! One seed, one result: the bits of the weights after many steps are the same for every instruction set, and for
//! debug and release builds. CI runs this file in both.
//! (`network_bits.rs` has the networks of `examples/zoo` and `benches/`.)

mod common;

use common::bits::bits;
use nnc::{Set, Simd, Target, Train};

nnc::network! {
    model Small {
        input [4]
        hidden: dense(16) -> relu
        head: dense(3)
        loss cross_entropy
        optimizer adam(lr = 0.01)
    }
    train { batch 16 }
}

nnc::network! {
    model Odd {
        input [13]
        normalize
        first: dense(21) -> tanh
        residual { dense(21, unroll = none) -> gelu }
        second: dense(9) -> sigmoid
        head: dense(2) -> softplus
        loss huber
        optimizer momentum(lr = 0.05)
    }
    train { batch 19 }
}

nnc::network!("tests/data/models/regular.nn");

nnc::network!("tests/data/models/halves.nn");

nnc::network! {
    model Noisy {
        input [4, 3]
        prelu -> spatial_dropout(0.3) -> group_norm(2) -> gaussian_noise(0.1)
        instance_norm -> layer_norm
        flatten -> dense(11, bias = false) -> batch_norm(momentum = 0.3) -> tanh -> dropout(0.2)
        dense(7) -> rms_norm
        head: dense(2)
        loss mae
        optimizer nadam(
            lr = plateau(0.01, factor = 0.5, patience = 1),
            l1 = 0.001,
            decay = 0.1 for head.*,
            clip = 0.5,
            accumulate = 3,
            ema = 0.9,
        )
    }
    train { batch 21 }
}

/// So many steps on batches of all sizes.
fn train<M: Train<Elem = f32>>(model: &mut M, steps: usize) -> u64 {
    let (features, outputs, batch) =
        (model.info().input_len(), model.info().output_len(), model.info().batch);
    let rng = nnc::Rng::new(5, 1 << 40);
    let mut index = 0;
    let mut next = || {
        index += 1;
        rng.normal(index) as f32
    };
    model.set_horizon(50, 20);
    for step in 0..steps {
        let samples = if step % 3 == 0 { batch } else { 1 + step % batch };
        let x: Vec<f32> = (0..samples * features).map(|_| next()).collect();
        let is_class = matches!(model.info().target(), Some(nnc::model::TargetInfo::Class { .. }));
        let loss = if is_class {
            let class = |x: &[f32]| u32::from(x[0] > 0.0) + u32::from(x[1] > x[2]);
            let classes: Vec<u32> = x.chunks(features).map(|x| class(x).min(outputs as u32 - 1)).collect();
            model.step_rows(&x, Target::Classes(&classes))
        } else {
            let values: Vec<f32> = (0..samples * outputs).map(|_| next().abs()).collect();
            model.step_rows(&x, Target::Values(&values))
        };
        let loss = loss.expect("the rows fit");
        assert!(loss.is_finite());
        if step % 50 == 49 {
            model.end_epoch(f64::from(loss));
        }
    }
    bits(model)
}

#[test]
fn every_set_and_every_build_has_the_same_bits() {
    for set in [Set::Avx512, Set::Avx2, Set::Neon, Set::Plain] {
        Simd::cap(set);
        let found = [
            train(&mut Small::new(3), 1000),
            train(&mut Odd::new(3), 1000),
            train(&mut Regular::new(3), 1000),
            train(&mut Noisy::new(3), 1000),
            train(&mut Halves::new(3), 100),
        ];
        // The figures of the first run; whoever changes the order of a sum changes them, and says why.
        assert_eq!(found, BITS, "{:?}", Simd::detect());
    }
}

const BITS: [u64; 5] = [
    1_548_269_033_863_373_480,
    14_149_682_886_660_650_360,
    13_447_628_819_445_385_956,
    2_708_072_257_851_062_370,
    13_908_625_517_246_790_295,
];
