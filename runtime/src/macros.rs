//! Macros that emitted code uses.

/// `Name<'a, G> = function(argument: type, …) -> type;`: a struct of the arguments, and the [`Kernel`](crate::Kernel)
/// that calls the function with them, once for each instruction set.
#[doc(hidden)]
#[macro_export]
macro_rules! __entries {
    (
        $elem:ty;
        $(
            $name:ident<$a:lifetime $(, $g:ident)?> =
                $function:ident($($argument:ident: $ty:ty),* $(,)?) $(-> $out:ty)?;
        )*
    ) => {
        $(
            struct $name<$a $(, const $g: usize)?> {
                $($argument: $ty,)*
            }

            impl<$a $(, const $g: usize)?> $crate::__private::Kernel<$elem> for $name<$a $(, $g)?> {
                type Output = $crate::__entries!(@output $($out)?);

                #[inline(always)]
                fn run<L: $crate::__private::Lanes<Elem = $elem>>(self) -> Self::Output {
                    $function::<L $(, $g)?>($(self.$argument),*)
                }
            }
        )*
    };
    (@output) => { () };
    (@output $out:ty) => { $out };
}

/// A comment: nothing in code, `// …` when the code is printed.
#[doc(hidden)]
#[macro_export]
macro_rules! __comment {
    ($text:literal) => {};
}
