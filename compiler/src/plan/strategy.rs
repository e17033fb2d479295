//! How an operator is computed, and why.

use std::collections::BTreeSet;

use crate::graph::{Graph, Op};
use crate::program::Storage;

/// Products in one layer and direction up to which the code is written out.
///
/// A statement holds one output; with 512 products a function stays well under the thousand statements at which
/// rustc's time starts to grow faster than the code.
pub const PRODUCTS_UNROLLED: usize = 512;

/// Products of all layers of a model, in one direction, whose code is written out: beyond it rustc, which compiles them in
/// three directions, takes longer than anybody waits for.
const MODEL_PRODUCTS_UNROLLED: usize = 8 * PRODUCTS_UNROLLED;

/// Bytes of weights above which the loops are blocked for the cache.
const BLOCKED_BYTES: usize = 1 << 20;

/// Inputs of a block.
const BLOCK: usize = 256;

/// How an operator is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    /// The kind.
    pub kind: StrategyKind,
    /// Why, for the comment over the function.
    pub reason: String,
}

/// Kinds of strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyKind {
    /// Straight-line code.
    Unrolled,
    /// Loops round a register tile.
    Tiled,
    /// The same tile, over blocks of this many inputs or outputs that stay in the cache.
    Blocked(usize),
    /// A convolution in tiles of two times two places with fewer products, in so many rows of memory for a group.
    Winograd(usize),
    /// The same tile, over operands that are copied together first, in so many rows of memory for a group.
    Gathered(usize),
    /// A plain loop over rows.
    Loop,
    /// Made by the operator before it, which looks at the same operand.
    Beside,
}

/// What the user asked for with `unroll =`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unroll {
    /// As the size suggests.
    Auto,
    /// Straight-line code, up to the size that rustc can bear.
    Full,
    /// Loops.
    None,
}

impl Unroll {
    /// The choice with this name.
    pub fn parse(word: &str) -> Self {
        match word {
            "full" => Self::Full,
            "none" => Self::None,
            _ => Self::Auto,
        }
    }
}

impl Strategy {
    /// A strategy and its reason.
    pub fn new(kind: StrategyKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// A plain loop.
    pub fn rows() -> Self {
        Self::new(StrategyKind::Loop, "one pass over the rows")
    }
}

impl StrategyKind {
    /// Rows of memory that it needs for each group of samples besides its operands and its value, which has `len` numbers a
    /// sample.
    pub fn partial(self, len: usize) -> Option<usize> {
        match self {
            Self::Blocked(_) => Some(len),
            Self::Winograd(rows) | Self::Gathered(rows) => Some(rows),
            Self::Unrolled | Self::Tiled | Self::Loop | Self::Beside => None,
        }
    }
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            StrategyKind::Unrolled => write!(f, "unrolled: {}", self.reason),
            StrategyKind::Tiled | StrategyKind::Gathered(_) => write!(f, "tiled: {}", self.reason),
            StrategyKind::Blocked(size) => write!(f, "blocked by {size}: {}", self.reason),
            StrategyKind::Winograd(_) => write!(f, "Winograd: {}", self.reason),
            StrategyKind::Loop | StrategyKind::Beside => write!(f, "{}", self.reason),
        }
    }
}

/// The products of a layer up to which its code is written out in this model: as many as one layer may have, or so few that
/// all that are written out are not too many together.
pub fn most_unrolled(graph: &Graph) -> usize {
    let mut products = Vec::new();
    // Layers of a block that have one size share a function.
    let mut shared = BTreeSet::new();
    for node in &graph.nodes {
        let Op::Operator(op) = &node.op else { continue };
        if let Some(n) = op.products_unrolled(node)
            && (!graph.layer(node.layer).name.contains('.') || shared.insert((n, node.len())))
        {
            products.push(n);
        }
    }
    most_of(products)
}

fn most_of(mut products: Vec<usize>) -> usize {
    products.retain(|n| *n <= PRODUCTS_UNROLLED);
    products.sort_unstable();
    let (mut total, mut most) = (0, 0);
    for same in products.chunk_by(|a, b| a == b) {
        total += same.iter().sum::<usize>();
        if total > MODEL_PRODUCTS_UNROLLED {
            return most;
        }
        most = same.first().copied().unwrap_or_default();
    }
    PRODUCTS_UNROLLED
}

/// The strategy for a product with an `outputs` x `inputs` matrix, which is written out up to so many products.
pub fn matrix_strategy(
    inputs: usize,
    outputs: usize,
    unroll: Unroll,
    most: usize,
    storage: Storage,
) -> Strategy {
    let products = inputs * outputs;
    let sum = format!("{inputs} x {outputs} = {} products", thousands(products));
    // Numbers of sixteen bits are widened a block at a time.
    if storage == Storage::Bf16 {
        let reason = format!("{sum}, {} KiB of weights in bf16", thousands(products * 2 / 1024));
        return Strategy::new(StrategyKind::Blocked(BLOCK), reason);
    }
    // Above four times the budget rustc would take too long for one function, whatever was asked for.
    match unroll {
        Unroll::Full if products <= 4 * PRODUCTS_UNROLLED => {
            return Strategy::new(StrategyKind::Unrolled, format!("{sum}, as asked for"));
        }
        Unroll::Auto if products <= most => return Strategy::new(StrategyKind::Unrolled, sum),
        _ => {}
    }
    if products * 4 > BLOCKED_BYTES {
        let reason = format!("{sum}, {} KiB of weights", thousands(products * 4 / 1024));
        Strategy::new(StrategyKind::Blocked(BLOCK), reason)
    } else if unroll == Unroll::None {
        Strategy::new(StrategyKind::Tiled, format!("{sum}, not unrolled as asked for"))
    } else if most < PRODUCTS_UNROLLED && products <= PRODUCTS_UNROLLED {
        let reason = format!("{sum}, more than {most}: the model has many layers");
        Strategy::new(StrategyKind::Tiled, reason)
    } else {
        Strategy::new(StrategyKind::Tiled, format!("{sum}, more than {PRODUCTS_UNROLLED}"))
    }
}

/// A number with a comma between thousands.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_layers_are_written_out_up_to_fewer_products() {
        assert_eq!(most_of(vec![]), PRODUCTS_UNROLLED);
        assert_eq!(most_of(vec![512; 8]), PRODUCTS_UNROLLED);
        // One too many of them: all of one size are alike.
        assert_eq!(most_of(vec![512; 9]), 0);
        assert_eq!(most_of([[512; 9].as_slice(), &[100; 40]].concat()), 100);
        // Layers that are too large by themselves are not written out, and count for nothing.
        assert_eq!(most_of([[512; 8].as_slice(), &[513; 40]].concat()), PRODUCTS_UNROLLED);
    }
}
