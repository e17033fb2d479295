//! What comes next in a text, as a model of characters says it: for `generate` and `predict`.
//!
//! A model is given the last characters, as many as it has positions. One that says at each position what comes next
//! may be given fewer: the rest is filled up behind them, so that a position must not look at those behind it, which is
//! true of recurrent networks and of `attention(causal = true)`.

use nnc_compiler::CompiledModel;
use nnc_runtime::Error;
use nnc_runtime::data::Schema;
use nnc_runtime::data::text::Vocabulary;
use nnc_runtime::model::{ModelInfo, TargetInfo};

use crate::engine::Network;
use crate::predict::ends_in_softmax;

/// A model of characters, with room for a window and for what it says of it.
pub struct Next {
    vocabulary: Vocabulary,
    /// Scores that it gives for a place.
    classes: usize,
    /// Whether it says at each position what comes next, and not behind the last alone.
    is_every: bool,
    /// Whether scores are probabilities already.
    pub is_probability: bool,
    x: Vec<f32>,
    out: Vec<f32>,
}

impl Next {
    /// Of a model with the names that training left with its weights.
    ///
    /// # Errors
    /// E0416 when it is no model of characters, or was not trained on a text.
    pub fn new(model: &CompiledModel, info: &ModelInfo, schema: &Schema) -> Result<Self, Error> {
        let (classes, is_every) = match info.target() {
            Some(TargetInfo::Positions { classes, positions }) if positions == info.input_len() => {
                (classes, true)
            }
            Some(TargetInfo::Class { classes }) if info.tokens().is_some() => (classes, false),
            _ => {
                let message = format!("model `{}` does not say what follows on its positions", info.name);
                return Err(Error::new("E0416", message).help(
                    "text is made with a model of `[positions, characters]`, such as examples/zoo/char_gpt",
                ));
            }
        };
        let Some(vocabulary) = Vocabulary::of_classes(schema.classes()) else {
            let message = "the weights say nothing of characters: they were not trained on a text";
            return Err(Error::new("E0416", message).help("train with `data { text \"plays.txt\" }`"));
        };
        let (x, out) = (vec![0.0; info.input_len()], vec![0.0; info.output_len()]);
        Ok(Self { vocabulary, classes, is_every, is_probability: ends_in_softmax(model, 0), x, out })
    }

    /// The characters that it knows, in the order of its scores.
    pub fn chars(&self) -> &[char] {
        self.vocabulary.chars()
    }

    /// The tokens of a text; `what` is the text, in messages.
    ///
    /// # Errors
    /// E0416 for a character that it does not know, and for fewer characters than it needs.
    pub fn tokens(&self, text: &str, what: &str) -> Result<Vec<u32>, Error> {
        let tokens = self.vocabulary.tokens(text).map_err(|(place, char)| {
            let known: String = self.chars().iter().collect();
            let message = format!("character {} of {what}, {char:?}, is not in the vocabulary", place + 1);
            Error::new("E0416", message).help(format!("the model knows {known:?}"))
        })?;
        let least = if self.is_every { 1 } else { self.x.len() };
        if tokens.len() < least {
            let message =
                format!("{what} has {} of the {least} characters that the model goes on from", tokens.len());
            return Err(Error::new("E0416", message).help("give it more of the text"));
        }
        Ok(tokens)
    }

    /// A score for each character to come next after some tokens, of which the last are looked at.
    ///
    /// # Errors
    /// When the network does not take them.
    pub fn scores(&mut self, network: &Network, tokens: &[u32]) -> Result<&[f32], Error> {
        let window = tokens.get(tokens.len().saturating_sub(self.x.len())..).unwrap_or_default();
        self.x.fill(0.0);
        self.x.iter_mut().zip(window).for_each(|(value, token)| *value = *token as f32);
        network.predict_rows(&self.x, &mut self.out).map_err(Error::from)?;
        let at = if self.is_every { window.len().saturating_sub(1) * self.classes } else { 0 };
        let known = self.classes.min(self.vocabulary.chars().len());
        Ok(self.out.get(at..at + known).unwrap_or_default())
    }
}
