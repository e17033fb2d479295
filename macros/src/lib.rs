//! `network!`: a neural network as Rust, made while the crate is compiled.
//!
//! Use it through the crate `nnc`, which brings the runtime that the code calls.

mod expand;
mod input;
mod report;
mod text;

/// Compiles a model, written inside or in a file of its own, to a struct.
///
/// # Inline
///
/// ```ignore
/// use nnc::network;
///
/// network! {
///     /// Tells whether exactly one of two inputs is on.
///     pub model Xor {
///         input [2]
///         hidden: dense(8) -> tanh
///         head: dense(1) -> sigmoid
///         loss mse
///         optimizer sgd(lr = 0.5)
///     }
///     train { batch 4 }
/// }
/// ```
///
/// Everything that a `.nn` file may hold may stand inside: several models, blocks, activations, losses and optimizers
/// of your own, and `use "models/shapes.nn"` for those in a file, relative to the folder of `Cargo.toml`. A model is as visible as is written before `model`: `pub`, `pub(crate)`, or private to the module.
///
/// # From a file
///
/// ```ignore
/// nnc::network!("models/iris.nn");
/// nnc::network!(pub(crate) "models/digits.nn", hidden = 128, classes = 10);
/// ```
///
/// The path is relative to the folder of `Cargo.toml`. The crate is compiled anew when the file changes, or one that it
/// uses. Models of a
/// file are `pub` unless a visibility is written before the path; parameters of the model follow it.
///
/// # What comes of it
///
/// A struct of the model's name with `new(seed)`, `predict`, and, if the model has a loss and an optimizer,
/// `train_step`. Shapes are array types: a sample of another size does not compile.
/// The code itself lies in a private module named after the model in snake case.
///
/// # Errors
///
/// Faults of the model are compile errors on the token that caused them, with the codes that `nnc explain` knows;
/// those in a file are shown with its line. Warnings are warnings of rustc, of the lint `deprecated`.
#[proc_macro]
pub fn network(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::expand(input.into()).into()
}
