//! Macros that emitted code uses.

/// `Name<'a> = function(argument: type, …) -> type;`: a tuple struct of the arguments, and the
/// [`Kernel`](crate::Kernel) that calls the function with them, once for each instruction set.
///
/// `Name<'a, G> = each function(argument: type, …);` can be [divided](crate::threads::Divide) too, all arguments at the
/// same place: the function does the same for each unit of its work. It returns nothing.
#[doc(hidden)]
#[macro_export]
macro_rules! __entries {
    (
        $elem:ty;
        $(
            $name:ident<$a:lifetime $(, $g:ident)*> =
                $($word:ident)+ ($($arguments:tt)*) $(-> $out:ty)?;
        )*
    ) => {
        $($crate::__entries! { @entry $elem; $name<$a $(, $g)*> = $($word)+ ($($arguments)*) $(-> $out)? })*
    };
    (
        @entry $elem:ty;
        $name:ident<$a:lifetime $(, $g:ident)*> =
            each $function:ident($($argument:ident: $ty:ty),* $(,)?)
    ) => {
        $crate::__entries! { @entry $elem; $name<$a $(, $g)*> = $function($($argument: $ty),*) }

        impl<$a $(, const $g: usize)*> $crate::__private::Divide for $name<$a $(, $g)*> {
            #[inline(always)]
            fn divide(self, at: usize) -> (Self, Self) {
                let Self($($argument),*) = self;
                $(let $argument = $crate::__private::Divide::divide($argument, at);)*
                (Self($($argument.0),*), Self($($argument.1),*))
            }
        }
    };
    (
        @entry $elem:ty;
        $name:ident<$a:lifetime $(, $g:ident)*> =
            $function:ident($($argument:ident: $ty:ty),* $(,)?) $(-> $out:ty)?
    ) => {
        pub(crate) struct $name<$a $(, const $g: usize)*>($(pub(crate) $ty),*);

        impl<$a $(, const $g: usize)*> $crate::__private::Kernel<$elem> for $name<$a $(, $g)*> {
            type Output = $crate::__entries!(@output $($out)?);

            #[inline(always)]
            fn run<L: $crate::__private::Lanes<Elem = $elem>>(self) -> Self::Output {
                // An argument may have the function's name.
                let function = $function::<L $(, $g)*>;
                let Self($($argument),*) = self;
                function($($argument),*)
            }
        }
    };
    (@output) => { () };
    (@output $out:ty) => { $out };
}

/// Functions that `simd.run` compiles for the machine's vectors: each is generic over lanes `L`, and has an entry as of
/// [`entries!`](crate::__entries), which `#[entry(Name)]` names, or `#[entry(Name, each)]` for one that can be divided.
#[doc(hidden)]
#[macro_export]
macro_rules! __kernels {
    (
        $elem:ty;
        $(
            $(#[doc = $docs:literal])*
            #[entry($entry:ident $(, $each:ident)?)]
            fn $function:ident<$a:lifetime $(, const $g:ident: usize)* $(,)?>(
                $($argument:ident: $ty:ty),* $(,)?
            ) $(-> $out:ty)? $body:block
        )*
    ) => {
        $(
            $(#[doc = $docs])*
            #[inline(always)]
            #[allow(unused_mut)]
            fn $function<$a, L: $crate::__private::Lanes<Elem = $elem> $(, const $g: usize)*>(
                $(mut $argument: $ty),*
            ) $(-> $out)? $body
        )*

        // Each entry has a module of its own, for rustc compiles several modules at a time.
        $(
            mod $function {
                use super::*;

                $crate::__entries! {
                    $elem;
                    $entry<$a $(, $g)*> = $($each)? $function($($argument: $ty),*) $(-> $out)?;
                }
            }
            use self::$function::$entry;
        )*
    };
}

/// Structs of arrays, aligned for vectors, that start as zeros. A struct may be a field of a later one.
#[doc(hidden)]
#[macro_export]
macro_rules! __memory {
    ($(
        $(#[$about:meta])*
        struct $name:ident $(<$(const $size:ident: usize),* $(,)?>)? { $($(#[$docs:meta])* $field:ident: $ty:ty,)* }
    )*) => {$(
        $(#[$about])*
        #[repr(C, align(64))]
        #[derive(Clone, Copy)]
        struct $name $(<$(const $size: usize),*>)? {
            $($(#[$docs])* $field: $ty,)*
        }

        // SAFETY: every field is `Zero`, which its `ZERO` has to be for this one.
        unsafe impl $(<$(const $size: usize),*>)? $crate::__private::Zero for $name $(<$($size),*>)? {
            const ZERO: Self = Self { $($field: $crate::__private::Zero::ZERO,)* };
        }
    )*};
}

/// Structs as of [`memory!`](crate::__memory), whose fields are tensors that are numbered in their order.
#[doc(hidden)]
#[macro_export]
macro_rules! __tensors {
    ($(
        $(#[$about:meta])*
        struct $name:ident $(<$(const $size:ident: usize),* $(,)?>)? { $($(#[$docs:meta])* $field:ident: $ty:ty,)* }
    )*) => {
        $crate::__memory! {$(
            $(#[$about])*
            struct $name $(<$(const $size: usize),*>)? { $($(#[$docs])* $field: $ty,)* }
        )*}

        $(
        impl $(<$(const $size: usize),*>)? $crate::__private::Tensors<<Row as $crate::__private::OfRow>::Elem>
            for $name $(<$($size),*>)?
        {
            const COUNT: usize = 0 $(+ <$ty as $crate::__private::Tensors<<Row as $crate::__private::OfRow>::Elem>>::COUNT)*;

            fn tensor(&self, tensor: usize) -> $crate::__private::Rows<'_, <Row as $crate::__private::OfRow>::Elem> {
                let before = 0;
                $(
                    let inside = <$ty as $crate::__private::Tensors<<Row as $crate::__private::OfRow>::Elem>>::COUNT;
                    if tensor < before + inside {
                        return $crate::__private::Tensors::tensor(&self.$field, tensor - before);
                    }
                    let before = before + inside;
                )*
                let _ = before;
                $crate::__private::Rows::Full(&[])
            }

            fn tensor_mut(&mut self, tensor: usize) -> $crate::__private::RowsMut<'_, <Row as $crate::__private::OfRow>::Elem> {
                let before = 0;
                $(
                    let inside = <$ty as $crate::__private::Tensors<<Row as $crate::__private::OfRow>::Elem>>::COUNT;
                    if tensor < before + inside {
                        return $crate::__private::Tensors::tensor_mut(&mut self.$field, tensor - before);
                    }
                    let before = before + inside;
                )*
                let _ = before;
                $crate::__private::RowsMut::Full(&mut [])
            }
        }

        // A model needs some of them, of its own structs.
        #[allow(dead_code)]
        impl $(<$(const $size: usize),*>)? $name $(<$($size),*>)? {
            /// The rows of tensor number `tensor`; none where there is no such tensor.
            fn rows(&self, tensor: usize) -> &[Row] {
                $crate::__private::Tensors::rows(self, tensor)
            }

            /// The rows of tensor number `tensor`; none where there is no such tensor.
            fn rows_mut(&mut self, tensor: usize) -> &mut [Row] {
                $crate::__private::Tensors::rows_mut(self, tensor)
            }

            /// Copies tensor number `tensor` out, in the order it is saved in; see [`Tensors::read`].
            fn read(
                &self,
                layout: $crate::__private::Layout,
                tensor: usize,
                out: &mut [<Row as $crate::__private::OfRow>::Elem],
            ) {
                $crate::__private::Tensors::read(self, layout, tensor, out);
            }

            /// Copies values into tensor number `tensor`.
            fn write(
                &mut self,
                layout: $crate::__private::Layout,
                tensor: usize,
                values: &[<Row as $crate::__private::OfRow>::Elem],
            ) {
                $crate::__private::Tensors::write(self, layout, tensor, values);
            }

            /// Gives each value of tensor number `tensor` what `value` says of its index.
            fn fill(&mut self, layout: $crate::__private::Layout, tensor: usize, value: impl Fn(u64) -> f64) {
                $crate::__private::Tensors::<<Row as $crate::__private::OfRow>::Elem>::fill(
                    self, layout, tensor, value,
                );
            }
        }
        )*
    };
}

/// How many groups of samples the slices hold, all of them as many: said once, so that no loop over groups checks it.
#[doc(hidden)]
#[macro_export]
macro_rules! __groups {
    ($first:ident $(, $other:ident)* $(,)?) => {{
        let groups = $first.len();
        $(::core::assert!($other.len() == groups);)*
        groups
    }};
}

/// A comment: nothing in code, `// …` when the code is printed.
#[doc(hidden)]
#[macro_export]
macro_rules! __comment {
    ($text:literal) => {};
}
