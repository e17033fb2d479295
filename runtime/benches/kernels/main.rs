//! How fast each kernel is, and what share of the machine that is: `cargo bench -p nnc-runtime --bench kernels`.
//!
//! Sizes are those of the networks in `benches/`, one thread, f32. A case is its memory, one field for each array that
//! the kernel is given, and the call; its bytes are those of the arrays, each counted once.
#![allow(clippy::print_stdout)]
#![allow(unsafe_code, reason = "divan collects its functions in a section of the program")]

#[path = "../../../benches/compare/machine.rs"]
mod machine;
mod table;

use std::hint::black_box;
use std::time::Duration;

use nnc_runtime::__private::{self as rt, Bf16, Kernel, Lanes, RowsMut, Simd, Tensors};

/// Sixteen numbers.
type Row = rt::Row<f32>;
/// Sixteen weights in sixteen bits.
type HalfRow = rt::Row<Bf16>;

/// A benchmark for each `name: "network: sizes", arithmetic, { memory } |L| call`, where `L` are the lanes and the fields
/// of the memory are references. A multiplication and an addition are two operations, a function such as `exp` one.
/// All numbers are from 0.05 to 1; those of `tokens` are whole ones below 65.
macro_rules! cases {
    ($(
        $name:ident: $sizes:literal, $operations:expr,
        { $($field:ident: $ty:ty),* $(; tokens $tokens:ident)? }
        |$L:ident| $call:expr;
    )*) => {$(
        #[divan::bench]
        fn $name(bencher: divan::Bencher) {
            rt::memory! { struct Memory { $($field: $ty,)* } }

            impl Kernel<f32> for &mut Memory {
                type Output = ();

                #[inline(always)]
                fn run<$L: Lanes<Elem = f32>>(self) {
                    let Memory { $($field),* } = self;
                    $call
                }
            }

            let mut memory = rt::Heap::<Memory>::zeroed();
            $(crate::fill(&mut memory.$field);)*
            $(crate::name_tokens(rt::Tensors::rows_mut(&mut memory.$tokens, 0));)?
            let simd = Simd::detect();
            let case = crate::table::Case {
                name: concat!(module_path!(), "::", stringify!($name)),
                sizes: $sizes,
                operations: $operations as f64,
                bytes: size_of::<Memory>(),
            };
            case.measure(bencher, || simd.run(black_box(&mut *memory)));
        }
    )*};
}

/// What stores a finished value where the kernel says that it belongs.
macro_rules! store {
    ($y:ident) => {
        #[inline(always)]
        |g, o, z| z.store(&mut $y[g][o])
    };
}

mod attention;
mod conv;
mod dense;
mod embedding;
mod images;
mod norm;
mod rows;

/// Numbers from 0.05 to 1, from the first to the last in no order that a kernel could see.
fn fill(array: &mut impl Tensors<f32>) {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.05 + 0.95 * (state >> 8) as f32 / (1 << 24) as f32
    };
    match array.tensor_mut(0) {
        RowsMut::Full(rows) => rows.as_flattened_mut().fill_with(next),
        RowsMut::Half(rows) => rows.as_flattened_mut().fill_with(|| Bf16::nearest(next())),
    }
}

/// Numbers become the indices of 65 tokens.
fn name_tokens(rows: &mut [Row]) {
    for value in rows.as_flattened_mut() {
        *value = (*value * 65.0).floor().min(64.0);
    }
}

fn main() {
    table::before();
    divan::Divan::default()
        .min_time(Duration::from_millis(100))
        .max_time(Duration::from_millis(400))
        .config_with_args()
        .main();
    table::print();
}
