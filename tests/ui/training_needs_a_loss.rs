nnc::network! {
    model Small {
        input [4]
        dense(3)
    }
}

fn main() {
    let _ = Small::new(1).train_step(&[[1.0, 2.0, 3.0, 4.0]], &[0]);
}
