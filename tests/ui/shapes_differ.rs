nnc::network! {
    model Small {
        input features: [4]
        let left = features -> dense(3)
        let right = features -> dense(2)
        add(left, right)
    }
}

fn main() {}
