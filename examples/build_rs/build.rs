//! Compiles the model before the crate.

fn main() -> Result<(), nnc_build::Error> {
    nnc_build::compile("models/ring.nn")
}
