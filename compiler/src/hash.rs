//! 128-bit FNV-1a: short, stable over versions, and enough to tell one model from another by accident.

/// The hash of a text, as 32 hexadecimal digits.
pub fn hash(text: &str) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_the_published_vectors() {
        assert_eq!(super::hash(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(super::hash("a"), "d228cb696f1a8caf78912b704e4a8964");
    }
}
