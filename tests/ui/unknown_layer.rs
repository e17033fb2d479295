nnc::network! {
    model Small {
        input [4]
        danse(3)
    }
}

fn main() {}
