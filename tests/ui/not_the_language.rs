nnc::network! {
    model Small {
        input [4]
        dense(3) => relu
    }
}

nnc::network! {}

nnc::network!("tests/ui/missing.nn", hidden: 3);

fn main() {}
