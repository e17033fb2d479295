//! Trains a model that the build script has compiled: `cargo run --release -p nnc-example-build-rs`.

#![allow(clippy::print_stdout)]

nnc::include_model!("ring");

/// Points along each side of the square.
const SIDE: u8 = 24;
const BATCH: usize = 64;
const EPOCHS: usize = 100;

/// Points on a grid over a square, and the class of each: 1 in the ring, else 0.
fn grid() -> (Vec<[f32; 2]>, Vec<u32>) {
    let at = |n: u8| 2.0 * f32::from(n) / f32::from(SIDE - 1) - 1.0;
    let points: Vec<[f32; 2]> =
        (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| [at(row), at(column)])).collect();
    let classes = points.iter().map(|[x, y]| u32::from((0.16..0.64).contains(&(x * x + y * y)))).collect();
    (points, classes)
}

/// A stride that reaches every point once and far from the last one: an order as good as shuffled.
fn shuffled<T: Copy>(items: &[T]) -> Vec<T> {
    const STRIDE: usize = 367;
    (0..items.len()).filter_map(|n| items.get(n * STRIDE % items.len()).copied()).collect()
}

/// The share of points that the model finds the class of.
fn accuracy(ring: &Ring, points: &[[f32; 2]], classes: &[u32]) -> f64 {
    let is_right = |(point, class): &(&[f32; 2], &u32)| {
        let [out, inside] = ring.predict(point);
        u32::from(inside > out) == **class
    };
    points.iter().zip(classes).filter(is_right).count() as f64 / points.len() as f64
}

fn train(epochs: usize, mut report: impl FnMut(usize, f32)) -> Result<f64, nnc::StepError> {
    let (points, classes) = grid();
    let (points, classes) = (shuffled(&points), shuffled(&classes));
    let mut ring = Ring::new(7);
    for epoch in 1..=epochs {
        let mut loss = 0.0;
        for (x, y) in points.chunks(BATCH).zip(classes.chunks(BATCH)) {
            loss += ring.train_step(x, y)? * x.len() as f32 / points.len() as f32;
        }
        report(epoch, loss);
    }
    Ok(accuracy(&ring, &points, &classes))
}

fn main() -> Result<(), nnc::StepError> {
    let accuracy = train(EPOCHS, |epoch, loss| {
        if epoch % 20 == 0 {
            println!("epoch {epoch:>3}  loss {loss:.4}");
        }
    })?;
    println!("accuracy {accuracy:.3}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BATCH, EPOCHS, Ring, grid, shuffled, train};

    /// The same file through the other door.
    mod by_macro {
        nnc::network!("models/ring.nn");
    }

    #[test]
    fn the_ring_is_learned() -> Result<(), nnc::StepError> {
        let accuracy = train(EPOCHS, |_, _| ())?;
        assert!(accuracy > 0.95, "{accuracy}");
        Ok(())
    }

    #[test]
    fn build_script_and_macro_make_the_same_model() -> Result<(), nnc::StepError> {
        let (points, classes) = grid();
        let (points, classes) = (shuffled(&points), shuffled(&classes));
        let (mut built, mut expanded) = (Ring::new(3), by_macro::Ring::new(3));
        for (x, y) in points.chunks(BATCH).zip(classes.chunks(BATCH)) {
            assert_eq!(built.train_step(x, y)?.to_bits(), expanded.train_step(x, y)?.to_bits());
        }
        for point in &points {
            assert_eq!(built.predict(point).map(f32::to_bits), expanded.predict(point).map(f32::to_bits));
        }
        Ok(())
    }
}
