//! Numbers for the tests of kernels: the same in every run.

use nnc_runtime::lanes::Row;

/// A generator, by the state that it is in.
pub struct Numbers(pub u32);

impl Numbers {
    /// From -1 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    /// `F` rows for each of `G` groups, never on the stack.
    pub fn rows<const F: usize, const G: usize>(&mut self) -> Box<[[Row<f32>; F]; G]> {
        let mut rows = vec![[[0.0; 16]; F]; G].into_boxed_slice();
        rows.as_flattened_mut().as_flattened_mut().fill_with(|| self.next());
        rows.try_into().expect("the length is that of the type")
    }
}
