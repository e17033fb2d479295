//! `storage bf16`: large matrices and what the optimizer remembers of them in sixteen bits. What is computed with them is what
//! is computed with the same numbers in f32, and what is stored is a neighbour of what f32 would have stored.

mod common;

use common::bits::{Rows, bits};
use nnc::{Model, ModelInfo, Set, Simd, Train};
use nnc_compiler::costs;
use nnc_compiler::{Options, compile};

/// A model with everything in f32, and the same with `storage bf16`.
macro_rules! twins {
    ($($name:ident { $($body:tt)* } batch $batch:literal;)*) => {$(
        mod $name {
            pub mod full {
                nnc::network! { pub model Twin { $($body)* } train { batch $batch } }
            }
            pub mod half {
                nnc::network! { pub model Twin { $($body)* } train { batch $batch storage bf16 } }
            }
        }
    )*};
}

twins! {
    plain {
        input [70]
        first: dense(66) -> relu
        second: dense(70, bias = false) -> tanh
        head: dense(5)
        loss cross_entropy
        optimizer momentum(lr = 0.05)
    } batch 20;
    adaptive {
        input [70]
        first: dense(66) -> relu
        second: dense(70, bias = false) -> tanh
        head: dense(5)
        loss cross_entropy
        optimizer adam(lr = 0.01)
    } batch 20;
    slow {
        input [64]
        first: dense(64, bias = false)
        head: dense(1)
        loss mse
        optimizer sgd(lr = 0.000002)
    } batch 16;
    clipped {
        input [65]
        repeat 2 { dense(65) -> layer_norm -> relu }
        frozen { fixed: dense(64) -> tanh }
        residual { dense(70) -> relu }
        head: dense(3)
        loss cross_entropy
        optimizer adamw(lr = 0.01, clip_norm = 0.5)
    } batch 18;
    several {
        input [70]
        first: dense(66) -> relu
        head: dense(5)
        loss cross_entropy
        optimizer momentum(lr = 0.05, accumulate = 3)
    } batch 17;
    scaled {
        input [70]
        first: dense(66) -> relu
        head: dense(5)
        loss cross_entropy
        optimizer lamb(lr = 0.01)
    } batch 17;
    recurrent {
        input [6, 24]
        first: lstm(36)
        second: gru(40)
        flatten
        head: dense(4)
        loss cross_entropy
        optimizer rmsprop(lr = 0.01)
    } batch 9;
    short {
        input [2, 64]
        attention(heads = 2)
        flatten
        head: dense(4)
        loss cross_entropy
        optimizer adamw(lr = 0.01)
    } batch 9;
    crossing {
        input a: [5, 96]
        input b: [5, 96]
        cross_attention(a, b, heads = 2)
        flatten
        head: dense(4)
        loss cross_entropy
        optimizer adamw(lr = 0.01, clip_norm = 1)
    } batch 9;
    attending {
        input [5, 64]
        residual { layer_norm -> attention(heads = 2) }
        dense(64) -> gelu
        flatten
        head: dense(4)
        loss cross_entropy
        optimizer adamw(lr = 0.01)
    } batch 9;
}

fn tensors<M: Model<Elem = f32>>(model: &M) -> Vec<Vec<f32>> {
    let read = |(at, info): (usize, &nnc::model::TensorInfo)| {
        let mut values = vec![0.0; info.len()];
        model.read_tensor(at, &mut values);
        values
    };
    model.info().tensors.iter().enumerate().map(read).collect()
}

fn states<M: Train<Elem = f32>>(model: &M) -> Vec<Vec<f32>> {
    let info = *model.info();
    let mut all = Vec::new();
    for state in 0..info.states.len() {
        for (at, tensor) in info.tensors.iter().enumerate() {
            let mut values = vec![0.0; tensor.len()];
            model.read_state(state, at, &mut values);
            all.push(values);
        }
    }
    all
}

/// Gives `to` what `from` is made of.
fn copy<M: Train<Elem = f32>, N: Train<Elem = f32>>(from: &M, to: &mut N) {
    for (at, values) in tensors(from).iter().enumerate() {
        to.write_tensor(at, values);
    }
    let n_tensors = from.info().tensors.len();
    for (n, values) in states(from).iter().enumerate() {
        to.write_state(n / n_tensors, n % n_tensors, values);
    }
    to.set_steps(from.steps());
}

/// Whether the lower half of each number is nothing.
fn is_half(values: &[f32]) -> bool {
    values.iter().all(|value| value.to_bits() & 0xffff == 0)
}

/// Neighbours of a number in sixteen bits: the one toward zero, and the one behind it.
fn neighbours(value: f32) -> (f32, f32) {
    let near = value.to_bits() & 0xffff_0000;
    (f32::from_bits(near), f32::from_bits(near + 0x1_0000))
}

/// Names of tensors that are kept in sixteen bits.
fn halves(info: &ModelInfo) -> Vec<bool> {
    let is_matrix = |tensor: &nnc::model::TensorInfo| tensor.shape.len() == 2 && tensor.len() >= 4096;
    info.tensors.iter().map(is_matrix).collect()
}

/// Both predict and lose the same from the same weights, and one step of the half is a neighbour of one of the full. An
/// optimizer of several passes reads the states of the first in the second as they are kept: its weights are not compared.
fn check<F, H>(mut full: F, mut half: H, has_passes: bool)
where
    F: Train<Elem = f32>,
    H: Train<Elem = f32>,
{
    let info = *half.info();
    let is_kept_half = halves(&info);
    assert!(is_kept_half.contains(&true) && is_kept_half.contains(&false));
    for (n, (values, of_full)) in tensors(&half).iter().zip(tensors(&full)).enumerate() {
        let name = info.tensors[n].name;
        assert_eq!(is_kept_half[n], is_half(values) && !is_half(&of_full), "{name}");
        // It begins with the nearest to what the other begins with.
        for (half, full) in values.iter().zip(&of_full) {
            assert!((half - full).abs() <= full.abs() / 256.0, "{name}: {half} for {full}");
        }
    }
    // Some steps, so that states are not nothing; the one that is compared is the sixth.
    let mut rows = Rows::new();
    for _ in 0..5 {
        let (x, aims) = rows.batch(&info, info.batch);
        half.step_rows(&x, aims.target()).expect("the rows fit");
    }
    copy(&half, &mut full);
    assert_eq!(tensors(&half), tensors(&full), "what is kept in sixteen bits fits into thirty-two");
    assert_eq!(states(&half), states(&full), "and so do states");

    for samples in [1, 2, 17, 40] {
        let (x, _) = rows.batch(&info, samples);
        let mut y = [vec![0.0; samples * info.output_len()], vec![0.0; samples * info.output_len()]];
        half.predict_rows(&x, &mut y[0]).expect("the rows fit");
        full.predict_rows(&x, &mut y[1]).expect("the rows fit");
        assert_eq!(y[0], y[1], "{samples} samples");
    }
    let before = tensors(&half);
    let (x, aims) = rows.batch(&info, info.batch);
    let losses = [half.step_rows(&x, aims.target()), full.step_rows(&x, aims.target())];
    assert_eq!(losses[0], losses[1]);

    // How far between its neighbours each number lies, and how often the outer one was taken.
    let (mut count, mut share, mut variance, mut outer) = (0, 0.0, 0.0, 0.0);
    let n_tensors = info.tensors.len();
    let pairs = tensors(&half).into_iter().zip(tensors(&full));
    let pairs = pairs.chain(states(&half).into_iter().zip(states(&full)));
    for (n, (half, full)) in pairs.enumerate() {
        let name = info.tensors[n % n_tensors].name;
        let is_gradient =
            info.states.get((n / n_tensors).wrapping_sub(1)).is_some_and(|name| *name == "gradients");
        if has_passes && n < n_tensors {
            let mut all = half.iter().zip(&full);
            let is_near = |(half, full): (&f32, &f32)| (half - full).abs() <= 0.02 * full.abs().max(0.001);
            assert!(all.all(is_near), "{name}");
            assert!(before[n] != half, "{name}");
            continue;
        }
        if !is_kept_half[n % n_tensors] || is_gradient {
            assert_eq!(half, full, "{name}");
            continue;
        }
        for (half, full) in half.into_iter().zip(full) {
            let (near, far) = neighbours(full);
            assert!(half == near || half == far, "{name}: {half} for {full}");
            if near == full {
                assert_eq!(half, full, "{name}");
                continue;
            }
            let place = f64::from((full - near) / (far - near));
            count += 1;
            share += place;
            variance += place * (1.0 - place);
            outer += if half == far { 1.0 } else { 0.0 };
        }
    }
    assert!(
        count == 0 || (outer - share).abs() < 5.0 * variance.sqrt(),
        "{outer} of {count}, expected {share}"
    );
}

macro_rules! check {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check($name::full::Twin::new(3), $name::half::Twin::new(3), stringify!($name) == "scaled");
        }
    )*};
}

mod twins_agree {
    use super::*;

    check! { plain adaptive clipped scaled recurrent short crossing attending }
}

/// One update in three steps, of gradients that are not rounded.
#[test]
fn sums_of_gradients_are_not_rounded() {
    check(several::full::Twin::new(3), several::half::Twin::new(3), false);
    let mut half = several::half::Twin::new(3);
    let info = *half.info();
    let mut rows = Rows::new();
    for _ in 0..2 {
        let (x, aims) = rows.batch(&info, info.batch);
        half.step_rows(&x, aims.target()).expect("the rows fit");
    }
    assert_eq!(info.states.last().copied(), Some("gradients"), "{:?}", info.states);
    let mut gradient = vec![0.0; info.tensors[0].len()];
    half.read_state(info.states.len() - 1, 0, &mut gradient);
    assert!(!is_half(&gradient));
}

/// A step that moves a weight by a hundredth of its last bit: of the nearest, none would ever move.
#[test]
fn small_steps_are_not_lost() {
    let (mut full, mut half) = (slow::full::Twin::new(1), slow::half::Twin::new(1));
    copy(&half, &mut full);
    let start = tensors(&half);
    let x = vec![1.0; 16 * 64];
    let y = vec![40.0; 16];
    let moved = |now: &[Vec<f32>]| {
        let moved = now[0].iter().zip(&start[0]).map(|(now, start)| f64::from(now - start).abs());
        moved.sum::<f64>() / start[0].len() as f64
    };
    for step in 0..1000 {
        for loss in [full.step_rows(&x, nnc::Target::Values(&y)), half.step_rows(&x, nnc::Target::Values(&y))]
        {
            assert!(loss.expect("the rows fit").is_finite());
        }
        if step == 0 {
            let first = tensors(&full);
            let change = first[0].iter().zip(&start[0]).map(|(a, b)| (a - b).abs() / b.abs());
            let small = change.filter(|change| *change < 1.0 / 512.0).count();
            assert!(small * 10 > start[0].len() * 9, "{small} of {}", start[0].len());
        }
    }
    let last = tensors(&full);
    let signed = |now: &[Vec<f32>]| {
        let moved = now[0].iter().zip(&last[0]).map(|(half, full)| f64::from(half - full));
        moved.sum::<f64>() / start[0].len() as f64
    };
    let (expected, off) = (moved(&last), signed(&tensors(&half)));
    assert!(expected > 0.001, "{expected}");
    assert!(off.abs() < 0.1 * expected, "moved by {expected}, and {off} off");
}

/// Files hold such weights as f32: they come back exactly, into either.
#[test]
fn files_hold_them_exactly() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("half.safetensors");
    let mut half = adaptive::half::Twin::new(3);
    let info = *half.info();
    let mut rows = Rows::new();
    let (x, aims) = rows.batch(&info, 20);
    half.step_rows(&x, aims.target()).expect("the rows fit");
    half.save(&path).expect("it is saved");
    let again = adaptive::half::Twin::load(&path).expect("it is loaded");
    assert_eq!(tensors(&again), tensors(&half));
    let full = adaptive::full::Twin::load(&path).expect("it is the same model");
    assert_eq!(tensors(&full), tensors(&half));
    // The other way each weight becomes the nearest.
    let full = adaptive::full::Twin::new(5);
    full.save(&path).expect("it is saved");
    let again = adaptive::half::Twin::load(&path).expect("it is the same model");
    for (half, full) in tensors(&again).iter().zip(tensors(&full)) {
        for (half, full) in half.iter().zip(full) {
            let (near, far) = neighbours(full);
            let nearest = if far.abs() - full.abs() < full.abs() - near.abs() { far } else { near };
            assert!(*half == full || *half == nearest, "{half} for {full}");
        }
    }
}

#[test]
fn every_set_has_the_same_bits() {
    let mut expected = None;
    for set in Set::ALL {
        Simd::cap(set);
        let mut found = Vec::new();
        macro_rules! run {
            ($($name:ident)*) => {$({
                let mut model = $name::half::Twin::new(3);
                let info = *model.info();
                let mut rows = Rows::new();
                for samples in [info.batch, 1, info.batch] {
                    let (x, aims) = rows.batch(&info, samples);
                    model.step_rows(&x, aims.target()).expect("the rows fit");
                }
                found.push(bits(&model));
            })*};
        }
        run! { plain adaptive clipped several scaled recurrent short crossing attending }
        assert_eq!(*expected.get_or_insert(found.clone()), found, "{:?}", Simd::detect());
    }
}

#[test]
fn what_is_predicted_of_memory() {
    let bytes = |storage: &str| {
        let text = format!(
            "model M {{ input [256] dense(512, bias = false) -> relu dense(16, bias = false) loss mse optimizer adam \
             }} train {{ batch 16 storage {storage} }}"
        );
        let compilation = compile("m.nn", &text, &Options::default());
        let model = compilation.models.first().unwrap_or_else(|| panic!("{:?}", compilation.diagnostics));
        let optimizer = costs::optimizer_bytes(model).map(|(kept, _)| kept);
        let of = |bytes: fn(&costs::Memory) -> usize| costs::memory(model).iter().map(bytes).sum::<usize>();
        (of(|memory| memory.parameters), optimizer, of(|memory| memory.optimizer))
    };
    let numbers = 256 * 512 + 512 * 16;
    assert_eq!(bytes("full"), (4 * numbers, Some(8 * numbers), 8 * numbers));
    assert_eq!(bytes("bf16"), (2 * numbers, Some(4 * numbers), 4 * numbers));
}
