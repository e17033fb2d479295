//! Which classes were taken for which.

/// Counts of samples by their class and the class they were taken for.
///
/// ```
/// use nnc_runtime::metrics::ConfusionMatrix;
///
/// let mut matrix = ConfusionMatrix::new(2);
/// matrix.add(0, 0);
/// matrix.add(1, 0);
/// assert_eq!(matrix.get(1, 0), 1);
/// assert_eq!(matrix.recall(1), Some(0.0));
/// println!("{}", matrix.table(&["cat".into(), "dog".into()]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// An empty matrix for a number of classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts a sample of class `actual` that was taken for `predicted`. A class out of range is not counted.
    pub fn add(&mut self, actual: usize, predicted: usize) {
        if let Some(place) = self.place(actual, predicted) {
            self.counts[place] += 1;
        }
    }

    /// Samples of class `actual` that were taken for `predicted`; 0 for classes out of range.
    pub fn get(&self, actual: usize, predicted: usize) -> u64 {
        self.place(actual, predicted).map_or(0, |place| self.counts[place])
    }

    /// Where a count is, if both are classes.
    fn place(&self, actual: usize, predicted: usize) -> Option<usize> {
        (actual < self.classes && predicted < self.classes).then(|| actual * self.classes + predicted)
    }

    /// Forgets all counts.
    pub fn reset(&mut self) {
        self.counts.fill(0);
    }

    /// Samples counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of the samples of `class` that were found; `None` without samples.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let all: u64 = (0..self.classes).map(|predicted| self.get(class, predicted)).sum();
        (all > 0).then(|| self.get(class, class) as f64 / all as f64)
    }

    /// Share of the samples taken for `class` that are of it; `None` if there are none.
    pub fn precision(&self, class: usize) -> Option<f64> {
        let all: u64 = (0..self.classes).map(|actual| self.get(actual, class)).sum();
        (all > 0).then(|| self.get(class, class) as f64 / all as f64)
    }

    /// As text: a row for each class, a column for each class it was taken for, and the share that was found.
    /// Classes without a name are called by their index; what would leave the line in a name is written as in Rust, `\n`.
    pub fn table(&self, names: &[String]) -> String {
        let name = |class: usize| match names.get(class) {
            Some(name) if name.chars().any(char::is_control) => name.escape_debug().to_string(),
            Some(name) => name.clone(),
            None => class.to_string(),
        };
        let heads: Vec<String> = (0..self.classes).map(name).collect();
        let first = "actual \\ predicted";
        let left = heads.iter().map(|head| width(head)).chain([first.len()]).max().unwrap_or(0);
        let widest = self.counts.iter().map(|count| count.to_string().len()).max().unwrap_or(1);
        let columns: Vec<usize> = heads.iter().map(|head| width(head).max(widest)).collect();

        let mut text = pad_right(first, left);
        for (head, &column) in heads.iter().zip(&columns) {
            text.push_str("  ");
            text.push_str(&pad_left(head, column));
        }
        text.push_str("  recall\n");
        for (actual, head) in heads.iter().enumerate() {
            text.push_str(&pad_right(head, left));
            for (predicted, &column) in columns.iter().enumerate() {
                text.push_str("  ");
                text.push_str(&pad_left(&self.get(actual, predicted).to_string(), column));
            }
            let recall = self.recall(actual).map_or_else(|| "-".to_owned(), |recall| format!("{recall:.3}"));
            text.push_str(&format!("  {recall:>6}\n"));
        }
        text
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad_left(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

fn pad_right(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}
