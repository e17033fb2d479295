//! Every code in one list. A code is never given a second meaning.

use super::Severity;

macro_rules! codes {
    ($($name:ident = $title:literal,)*) => {
        /// The code of a diagnostic: `E0203`, or `W0101` for a warning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// The code as text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it is about, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The code with this text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }
        }

        /// All codes in order.
        pub fn all_codes() -> &'static [Code] {
            &[$(Code::$name,)*]
        }
    };
}

codes! {
    // E01xx: syntax.
    E0101 = "unexpected text",
    E0102 = "empty file",
    E0103 = "nested too deeply",
    E0104 = "invalid number",
    E0105 = "unclosed bracket or string",
    E0106 = "source file too large",
    // E02xx: names and arguments.
    E0201 = "unknown layer, activation or block",
    E0202 = "unknown argument",
    E0203 = "missing argument",
    E0204 = "argument of the wrong kind",
    E0205 = "argument out of range",
    E0206 = "name defined twice",
    E0207 = "unknown name in an expression",
    E0208 = "definition that calls itself",
    E0209 = "unknown key in a data or train section",
    E0210 = "missing input",
    E0211 = "unknown loss",
    E0212 = "unknown optimizer",
    E0213 = "unknown initializer",
    E0214 = "metric that is unknown, or not for the targets",
    E0215 = "too many arguments",
    E0216 = "statement that has no place here",
    E0217 = "invalid definition",
    E0218 = "unknown model parameter",
    E0219 = "value used before it is defined",
    E0220 = "more than one model",
    E0221 = "no model",
    E0222 = "file that uses itself",
    E0223 = "setting for no parameter",
    E0224 = "allowing what is no warning",
    E0230 = "label that an imported model does not have",
    E0231 = "label of two different layers",
    // E03xx: shapes.
    E0301 = "invalid shape",
    E0302 = "wrong number of inputs",
    E0303 = "wrong rank",
    E0304 = "inputs differ in shape",
    E0305 = "loss does not fit the output",
    E0306 = "residual cannot be joined",
    E0307 = "layer fitted to the data is not at an input",
    E0308 = "channels cannot be divided",
    E0310 = "state of the wrong size",
    E0320 = "value does not fit an imported model",
    E0321 = "embedding of what is no input of tokens",
    E0322 = "heads that cannot share the features",
    // E04xx: training and data.
    E0401 = "model without a loss",
    E0402 = "model without an optimizer",
    E0403 = "model without data",
    E0404 = "parameter that gets no gradient",
    E0405 = "gradient is not defined",
    E0406 = "column not found",
    E0407 = "value that is not a number",
    E0408 = "missing value",
    E0409 = "class never seen in training",
    E0410 = "fewer rows than a batch",
    E0411 = "value that is not finite",
    E0412 = "loss is not finite",
    E0413 = "weights of another model",
    E0414 = "file cannot be read",
    E0415 = "damaged file",
    E0416 = "data does not fit the input",
    E0417 = "file cannot be written",
    E0418 = "interrupted",
    E0419 = "checkpoint cannot be resumed",
    E0420 = "warm-up longer than training",
    E0421 = "carried state where samples do not follow one another",
    E0430 = "frozen import without weights",
    // E05xx: limits, and what is not supported.
    E0501 = "not supported",
    E0502 = "model too large",
    E0503 = "compiler error",
    E0504 = "emitted code cannot be compiled",
    // Wxxxx: warnings and notes.
    W0101 = "fused into a stable form",
    W0102 = "unused definition",
    W0103 = "label has no parameters",
    W0104 = "saturating activations stacked deep",
    W0105 = "initializer that does not fit",
    W0106 = "softmax taken twice",
    W0107 = "loss of values behind a softmax",
    W0108 = "bias without effect",
    W0109 = "inputs of very different scale",
    W0110 = "loss of values for classes",
    W0111 = "storage without effect",
    // W02xx: what is noticed while a model is trained.
    W0201 = "dead units",
    W0202 = "vanishing gradient",
    W0203 = "exploding gradient",
    W0204 = "saturated units",
}

impl Code {
    /// Whether a text cannot be read as the language.
    pub fn is_syntax(self) -> bool {
        self.as_str().starts_with("E01")
    }

    /// Errors start with `E`, warnings with `W`.
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('E') { Severity::Error } else { Severity::Warning }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
