//! How an operator is computed, and why.

/// Products in one layer and direction up to which the code is written out.
///
/// A statement holds one output; with 512 products a function stays well under the thousand statements at which
/// rustc's time starts to grow faster than the code.
pub const PRODUCTS_UNROLLED: usize = 512;

/// Bytes of weights above which the loops are blocked for the cache.
const BLOCKED_BYTES: usize = 1 << 20;

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
    /// A plain loop over rows.
    Loop,
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

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            StrategyKind::Unrolled => write!(f, "unrolled: {}", self.reason),
            StrategyKind::Tiled => write!(f, "tiled: {}", self.reason),
            StrategyKind::Blocked(size) => write!(f, "blocked by {size}: {}", self.reason),
            StrategyKind::Loop => write!(f, "{}", self.reason),
        }
    }
}

/// The strategy for a product with an `outputs` x `inputs` matrix.
pub fn matrix_strategy(inputs: usize, outputs: usize, unroll: Unroll) -> Strategy {
    let products = inputs * outputs;
    let sum = format!("{inputs} x {outputs} = {} products", thousands(products));
    // Above four times the budget rustc would take too long for one function, whatever was asked for.
    match unroll {
        Unroll::Full if products <= 4 * PRODUCTS_UNROLLED => {
            return Strategy::new(StrategyKind::Unrolled, format!("{sum}, as asked for"));
        }
        Unroll::Auto if products <= PRODUCTS_UNROLLED => return Strategy::new(StrategyKind::Unrolled, sum),
        _ => {}
    }
    if products * 4 > BLOCKED_BYTES {
        let reason = format!("{sum}, {} KiB of weights", thousands(products * 4 / 1024));
        Strategy::new(StrategyKind::Blocked(256), reason)
    } else if unroll == Unroll::None {
        Strategy::new(StrategyKind::Tiled, format!("{sum}, not unrolled as asked for"))
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
