nnc::network! {
    model Small {
        input [4]
        dense(3)
    }
}

fn main() {
    let small = Small::new(1);
    let _: [f32; 3] = small.predict(&[1.0, 2.0]);
    let _: [f32; 2] = small.predict(&[1.0, 2.0, 3.0, 4.0]);
}
