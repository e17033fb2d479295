//! Tensors between the form they are saved in and rows of sixteen.

use crate::element::Element;
use crate::lanes::{LANES, Row};
use crate::model::Layout;

/// The row and the lane of value number `index` of the saved form.
fn place(layout: Layout, index: usize) -> (usize, usize) {
    match layout {
        Layout::Panel { inputs, .. } => {
            let (output, input) = (index / inputs.max(1), index % inputs.max(1));
            (output / LANES * inputs + input, output % LANES)
        }
        Layout::Vector { .. } => (index / LANES, index % LANES),
    }
}

/// Values of the saved form.
fn len(layout: Layout) -> usize {
    match layout {
        Layout::Panel { outputs, inputs } => outputs * inputs,
        Layout::Vector { len } => len,
    }
}

/// Copies a tensor out of its rows, in the order it is saved in: `[out, in]`, row-major.
///
/// Values without a row are 0: those of a state that is not kept for a tensor. Does nothing when `out` is of another
/// length.
pub fn read<E: Element>(layout: Layout, rows: &[Row<E>], out: &mut [E]) {
    if out.len() != len(layout) {
        return;
    }
    for (index, value) in out.iter_mut().enumerate() {
        let (row, lane) = place(layout, index);
        *value = rows.get(row).map_or(E::ZERO, |row| row[lane]);
    }
}

/// Copies a tensor into its rows. Padding is left as it is: zero.
///
/// Does nothing when `values` is of another length.
pub fn write<E: Element>(layout: Layout, rows: &mut [Row<E>], values: &[E]) {
    if values.len() != len(layout) {
        return;
    }
    for (index, value) in values.iter().enumerate() {
        let (row, lane) = place(layout, index);
        if let Some(row) = rows.get_mut(row) {
            row[lane] = *value;
        }
    }
}

/// Gives each value of a tensor what `value` says of its index in the saved form.
pub fn fill<E: Element>(layout: Layout, rows: &mut [Row<E>], value: impl Fn(u64) -> f64) {
    for index in 0..len(layout) {
        let (row, lane) = place(layout, index);
        if let Some(row) = rows.get_mut(row) {
            row[lane] = E::from_f64(value(index as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fill, read, write};
    use crate::lanes::Row;
    use crate::model::Layout;

    #[test]
    fn there_and_back() {
        for layout in [Layout::Panel { outputs: 18, inputs: 3 }, Layout::Vector { len: 54 }] {
            let mut rows = [[0.0f32; 16]; 6];
            let values: [f32; 54] = core::array::from_fn(|index| index as f32 + 1.0);
            write(layout, &mut rows, &values);
            let mut back = [0.0; 54];
            read(layout, &rows, &mut back);
            assert_eq!(back, values);
            assert_eq!(rows.as_flattened().iter().filter(|value| **value != 0.0).count(), 54);
        }
    }

    #[test]
    fn panels_hold_sixteen_outputs() {
        let mut rows: [Row<f32>; 6] = [[0.0; 16]; 6];
        fill(Layout::Panel { outputs: 18, inputs: 3 }, &mut rows, |index| index as f64);
        // Output 1, input 2 is value 5; output 17, input 0 is value 51.
        assert_eq!((rows[2][1], rows[3][1]), (5.0, 51.0));
    }

    #[test]
    fn what_is_not_kept_reads_as_nothing() {
        let mut out = [1.0f32; 3];
        read(Layout::Vector { len: 3 }, &[], &mut out);
        assert_eq!(out, [0.0; 3]);
    }

    #[test]
    fn another_length_changes_nothing() {
        let mut rows: [Row<f32>; 1] = [[0.0; 16]; 1];
        write(Layout::Vector { len: 3 }, &mut rows, &[1.0, 2.0]);
        assert_eq!(rows, [[0.0; 16]]);
    }
}
