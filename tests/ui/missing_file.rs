nnc::network!("models/missing.nn");

fn main() {}
