//! Memory of emitted models: zeros that take no room in the program.
#![allow(unsafe_code)]

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
pub use alloc::boxed::Box;
use core::alloc::Layout;
#[cfg(target_has_atomic = "ptr")]
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::{NonNull, copy_nonoverlapping};
#[cfg(target_has_atomic = "ptr")]
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::bf16::Bf16;
use crate::element::Element;
use crate::lanes::Row;
use crate::layout;
use crate::model;

/// A page of memory that is looked up once for what takes 512 small ones: 2 MiB on the systems that can be asked for them.
const HUGE: usize = 2 << 20;

core::cfg_select! {
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        any(feature = "std", nnc_only),
    ) => {
        /// Whether the system can be asked.
        const HAS_HUGE: bool = true;

        /// Asks for them, for memory that begins with one.
        fn ask_for_huge(place: NonNull<u8>, len: usize) {
            unsafe extern "C" {
                fn madvise(place: *mut u8, len: usize, advice: core::ffi::c_int) -> core::ffi::c_int;
            }
            /// `MADV_HUGEPAGE`
            const HUGE_PAGES: core::ffi::c_int = 14;
            // SAFETY: the advice changes nothing but the time that the memory takes, and is not taken by a system without
            // such pages, which is no fault.
            unsafe { madvise(place.as_ptr(), len, HUGE_PAGES) };
        }
    }
    _ => {
        const HAS_HUGE: bool = false;

        fn ask_for_huge(_: NonNull<u8>, _: usize) {}
    }
}

/// A value on the heap that began as zeros, and was never on the stack: a model is larger than the stack of a thread. Nor
/// is it in the program, so that rustc needs no longer for a large model than for a small one.
///
/// A large one lies in huge pages where there are such: a step goes over all of it, and small pages lie all over the
/// memory of a machine that has run for a while.
#[derive(Debug)]
pub struct Heap<T: Zero>(NonNull<T>);

impl<T: Zero> Heap<T> {
    /// Where it lies, and how many bytes it has. The last huge page is a whole one if little of it stays empty.
    const LAYOUT: Layout = {
        let (size, align) = (size_of::<T>(), align_of::<T>());
        let layout = if HAS_HUGE && size >= HUGE {
            let whole = size.next_multiple_of(HUGE);
            Layout::from_size_align(if whole - size <= size / 32 { whole } else { size }, HUGE)
        } else {
            Layout::from_size_align(size, align)
        };
        match layout {
            Ok(layout) => layout,
            Err(_) => panic!("it is larger than memory can be"),
        }
    };

    /// Zeros.
    pub fn zeroed() -> Self {
        let heap = Self::new();
        // SAFETY: it is one `T`, of which zeros are a value.
        unsafe { heap.0.as_ptr().write_bytes(0, 1) };
        heap
    }

    /// Memory that holds no value yet.
    fn new() -> Self {
        if Self::LAYOUT.size() == 0 {
            return Self(NonNull::dangling());
        }
        // SAFETY: the size is not 0.
        let place = unsafe { alloc(Self::LAYOUT) };
        let Some(place) = NonNull::new(place) else { handle_alloc_error(Self::LAYOUT) };
        if HAS_HUGE && Self::LAYOUT.align() == HUGE {
            ask_for_huge(place, Self::LAYOUT.size());
        }
        Self(place.cast())
    }

    #[cfg(target_has_atomic = "ptr")]
    fn into_raw(self) -> *mut T {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

// SAFETY: it is the one owner of its value.
unsafe impl<T: Zero + Send> Send for Heap<T> {}
// SAFETY: as above.
unsafe impl<T: Zero + Sync> Sync for Heap<T> {}

impl<T: Zero> Deref for Heap<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it holds a value since it was made, and nothing else writes to it.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Zero> DerefMut for Heap<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and nothing else reads it.
        unsafe { self.0.as_mut() }
    }
}

impl<T: Zero> Clone for Heap<T> {
    fn clone(&self) -> Self {
        let copy = Self::new();
        // SAFETY: both are places of one `T`, which do not overlap; `T` is `Copy`.
        unsafe { copy_nonoverlapping(self.0.as_ptr(), copy.0.as_ptr(), 1) };
        copy
    }
}

impl<T: Zero> Drop for Heap<T> {
    fn drop(&mut self) {
        if Self::LAYOUT.size() > 0 {
            // SAFETY: `new` has it from the allocator, by this layout.
            unsafe { dealloc(self.0.as_ptr().cast(), Self::LAYOUT) };
        }
    }
}

/// Memory that a call works with and the next may have again.
///
/// The first call makes it. Calls at the same time make one each, and one of those is kept. A processor that cannot
/// exchange pointers in one step keeps none.
#[derive(Debug)]
pub struct Spare<T: Zero + Send> {
    /// What [`Heap::into_raw`] gave, or null while it is lent or was never made.
    #[cfg(target_has_atomic = "ptr")]
    kept: AtomicPtr<T>,
    #[cfg(not(target_has_atomic = "ptr"))]
    kept: core::marker::PhantomData<fn() -> T>,
}

/// What a [`Spare`] has lent; it goes back when this is dropped.
#[derive(Debug)]
pub struct Lent<'a, T: Zero + Send> {
    spare: &'a Spare<T>,
    /// There until it is dropped.
    memory: Option<Heap<T>>,
}

impl<T: Zero + Send> Spare<T> {
    /// Memory of an earlier call, as that left it, or zeros.
    pub fn lend(&self) -> Lent<'_, T> {
        Lent { spare: self, memory: Some(self.exchange(None).unwrap_or_else(Heap::zeroed)) }
    }
}

impl<T: Zero + Send> Spare<T> {
    /// Keeps this instead of what was kept.
    #[cfg(target_has_atomic = "ptr")]
    fn exchange(&self, memory: Option<Heap<T>>) -> Option<Heap<T>> {
        let new = memory.map_or(core::ptr::null_mut(), Heap::into_raw);
        // What the thread that kept it wrote is there for the one that takes it.
        let old = self.kept.swap(new, Ordering::AcqRel);
        // What is not null came from `Heap::into_raw`, and whoever exchanged it for something else owns it alone.
        NonNull::new(old).map(Heap)
    }

    #[cfg(not(target_has_atomic = "ptr"))]
    fn exchange(&self, memory: Option<Heap<T>>) -> Option<Heap<T>> {
        drop(memory);
        None
    }
}

impl<T: Zero + Send> Default for Spare<T> {
    fn default() -> Self {
        Self { kept: Default::default() }
    }
}

/// A copy of a model works with memory of its own.
impl<T: Zero + Send> Clone for Spare<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T: Zero + Send> Drop for Spare<T> {
    fn drop(&mut self) {
        drop(self.exchange(None));
    }
}

impl<T: Zero + Send> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.memory.as_ref().expect("memory is there until it is dropped")
    }
}

impl<T: Zero + Send> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.memory.as_mut().expect("memory is there until it is dropped")
    }
}

impl<T: Zero + Send> Drop for Lent<'_, T> {
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
    fn read(&self, layout: model::Layout, tensor: usize, out: &mut [E]) {
        match self.tensor(tensor) {
            Rows::Full(rows) => layout::read(layout, rows, out),
            Rows::Half(rows) => layout::read(layout, rows, out),
        }
    }

    /// [`layout::write`] of a tensor.
    fn write(&mut self, layout: model::Layout, tensor: usize, values: &[E]) {
        match self.tensor_mut(tensor) {
            RowsMut::Full(rows) => layout::write(layout, rows, values),
            RowsMut::Half(rows) => layout::write(layout, rows, values),
        }
    }

    /// [`layout::fill`] of a tensor.
    fn fill(&mut self, layout: model::Layout, tensor: usize, value: impl Fn(u64) -> f64) {
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
    use super::{HAS_HUGE, HUGE, Heap, Spare, Zero};

    type Large = [f64; 4096];

    #[test]
    fn zeros_are_made_on_the_heap() {
        crate::__memory! {
            struct Two { first: [f32; 3], second: [[f64; 2]; 2], }
            struct Both { two: Two, large: [Large; 1000], }
        }
        let mut both = Heap::<Both>::zeroed();
        assert!(both.large.as_flattened().iter().all(|number| number.to_bits() == 0));
        both.large[999][4095] = 1.0;
        both.two.second[1][1] = 2.0;
        assert_eq!((both.two.first, both.two.second), ([0.0; 3], [[0.0; 2], [0.0, 2.0]]));
        assert_eq!((Two::ZERO.first, Two::ZERO.second), ([0.0; 3], [[0.0; 2]; 2]));
        let copy = both.clone();
        both.large[0][1] = 3.0;
        assert_eq!((copy.large[0][1], copy.large[999][4095], copy.two.second[1][1]), (0.0, 1.0, 2.0));
        assert_eq!(*Heap::<[f32; 0]>::zeroed().clone(), [0.0; 0]);
    }

    #[test]
    fn what_is_large_lies_in_huge_pages() {
        /// Bytes that are taken of so many, and whether they begin with a huge page.
        fn taken<const N: usize>() -> (usize, bool) {
            let heap = Heap::<[[f32; 256]; N]>::zeroed();
            assert!(heap.as_flattened().iter().all(|number| number.to_bits() == 0));
            (Heap::<[[f32; 256]; N]>::LAYOUT.size(), heap.as_ptr().addr().is_multiple_of(HUGE))
        }
        const KIB_OF_HUGE: usize = HUGE >> 10;
        assert_eq!(taken::<3>().0, 3 << 10);
        if HAS_HUGE {
            assert_eq!(taken::<KIB_OF_HUGE>(), (HUGE, true));
            // Half of the last stays empty, or a little.
            assert_eq!(taken::<{ 5 * KIB_OF_HUGE / 2 }>(), (5 * HUGE / 2, true));
            assert_eq!(taken::<{ 3 * KIB_OF_HUGE - 100 }>(), (3 * HUGE, true));
        }
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
