//! Memory of emitted models: zeros that take no room in the program.
#![allow(unsafe_code)]

pub use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ptr::copy_nonoverlapping;

use crate::bf16::Bf16;
use crate::element::Element;
use crate::lanes::Row;
use crate::layout;
use crate::model::Layout;

/// What a model starts from, as a static that lies in `.bss`: it takes no room in the file.
///
/// A constant would lie in `.rodata`, zero by zero. An `UnsafeCell` may be written to in principle, so that linkers put
/// it among the writable zeros.
#[derive(Debug)]
pub struct Zeroed<T>(UnsafeCell<T>);

// SAFETY: nothing writes to it: there is no method that does.
unsafe impl<T: Sync> Sync for Zeroed<T> {}

impl<T: Copy> Zeroed<T> {
    /// Usually zeros all over.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// A copy on the heap, which was never on the stack: a model is larger than the stack of a thread.
    pub fn boxed(&self) -> Box<T> {
        let mut copy = Box::<T>::new_uninit();
        // SAFETY: both are places of one `T`, which do not overlap; `T` is `Copy`, and nothing writes to the cell.
        unsafe {
            copy_nonoverlapping(self.0.get().cast_const(), copy.as_mut_ptr(), 1);
            copy.assume_init()
        }
    }
}

/// What emitted memory starts as.
pub trait Zero {
    /// Zeros all over.
    const ZERO: Self;
}

impl Zero for f32 {
    const ZERO: Self = 0.0;
}

impl Zero for f64 {
    const ZERO: Self = 0.0;
}

impl<T: Zero, const N: usize> Zero for [T; N] {
    const ZERO: Self = [T::ZERO; N];
}

/// A tensor as it lies in memory: its rows, one panel behind the other.
#[derive(Debug)]
pub enum Rows<'a, E> {
    /// As it is computed with.
    Full(&'a [Row<E>]),
    /// In sixteen bits.
    Half(&'a [Row<Bf16>]),
}

/// [`Rows`] to write to.
#[derive(Debug)]
pub enum RowsMut<'a, E> {
    /// As it is computed with.
    Full(&'a mut [Row<E>]),
    /// In sixteen bits.
    Half(&'a mut [Row<Bf16>]),
}

/// Tensors as they lie in memory, numbered: one, rows of sixteen or panels of such rows, or a struct of several.
pub trait Tensors<E: Element> {
    /// How many there are.
    const COUNT: usize;
    /// Tensor number `tensor`; no rows where there is none.
    fn tensor(&self, tensor: usize) -> Rows<'_, E>;
    /// Tensor number `tensor`; no rows where there is none.
    fn tensor_mut(&mut self, tensor: usize) -> RowsMut<'_, E>;

    /// The rows of a tensor that is kept as it is computed with; of any other, none.
    fn rows(&self, tensor: usize) -> &[Row<E>] {
        match self.tensor(tensor) {
            Rows::Full(rows) => rows,
            Rows::Half(_) => &[],
        }
    }

    /// The rows of a tensor that is kept as it is computed with; of any other, none.
    fn rows_mut(&mut self, tensor: usize) -> &mut [Row<E>] {
        match self.tensor_mut(tensor) {
            RowsMut::Full(rows) => rows,
            RowsMut::Half(_) => &mut [],
        }
    }

    /// [`layout::read`] of a tensor.
    fn read(&self, layout: Layout, tensor: usize, out: &mut [E]) {
        match self.tensor(tensor) {
            Rows::Full(rows) => layout::read(layout, rows, out),
            Rows::Half(rows) => layout::read(layout, rows, out),
        }
    }

    /// [`layout::write`] of a tensor.
    fn write(&mut self, layout: Layout, tensor: usize, values: &[E]) {
        match self.tensor_mut(tensor) {
            RowsMut::Full(rows) => layout::write(layout, rows, values),
            RowsMut::Half(rows) => layout::write(layout, rows, values),
        }
    }

    /// [`layout::fill`] of a tensor.
    fn fill(&mut self, layout: Layout, tensor: usize, value: impl Fn(u64) -> f64) {
        match self.tensor_mut(tensor) {
            RowsMut::Full(rows) => layout::fill::<E, _>(layout, rows, value),
            RowsMut::Half(rows) => layout::fill::<E, _>(layout, rows, value),
        }
    }
}

impl<E: Element, const N: usize> Tensors<E> for [Row<E>; N] {
    const COUNT: usize = 1;

    fn tensor(&self, tensor: usize) -> Rows<'_, E> {
        Rows::Full(if tensor == 0 { self } else { &[] })
    }

    fn tensor_mut(&mut self, tensor: usize) -> RowsMut<'_, E> {
        RowsMut::Full(if tensor == 0 { self } else { &mut [] })
    }
}

impl<E: Element, const M: usize, const N: usize> Tensors<E> for [[Row<E>; M]; N] {
    const COUNT: usize = 1;

    fn tensor(&self, tensor: usize) -> Rows<'_, E> {
        Rows::Full(if tensor == 0 { self.as_flattened() } else { &[] })
    }

    fn tensor_mut(&mut self, tensor: usize) -> RowsMut<'_, E> {
        RowsMut::Full(if tensor == 0 { self.as_flattened_mut() } else { &mut [] })
    }
}

impl<E: Element, const M: usize, const N: usize> Tensors<E> for [[Row<Bf16>; M]; N] {
    const COUNT: usize = 1;

    fn tensor(&self, tensor: usize) -> Rows<'_, E> {
        Rows::Half(if tensor == 0 { self.as_flattened() } else { &[] })
    }

    fn tensor_mut(&mut self, tensor: usize) -> RowsMut<'_, E> {
        RowsMut::Half(if tensor == 0 { self.as_flattened_mut() } else { &mut [] })
    }
}

/// The type of the numbers in a row.
pub trait OfRow {
    /// It.
    type Elem;
}

impl<E: Element> OfRow for Row<E> {
    type Elem = E;
}

/// `len` zeros on the heap.
pub fn zeros<E: Element>(len: usize) -> Box<[E]> {
    alloc::vec![E::ZERO; len].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::Zeroed;

    #[test]
    fn is_copied() {
        static LARGE: Zeroed<[u64; 4096]> = Zeroed::new([7; 4096]);
        let mut copy = LARGE.boxed();
        copy[5] = 1;
        assert_eq!(LARGE.boxed()[5], 7);
        assert_eq!((copy[4], copy[5], copy[4095]), (7, 1, 7));
    }
}
