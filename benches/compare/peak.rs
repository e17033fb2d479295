//! Prints what one core can do: GFLOP/s and the name of the instructions that reach them; then a line of GB/s for each
//! size in bytes that is an argument.

mod machine;

fn main() {
    let (gflops, name) = machine::arithmetic();
    println!("{gflops:.1} {name}");
    for size in std::env::args().skip(1) {
        println!("{:.1}", machine::bandwidth(size.parse().expect("bytes")));
    }
}
