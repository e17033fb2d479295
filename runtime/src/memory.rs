//! Memory of emitted models: zeros that take no room in the program.
#![allow(unsafe_code)]

pub use alloc::boxed::Box;
use core::ops::{Deref, DerefMut};
#[cfg(target_has_atomic = "ptr")]
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::bf16::Bf16;
use crate::element::Element;
use crate::lanes::Row;
use crate::layout;
use crate::model::Layout;

/// Zeros on the heap, which were never on the stack: a model is larger than the stack of a thread. Nor are they in the
/// program, so that rustc needs no longer for a large model than for a small one.
pub fn zeroed<T: Zero>() -> Box<T> {
    // SAFETY: this is what `Zero` promises.
    unsafe { Box::<T>::new_zeroed().assume_init() }
}

/// Memory that a call works with and the next may have again.
///
/// The first call makes it. Calls at the same time make one each, and one of those is kept. A processor that cannot
/// exchange pointers in one step keeps none.
#[derive(Debug)]
pub struct Spare<T: Send> {
    /// What [`Box::into_raw`] gave, or null while it is lent or was never made.
    #[cfg(target_has_atomic = "ptr")]
    kept: AtomicPtr<T>,
    #[cfg(not(target_has_atomic = "ptr"))]
    kept: core::marker::PhantomData<fn() -> T>,
}

/// What a [`Spare`] has lent; it goes back when this is dropped.
#[derive(Debug)]
pub struct Lent<'a, T: Send> {
    spare: &'a Spare<T>,
    /// There until it is dropped.
    memory: Option<Box<T>>,
}

impl<T: Zero + Send> Spare<T> {
    /// Memory of an earlier call, as that left it, or zeros.
    pub fn lend(&self) -> Lent<'_, T> {
        Lent { spare: self, memory: Some(self.exchange(None).unwrap_or_else(zeroed)) }
    }
}

impl<T: Send> Spare<T> {
    /// Keeps this instead of what was kept.
    #[cfg(target_has_atomic = "ptr")]
    fn exchange(&self, memory: Option<Box<T>>) -> Option<Box<T>> {
        let new = memory.map_or(core::ptr::null_mut(), Box::into_raw);
        // What the thread that kept it wrote is there for the one that takes it.
        let old = self.kept.swap(new, Ordering::AcqRel);
        // SAFETY: what is not null came from `Box::into_raw`, and whoever exchanged it for something else owns it alone.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }

    #[cfg(not(target_has_atomic = "ptr"))]
    fn exchange(&self, memory: Option<Box<T>>) -> Option<Box<T>> {
        drop(memory);
        None
    }
}

impl<T: Send> Default for Spare<T> {
    fn default() -> Self {
        Self { kept: Default::default() }
    }
}

/// A copy of a model works with memory of its own.
impl<T: Send> Clone for Spare<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T: Send> Drop for Spare<T> {
    fn drop(&mut self) {
        drop(self.exchange(None));
    }
}

impl<T: Send> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.memory.as_ref().expect("memory is there until it is dropped")
    }
}

impl<T: Send> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.memory.as_mut().expect("memory is there until it is dropped")
    }
}

impl<T: Send> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        drop(self.spare.exchange(self.memory.take()));
    }
}

/// What emitted memory starts as.
///
/// # Safety
/// Bytes that are all zero are a value of the type.
pub unsafe trait Zero: Copy {
    /// Zeros all over.
    const ZERO: Self;
}

// SAFETY: they are the number 0.
unsafe impl Zero for f32 {
    const ZERO: Self = 0.0;
}

// SAFETY: as above.
unsafe impl Zero for f64 {
    const ZERO: Self = 0.0;
}

// SAFETY: as above.
unsafe impl Zero for Bf16 {
    const ZERO: Self = Self::ZERO;
}

// SAFETY: as above, for there is nothing between the elements of an array.
unsafe impl<T: Zero, const N: usize> Zero for [T; N] {
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
    use super::{Spare, Zero, zeroed};

    type Large = [f64; 4096];

    #[test]
    fn zeros_are_made_on_the_heap() {
        crate::__memory! {
            struct Two { first: [f32; 3], second: [[f64; 2]; 2], }
            struct Both { two: Two, large: [Large; 1000], }
        }
        let mut both = zeroed::<Both>();
        assert!(both.large.as_flattened().iter().all(|number| number.to_bits() == 0));
        both.large[999][4095] = 1.0;
        both.two.second[1][1] = 2.0;
        assert_eq!((both.two.first, both.two.second), ([0.0; 3], [[0.0; 2], [0.0, 2.0]]));
        assert_eq!((Two::ZERO.first, Two::ZERO.second), ([0.0; 3], [[0.0; 2]; 2]));
        assert_eq!(size_of_val(&*zeroed::<[f32; 0]>()), 0);
    }

    #[test]
    fn is_lent_again() {
        let spare = Spare::<Large>::default();
        let mut first = spare.lend();
        first[3] = 1.0;
        let mut second = spare.lend();
        assert_eq!((first[3], second[3]), (1.0, 0.0), "one each");
        second[3] = 2.0;
        drop(first);
        drop(second);
        // The last to go back is kept, and a copy has its own.
        assert_eq!(spare.lend()[3], 2.0);
        assert_eq!(spare.clone().lend()[3], 0.0);
        assert_eq!(spare.lend()[3], 2.0);
    }
}
