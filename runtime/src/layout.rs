//! Tensors between the form they are saved in and rows of sixteen.

use crate::bf16::Number;
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
pub fn read<E: Element, N: Number<E>>(layout: Layout, rows: &[Row<N>], out: &mut [E]) {
    if out.len() != len(layout) {
        return;
    }
    for (index, value) in out.iter_mut().enumerate() {
        let (row, lane) = place(layout, index);
        *value = rows.get(row).map_or(E::ZERO, |row| row[lane].widen());
    }
}

/// Copies a tensor into its rows, each value as the nearest that is kept. Padding is left as it is: zero.
///
/// Does nothing when `values` is of another length.
pub fn write<E: Element, N: Number<E>>(layout: Layout, rows: &mut [Row<N>], values: &[E]) {
    if values.len() != len(layout) {
        return;
    }
    for (index, value) in values.iter().enumerate() {
        let (row, lane) = place(layout, index);
        if let Some(row) = rows.get_mut(row) {
            row[lane] = N::nearest(*value);
        }
    }
}

/// Gives each value of a tensor what `value` says of its index in the saved form.
pub fn fill<E: Element, N: Number<E>>(layout: Layout, rows: &mut [Row<N>], value: impl Fn(u64) -> f64) {
    for index in 0..len(layout) {
        let (row, lane) = place(layout, index);
        if let Some(row) = rows.get_mut(row) {
            row[lane] = N::nearest(E::from_f64(value(index as u64)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fill, read, write};
    use crate::bf16::Bf16;
    use crate::lanes::Row;
    use crate::model::Layout;

    #[test]
    fn there_and_back() {
        for layout in [Layout::Panel { outputs: 18, inputs: 3 }, Layout::Vector { len: 54 }] {
            let mut rows: [Row<f32>; 6] = [[0.0; 16]; 6];
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
        fill::<f32, _>(Layout::Panel { outputs: 18, inputs: 3 }, &mut rows, |index| index as f64);
        // Output 1, input 2 is value 5; output 17, input 0 is value 51.
        assert_eq!((rows[2][1], rows[3][1]), (5.0, 51.0));
    }

    #[test]
    fn what_is_not_kept_reads_as_nothing() {
        let mut out = [1.0f32; 3];
        read::<_, f32>(Layout::Vector { len: 3 }, &[], &mut out);
        assert_eq!(out, [0.0; 3]);
    }

    #[test]
    fn sixteen_bits_hold_the_nearest() {
        let layout = Layout::Panel { outputs: 3, inputs: 2 };
        let mut rows = [[Bf16::default(); 16]; 2];
        write(layout, &mut rows, &[1.0f32, -2.0, 0.1, 1.001, 3.0, 0.0]);
        let mut back = [0.0f32; 6];
        read(layout, &rows, &mut back);
        assert_eq!(back, [1.0, -2.0, 0.100_097_656, 1.0, 3.0, 0.0]);
        fill::<f32, _>(layout, &mut rows, |index| index as f64 / 3.0);
        read(layout, &rows, &mut back);
        assert_eq!(back, [0.0, 0.33398438, 0.66796875, 1.0, 1.3359375, 1.6640625]);
    }

    #[test]
    fn another_length_changes_nothing() {
        let mut rows: [Row<f32>; 1] = [[0.0; 16]; 1];
        write(Layout::Vector { len: 3 }, &mut rows, &[1.0, 2.0]);
        assert_eq!(rows, [[0.0; 16]]);
    }
}
