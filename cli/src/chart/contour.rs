//! Lines of equal height on a grid: marching squares.

use std::collections::BTreeMap;

/// An edge between two neighbours of the grid: the lower left of them, and whether it goes up.
type Edge = (usize, usize, bool);

/// The lines on which a grid of `columns` columns has the value `level`, in units of the grid.
///
/// Each piece crosses one square from edge to edge; pieces that share an edge are joined.
pub fn lines(values: &[f64], columns: usize, level: f64) -> Vec<Vec<(f64, f64)>> {
    let rows = values.len() / columns.max(1);
    let value = |column: usize, row: usize| values.get(row * columns + column).copied().unwrap_or(f64::NAN);
    let mut pieces: Vec<(Edge, Edge)> = Vec::new();
    for row in 0..rows.saturating_sub(1) {
        for column in 0..columns.saturating_sub(1) {
            let corners = [
                value(column, row),
                value(column + 1, row),
                value(column + 1, row + 1),
                value(column, row + 1),
            ];
            if corners.iter().any(|corner| !corner.is_finite()) {
                continue;
            }
            // Below, right, above, left: each between two corners that follow each other.
            let edges: [Edge; 4] = [
                (column, row, false),
                (column + 1, row, true),
                (column, row + 1, false),
                (column, row, true),
            ];
            let is_above = corners.map(|corner| corner >= level);
            let crossed: Vec<Edge> = (0..4)
                .filter(|n| is_above.get(*n) != is_above.get((*n + 1) % 4))
                .filter_map(|n| edges.get(n).copied())
                .collect();
            match crossed.as_slice() {
                [a, b] => pieces.push((*a, *b)),
                // A saddle: which corners belong together is decided by the middle of the square.
                [a, b, c, d] => {
                    let middle = corners.iter().sum::<f64>() / 4.0 >= level;
                    let is_first_above = is_above.first().copied().unwrap_or(false);
                    if middle == is_first_above {
                        pieces.extend([(*a, *b), (*c, *d)]);
                    } else {
                        pieces.extend([(*d, *a), (*b, *c)]);
                    }
                }
                _ => {}
            }
        }
    }
    let place = |(column, row, is_up): Edge| {
        let (here, there) =
            (value(column, row), if is_up { value(column, row + 1) } else { value(column + 1, row) });
        let share = if there == here { 0.5 } else { ((level - here) / (there - here)).clamp(0.0, 1.0) };
        let (x, y) = (column as f64, row as f64);
        if is_up { (x, y + share) } else { (x + share, y) }
    };
    joined(&pieces).into_iter().map(|line| line.into_iter().map(place).collect()).collect()
}

/// Pieces put end to end.
fn joined(pieces: &[(Edge, Edge)]) -> Vec<Vec<Edge>> {
    let mut at: BTreeMap<Edge, Vec<usize>> = BTreeMap::new();
    for (n, (a, b)) in pieces.iter().enumerate() {
        at.entry(*a).or_default().push(n);
        at.entry(*b).or_default().push(n);
    }
    let mut is_used = vec![false; pieces.len()];
    let mut take = |edge: Edge| -> Option<Edge> {
        let n = at.get(&edge)?.iter().copied().find(|n| is_used.get(*n) == Some(&false))?;
        *is_used.get_mut(n)? = true;
        let (a, b) = pieces.get(n)?;
        Some(if *a == edge { *b } else { *a })
    };
    let mut lines = Vec::new();
    for (start, _) in pieces {
        let mut line = Vec::new();
        // In one direction to its end, and then in the other.
        for _ in 0..2 {
            line.reverse();
            let mut edge = line.last().copied().unwrap_or(*start);
            while let Some(next) = take(edge) {
                if line.is_empty() {
                    line.push(edge);
                }
                line.push(next);
                edge = next;
            }
        }
        if line.len() > 1 {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_circle_is_one_closed_line() {
        let n = 41;
        let values: Vec<f64> = (0..n * n)
            .map(|k| {
                let (x, y) = ((k % n) as f64 - 20.0, (k / n) as f64 - 20.0);
                x * x + y * y
            })
            .collect();
        let found = lines(&values, n, 100.0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].first(), found[0].last(), "closed");
        for (x, y) in &found[0] {
            let radius = ((x - 20.0).powi(2) + (y - 20.0).powi(2)).sqrt();
            assert!((radius - 10.0).abs() < 0.1, "{radius}");
        }
    }

    #[test]
    fn a_slope_is_one_open_line_and_a_saddle_two() {
        let slope: Vec<f64> = (0..16).map(|k| f64::from(k % 4)).collect();
        let found = lines(&slope, 4, 1.5);
        assert_eq!(found.len(), 1);
        assert!(found[0].iter().all(|(x, _)| (x - 1.5).abs() < 1e-12));
        assert_eq!(found[0].len(), 4);
        assert_eq!(lines(&[1.0, 0.0, 0.0, 1.0], 2, 0.6).len(), 2);
        assert!(lines(&[1.0, f64::NAN, 0.0, 1.0], 2, 0.6).is_empty());
        assert!(lines(&[], 0, 0.6).is_empty());
    }
}
