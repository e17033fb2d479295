nnc::network! {
    /// Doc comments keep the places right.
    pub model Small {
        input [4]
        hidden: dense(8) -> rellu
        dense(3) // and so do others
        softmaxx
    }
}

fn main() {}
