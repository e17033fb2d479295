//! Tables for people.

/// Rows in aligned columns, from column `right` on to the right; a line under the first row, which is the head.
pub fn columns<const N: usize>(rows: &[[String; N]], right: usize) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let padding = " ".repeat(width - cell.chars().count());
            if column >= right { format!("{padding}{cell}") } else { format!("{cell}{padding}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        if n == 0 {
            text.push_str(&format!("{}\n", "-".repeat(widths.iter().sum::<usize>() + 2 * (N - 1))));
        }
    }
    text
}
