//! Memory of emitted models: zeros that take no room in the program.
#![allow(unsafe_code)]

pub use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ptr::copy_nonoverlapping;

use crate::element::Element;
use crate::lanes::Row;

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

/// Tensors as they lie in memory, numbered: one, rows of sixteen or panels of such rows, or a struct of several.
pub trait Tensors<E> {
    /// How many there are.
    const COUNT: usize;
    /// The rows of tensor number `tensor`, one panel behind the other; none where there is no such tensor.
    fn rows(&self, tensor: usize) -> &[Row<E>];
    /// The rows of tensor number `tensor`, one panel behind the other; none where there is no such tensor.
    fn rows_mut(&mut self, tensor: usize) -> &mut [Row<E>];
}

impl<E: Element, const N: usize> Tensors<E> for [Row<E>; N] {
    const COUNT: usize = 1;

    fn rows(&self, tensor: usize) -> &[Row<E>] {
        if tensor == 0 { self } else { &[] }
    }

    fn rows_mut(&mut self, tensor: usize) -> &mut [Row<E>] {
        if tensor == 0 { self } else { &mut [] }
    }
}

impl<E: Element, const M: usize, const N: usize> Tensors<E> for [[Row<E>; M]; N] {
    const COUNT: usize = 1;

    fn rows(&self, tensor: usize) -> &[Row<E>] {
        if tensor == 0 { self.as_flattened() } else { &[] }
    }

    fn rows_mut(&mut self, tensor: usize) -> &mut [Row<E>] {
        if tensor == 0 { self.as_flattened_mut() } else { &mut [] }
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
