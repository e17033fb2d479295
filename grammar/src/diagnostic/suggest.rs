//! "Did you mean": the known name that a misspelt one stands for.

/// Names longer than this are not compared letter by letter.
const MAX_LEN: usize = 64;

/// The name of `known` that is closest to `found`, if it is close enough to be meant.
///
/// Closeness is the Damerau-Levenshtein distance: letters added, dropped, changed, or swapped with their neighbour.
/// At most a third of the letters may be wrong, and always one. A name that differs in upper and lower case alone
/// wins. Of equally close names the first wins, so the order of `known` decides and nothing else.
///
/// ```
/// use nnc_grammar::diagnostic::closest;
///
/// assert_eq!(closest("rleu", ["tanh", "relu"]), Some("relu"));
/// assert_eq!(closest("ReLU", ["elu", "relu"]), Some("relu"));
/// assert_eq!(closest("dense", ["conv2d", "dropout"]), None);
/// ```
pub fn closest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = found.chars().take(MAX_LEN + 1).collect();
    if letters.is_empty() || letters.len() > MAX_LEN {
        return None;
    }
    let limit = (letters.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        if name == found {
            continue;
        }
        let distance = if name.eq_ignore_ascii_case(found) { 0 } else { distance_to(&letters, name, limit) };
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

fn distance_to(letters: &[char], name: &str, limit: usize) -> usize {
    let other: Vec<char> = name.chars().take(MAX_LEN + 1).collect();
    // A single letter is close to every other one: only longer names are guessed.
    if other.len().abs_diff(letters.len()) > limit || other.len().max(letters.len()) < 2 {
        return usize::MAX;
    }
    distance(letters, &other)
}

/// Optimal string alignment: no stretch of letters is edited twice.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, &a_letter) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        let mut left = row + 1;
        current.push(left);
        for (column, &b_letter) in b.iter().enumerate() {
            let cell = |line: &[usize], idx: usize| line.get(idx).copied().unwrap_or(usize::MAX - 1);
            let changed = cell(&above, column) + usize::from(a_letter != b_letter);
            let mut least = changed.min(cell(&above, column + 1) + 1).min(left + 1);
            let is_swap = row > 0
                && column > 0
                && a.get(row - 1) == Some(&b_letter)
                && b.get(column - 1) == Some(&a_letter);
            if is_swap {
                least = least.min(cell(&before, column - 1) + 1);
            }
            current.push(least);
            left = least;
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(a: &str, b: &str) -> usize {
        distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn counts_each_kind_of_edit_once() {
        assert_eq!(steps("relu", "relu"), 0);
        assert_eq!(steps("rel", "relu"), 1);
        assert_eq!(steps("rrelu", "relu"), 1);
        assert_eq!(steps("rexu", "relu"), 1);
        assert_eq!(steps("rleu", "relu"), 1);
        assert_eq!(steps("", "relu"), 4);
        assert_eq!(steps("kitten", "sitting"), 3);
    }

    #[test]
    fn a_third_of_the_letters_may_be_wrong() {
        assert_eq!(closest("sofmx", ["softmax"]), None);
        assert_eq!(closest("sofmax", ["softmax"]), Some("softmax"));
        assert_eq!(closest("crossentrpy", ["cross_entropy"]), Some("cross_entropy"));
        assert_eq!(closest("adm", ["adam"]), Some("adam"));
    }

    #[test]
    fn the_nearest_wins_and_ties_go_to_the_first() {
        assert_eq!(closest("sgc", ["sgd", "sgx"]), Some("sgd"));
        assert_eq!(closest("sgc", ["sgx", "sgd"]), Some("sgx"));
        assert_eq!(closest("momentun", ["momenta", "momentum"]), Some("momentum"));
    }

    #[test]
    fn case_alone_beats_a_letter() {
        assert_eq!(closest("ADAM", ["adem", "adam"]), Some("adam"));
    }

    #[test]
    fn single_letters_and_the_name_itself_suggest_nothing() {
        assert_eq!(closest("x", ["y"]), None);
        assert_eq!(closest("relu", ["relu"]), None);
        assert_eq!(closest("", ["relu"]), None);
    }
}
