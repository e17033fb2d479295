//! Which instructions this machine has, found when the program runs.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU8, Ordering};

use crate::element::Element;
use crate::lanes::{Lanes, Plain};

/// Code that is generic over lanes: every instruction set gets a copy of its own.
pub trait Kernel<E: Element> {
    /// What it returns.
    type Output;

    /// The code.
    fn run<L: Lanes<Elem = E>>(self) -> Self::Output;
}

/// An instruction set, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// No instructions beyond those that the target always has.
    Plain,
    /// NEON, on 64-bit ARM.
    Neon,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F.
    Avx512,
}

impl Set {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Neon, Self::Avx2, Self::Avx512];

    /// What it is called in `NNC_SIMD`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The set with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }
}

/// The instructions that kernels run with.
///
/// There is a value of a set only where the machine has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(Set);

/// The greatest set to use, as its number; `UNKNOWN` until somebody has asked.
static CAP: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = u8::MAX;

impl Simd {
    /// The widest set of the machine, up to those that [`Simd::cap`] and the variable `NNC_SIMD` allow.
    ///
    /// A value of `NNC_SIMD` that names no set is passed over.
    pub fn detect() -> Self {
        let cap = match CAP.load(Ordering::Relaxed) {
            UNKNOWN => {
                let found = cap_from_environment();
                // What `cap` was told in another thread meanwhile stays.
                #[cfg(target_has_atomic = "8")]
                let _ = CAP.compare_exchange(UNKNOWN, found as u8, Ordering::Relaxed, Ordering::Relaxed);
                #[cfg(not(target_has_atomic = "8"))]
                CAP.store(found as u8, Ordering::Relaxed);
                set_of(CAP.load(Ordering::Relaxed))
            }
            known => set_of(known),
        };
        Self::up_to(cap)
    }

    /// Allows no set above `set`, for all models made from now on, nor one above that of `NNC_SIMD`.
    pub fn cap(set: Set) {
        CAP.store(set.min(cap_from_environment()) as u8, Ordering::Relaxed);
    }

    /// The widest set of the machine up to `cap`.
    ///
    /// # Panics
    /// In a build for one set (`--cfg nnc_only`), where the machine lacks it or `cap` is below it.
    pub fn up_to(cap: Set) -> Self {
        let set = Set::ALL.into_iter().rev().find(|set| *set <= cap && is_built(*set) && is_available(*set));
        match set {
            Some(set) => Self(set),
            None => panic!("built for an instruction set that this machine lacks, or that NNC_SIMD forbids"),
        }
    }

    /// Which set it is.
    pub fn set(self) -> Set {
        self.0
    }

    /// Runs a kernel.
    #[inline(always)]
    pub fn run<E: Element, K: Kernel<E>>(self, kernel: K) -> K::Output {
        #[cfg(nnc_profile)]
        return crate::profile::timed(|| E::dispatch(self, kernel));
        #[cfg(not(nnc_profile))]
        E::dispatch(self, kernel)
    }

    #[inline(always)]
    pub(crate) fn dispatch_f32<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        match self.0 {
            // `up_to`, which makes every `Simd`, has found the instructions on this machine.
            #[cfg(all(target_arch = "x86_64", any(not(nnc_only), nnc_only = "avx512")))]
            Set::Avx512 => crate::lanes::avx512::Avx512::apart(kernel),
            #[cfg(all(target_arch = "x86_64", any(not(nnc_only), nnc_only = "avx2")))]
            Set::Avx2 => crate::lanes::avx2::Avx2::apart(kernel),
            #[cfg(all(target_arch = "aarch64", any(not(nnc_only), nnc_only = "neon")))]
            Set::Neon => crate::lanes::neon::Neon::apart(kernel),
            #[cfg(any(not(nnc_only), nnc_only = "plain"))]
            Set::Plain => run_plain(kernel),
            #[allow(unreachable_patterns)]
            other => unreachable!("there is no value of the set {other:?} in this build"),
        }
    }
}

/// The set of this number.
fn set_of(number: u8) -> Set {
    Set::ALL.into_iter().find(|set| *set as u8 == number).unwrap_or(Set::Avx512)
}

/// Runs a kernel without further instructions.
#[inline(always)]
pub(crate) fn run_plain<E: Element, K: Kernel<E>>(kernel: K) -> K::Output
where
    Plain<E>: Lanes<Elem = E>,
{
    kernel.apart_plain()
}

/// A kernel without further instructions.
trait ApartPlain<E: Element>: Kernel<E> + Sized
where
    Plain<E>: Lanes<Elem = E>,
{
    /// A function of its own, as those of the sets are: what a kernel keeps on the stack is there while it runs, not, in a
    /// build without optimization, what all kernels of a step do at once.
    #[inline(never)]
    fn apart_plain(self) -> Self::Output {
        self.run::<Plain<E>>()
    }
}

impl<E: Element, K: Kernel<E>> ApartPlain<E> for K where Plain<E>: Lanes<Elem = E> {}

#[cfg(feature = "std")]
fn cap_from_environment() -> Set {
    std::env::var("NNC_SIMD").ok().and_then(|name| Set::parse(&name)).unwrap_or(Set::Avx512)
}

#[cfg(not(feature = "std"))]
fn cap_from_environment() -> Set {
    Set::Avx512
}

/// Whether this build has code for the set.
///
/// A program that is compiled on the machine it runs on needs one set: with `--cfg nnc_only --cfg nnc_only="avx512"`,
/// for this crate, the code of a model is compiled once rather than three times.
fn is_built(set: Set) -> bool {
    match set {
        Set::Plain => cfg!(any(not(nnc_only), nnc_only = "plain")),
        Set::Neon => cfg!(any(not(nnc_only), nnc_only = "neon")),
        Set::Avx2 => cfg!(any(not(nnc_only), nnc_only = "avx2")),
        Set::Avx512 => cfg!(any(not(nnc_only), nnc_only = "avx512")),
    }
}

/// Whether the machine has the set.
fn is_available(set: Set) -> bool {
    match set {
        Set::Plain => true,
        Set::Neon => cfg!(target_arch = "aarch64"),
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 | Set::Avx512 => x86::has(set),
        #[cfg(not(target_arch = "x86_64"))]
        Set::Avx2 | Set::Avx512 => false,
    }
}

/// What `is_x86_feature_detected!` does, which `core` lacks.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

    use super::Set;

    /// Bit of leaf 1, ecx.
    const FMA: u32 = 1 << 12;
    /// Bit of leaf 1, ecx: the system saves registers with `xsave`, and says which.
    const OSXSAVE: u32 = 1 << 27;
    /// Bit of leaf 1, ecx.
    const AVX: u32 = 1 << 28;
    /// Bit of leaf 7, ebx.
    const AVX2: u32 = 1 << 5;
    /// Bit of leaf 7, ebx.
    const AVX512F: u32 = 1 << 16;
    /// Registers that the system saves: SSE, AVX.
    const YMM: u64 = 0b110;
    /// And masks and both halves of the AVX-512 registers.
    const ZMM: u64 = 0b1110_0110;

    pub fn has(set: Set) -> bool {
        if __cpuid(0).eax < 7 {
            return false;
        }
        let (one, seven) = (__cpuid(1).ecx, __cpuid_count(7, 0).ebx);
        let avx2 = FMA | OSXSAVE | AVX;
        if one & avx2 != avx2 || seven & AVX2 == 0 {
            return false;
        }
        let saved = saved_registers();
        match set {
            Set::Avx512 => saved & ZMM == ZMM && seven & AVX512F != 0,
            _ => saved & YMM == YMM,
        }
    }

    fn saved_registers() -> u64 {
        // SAFETY: `has` has seen that the processor and the system know the instruction.
        unsafe { read() }
    }

    #[target_feature(enable = "xsave")]
    fn read() -> u64 {
        // SAFETY: register 0 is always there.
        #[allow(unused_unsafe)]
        unsafe {
            _xgetbv(0)
        }
    }
}
