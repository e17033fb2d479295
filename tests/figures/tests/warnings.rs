//! What a build script writes is code of the user's crate, of which rustc shows every warning: there is none.

#![deny(warnings, unused, nonstandard_style, future_incompatible)]

use nnc::Model;

nnc::include_model!("models/formulas");
nnc::include_model!("models/plateau");
nnc::include_model!("models/cells");
nnc::include_model!("models/channels");
nnc::include_model!("models/stored");
nnc::include_model!("models/large");
nnc::include_model!("models/unread");

#[test]
fn an_input_that_nothing_uses_changes_nothing() {
    let small = Plateau::new(1);
    assert_eq!(small.predict(&[0.5; 6], &[1.0]), small.predict(&[0.5; 6], &[2.0]));
    let large = Large::new(1);
    let y = large.predict(&[0.5; 600], &[1.0]);
    assert_eq!(y, large.predict(&[0.5; 600], &[2.0]));
    let mut rows = [[0.0; 2]; 2];
    let x: Vec<f32> = (0..2).flat_map(|_| [[0.5; 600].as_slice(), &[3.0]].concat()).collect();
    large.predict_rows(&x, rows.as_flattened_mut()).expect("two rows");
    for (found, expected) in rows.as_flattened().iter().zip([y, y].as_flattened()) {
        assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{rows:?}, {y:?}");
    }
}

#[test]
fn all_of_them_predict() {
    let mut values = Formulas::new(1).predict(&[0.5; 5]).to_vec();
    values.extend(Cells::new(1).predict(&[[0.5; 2]; 3]));
    values.extend(Channels::new(1).predict(&[[[0.5; 7]; 5]; 3]));
    values.extend(Stored::new(1).predict(&[0.5; 40]));
    assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
}
