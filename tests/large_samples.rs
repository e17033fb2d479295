//! One sample whose values are too large for the stack of a thread.

use nnc::Model;

nnc::network!("tests/data/models/large_image.nn");

const INPUT: usize = 4 * 96 * 96;
const OUTPUT: usize = 99 * 99;

/// An image, another for each `n`.
fn image(n: usize) -> Box<[[[f32; 96]; 96]; 4]> {
    let value = |i: usize| ((31 * i + 17 * n) % 101) as f32 / 50.0 - 1.0;
    let row = |i: usize| std::array::from_fn(|column| value(96 * i + column));
    let channels: Vec<[[f32; 96]; 96]> =
        (0..4).map(|channel| std::array::from_fn(|i| row(96 * channel + i))).collect();
    channels.into_boxed_slice().try_into().expect("four channels")
}

/// What it is predicted to be, by itself.
fn predict(model: &LargeImage, n: usize) -> Vec<f32> {
    let x = image(n);
    let rows = model.predict(&x);
    let y = rows.as_flattened().as_flattened().to_vec();
    assert_eq!(y.len(), OUTPUT);
    y
}

#[test]
fn a_large_sample_is_predicted_as_in_a_batch() {
    let model = LargeImage::new(5);
    let x: Vec<f32> = (0..2).flat_map(|n| image(n).as_flattened().as_flattened().to_vec()).collect();
    assert_eq!(x.len(), 2 * INPUT);
    let mut batch = vec![0.0; 2 * OUTPUT];
    model.predict_rows(&x, &mut batch).expect("the rows fit");
    for (n, expected) in batch.chunks(OUTPUT).enumerate() {
        let found = predict(&model, n);
        let largest = expected.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        assert!(largest > 0.1, "{largest}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5 * largest, "{found}, {expected} in a batch");
        }
    }
}

#[test]
fn memory_of_an_earlier_call_leaves_no_trace() {
    let model = LargeImage::new(5);
    let first = predict(&model, 0);
    assert_ne!(first, predict(&model, 1));
    assert_eq!(first, predict(&model, 0));
    // Calls at the same time have memory of their own.
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| predict(&model, 0))).collect();
        for other in others {
            assert_eq!(first, other.join().expect("it predicts"));
        }
    });
}

#[test]
fn a_small_stack_is_enough() {
    // Of what the values take, 4.6 MB, nothing lies on it but the output, which the caller is given.
    let thread = std::thread::Builder::new().stack_size(768 << 10).spawn(|| predict(&LargeImage::new(5), 0));
    let y = thread.expect("a thread").join().expect("it predicts");
    assert!(y.iter().all(|value| value.is_finite()));
}
