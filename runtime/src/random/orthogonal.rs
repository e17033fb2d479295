//! Matrices whose rows or columns are orthonormal.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::math64;

/// A matrix `[rows, columns]`, row-major, whose rows are orthonormal, or whose columns are where there are more rows
/// than columns. `normal` gives standard normal numbers by index; the matrix is then uniform among all such.
///
/// It is the factor Q of a normal matrix, with positive signs on the diagonal of R, as `torch.nn.init.orthogonal_`
/// makes it (Saxe, McClelland, Ganguli 2014). The shorter vectors that it is made of, `min(rows, columns)` many, are
/// orthogonalized in order (modified Gram-Schmidt), and one that all but vanishes is drawn again from further numbers.
pub fn orthogonal(rows: usize, columns: usize, normal: impl Fn(u64) -> f64) -> Box<[f64]> {
    let (count, len) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<f64> = vec![0.0; count * len];
    let mut drawn = 0;
    for made in 0..count {
        let (before, rest) = vectors.split_at_mut(made * len);
        let vector = &mut rest[..len];
        loop {
            for value in vector.iter_mut() {
                *value = normal(drawn);
                drawn += 1;
            }
            let length = math64::sqrt(dot(vector, vector));
            for earlier in before.chunks_exact(len) {
                let part = dot(vector, earlier);
                for (value, earlier) in vector.iter_mut().zip(earlier) {
                    *value -= part * earlier;
                }
            }
            let left = math64::sqrt(dot(vector, vector));
            // What is left of a vector that lies among the earlier ones is their rounding.
            if left > length * 1e-8 {
                vector.iter_mut().for_each(|value| *value /= left);
                break;
            }
        }
    }
    let mut matrix = vec![0.0; rows * columns].into_boxed_slice();
    for (n, vector) in vectors.chunks_exact(len.max(1)).enumerate() {
        for (m, value) in vector.iter().enumerate() {
            let at = if rows > columns { m * columns + n } else { n * columns + m };
            matrix[at] = *value;
        }
    }
    matrix
}

/// Eight sums at once, in an order that no machine changes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use super::orthogonal;
    use crate::Rng;

    fn matrix(rows: usize, columns: usize, stream: u64) -> Box<[f64]> {
        let rng = Rng::new(9, stream);
        orthogonal(rows, columns, |index| rng.normal(index))
    }

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for (rows, columns) in [(1, 1), (1, 7), (7, 1), (3, 3), (4, 9), (9, 4), (17, 16), (64, 64), (40, 100)]
        {
            let q = matrix(rows, columns, 1);
            let (count, len) = (rows.min(columns), rows.max(columns));
            let at =
                |n: usize, m: usize| if rows > columns { q[m * columns + n] } else { q[n * columns + m] };
            for a in 0..count {
                for b in 0..=a {
                    let product: f64 = (0..len).map(|m| at(a, m) * at(b, m)).sum();
                    let expected = f64::from(u8::from(a == b));
                    assert!((product - expected).abs() < 1e-12, "{rows}x{columns}: {a}, {b}: {product}");
                }
            }
        }
    }

    #[test]
    fn all_directions_are_as_likely() {
        // The first element of a uniform unit vector of n values has mean 0, mean square 1 / n.
        let n = 4000;
        let mean = |f: &dyn Fn(&[f64]) -> f64| (0..n).map(|k| f(&matrix(3, 5, k))).sum::<f64>() / n as f64;
        for at in [0, 7, 14] {
            assert!(mean(&|q| q[at]).abs() < 0.03);
            assert!((mean(&|q| q[at] * q[at]) - 0.2).abs() < 0.02);
        }
    }

    #[test]
    fn a_vector_among_the_earlier_ones_is_drawn_again() {
        let q = orthogonal(2, 2, |index| [1.0, 1.0, 2.0, 2.0, 1.0, -1.0][index as usize]);
        let half = 0.5f64.sqrt();
        for (value, expected) in q.iter().zip([half, half, half, -half]) {
            assert!((value - expected).abs() < 1e-15, "{q:?}");
        }
    }

    #[test]
    fn nothing_of_no_size() {
        assert!(matrix(0, 3, 1).is_empty() && matrix(3, 0, 1).is_empty());
    }
}
