//! Positions of sequences are where they lie.

use nnc_runtime::kernels::sequence::{at, at_mut, each_at, each_at_mut, gathered, put, row};
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
fn a_position_of_several_groups_is_a_part_of_each() {
    let group = |from: usize| core::array::from_fn::<Row<f32>, 6, _>(|k| [(from + k) as f32; 16]);
    let mut sequence = [group(0), group(10), group(20)];
    let second: [&[Row<f32>; 2]; 2] = each_at(&sequence, 1, 1);
    assert_eq!(second.map(|rows| rows.map(|row| row[3])), [[12.0, 13.0], [22.0, 23.0]]);
    let beside = gathered(second);
    assert_eq!(beside.map(|rows| rows.map(|row| row[3])), [[12.0, 13.0], [22.0, 23.0]]);
    // The same to the first position, and nothing else is written.
    put(&beside, each_at_mut(&mut sequence, 1, 0));
    let features = sequence.map(|group| group.map(|row| row[15]));
    assert_eq!(features[0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(features[1], [12.0, 13.0, 12.0, 13.0, 14.0, 15.0]);
    assert_eq!(features[2], [22.0, 23.0, 22.0, 23.0, 24.0, 25.0]);
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
