//! Positions of sequences are where they lie.

use nnc_runtime::kernels::sequence::{at, at_mut, row};
use nnc_runtime::lanes::Row;

/// Feature `k` of all lanes is `k`.
fn numbered<const N: usize>() -> [Row<f32>; N] {
    core::array::from_fn(|k| [k as f32; 16])
}

#[test]
fn a_position_is_a_part_of_the_group() {
    let sequence = numbered::<12>();
    let third: &[[Row<f32>; 3]; 1] = at(&sequence, 2);
    assert_eq!(third[0].map(|row| row[5]), [6.0, 7.0, 8.0]);
    let only: &[[Row<f32>; 12]; 1] = at(&sequence, 0);
    assert_eq!(only[0], sequence);
}

#[test]
fn what_is_written_to_a_position_is_in_the_group() {
    let mut sequence = numbered::<6>();
    let second: &mut [[Row<f32>; 2]; 1] = at_mut(&mut sequence, 1);
    second[0][1] = [-1.0; 16];
    assert_eq!(sequence.map(|row| row[0]), [0.0, 1.0, 2.0, -1.0, 4.0, 5.0]);
}

#[test]
fn features_of_one_sample_begin_anywhere() {
    let features: [Row<f32>; 3] =
        core::array::from_fn(|p| core::array::from_fn(|lane| (16 * p + lane) as f32));
    let rows: [Row<f32>; 2] = row(&features, 19, 17);
    let flat = rows.as_flattened();
    assert!(flat.iter().take(17).enumerate().all(|(k, value)| *value == (19 + k) as f32));
    assert!(flat.iter().skip(17).all(|value| *value == 0.0));
}
