//! Emitted code against every figure in `tests/data/pytorch`, and random layers of windows against the reference.
//!
//! There is nothing in this library. Its build script reads the figures and writes, for each `call` in them, a model in
//! `network!` and a test; the files in `tests/` say what such a test does. So an activation, a loss, an optimizer, a
//! schedule or an initializer that gets figures is tested in emitted code too, and no list of them is kept here.
//! `windows.rs` draws models of convolutions and pools of all shapes, which are compared with the f64 reference.
