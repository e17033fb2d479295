//! Asking for memory before it is read.
//!
//! A processor guesses from what was read what will be read next. Its guesses end at each page of 4 KiB, and after a
//! tile's pause: a kernel that takes much from beyond the second cache says where it is going.
#![allow(unsafe_code)]

/// Begins to bring what is there into the second cache; a hint, which computes nothing.
#[inline(always)]
pub fn fetch<T>(row: &T) {
    hint(row);
}

/// [`fetch`] of the row that lies so many rows behind this one, whether there is one or not.
#[inline(always)]
pub fn fetch_after<T>(row: &T, rows: usize) {
    hint(core::ptr::from_ref(row).wrapping_add(rows));
}

#[inline(always)]
fn hint<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint may name any place, and the instruction is in all processors of this kind.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T1 }>(place.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint may name any place, reads nothing, and changes neither registers nor flags.
    unsafe {
        core::arch::asm!("prfm pldl2keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}
