//! Compiles the model of this crate.

fn main() -> Result<(), nnc_build::Error> {
    nnc_build::compile("models/carried.nn")
}
