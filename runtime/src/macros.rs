//! Macros that emitted code uses.

/// `Name<'a, G> = function(argument: type, …) -> type;`: a tuple struct of the arguments, and the
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
            $name:ident<$a:lifetime $(, $g:ident)?> =
                $($word:ident)+ ($($arguments:tt)*) $(-> $out:ty)?;
        )*
    ) => {
        $($crate::__entries! { @entry $elem; $name<$a $(, $g)?> = $($word)+ ($($arguments)*) $(-> $out)? })*
    };
    (
        @entry $elem:ty;
        $name:ident<$a:lifetime $(, $g:ident)?> =
            each $function:ident($($argument:ident: $ty:ty),* $(,)?)
    ) => {
        $crate::__entries! { @entry $elem; $name<$a $(, $g)?> = $function($($argument: $ty),*) }

        impl<$a $(, const $g: usize)?> $crate::__private::Divide for $name<$a $(, $g)?> {
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
        $name:ident<$a:lifetime $(, $g:ident)?> =
            $function:ident($($argument:ident: $ty:ty),* $(,)?) $(-> $out:ty)?
    ) => {
        struct $name<$a $(, const $g: usize)?>($($ty),*);

        impl<$a $(, const $g: usize)?> $crate::__private::Kernel<$elem> for $name<$a $(, $g)?> {
            type Output = $crate::__entries!(@output $($out)?);

            #[inline(always)]
            fn run<L: $crate::__private::Lanes<Elem = $elem>>(self) -> Self::Output {
                // An argument may have the function's name.
                let function = $function::<L $(, $g)?>;
                let Self($($argument),*) = self;
                function($($argument),*)
            }
        }
    };
    (@output) => { () };
    (@output $out:ty) => { $out };
}

/// A struct of arrays, aligned for vectors, with a `ZERO`.
#[doc(hidden)]
#[macro_export]
macro_rules! __memory {
    (
        $(#[$about:meta])*
        struct $name:ident { $($(#[$docs:meta])* $field:ident: $ty:ty,)* }
    ) => {
        $(#[$about])*
        #[repr(C, align(64))]
        #[derive(Clone, Copy)]
        struct $name {
            $($(#[$docs])* $field: $ty,)*
        }

        impl $crate::__private::Zero for $name {
            const ZERO: Self = Self { $($field: $crate::__private::Zero::ZERO,)* };
        }

        impl $name {
            const ZERO: Self = $crate::__private::Zero::ZERO;
        }
    };
}

/// A struct as of [`memory!`](crate::__memory), whose fields are tensors that are numbered in their order.
#[doc(hidden)]
#[macro_export]
macro_rules! __tensors {
    (
        $(#[$about:meta])*
        struct $name:ident { $($(#[$docs:meta])* $field:ident: $ty:ty,)* }
    ) => {
        $crate::__memory! {
            $(#[$about])*
            struct $name { $($(#[$docs])* $field: $ty,)* }
        }

        // A model needs one of them or both.
        #[allow(dead_code)]
        impl $name {
            /// The rows of tensor number `tensor`; none where there is no such tensor.
            fn rows(&self, tensor: usize) -> &[Row] {
                let all: &[&[Row]] = &[$($crate::__private::Tensor::rows(&self.$field)),*];
                all.get(tensor).copied().unwrap_or_default()
            }

            /// The rows of tensor number `tensor`; none where there is no such tensor.
            fn rows_mut(&mut self, tensor: usize) -> &mut [Row] {
                let all: &mut [&mut [Row]] = &mut [$($crate::__private::Tensor::rows_mut(&mut self.$field)),*];
                all.get_mut(tensor).map(::core::mem::take).unwrap_or_default()
            }
        }
    };
}

/// A comment: nothing in code, `// …` when the code is printed.
#[doc(hidden)]
#[macro_export]
macro_rules! __comment {
    ($text:literal) => {};
}
